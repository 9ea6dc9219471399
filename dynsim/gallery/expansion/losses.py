"""What is computed: the losses, their first orders and variances, and what training makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.errors import bad
from dynsim.gallery.figure import concluded
from dynsim.gallery.trained_networks import seed_count
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.verdict import Verdict

if TYPE_CHECKING:
    from dynsim.networks import Experiment

STRENGTHS = 2.0 ** -np.arange(0.0, 8.0)
FITTED = 5  # the smaller strengths, over which orders are fitted
NETWORKS: dict[str, dict[str, Any]] = {
    "linear": {"encoder": "linear", "norm": "none"},
    "tanh": {"encoder": "mlp-tanh"},
    "ReLU": {"encoder": "mlp"},
}
# Augmentation, and whether every displacement comes with its opposite.
VIEWS: dict[str, tuple[Mapping[str, float], bool]] = {
    "noise": ({"noise": 0.2}, True),
    "erasing": ({"erasing": 3.0}, False),
    "erasing, mirrored": ({"erasing": 3.0}, True),
    "all six": ({"rotation": 15.0, "scale": 0.15, "shift": 1.0, "contrast": 0.3, "noise": 0.1, "erasing": 3.0}, False),
}
NUMBERS = (2, 4, 8, 16, 32)
TRAINED: dict[str, dict[str, Any]] = {
    "two views": {"branch": "full"},
    "two views, stop-gradient, 2 lr": {"lr": 2.0},
    "optimal target of 16 views, 2 lr": {"objective": "alternating", "views": 17, "lr": 2.0},
    "two views, stop-gradient and predictor": {"predictor": "linear"},
}  # lr relative to that of the first


def compute(
    progress: Progress | None = None,
    *,
    seeds: int | None = None,
    steps: int = 300,
    data: Any = "digits",
    images: int = 40,
    views: int = 64,
    many: int = 1024,
    full: bool = False,
) -> xr.Dataset:
    """Compare losses, variances and training runs with what first order says of them.

    A view at strength ε is x + ε(T x − x): every augmentation, also one without a strength of its own, goes to
    nothing, and each curve uses the same displacements at all strengths.

    Parameters
    ----------
    progress : callable, optional
    seeds : int, optional
        5 by default.
    steps : int
        Of the trained networks; those of stage `random` have none.
    data : str or images
        As `dynsim.networks.Experiment` takes them.
    images, views : int
        Images, and views of each, behind every loss.
    many : int
        Views of each image behind variances.
    full : bool
        10 seeds.

    Returns
    -------
    xarray.Dataset
        Over `stage`, `network`, `augmentation`, `strength`, `seed`: `optimal_error`, relative error of
        E‖J(T x − x̄)‖² for E‖F(T x) − E_T F(T x)‖², and `pair_error`, that of E‖J(T₁x − T₂x)‖² for
        E‖F(T₁x) − F(T₂x)‖² with other pairs. Over `stage`, `network`, `augmentation`, `seed`: `variance_ratio` of
        half the second to the first by the identity, `variance_measured` of independent pairs, `identity_error` over
        all pairs of a sample. Over `estimate`, `views`, `seed`: `factor` of the second to the first. Over `trained`,
        `seed`, `step`: `norm_ratio`.
    """
    from dynsim.networks import Experiment, fit

    seeds = seed_count(seeds, full)
    base = Experiment(data=data, dtype="float64", measures=(), every=max(1, steps))
    stages, done, total = {"random": 0, "trained": steps}, 0, 2 * len(NETWORKS) + 1
    rows = []
    for stage, number in stages.items():
        cells = []
        for name, fields in NETWORKS.items():
            trained = fit(base.but(steps=number, **fields), seeds)
            cells.append(xr.concat([_cell(trained, base, view, images, views, many) for view in VIEWS], _axis(VIEWS)))
            done += 1
            if progress:
                progress(done, total, f"{stage} {name}")
        rows.append(xr.concat(cells, _named("network", NETWORKS)))
    found = xr.concat(rows, _named("stage", stages))
    found["factor"] = _factors(trained, images)
    found["norm_ratio"] = _training(base, seeds, steps)
    about = {"steps": steps, "images": images, "experiment": base.to_dict()}
    return stamp(found.drop_attrs(), "torch", "scikit-learn", **about)


def _named(name: str, values: Any) -> xr.DataArray:
    return xr.DataArray(list(values), dims=name, name=name)


def _axis(values: Any) -> xr.DataArray:
    return _named("augmentation", values)


def _displacements(base: Experiment, view: str, pictures: np.ndarray, number: int) -> np.ndarray:
    """T x − x, (number, images, …)."""
    from dynsim.networks import fit

    source = fit(base.but(augmentation=VIEWS[view][0], steps=0), 1)
    return source.views(pictures, number).numpy() - pictures


def _cell(trained: Any, base: Experiment, view: str, images: int, views: int, many: int) -> xr.Dataset:
    """Errors and variances of one network under one augmentation."""
    mirrored = VIEWS[view][1]
    pictures = trained.images.train[:images]
    moved = _displacements(base, view, pictures, views // 2 if mirrored else views)
    moved = np.concatenate([moved, -moved]) if mirrored else moved  # a sample that is exactly symmetric
    partner = partners(views, mirrored)
    linear = trained.directional_derivative(pictures, moved).numpy()
    errors: dict[str, list[np.ndarray]] = {"optimal_error": [], "pair_error": []}
    for strength in STRENGTHS:
        features = _features(trained, pictures + strength * moved)
        for name, loss in (("optimal_error", optimal_loss), ("pair_error", lambda z: pair_loss(z, partner))):
            exact, first_order = loss(features), strength**2 * loss(linear)
            errors[name].append(np.abs(first_order - exact) / exact)
    told: dict[str, Any] = {name: (("strength", "seed"), values) for name, values in errors.items()}
    few = pictures[: max(4, images // 4)]
    moved = _displacements(base, view, few, many)
    if mirrored:
        moved *= np.random.default_rng(0).choice([-1.0, 1.0], size=(*moved.shape[:2], 1, 1, 1))
    linear = trained.directional_derivative(few, moved).numpy()
    told |= {name: ("seed", value) for name, value in _variances(linear).items()}
    return xr.Dataset(told, {"strength": STRENGTHS, "seed": trained.dataset["seed"].values})


def _features(trained: Any, pictures: np.ndarray) -> np.ndarray:
    """F of pictures (views, images, …): (seeds, views, images, dim)."""
    flat = trained.features(pictures.reshape(-1, *pictures.shape[2:])).numpy()
    return flat.reshape(len(flat), *pictures.shape[:2], -1)


def partners(views: int, mirrored: bool) -> np.ndarray:
    """Another view for each: the next one; where the second half mirrors the first, every other one changes halves."""
    if not mirrored:
        return np.roll(np.arange(views), -1)
    half = views // 2
    first = np.roll(np.arange(half), -1) + half * (np.arange(half) % 2)
    return np.concatenate([first, (first + half) % views])


def optimal_loss(z: np.ndarray) -> np.ndarray:
    """‖z − mean‖², averaged over views and images; z is (seeds, views, images, dim)."""
    return ((z - z.mean(1, keepdims=True)) ** 2).sum(-1).mean((1, 2))


def pair_loss(z: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """‖z₁ − z₂‖², averaged over pairs of views and images."""
    return ((z - z[:, partner]) ** 2).sum(-1).mean((1, 2))


def _variances(z: np.ndarray) -> dict[str, np.ndarray]:
    """Variances over views, averaged over images: the identity, and independent pairs."""
    centred = z - z.mean(1, keepdims=True)
    number = z.shape[1]
    size = (centred**2).sum(-1)  # (seeds, views, images)
    own = size.var(1).mean(-1)
    moment = np.einsum("svni,svnj->snij", centred, centred) / number
    trace = (moment**2).sum((-2, -1))  # tr C² of the sample as a distribution of its own
    unbiased = (number**2 * trace - (size**2).sum(1)) / (number * (number - 1))  # without pairs of a view with itself
    half = ((z - np.roll(z, 1, axis=1)) ** 2).sum(-1) / 2
    sample = centred[:, :64]
    sample = sample - sample.mean(1, keepdims=True)
    return {
        "variance_ratio": 0.5 + unbiased.mean(-1) / own,
        "variance_measured": half.var(1).mean(-1) / own,
        "identity_error": identity_error(sample),
    }


def identity_error(z: np.ndarray) -> np.ndarray:
    """Relative difference of the two sides of Var‖z₁ − z₂‖² = 2 Var‖z‖² + 4 tr(C²) over all pairs of a sample."""
    size = (z**2).sum(-1)
    inner = np.einsum("sani,sbni->sabn", z, z)
    distances = size[:, :, None] + size[:, None] - 2 * inner
    left = distances.var((1, 2))
    moment = np.einsum("svni,svnj->snij", z, z) / z.shape[1]
    right = 2 * size.var(1) + 4 * (moment**2).sum((-2, -1))
    return (np.abs(left - right) / right).max(-1)


def _factors(trained: Any, images: int) -> xr.DataArray:
    """E‖F(T₁x) − F(T₂x)‖² over estimates of E‖F(T x) − E_T F(T x)‖² from K views, without any expansion."""
    pictures, most = trained.images.train[: 4 * images], max(NUMBERS)
    z = _features(trained, trained.views(pictures, 2 * most).numpy())
    pairs = pair_loss(z, np.roll(np.arange(2 * most), 1))
    rows = []
    for number in NUMBERS:
        own, others = z[:, :number], z[:, most : most + number]
        from_others = ((own - others.mean(1, keepdims=True)) ** 2).sum(-1).mean((1, 2))
        inside = optimal_loss(own)
        rows.append(np.stack([pairs / value for value in (inside, from_others, inside * number / (number - 1))]))
    coordinates = {
        "views": list(NUMBERS),
        "estimate": ["mean of the same views", "mean of other views", "corrected"],
        "seed": trained.dataset["seed"].values,
    }
    return xr.DataArray(np.stack(rows), coordinates, ("views", "estimate", "seed"))


def _training(base: Experiment, seeds: int, steps: int) -> xr.DataArray:
    """Norm of the features of a linear encoder under squared error, in step with the flow time of the first run."""
    from dynsim.networks import train

    rows = []
    every = max(1, steps // 30)
    shared = {"encoder": "linear", "norm": "none", "objective": "squared", "predictor": "none"}
    for changes in TRAINED.values():
        fields = {**shared, **changes, "lr": 0.02 * changes.get("lr", 1.0)}
        here = base.but(steps=every * 30, every=every, measures=("norm_ratio",), **fields)
        rows.append(train(here, seeds)["norm_ratio"].drop_vars("time"))
    return xr.concat(rows, _named("trained", TRAINED))


def order(data: xr.Dataset, name: str = "optimal_error") -> xr.DataArray:
    """Slope of the logarithm of an error, averaged over seeds, over that of the strength; NaN where it is rounding."""
    small = data[name].mean("seed").isel(strength=slice(-FITTED, None))
    if small["strength"][0] < small["strength"][-1]:
        raise bad("strength", small["strength"].values, "falling strengths")
    measured = (small > 1e-12).all("strength")
    x = np.log(small["strength"])
    x = x - x.mean()
    slope = (x * np.log(small.where(small > 0))).sum("strength") / (x**2).sum()
    return slope.where(measured)


def verdict(data: xr.Dataset) -> Verdict:
    """Say the orders, the factor, the variances, and what the factor does to training."""
    orders = xr.concat([order(data), order(data, "pair_error")], "loss").mean(["loss", "stage"])

    def told(network: str, view: str) -> str:
        return f"{float(orders.sel(network=network, augmentation=view)):.1f}"

    factor = data["factor"].sel(estimate="corrected").isel(views=-1)
    ratio = data["variance_ratio"].sel(network=["tanh", "ReLU"]).mean(["stage", "network", "seed"])
    ends = data["norm_ratio"].isel(step=-1)
    end = {name: float(ends.sel(trained=name).mean()) for name in data["trained"].values}
    names = list(end)
    detail = (
        f"relative error of both first-order losses of order {told('tanh', 'noise')} in the strength for tanh under "
        f"symmetric noise, {told('tanh', 'erasing')} under erasing, {told('tanh', 'erasing, mirrored')} once erasing "
        f"is mirrored, and {told('ReLU', 'noise')} for ReLU under symmetric noise; the two-view loss is "
        f"{float(factor.mean()):.3f} ± {float(factor.std()):.3f} times the other, without expansion; the variance "
        f"identity holds to {float(data['identity_error'].max()):.0e}, and half the two-view loss varies "
        f"{float(ratio.sel(augmentation='noise')):.2f} times as much under Gaussian noise, "
        f"{float(ratio.sel(augmentation='erasing')):.2f} times under erasing. The factor is a learning rate and saves "
        f"nothing: without predictor the norm falls to {end[names[0]]:.3f}, with stop-gradient at twice the rate to "
        f"{end[names[1]]:.3f}, with the optimal target to {end[names[2]]:.3f}; with a predictor it stays at "
        f"{end[names[3]]:.2f}"
    )
    headline = (
        f"Order of the error in ε: tanh {told('tanh', 'noise')}, ReLU {told('ReLU', 'noise')}; "
        f"two views cost {float(factor.mean()):.2f} times as much"
    )
    return concluded("measured", headline, detail)
