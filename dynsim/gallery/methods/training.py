"""Networks trained on the text of each method, over five values of the knob that kills features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from dynsim.gallery.methods.features import DIRECTIONS, NOISE, Features, data_of, features_of
from dynsim.methods.catalogue import method
from dynsim.progress import Progress
from dynsim.records import stamp

NEAR = 0.05  # share of λ_d by which a feature may move without changing its predicted fate
CLOSE = 0.02  # a run is close to the flow if half the step, twice as often, changes its amplitudes by no more
SQUARED = ("simsiam", "byol", "no-predictor", "fixed-predictor")  # on digits a full batch of these is exact
MOMENTS = 100  # at which a run that learns from a small start is looked at


@dataclass(frozen=True)
class Plan:
    """How a method is trained: which knob is moved, on which data, and in which steps.

    Attributes
    ----------
    knob, values : str, tuple
        What is moved.
    lr, steps, batch : float, int, int or "full"
        Of the linear encoder.
    data : str
        "digits", "gaussian" numbers with the digits' second moments, or pairs of states of a "chain".
    fields, knobs : mapping
        Of the experiment and of the method.
    method : str
        The method's name, where it is not that of the row.
    theory : bool
        Whether theory claims these data; else the row is a measurement.
    start : float
        Factor on the initial weights in the run that shows the order.
    mlp_lr : float
        Of the MLP, with momentum 0.9.
    """

    knob: str
    values: tuple[float, ...]
    lr: float
    steps: int
    batch: int | str
    data: str = "digits"
    fields: Mapping[str, Any] = field(default_factory=dict)
    knobs: Mapping[str, Any] = field(default_factory=dict)
    method: str = ""
    theory: bool = True
    start: float = 0.1
    mlp_lr: float = 0.02

    def named(self, row: str) -> str:
        """Name of the method."""
        return self.method or row


_SIMSIAM = {"predictor": "linear", "predictor_init": "identity"}
_VICREG = {"s": 1.0, "cov": 0.25, "epsilon": 1e-3, "rows": "free"}
_ETAS = (0.005, 0.012, 0.025, 0.05, 0.1)
_DECAYS, _BATCHES = (0.15, 0.25, 0.4, 0.7, 1.1), (4, 6, 8, 12, 16)
PLANS = {
    "simsiam": Plan("eta", _ETAS, 0.5, 1000, "full", fields=_SIMSIAM, start=0.3),
    "byol": Plan("eta", _ETAS, 0.5, 1000, "full", fields={**_SIMSIAM, "teacher": 0.9}, start=0.3),
    "no-predictor": Plan("eta_s", (0.0, 0.01, 0.03, 0.1, 0.3), 0.5, 500, "full"),
    "fixed-predictor": Plan(
        "p", (0.4, 0.55, 0.7, 0.8, 0.95), 0.5, 500, "full", fields={"predictor": "fixed", "predictor_init": "identity"}
    ),
    "next-latent": Plan(
        "eta", (0.002, 0.005, 0.01, 0.018, 0.027), 4.0, 1500, "full", "chain", fields=_SIMSIAM, mlp_lr=0.1
    ),
    "vicreg": Plan("mu", (0.15, 0.2, 0.3, 0.4, 0.5), 1.0, 1000, 128, knobs=_VICREG, mlp_lr=0.1),
    "barlow": Plan("lam", (0.002, 0.01, 0.03, 0.1, 0.3), 0.1, 1200, 256, start=1.0),
    "barlow-simon": Plan("eta_s", (0.2, 0.4, 0.8, 1.4, 2.2), 0.05, 800, 128, mlp_lr=0.005),
    "spectral": Plan("eta_s", (0.3, 0.5, 0.8, 1.4, 2.2), 0.05, 800, 128, mlp_lr=0.005),
    "infonce": Plan("eta_s", _DECAYS, 0.1, 800, 128, data="gaussian"),
    "lejepa": Plan("batch", _BATCHES, 2.0, 400, 0, data="gaussian", knobs={"lam": 0.05}, mlp_lr=0.1),
    "infonce, digits": Plan("eta_s", _DECAYS, 0.1, 800, 128, method="infonce", theory=False),
    "lejepa, digits": Plan(
        "batch", _BATCHES, 2.0, 400, 0, knobs={"lam": 0.05}, method="lejepa", theory=False, mlp_lr=0.1
    ),
    "simclr, digits": Plan("tau", (0.1, 0.2, 0.4, 0.8, 1.6), 0.5, 800, 256, method="simclr", theory=False, start=1.0),
}


def compute(
    progress: Progress | None = None,
    *,
    seeds: int = 3,
    steps: int | None = None,
    methods: Sequence[str] = tuple(PLANS),
) -> xr.Dataset:
    """Train linear encoders and MLPs on the text of each method, over five values of the knob that kills features.

    The data are eight principal directions of the digits, with Gaussian noise as the augmentation; for InfoNCE and
    LeJEPA, whose theory needs Gaussian features, Gaussian data with the same second moments, and the digits as well;
    for next-latent one-hot states of a lazy walk on a path of eight, every transition as often as it is likely.

    Parameters
    ----------
    progress : callable, optional
    seeds : int
    steps : int, optional
        Of every linear encoder and MLP; by default those of each method's plan.
    methods : sequence of str
        Rows of `PLANS`.

    Returns
    -------
    xarray.Dataset
        Over `method`, `value` (number of the knob's value), `feature` and `seed`: `measured`, the variance of the
        embedding that the feature explains, of the linear encoder, and `mlp`, of the MLP. Over all but `seed`:
        `predicted`, the same at the end after the theory; `halved`, of a linear encoder with half the step, seed 0;
        `near`, whether λ_d · (1 ± 0.05) has another fate; `decided`, whether the rate times the flow time of the run
        is above 10. Over `method`, `feature`: `lambda_s`, variance of the feature in a view; `order`, predicted rank
        of the time of half amplitude at the first value of the knob, and with `seed` `half_time`, that step from a
        small start. `knob` (`method`, `value`),
        `knob_name`, `theory` (`method`).
    """
    parts = []
    for index, name in enumerate(methods):
        if progress:
            progress(index, len(methods), name)
        parts.append(row(name, seeds, steps))
    return joined(parts)


def row(name: str, seeds: int, steps: int | None = None) -> xr.Dataset:
    """All runs of one row."""
    plan = PLANS[name]
    given = features_of(plan.data)
    runs = [one_value(plan, name, value, seeds, steps, given) for value in plan.values]
    dims = ("value", "feature")
    data = xr.Dataset({key: (dims, np.array([run[key] for run in runs])) for key in ("predicted", "near", "decided")})
    data["halved"] = (dims, np.array([run["halved"] for run in runs]))
    for key in ("measured", "mlp"):
        data[key] = ((*dims, "seed"), np.array([run[key] for run in runs]))
    data["order"] = ("feature", order(plan, name, given))
    data["half_time"] = (("feature", "seed"), half_times(plan, name, seeds, steps, given))
    data["knob"] = ("value", np.array(plan.values, dtype=float))
    data["lambda_s"] = ("feature", given.lambda_s)
    data = data.assign_coords(knob_name=plan.knob, theory=plan.theory, lambda_d=("feature", given.lambda_d))
    return data.expand_dims({"method": [name]})


def joined(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Rows as one Dataset."""
    # The Gaussian data have moments of their own; a feature is called by those of the digits.
    named = [part.assign_coords(lambda_d=("feature", features_of("digits").lambda_d)) for part in parts]
    data = xr.concat(named, "method", combine_attrs="drop", coords="minimal", compat="override")
    for name in ("knob_name", "theory"):
        data = data.assign_coords({name: ("method", [part[name].item() for part in parts])})
    data = data.assign_coords(feature=range(1, len(DIRECTIONS) + 1), seed=range(data.sizes["seed"]))
    batches = {str(name): str(PLANS[str(name)].batch or "the knob") for name in data["method"].values}
    return stamp(data, kind="features", noise=NOISE, seeds=data.sizes["seed"], batches=batches)


def one_value(
    plan: Plan, name: str, value: float, seeds: int, steps: int | None, given: Features
) -> dict[str, np.ndarray]:
    """What networks do at one value of the knob, and what theory says."""
    linear = _experiment(plan, name, value, steps)
    half = linear.but(lr=plan.lr / 2, steps=2 * linear.steps)
    return {
        **theory(name, plan, value, given, linear.steps * plan.lr),
        "measured": explained(linear, seeds, given),
        "halved": explained(half, 1, given)[:, 0],
        "mlp": explained(_mlp(plan, linear), seeds, given),
    }


def _experiment(plan: Plan, name: str, value: float, steps: int | None) -> Any:
    from dynsim.networks import Experiment

    settings: dict[str, Any] = {"predictor": "none", "init": "orthogonal", "batch": plan.batch, **plan.fields}
    knobs = {key: known for key, known in plan.knobs.items() if key != "rows"}
    if plan.knob == "eta":
        settings |= {"eta_p": value, "eta_s": value}
    elif plan.knob in ("eta_s", "batch"):
        settings[plan.knob] = value
    elif plan.knob == "p":
        settings["predictor_scale"] = value
    else:
        knobs[plan.knob] = value
    if plan.named(name) == "infonce":
        knobs["tau"] = 1.0
    chain = plan.data == "chain"
    return Experiment(
        data=data_of(plan.data), augmentation={"noise": 0.0 if chain else NOISE}, encoder="linear", norm="none",
        objective="squared" if name in SQUARED else method(plan.named(name)).loss,
        symmetric=not chain, subtract_mean=not chain, dim=len(DIRECTIONS),
        dtype="float64", measures=(), momentum=0.0, lr=plan.lr,
        steps=plan.steps if steps is None else max(2, steps), every=10**6, knobs=knobs, **settings,
    )  # fmt: skip


def _mlp(plan: Plan, linear: Any) -> Any:
    """The same with an MLP; a predictor stays linear, a full batch becomes one of 256."""
    batch = 256 if linear.batch == "full" else linear.batch
    changes = {"encoder": "mlp", "init": "default", "momentum": 0.9, "lr": plan.mlp_lr, "batch": batch}
    return linear.but(**changes, dtype="float32")


def explained(experiment: Any, seeds: int, given: Features) -> np.ndarray:
    """Variance of the embedding of views that each feature explains, (feature, seed): ‖E zy‖²/E y².

    A network that overflowed has grown without bound: all are infinite.
    """
    from dynsim.networks import fit
    from dynsim.networks.given_views import embedded

    if given.transitions is not None:
        run = begun(experiment, seeds, given)
        while run.step < experiment.steps:
            run.advance()
        z = embedded(run, seeds, len(given.lambda_s))
        found = np.square(np.einsum("snk,nf->sfk", z, given.directions)).sum(2).T * given.lambda_s[:, None]
        return np.where(np.isfinite(found), found, np.inf)
    trained = fit(experiment, seeds)
    if experiment.encoder == "linear":
        weights = np.stack([trained.parameters(seed)["W"] for seed in range(seeds)])
        found = given.lambda_s[:, None] * np.square(weights @ given.directions).sum(1).T
        return np.where(np.isfinite(found), found, np.inf)
    shape = trained.images.train.shape
    views = trained.images.train + NOISE * np.random.default_rng(0).normal(size=shape)
    y = (views.reshape(len(views), -1) - views.reshape(len(views), -1).mean(0)) @ given.directions
    z = trained.features(views.astype(trained.images.train.dtype)).numpy().astype(float)
    z = z - z.mean(1, keepdims=True)
    cross = np.einsum("snk,nf->sfk", z, y) / len(y)
    found = (np.square(cross).sum(2) / y.var(0)).T
    return np.where(np.isfinite(found), found, np.inf)


def order(plan: Plan, name: str, given: Features) -> np.ndarray:
    """Predicted ranks of the times of half amplitude, from equal small starts; −1 for what dies."""
    asked, values = _asked(plan, name, plan.values[_first(plan)])
    moments = {"lambda_d": given.lambda_d, "lambda_s": given.lambda_s}
    grows = ~np.isfinite(np.asarray(asked.amplitude(**moments, **values).value, dtype=float))
    times = np.where(grows, np.inf, asked.half_times(**moments, **values))
    ranks = np.full(len(times), -1)
    finite = np.flatnonzero(np.isfinite(times))
    ranks[finite[np.argsort(times[finite], kind="stable")]] = np.arange(1, len(finite) + 1)
    return ranks


def _first(plan: Plan) -> int:
    """The value of the knob at which most features live."""
    return len(plan.values) - 1 if plan.knob in ("mu", "batch", "lam") else 0


def half_times(plan: Plan, name: str, seeds: int, steps: int | None, given: Features) -> np.ndarray:
    """Step at which each feature of a linear encoder passes half its end from a small start, (feature, seed)."""
    experiment = _experiment(plan, name, plan.values[_first(plan)], steps)
    smaller = {"init_scale": plan.start}
    if experiment.predictor == "linear":
        smaller["predictor_scale"] = plan.start
    run = begun(experiment.but(**smaller), seeds, given)
    sizes, marks = [], np.unique(np.geomspace(1, experiment.steps, MOMENTS).round().astype(int))
    for mark in marks:
        while run.step < mark:
            run.advance()
        weights = run.encoder_parameters()["W"]
        sizes.append(np.square(weights @ given.directions).sum(1).T * given.lambda_s[:, None])
    grown = np.array(sizes)
    passed = grown >= grown[-1] / 2
    # What is beyond half its end at once has no such time.
    return np.where(passed.any(0) & ~passed[0], marks[passed.argmax(0)], -1)


def begun(experiment: Any, seeds: int, given: Features) -> Any:
    """Return a run before its first step; on a chain its batch holds every transition as often as it is likely."""
    from dynsim.networks.datasets import load_images
    from dynsim.networks.given_views import run_on_pairs
    from dynsim.networks.run import Run
    from dynsim.networks.torch_settings import device_of

    if given.transitions is not None:
        return run_on_pairs(experiment, range(seeds), len(given.lambda_s), given.transitions)
    return Run(experiment, load_images(experiment), range(seeds), device_of("cpu"))


def _asked(plan: Plan, name: str, value: float) -> tuple[Any, dict[str, Any]]:
    """Return the method with its knobs, and the values at which it is asked."""
    known = {**plan.knobs, **({"tau": 1.0} if plan.named(name) == "infonce" else {})}
    values: dict[str, Any] = {plan.knob: value, "dim": len(DIRECTIONS)}
    if plan.named(name) == "lejepa":
        values["views"] = 2
    if plan.named(name) == "vicreg":
        values["batch"] = plan.batch
    if plan.named(name) == "simclr":
        values["initial"] = 1.0  # ‖W‖² is conserved, and that of an orthogonal matrix is the number of its rows
    if plan.knob == "p":
        known["p"] = values.pop("p")
    return method(plan.named(name), **known), values


def theory(name: str, plan: Plan, value: float, given: Features, time: float) -> dict[str, np.ndarray]:
    """Which features live and how large, which are near their threshold, and which a run of this length decides."""
    (asked, values), lambda_d, lambda_s = _asked(plan, name, value), given.lambda_d, given.lambda_s
    alive, near = asked.survives(lambda_d=lambda_d, lambda_s=lambda_s, **values).value, []
    for j in range(len(lambda_d)):
        fates = set()
        for factor in (1 - NEAR, 1 + NEAR):
            moved = lambda_d.copy()
            moved[j] *= factor
            view = lambda_s + given.follows * (moved - lambda_d)
            fates.add(bool(asked.survives(lambda_d=np.minimum(moved, view), lambda_s=view, **values).value[j]))
        near.append(fates != {bool(alive[j])})
    rate = np.abs(np.asarray(asked.origin_rate(lambda_d=lambda_d, lambda_s=lambda_s, **values).value, dtype=float))
    scale_free = plan.named(name) in ("barlow", "simclr")
    size = np.asarray(asked.amplitude(lambda_d=lambda_d, lambda_s=lambda_s, **values).value, dtype=float)
    return {
        "predicted": size,
        "near": np.array(near),
        "decided": np.full(len(rate), True) if scale_free else rate * time > 10,
    }
