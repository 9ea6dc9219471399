"""What collapse looks like: a map of the digits, and the spectrum of their features over training; from one run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import SEQUENCE
from dynsim.drawing.words import BRANCHES as BRANCH_WORDS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.trained_networks import hidden_layer, refuse_branch
from dynsim.networks.collapse import collapsed
from dynsim.progress import Progress
from dynsim.records import provenance, stamp
from dynsim.symbolic.flow import BRANCHES
from dynsim.verdict import Verdict, Word

START = "start"
MEASURES = ("spread", "rankme", "norm_ratio", "knn")
SHARES = (0.03, 0.1, 0.3)  # of the largest direction at the start; the verdict takes the middle one


def compute(
    progress: Progress | None = None, *, seeds: int = 5, steps: int = 600, records: int = 40, **fields: Any
) -> xr.Dataset:
    """Train the network in the three branches; keep a map of the test views of its first seed and all spectra.

    Parameters
    ----------
    progress : callable, optional
    seeds, steps, records : int
    **fields
        Further fields of `dynsim.networks.Experiment`.

    Returns
    -------
    xarray.Dataset
        `place` over `moment` (start, then the end of each branch), `sample`, `axis`: directions z/‖z‖ of the features
        of augmented test images, centred, on their own two first principal axes; `label` over `sample`. `deviation`
        over `branch`, `seed`, `step`, `direction`: standard deviations of z/‖z‖ along all principal axes.
        `spread`, `rankme`, `norm_ratio`, `knn` over `branch`, `seed`, `step`.
    """
    from dynsim.networks import fit

    every = max(1, steps // records)
    refuse_branch(fields)
    base = hidden_layer().but(steps=every * (steps // every), every=every, **fields)
    spectrum = [_deviation(index) for index in range(base.dim)]
    names = [one.__name__ for one in spectrum]
    places: dict[str, np.ndarray] = {}
    runs = []
    for index, branch in enumerate(BRANCHES):
        trained = fit(base.but(branch=branch, measures=(*MEASURES, *spectrum)), seeds)
        places.setdefault(START, _map(trained.snapshot.initial.test_features[0].double().cpu().numpy()))
        places[branch] = _map(trained.snapshot.test_features[0].double().cpu().numpy())
        run = trained.dataset.drop_vars(["time", "status", "stopped_step"], errors="ignore").drop_attrs()
        deviation = np.stack([run[name].values for name in names], axis=-1)
        run = run[[name for name in MEASURES if name in run]]
        runs.append(run.assign(deviation=(("seed", "step", "direction"), deviation)))
        if progress:
            progress(index + 1, len(BRANCHES), f"branch {branch}")
    data = xr.concat(runs, xr.DataArray(list(BRANCHES), dims="branch", name="branch")).astype("float32")
    data["place"] = (("moment", "sample", "axis"), np.stack(list(places.values())).astype("float32"))
    data = data.assign_coords(moment=list(places))
    labels = trained.images.test_labels
    if labels is not None and len(labels) >= data.sizes["sample"]:
        data["label"] = ("sample", labels[: data.sizes["sample"]].astype(np.int16))
    about = {**base.but(measures=MEASURES).to_dict(), "branch": "all"}
    return stamp(data, "torch", "scikit-learn", experiment=about)


def _unit(features: np.ndarray) -> np.ndarray:
    """Directions: the cosine loss does not see lengths, which differ also where all directions are one."""
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-30)


def _map(features: np.ndarray) -> np.ndarray:
    """The two first principal components; signs so that the largest entry of an axis is positive."""
    centred = _unit(features) - _unit(features).mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2][np.arange(2), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    return np.asarray(centred @ axes.T)


def _deviation(index: int) -> Callable[[np.ndarray], float]:
    """A measure: the standard deviation of the features' directions along one principal axis."""

    def deviation(features: np.ndarray) -> float:
        return float(np.sqrt(max(np.linalg.eigvalsh(np.cov(_unit(features), rowvar=False))[-1 - index], 0.0)))

    deviation.__name__ = f"deviation_{index}"
    return deviation


def verdict(data: xr.Dataset) -> Verdict:
    """Say how many test images have their nearest neighbours right, at the start and in each branch."""
    knn = data["knn"]
    right: dict[str, Any] = {START: knn.isel(branch=0, step=0)}
    right |= {b: knn.isel(step=-1).sel(branch=b) for b in BRANCHES}
    dead = _dead(data)
    facts = [
        f"{name}: kNN accuracy {float(one.mean()):.2f} ({float(one.min()):.2f} to {float(one.max()):.2f})"
        for name, one in right.items()
    ]
    facts += [f"{branch}: {dead[branch]} of {data.sizes['seed']} seeds collapsed" for branch in BRANCHES]
    facts += [
        f"{name}: root mean square distance from the middle of the map "
        f"{float((data['place'].sel(moment=name) ** 2).sum('axis').mean()) ** 0.5:.3g}"
        for name in data["moment"].values
    ]
    shares = [f"{name} {float(one.mean()):.0%}" for name, one in right.items() if name != "target"]
    lives = dead["stop"] == 0
    word: Word = "holds" if lives and dead["full"] == data.sizes["seed"] else "does not hold"
    return concluded(word, f"Nearest neighbours right: {', '.join(shares)}", "; ".join(facts))


def _dead(data: xr.Dataset) -> dict[str, int]:
    """Collapsed seeds, by the one judge of networks."""
    measured = data[[name for name in MEASURES if name in data]]
    return {branch: int((collapsed(measured.sel(branch=branch)) == 1).sum()) for branch in BRANCHES}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Three maps on one scale: at the start, with stop-gradient, without."""
    _maps(data, panel_row(figure, 3, sharex=True, sharey=True), (START, "stop", "full"))
    _say_map(data, figure)


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """The branch with the second part alone as well."""
    _maps(data, figure.subplots(1, 4, sharex=True, sharey=True), (START, *BRANCHES))
    _say_map(data, figure)


def _maps(data: xr.Dataset, panels: Any, moments: tuple[str, ...]) -> None:
    classes = int(data["label"].max()) + 1 if "label" in data else 1
    colours = colormaps[SEQUENCE](np.linspace(0.0, 0.9, classes))
    reach = 1.08 * float(abs(data["place"]).max())
    for axes, moment in zip(panels, moments, strict=True):
        here = data["place"].sel(moment=moment).values
        for one in range(classes):
            chosen = here[data["label"].values == one] if "label" in data else here
            marker = f"${one}$" if 1 < classes <= 10 else "."
            look = {"marker": marker, "linestyle": "none", "markersize": 4.5, "markeredgewidth": 0.2}
            axes.plot(*chosen.T, color=tuple(colours[one]), **look)
        step = 0 if moment == START else -1
        accuracy = float(data["knn"].sel(branch="stop" if moment == START else moment).isel(step=step).mean())
        axes.set(title=f"{BRANCH_WORDS.get(moment, 'at the start')}\nkNN {accuracy:.0%}", xlabel="first axis")
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), box_aspect=1)
    panels[0].set_ylabel("second axis")


def _say_map(data: xr.Dataset, figure: Any) -> None:
    about = provenance(data)["experiment"]
    caption(figure, data, "Test views on the two first principal axes of the directions z/‖z‖ of their features, on "
            "one scale: a collapsed encoder is a point. kNN: mean over seeds",
            f"Data: {about['data']}, {about['encoder']} encoder, norm '{about['norm']}', {about['steps']} steps",
            )  # fmt: skip


def verdict_spectrum(data: xr.Dataset) -> Verdict:
    """Count the directions in which the features still differ, against the largest at the start."""
    many = {share: _alive(data, share) for share in SHARES}
    dimensions = data.sizes["direction"]
    facts = [
        f"directions above {share:g} of the largest at the start, at the end: "
        + ", ".join(f"{b} {_range(count.sel(branch=b).values)}" for b in BRANCHES)
        + f" of {dimensions}"
        for share, count in many.items()
    ]
    dead = _dead(data)
    facts += [f"{branch}: {dead[branch]} of {data.sizes['seed']} seeds collapsed" for branch in BRANCHES]
    count = many[SHARES[1]]
    apart = all(bool(one.sel(branch="stop").min() > one.sel(branch=["full", "target"]).max()) for one in many.values())
    some = bool(count.sel(branch="stop").min() > count.sel(branch=["full", "target"]).max())
    word: Word = "holds" if apart else "holds under conditions" if some else "does not hold"
    told = ", ".join(f"{b} {float(count.sel(branch=b).mean()):.0f}" for b in BRANCHES)
    return concluded(word, f"Directions above {SHARES[1]:.0%} of the start's largest: {told} of {dimensions}",
                     "; ".join(facts))  # fmt: skip


def _alive(data: xr.Dataset, share: float) -> xr.DataArray:
    first = data["deviation"].isel(step=0, direction=0, drop=True)
    return (data["deviation"].isel(step=-1, drop=True) > share * first).sum("direction")


def _range(counts: np.ndarray) -> str:
    return f"{counts.min():.0f} to {counts.max():.0f}" if counts.max() > counts.min() else f"{counts.min():.0f}"


def draw_spectrum(data: xr.Dataset, figure: Any) -> None:
    """Standard deviations along all principal axes over training, a panel per branch, the first seed."""
    deviation = data["deviation"].isel(seed=0)
    colours = colormaps[SEQUENCE](np.linspace(0.0, 0.92, data.sizes["direction"]))
    for axes, branch in zip(panel_row(figure, data.sizes["branch"], sharey=True), BRANCHES, strict=True):
        for index in range(data.sizes["direction"]):
            one = deviation.sel(branch=branch).isel(direction=index)
            axes.plot(data["step"], one.where(one > 1e-6), color=tuple(colours[index]), linewidth=0.8)
        axes.set(yscale="log", xlabel="step", title=BRANCH_WORDS[branch], xlim=(0, float(data["step"][-1])))
        axes.set_ylim(bottom=max(1e-5, 0.5 * float(deviation.where(deviation > 1e-6).min())))
        axes.label_outer()
    figure.supylabel("standard deviation of z/‖z‖")
    about = provenance(data)["experiment"]
    caption(figure, data, "A line per principal axis of the directions z/‖z‖ of test views, the largest dark: "
            "standard deviation along it; first seed",
            f"Data: {about['data']}, {about['encoder']} encoder, norm '{about['norm']}'")  # fmt: skip


FIGURE = Figure(
    name="embeddings",
    summary="A map of the digits at the start, with and without stop-gradient",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=30.0,
    height=3.7,
    full_height=3.1,
    panels=3,
    needs=("networks",),
    small={"seeds": 2, "steps": 20, "records": 2},
    stored=True,
)
SPECTRUM = Figure(
    name="spectrum",
    summary="In how many directions features differ, over training, in the three branches",
    compute=compute,
    verdict=verdict_spectrum,
    draw=draw_spectrum,
    cost=30.0,
    height=2.8,
    panels=3,
    needs=("networks",),
    small=FIGURE.small,
    stored=True,
    run="embeddings",
)
