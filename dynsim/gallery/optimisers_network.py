"""Which optimisers collapse a network: stop-gradient decides, the optimiser hardly matters, root finding apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from dynsim.choices import Branch, FlowOptimiser
from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.linear_networks import NOISE, image_moments, linear_experiment
from dynsim.gallery.trained_networks import hidden_layer, seed_count
from dynsim.integrate.optimise import optimise
from dynsim.networks.collapse import NORM, SPREAD
from dynsim.networks.collapse import collapsed as judged_networks
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.symbolic.flow import BRANCHES
from dynsim.systems.matrix_flow import matrix_flow
from dynsim.verdict import Verdict

SIZES = ("small", "large")
DIM = 4  # features of the linear network
COLLAPSED = {"toy": NORM[0], "linear_norm_ratio": NORM[0], "hidden_spread": SPREAD[0]}


@dataclass(frozen=True)
class OptimiserSteps:
    """An optimiser, and its small and large step sizes on each subject; None where it is not run.

    `of_flow` names it among those that step through any flow: the toy's always, the linear network's where `linear`
    says "flow". `of_network` names it among those that train.
    """

    of_flow: FlowOptimiser | None
    of_network: str | None
    toy: tuple[float, ...] | None
    linear: tuple[float, ...]
    hidden: tuple[float, ...] | None
    momentum: float = 0.0
    order: tuple[str, ...] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Options of the optimiser on a flow."""
        return ({"momentum": 0.9} if self.of_flow == "momentum" else {}) | (
            {"order": self.order} if self.order else {}
        )


EXACT: FlowOptimiser = "alternating-minimisation"
RUNS: dict[str, OptimiserSteps] = {
    "SGD": OptimiserSteps("gd", "sgd", (0.01, 1.0), (0.1, 1.0), (0.1, 0.5)),
    "momentum 0.9": OptimiserSteps("momentum", "sgd", (0.01, 1.0), (0.01, 0.1), (0.01, 0.1), momentum=0.9),
    "Adam": OptimiserSteps("adam", "adam", (0.01, 1.0), (0.003, 0.1), (0.001, 0.03), momentum=0.9),
    "sign": OptimiserSteps("sign", "sign", (0.01, 1.0), (0.001, 0.1), (0.001, 0.01)),
    "L-BFGS": OptimiserSteps(None, "lbfgs", None, (0.1, 1.0), (0.1, 1.0)),
    "Gauss–Newton": OptimiserSteps("gauss-newton", None, (0.3, 1.0), (0.3, 1.0), None),
    "Newton": OptimiserSteps("newton", None, (0.3, 1.0), (0.3, 1.0), None),
    "exact, P first": OptimiserSteps(EXACT, None, (1.0,), (1.0,), None, order=("P", "W")),
    "exact, W first": OptimiserSteps(EXACT, None, (1.0,), (1.0,), None, order=("W", "P")),
}


def compute(
    progress: Progress | None = None,
    *,
    seeds: int | None = None,
    steps: int = 200,
    linear_steps: int = 1000,
    rounds: int = 20,
    optimisers: Any = tuple(RUNS),
    data: Any = None,
    full: bool = False,
) -> xr.Dataset:
    """Run every optimiser on the toy, on a linear network and on one with hidden layer.

    Parameters
    ----------
    progress : callable, optional
    seeds : int, optional
        5 by default.
    steps : int
        Of the network with hidden layer; L-BFGS, which needs a fixed batch, takes half of them.
    linear_steps : int
        Of the linear network; L-BFGS takes a fifth of them.
    rounds : int
        Steps of Gauss–Newton and Newton, and rounds of exact alternation, which know the curvature.
    optimisers : sequence of str
        Some of them only.
    data : str or images, optional
        As `dynsim.networks.Experiment` takes them; the digits by default, in full MNIST.
    full : bool
        10 seeds, and MNIST for the network with hidden layer.

    Returns
    -------
    xarray.Dataset
        Over `optimiser`, `size` (of the step: small, large), `branch`: `toy`, |θ| at the end over that at the start.
        Over `seed` and `moment` (start, end) as well: `linear_spread`, `linear_rankme`, `linear_norm_ratio`,
        `hidden_spread`, …, `hidden_knn`; over `seed` `linear_norm_growth`, `hidden_norm_growth`, the factor
        of the norm over the last quarter. NaN where an optimiser is not run.
    """
    seeds, images = seed_count(seeds, full), "digits" if data is None else data
    runs = {name: RUNS[name] for name in optimisers}
    shape = (len(runs), len(SIZES), len(BRANCHES))
    toy = np.full(shape, np.nan)
    found: dict[tuple[str, str, str], dict[str, xr.Dataset]] = {}
    for i, (name, one) in enumerate(runs.items()):
        for j, branch in enumerate(BRANCHES):
            for k, lr in enumerate(one.toy or ()):
                toy[i, k, j] = _toy(one, branch, lr)
            for k, lr in enumerate(one.linear):
                linear = _linear_by_network if one.of_network else _linear_by_flow
                taken = linear_steps if one.of_network else rounds
                found[name, SIZES[k], branch] = {"linear": linear(one, branch, lr, seeds, taken, images)}
            for k, lr in enumerate(one.hidden or ()):
                found[name, SIZES[k], branch]["hidden"] = _hidden(one, branch, lr, seeds, steps, full, data)
            if progress:
                progress(i * len(BRANCHES) + j + 1, len(runs) * len(BRANCHES), f"{name}, {branch}")
    dims = ("optimiser", "size", "branch")
    gathered = xr.Dataset(
        {"toy": (dims, toy)}, coords={"optimiser": list(runs), "size": list(SIZES), "branch": list(BRANCHES)}
    )
    gathered = gathered.merge(_gathered(found, gathered))
    lrs = {name: {"toy": r.toy, "linear": r.linear, "hidden": r.hidden} for name, r in runs.items()}
    about = {"step_sizes": lrs, "sigma2": NOISE**2, "initial": _START, "toy_sigma2": _TOY_NOISE}
    about |= {"steps": steps, "linear_steps": linear_steps, "rounds": rounds}
    return stamp(gathered, "torch", "scikit-learn", experiment=hidden_layer(full, data).to_dict(), **about)


def _gathered(found: dict[tuple[str, str, str], dict[str, xr.Dataset]], data: xr.Dataset) -> xr.Dataset:
    """Start and end of every run, as variables named by subject and measure; NaN where there is no run."""
    shape = [data.sizes[name] for name in ("optimiser", "size", "branch")]
    names = [[str(value) for value in data[name].values] for name in ("optimiser", "size", "branch")]
    arrays: dict[str, xr.DataArray] = {}
    for place in np.ndindex(*shape):
        cell = tuple(values[i] for values, i in zip(names, place, strict=True))
        for subject, runs in found.get(cell, {}).items():
            for name, values in runs.items():
                whole = arrays.setdefault(
                    f"{subject}_{name}",
                    xr.DataArray(
                        np.full((*shape, *values.shape), np.nan), dims=("optimiser", "size", "branch", *values.dims)
                    ),
                )
                whole[place] = values.values
    return xr.Dataset(arrays).assign_coords(moment=["start", "end"])


def _start_and_end(run: xr.Dataset, names: tuple[str, ...]) -> xr.Dataset:
    """First and last record, and the growth of the norm between the last two."""
    norm = run["norm_ratio"].transpose("seed", "step").values
    two = {name: (("seed", "moment"), run[name].transpose("seed", "step").values[:, [0, -1]]) for name in names}
    with np.errstate(divide="ignore", invalid="ignore"):  # a run that ended at zero, or nowhere, has no growth
        growth = norm[:, -1] / norm[:, -2]
    return xr.Dataset({**two, "norm_growth": ("seed", growth)})


_START = {"phi": 0.6, "theta": 0.1}
_TOY_NOISE = 0.1
_TOY_TIME = 60.0
_LINEAR = ("spread", "rankme", "norm_ratio")
_HIDDEN = (*_LINEAR, "knn")


def _toy(one: OptimiserSteps, branch: Branch, lr: float) -> float:
    """The toy is the matrix flow of one feature and one pixel."""
    assert one.of_flow is not None
    field = matrix_flow([[1.0]], [[1.0 + _TOY_NOISE]], 1, branch=branch)
    curved = one.of_flow in ("gauss-newton", "newton", EXACT)
    steps = 20 if curved else round(_TOY_TIME / lr)
    start = {"P": [[_START["phi"]]], "W": [[_START["theta"]]]}
    ends = optimise(field, start, steps, optimiser=one.of_flow, lr=lr, every=steps, **one.options)
    return abs(float(ends["W"].isel(step=-1).squeeze())) / _START["theta"]


def _linear(branch: Branch, **changes: Any) -> Any:
    return linear_experiment(dim=DIM, branch=branch, measures=_LINEAR, **changes)


def _linear_by_network(
    one: OptimiserSteps, branch: Branch, lr: float, seeds: int, steps: int, data: Any
) -> xr.Dataset:
    """Training on the full batch, whose expectation over the noise is exact."""
    from dynsim.networks import train

    taken = max(1, steps // 5) if one.of_network == "lbfgs" else steps
    every = max(1, taken // 4)
    fields = {"lr": lr, "momentum": one.momentum, "steps": taken, "every": every, "data": data}
    experiment = _linear(branch, optimiser=one.of_network, **fields)
    return _start_and_end(train(experiment, seeds), _LINEAR)


def _linear_by_flow(one: OptimiserSteps, branch: Branch, lr: float, seeds: int, rounds: int, data: Any) -> xr.Dataset:
    """The same network as the matrix flow, stepped through by what knows its curvature."""
    from dynsim.networks import fit, initial_state

    assert one.of_flow is not None
    field = matrix_flow(*image_moments(data), DIM, branch=branch)
    experiment = _linear(branch, steps=0, data=data)
    weights = []
    for seed in range(seeds):
        start = initial_state(experiment, seed)
        every = max(1, rounds // 4)
        run = optimise(field, start, rounds, optimiser=one.of_flow, lr=lr, every=every, **one.options)
        weights.append(run["W"].values[[0, -2, -1]])
    network = fit(experiment, seeds)
    moments = [network.measured(W=moment) for moment in np.array(weights).swapaxes(0, 1)]
    recorded = {name: (("step", "seed"), np.array([one[name] for one in moments])) for name in _LINEAR}
    return _start_and_end(xr.Dataset(recorded), _LINEAR)


def _hidden(
    one: OptimiserSteps, branch: Branch, lr: float, seeds: int, steps: int, full: bool, data: Any
) -> xr.Dataset:
    from dynsim.networks import train

    changes: dict[str, Any] = {"steps": steps}
    if one.of_network == "lbfgs":
        changes = {"steps": max(1, steps // 2), "batch": "full", "fixed_views": 1, "images": 500}
    experiment = hidden_layer(
        full,
        data,
        branch=branch,
        optimiser=one.of_network,
        lr=lr,
        momentum=one.momentum,
        measures=_HIDDEN,
        every=max(1, changes["steps"] // 4),
        **changes,
    )
    return _start_and_end(train(experiment, seeds), _HIDDEN)


def collapsed(data: xr.Dataset) -> xr.Dataset:
    """1 where a run has collapsed, 0 where it is healthy, NaN where that is unsure or nothing was run."""
    found = {"toy": (data["toy"] < NORM[0]).astype(float).where(data["toy"].notnull())}
    for subject in ("linear", "hidden"):
        names = {str(name): str(name).removeprefix(f"{subject}_") for name in data if str(name).startswith(subject)}
        runs = data[list(names)].rename(names).rename(moment="record").assign_attrs(data.attrs)
        reference = None
        if subject == "hidden":  # the gain of the first optimiser's small steps with stop-gradient
            reference = float(runs["knn"].isel(optimiser=0, size=0, record=-1).sel(branch="stop").mean())
        run = runs["spread"].isel(record=0, drop=True).notnull()
        judged = judged_networks(runs.assign_attrs(dim=DIM) if subject == "linear" else runs, reference=reference)
        found[subject] = judged.where(run)
    return xr.Dataset(found)


def verdict(data: xr.Dataset) -> Verdict:
    """Say who does otherwise than the flow: alive under stop-gradient, collapsed without it."""
    gone = collapsed(data)
    same = counted = 0
    told = []
    for name, words in (("toy", "toy"), ("linear", "linear network"), ("hidden", "hidden layer")):
        fates = gone[name] if "seed" in gone[name].dims else gone[name].expand_dims(seed=1)
        start = data["toy"] if name == "toy" else data[f"{name}_spread"].isel(moment=0, seed=0, drop=True)
        run = start.notnull()
        odd = []
        for cell in np.argwhere(run.values):
            at = {dimension: data[dimension].values[i] for dimension, i in zip(run.dims, cell, strict=True)}
            seeds = fates.sel(at).values
            expected = 0.0 if at["branch"] == "stop" else 1.0
            if not (seeds == expected).all():
                doubt = int(np.isnan(seeds).sum())
                odd.append(
                    f"{at['optimiser']}, {at['size']} step, {at['branch']} ({int((seeds == 1).sum())} of {len(seeds)} "
                    "collapse" + (f", {doubt} unsure)" if doubt else ")")
                )
        number = int(run.sum())
        same, counted = same + number - len(odd), counted + number
        told.append(f"{words}: {number - len(odd)} of {number} do as the flow does, not: {', '.join(odd) or 'none'}")
    detail = (
        "optimisers × step sizes × branches, alive under stop-gradient and collapsed without it, in every seed; "
        + "; ".join(told)
    )
    headline = f"{same} of {counted} trainings live with stop-gradient and collapse without it, as the flow does"
    return concluded("holds" if same == counted else "holds under conditions", headline, detail)


_MARKERS = {"stop": "o", "full": "s", "target": "^"}
_PANELS = (
    ("toy", "toy: |θ| / at start", (1e-3, 1e3)),
    ("linear_norm_ratio", "linear: norm / at start", (1e-3, 1e3)),
    ("hidden_spread", "hidden: spread", None),
    ("hidden_knn", "hidden: kNN", None),
)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Toy, linear network and the accuracy of one with a hidden layer."""
    _draw(data, figure, [panel for panel in _PANELS if panel[0] != "hidden_spread"])


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Draw the spread of the hidden layer as well."""
    _draw(data, figure, list(_PANELS))


def _draw(data: xr.Dataset, figure: Any, shown: list[tuple[str, str, Any]]) -> None:
    """One row per optimiser, one panel per subject; colour and shape by branch, filled the small step."""
    panels = figure.subplots(1, len(shown), sharey=True)
    rows = np.arange(data.sizes["optimiser"])
    for axes, (name, title, limits) in zip(panels, shown, strict=True):
        if limits:
            axes.set(xscale="log", xlim=(limits[0] / 2, limits[1] * 2))
        if name in COLLAPSED:
            axes.axvspan(axes.get_xlim()[0] if limits else -1.0, COLLAPSED[name], color="#E8E8E8", zorder=0)
        _draw_runs(data, axes, rows, name, limits)
        axes.set_title(title)
    knn, last = data["hidden_knn"].sel(moment="start"), panels[-1]
    last.axvspan(float(knn.min()), float(knn.max()), color="#CFE3F1", zorder=0)
    last.annotate("untrained", (float(knn.mean()), len(rows) - 0.75), ha="center")
    for axes in panels[2:]:
        axes.set_xlim(0, None)
    panels[0].set_yticks(rows, data["optimiser"].values)
    panels[0].set_ylim(len(rows) - 0.45, -0.6)
    for branch in data["branch"].values:
        panels[1].plot([], [], _MARKERS[branch], color=BRANCH_STYLE[branch]["color"], label=str(branch))
    panels[1].plot([], [], "o", color=COLOURS["grey"], label="small step")
    panels[1].plot([], [], "o", color=COLOURS["grey"], mfc="white", label="large step")
    panels[1].legend(loc="upper center", ncols=5, bbox_to_anchor=(0.5, -0.08), columnspacing=1.0, handletextpad=0.1)
    unrun = rows[data["hidden_spread"].isnull().all(["size", "branch", "seed", "moment"])]
    for axes in panels[2:] if len(unrun) else ():
        place = {"xycoords": ("axes fraction", "data"), "ha": "center", "color": COLOURS["grey"]}
        axes.annotate("not run here", (0.62, unrun[0] + 0.1), **place)
    caption(
        figure,
        data,
        f"Grey: collapsed. Linear: {DIM} features, full batch; hidden layer: MLP with batch norm, cosine "
        f"loss. Values beyond the axis lie on its edge. Lines: range over {data.sizes['seed']} seeds",
    )


def _draw_runs(data: xr.Dataset, axes: Any, rows: np.ndarray, name: str, limits: tuple[float, float] | None) -> None:
    values = data[name].sel(moment="end") if "moment" in data[name].dims else data[name].expand_dims(seed=1)
    if limits:
        values = values.clip(*limits)
    shifts = iter(np.linspace(-0.32, 0.32, data.sizes["branch"] * data.sizes["size"]))
    for branch in data["branch"].values:
        colour = BRANCH_STYLE[branch]["color"]
        for size in data["size"].values:
            one, height = values.sel(branch=branch, size=size), rows + next(shifts)
            axes.hlines(height, one.min("seed"), one.max("seed"), color=colour, linewidth=1.4, zorder=2)
            axes.plot(one.mean("seed"), height, _MARKERS[branch], color=colour, ms=5.5, zorder=3,
                      mfc=colour if size == "small" else "white")  # fmt: skip


def _step_sizes(data: xr.Dataset, told: dict[str, dict[str, list[float] | None]]) -> str:
    """One text for all optimisers whose step size plays a role."""
    words = []
    for name in data["optimiser"].values:
        sizes = [told[str(name)][subject] for subject in ("toy", "linear", "hidden")]
        shown = ["–" if lrs is None else ", ".join(f"{lr:g}" for lr in lrs) for lrs in sizes]
        if any(lrs is not None and len(lrs) > 1 for lrs in sizes):
            words.append(f"{name} {' / '.join(shown)}")
    return "; ".join(words)


FIGURE = Figure(
    name="optimisers-network",
    summary="Which optimisers collapse a network",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    full_height=5.9,
    cost=100.0,
    height=4.4,
    panels=3,
    needs=("networks",),
    small={
        "seeds": 2,
        "steps": 5,
        "linear_steps": 400,
        "rounds": 8,
        "optimisers": ("SGD", "L-BFGS", "Gauss–Newton", "exact, P first", "exact, W first"),
    },
)
