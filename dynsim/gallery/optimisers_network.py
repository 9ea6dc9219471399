"""Which optimisers collapse a network: stop-gradient decides, the optimiser hardly matters, root finding apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.linear_networks import NOISE, digit_moments, linear_experiment
from dynsim.gallery.trained_networks import hidden_layer, seed_count
from dynsim.integrate.optimise import optimise
from dynsim.records import stamp
from dynsim.symbolic.branches import BRANCHES
from dynsim.systems.matrix_flow import matrix_flow
from dynsim.verdict import Verdict

SIZES = ("small", "large")
DIM = 4  # features of the linear network
COLLAPSED = {"toy": 0.1, "linear": 0.1, "hidden": 0.5}  # share of the start: |θ|, norm of z, spread


@dataclass(frozen=True)
class Run:
    """An optimiser, and its small and large step sizes on each subject; None where it is not run.

    `of_flow` names it among those that step through any flow: the toy's always, the linear network's where `linear`
    says "flow". `of_network` names it among those that train.
    """

    of_flow: str | None
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


EXACT = "alternating-minimisation"
RUNS: dict[str, Run] = {
    "SGD": Run("gd", "sgd", (0.01, 1.0), (0.1, 1.0), (0.1, 0.5)),
    "momentum 0.9": Run("momentum", "sgd", (0.01, 1.0), (0.01, 0.1), (0.01, 0.1), momentum=0.9),
    "Adam": Run("adam", "adam", (0.01, 1.0), (0.003, 0.1), (0.001, 0.03), momentum=0.9),
    "sign": Run("sign", "sign", (0.01, 1.0), (0.001, 0.1), (0.001, 0.01)),
    "L-BFGS": Run(None, "lbfgs", None, (0.1, 1.0), (0.1, 1.0)),
    "Gauss–Newton": Run("gauss-newton", None, (0.3, 1.0), (0.3, 1.0), None),
    "Newton": Run("newton", None, (0.3, 1.0), (0.3, 1.0), None),
    "exact, P first": Run(EXACT, None, (1.0,), (1.0,), None, order=("P", "W")),
    "exact, W first": Run(EXACT, None, (1.0,), (1.0,), None, order=("W", "P")),
}


def compute(
    progress: Callable[[int, int, str], None] | None = None,
    *,
    seeds: int | None = None,
    steps: int = 200,
    linear_steps: int = 1000,
    rounds: int = 20,
    optimisers: Any = tuple(RUNS),
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
    full : bool
        10 seeds, and MNIST for the network with hidden layer.

    Returns
    -------
    xarray.Dataset
        Over `optimiser`, `size` (of the step: small, large), `branch`: `toy`, |θ| at the end over that at the start.
        Over `seed` as well: `linear`, norm of the features over that at the start, `linear_rankme`, `hidden` (spread
        at the end over that at the start), `hidden_rankme`, `hidden_knn`. NaN where an optimiser is not run.
        `knn_start` (`seed`).
    """
    seeds = seed_count(seeds, full)
    runs = {name: RUNS[name] for name in optimisers}
    shape = (len(runs), len(SIZES), len(BRANCHES))
    toy = np.full(shape, np.nan)
    found = {
        name: np.full((*shape, seeds), np.nan)
        for name in ("linear", "linear_rankme", "hidden", "hidden_rankme", "hidden_knn")
    }
    starts = np.full(seeds, np.nan)
    for i, (name, one) in enumerate(runs.items()):
        for j, branch in enumerate(BRANCHES):
            for k, lr in enumerate(one.toy or ()):
                toy[i, k, j] = _toy(one, branch, lr)
            for k, lr in enumerate(one.linear):
                linear = _linear_by_network if one.of_network else _linear_by_flow
                found["linear"][i, k, j], found["linear_rankme"][i, k, j] = linear(
                    one, branch, lr, seeds, linear_steps if one.of_network else rounds
                )
            for k, lr in enumerate(one.hidden or ()):
                data = _hidden(one, branch, lr, seeds, steps, full)
                first, last = data.isel(step=0), data.isel(step=-1)
                found["hidden"][i, k, j] = last["spread"] / first["spread"]
                found["hidden_rankme"][i, k, j], found["hidden_knn"][i, k, j] = last["rankme"], last["knn"]
                starts = first["knn"].values
            if progress:
                progress(i * len(BRANCHES) + j + 1, len(runs) * len(BRANCHES), f"{name}, {branch}")
    dims = ("optimiser", "size", "branch")
    data = xr.Dataset(
        {"toy": (dims, toy), **{name: ((*dims, "seed"), values) for name, values in found.items()}},
        coords={"optimiser": list(runs), "size": list(SIZES), "branch": list(BRANCHES), "seed": np.arange(seeds)},
    )
    data["knn_start"] = ("seed", starts)
    lrs = {name: {"toy": r.toy, "linear": r.linear, "hidden": r.hidden} for name, r in runs.items()}
    about = {"step_sizes": lrs, "sigma2": NOISE**2, "initial": _START, "toy_sigma2": _TOY_NOISE}
    about |= {"steps": steps, "linear_steps": linear_steps, "rounds": rounds}
    return stamp(data, "torch", "scikit-learn", experiment=hidden_layer(full).to_dict(), **about)


_START = {"phi": 0.6, "theta": 0.1}
_TOY_NOISE = 0.1
_TOY_TIME = 60.0


def _toy(one: Run, branch: str, lr: float) -> float:
    """The toy is the matrix flow of one feature and one pixel."""
    assert one.of_flow is not None
    field = matrix_flow([[1.0]], [[1.0 + _TOY_NOISE]], 1, branch=branch)
    curved = one.of_flow in ("gauss-newton", "newton", EXACT)
    steps = 20 if curved else round(_TOY_TIME / lr)
    start = {"P": [[_START["phi"]]], "W": [[_START["theta"]]]}
    ends = optimise(field, start, steps, optimiser=one.of_flow, lr=lr, every=steps, **one.options)
    return abs(float(ends["W"].isel(step=-1).squeeze())) / _START["theta"]


def _linear(branch: str, **changes: Any) -> Any:
    return linear_experiment(dim=DIM, branch=branch, measures=("norm_ratio", "rankme"), **changes)


def _linear_by_network(one: Run, branch: str, lr: float, seeds: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Training on the full batch, whose expectation over the noise is exact."""
    from dynsim.networks import train

    taken = max(1, steps // 5) if one.of_network == "lbfgs" else steps
    experiment = _linear(branch, optimiser=one.of_network, lr=lr, momentum=one.momentum, steps=taken, every=taken)
    last = train(experiment, seeds).isel(step=-1)
    return last["norm_ratio"].values, last["rankme"].values


def _linear_by_flow(one: Run, branch: str, lr: float, seeds: int, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """The same network as the matrix flow, stepped through by what knows its curvature."""
    from dynsim.networks import fit, initial_state

    assert one.of_flow is not None
    field = matrix_flow(*digit_moments(), DIM, branch=branch)
    experiment = _linear(branch, steps=0)
    weights = []
    for seed in range(seeds):
        start = initial_state(experiment, seed)
        ends = optimise(field, start, rounds, optimiser=one.of_flow, lr=lr, every=rounds, **one.options)
        weights.append(ends["W"].isel(step=-1).values)
    measured = fit(experiment, seeds).measured(W=np.array(weights))
    return measured["norm_ratio"], measured["rankme"]


def _hidden(one: Run, branch: str, lr: float, seeds: int, steps: int, full: bool) -> xr.Dataset:
    from dynsim.networks import train

    changes: dict[str, Any] = {"steps": steps}
    if one.of_network == "lbfgs":
        changes = {"steps": max(1, steps // 2), "batch": "full", "fixed_views": 1, "images": 500}
    experiment = hidden_layer(
        full,
        branch=branch,
        optimiser=one.of_network,
        lr=lr,
        momentum=one.momentum,
        measures=("spread", "rankme", "knn"),
        every=changes["steps"],
        **changes,
    )
    return train(experiment, seeds)


def collapsed(data: xr.Dataset) -> xr.Dataset:
    """1 where a run has collapsed, 0 where not, NaN where there is none; a seed that was lost has not."""
    shares = {name: (data[name] < least).astype(float) for name, least in COLLAPSED.items()}
    return xr.Dataset(
        {
            name: share.where(data[name].notnull().any("seed") if "seed" in share.dims else data[name].notnull())
            for name, share in shares.items()
        }
    )


def verdict(data: xr.Dataset) -> Verdict:
    """Say who does otherwise than the flow: alive under stop-gradient, collapsed without it."""
    gone = collapsed(data)
    same = counted = 0
    told = []
    for name, words in (("toy", "toy"), ("linear", "linear network"), ("hidden", "hidden layer")):
        share = gone[name].mean("seed") if "seed" in gone[name].dims else gone[name]
        odd = []
        for branch in data["branch"].values:
            expected = 0.0 if branch == "stop" else 1.0
            for size in data["size"].values:
                for optimiser in data["optimiser"].values:
                    value = float(share.sel(branch=branch, size=size, optimiser=optimiser))
                    if np.isfinite(value) and value != expected:
                        odd.append(f"{optimiser}, {size} step, {branch} ({value:.0%} collapse)")
        number = int(share.notnull().sum())
        same, counted = same + number - len(odd), counted + number
        told.append(f"{words}: {number - len(odd)} of {number} do as the flow does, not: {'; '.join(odd) or 'none'}")
    detail = "optimisers × step sizes × branches, alive under stop-gradient and collapsed without it: " + ". ".join(
        told
    )
    headline = f"{same} of {counted} trainings live with stop-gradient and collapse without it, as the flow does"
    return concluded("holds" if same == counted else "holds under conditions", headline, detail)


_MARKERS = {"stop": "o", "full": "s", "target": "^"}
_PANELS = (
    ("toy", "toy: |θ| / at start", (1e-3, 1e3)),
    ("linear", "linear: norm / at start", (1e-3, 1e3)),
    ("hidden", "hidden: spread / at start", None),
    ("hidden_knn", "hidden: kNN (augmented)", None),
)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Toy, linear network and the accuracy of one with a hidden layer."""
    _draw(data, figure, [panel for panel in _PANELS if panel[0] != "hidden"])


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
    knn, last = data["knn_start"], panels[-1]
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
    unrun = rows[data["hidden"].isnull().all(["size", "branch", "seed"])]
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
    values = data[name] if "seed" in data[name].dims else data[name].expand_dims(seed=1)
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
