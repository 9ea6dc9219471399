"""Which optimisers collapse a network: stop-gradient decides, the optimiser hardly matters, root finding apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.experiments.optimisers_network import COLLAPSED, DIM
from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import BRANCH_STYLE, COLOURS
from dynsim.records import provenance

EXPERIMENT = "optimisers-network"
OPTIONS: dict[str, Any] = {}
SIZE = (12.0, 6.2)

_MARKERS = {"stop": "o", "full": "s", "target": "^"}
_PANELS = (
    ("toy", "toy: |θ| / |θ| at start", (1e-3, 1e3)),
    ("linear", "linear network: norm of z / at start", (1e-3, 1e3)),
    ("hidden", "hidden layer: spread / at start", None),
    ("hidden_knn", "hidden layer: kNN (augmented)", None),
)


def draw(data: xr.Dataset, figure: Any) -> None:
    """One row per optimiser, one panel per subject; colour and shape by branch, filled the small step."""
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    rows = np.arange(data.sizes["optimiser"])
    for axes, (name, title, limits) in zip(panels, _PANELS, strict=True):
        if limits:
            axes.set(xscale="log", xlim=(limits[0] / 2, limits[1] * 2))
        if name in COLLAPSED:
            axes.axvspan(axes.get_xlim()[0] if limits else -1.0, COLLAPSED[name], color="#E8E8E8", zorder=0)
        _draw_runs(data, axes, rows, name, limits)
        axes.set_title(title, fontsize=10)
    panels[2].set_xlim(-0.05, None)
    knn = data["knn_start"]
    panels[3].axvspan(float(knn.min()), float(knn.max()), color="#CFE3F1", zorder=0)
    panels[3].annotate("untrained", (float(knn.mean()), len(rows) - 0.75), ha="center", fontsize=8)
    panels[3].set_xlim(0, None)
    panels[0].set_yticks(rows, data["optimiser"].values)
    panels[0].set_ylim(len(rows) - 0.45, -0.6)
    for branch in data["branch"].values:
        panels[2].plot([], [], _MARKERS[branch], color=BRANCH_STYLE[branch]["color"], label=str(branch))
    panels[2].plot([], [], "o", color=COLOURS["grey"], label="small step")
    panels[2].plot([], [], "o", color=COLOURS["grey"], mfc="white", label="large step")
    panels[2].legend(fontsize=8.5, loc="lower center", ncols=2, bbox_to_anchor=(0.5, 0.1))
    unrun = rows[data["hidden"].isnull().all(["size", "branch", "seed"])]
    for axes in panels[2:] if len(unrun) else ():
        axes.annotate("not run here", (0.62, unrun[0] + 0.1), xycoords=("axes fraction", "data"), ha="center",
                      fontsize=8.5, color=COLOURS["grey"])  # fmt: skip
    about = provenance(data)
    caption(
        figure,
        data.assign_attrs(initial="{}"),
        f"Grey: collapsed. Toy from φ = {about['initial']['phi']:g}, θ = {about['initial']['theta']:g}, noise "
        f"σ² = {about['toy_sigma2']:g}. Linear: {DIM} features, squared error, noise σ² = {about['sigma2']:g}, full "
        f"batch of the digits, {about['linear_steps']} steps (L-BFGS a fifth; Gauss–Newton, Newton, exact "
        f"minimisation of one layer after the other {about['rounds']}). Hidden layer: MLP with batch norm, MLP "
        f"predictor, cosine loss, every augmentation, {about['experiment']['data']}, batch 64, {about['steps']} steps "
        "(L-BFGS half of them on a fixed batch of 500 images)",
        f"Small and large step, toy / linear / hidden: {_step_sizes(data, about['step_sizes'])}. Values beyond the "
        "axis lie on its edge. "
        f"Lines: range over {data.sizes['seed']} seeds",
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
