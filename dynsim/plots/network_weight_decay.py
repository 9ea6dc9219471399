"""Weight decay on networks: the threshold of each mode, and measures that do and do not see the features go."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.experiments.network_weight_decay import SHARE_OF_STEPS, survives
from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.spread import draw_seeds
from dynsim.plots.parts.style import BRANCH_STYLE, COLOURS, SEQUENCE
from dynsim.records import provenance

EXPERIMENT = "network-weight-decay"
OPTIONS: dict[str, Any] = {}
SIZE = (11.6, 7.0)

_MARKERS = ("o", "s", "^")
_PANELS = (
    ("spread", "spread std(z/|z|)·√d"),
    ("rankme", "RankMe"),
    ("knn", "kNN accuracy (augmented)"),
)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Above the linear network's modes against their threshold, below the measures of one with hidden layer."""
    grid = figure.subplots(2, 3)
    _draw_sizes(data, grid[0, 0])
    _draw_fates(data, grid[0, 1])
    _draw_numbers(data, grid[0, 2])
    for axes, (name, title) in zip(grid[1], _PANELS, strict=True):
        for branch in data["branch"].values:
            style = {**BRANCH_STYLE[str(branch)], "marker": "o", "markersize": 4}
            draw_seeds(axes, np.arange(data.sizes["decay"]), data[name].sel(branch=branch), style, label=str(branch))
        axes.set_ylim(0, None)
        axes.set_title(f"hidden layer: {title}", fontsize=10)
        _label_decays(data, axes.xaxis, axes)
    grid[1, 0].legend(fontsize=8, loc="center left", bbox_to_anchor=(0.0, 0.4))
    about = provenance(data)["experiment"]
    shorter = f"{SHARE_OF_STEPS['full']:.0%}"
    caption(
        figure,
        data,
        f"η acts on both layers, per unit of flow time (torch's weight_decay at α = 1). Linear: {data.sizes['mode']} "
        f"features, squared error, noise σ² = {data.attrs['sigma2']:g}, minibatch SGD from torch's own start, not "
        f"aligned; alive: larger than half the size at the fold. Hidden layer: MLP with batch norm, MLP predictor, "
        f"cosine loss, every augmentation, SGD lr {about['lr']:g}, {data.attrs['steps']} steps (full and target "
        f"{shorter} of the steps), {about['data']}. Mean and range over {data.sizes['seed']} seeds",
    )


def _label_decays(data: xr.Dataset, axis: Any, axes: Any) -> None:
    axis.set_ticks(np.arange(data.sizes["decay"]), [f"{eta:g}" for eta in data["decay"].values])
    axis.set_tick_params(labelsize=8)
    axes.set(**{f"{axis.axis_name}label": "weight decay η"})


def _draw_sizes(data: xr.Dataset, axes: Any) -> None:
    """Measured rings on predicted lines for the largest decays that any mode survives."""
    alive = [eta for eta in data["decay"].values if 0 < eta < float(data["threshold"].max())][-3:]
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.7, max(1, len(alive))))
    for eta, shade, marker in zip(alive, shades, _MARKERS, strict=False):
        values = data["size"].sel(branch="stop", decay=eta)
        mean = values.mean("seed")
        axes.plot(data["mode"], data["size_theory"].sel(decay=eta), color=shade, linewidth=1.2, drawstyle="steps-mid")
        axes.vlines(data["mode"], values.min("seed"), values.max("seed"), color=shade, linewidth=1)
        axes.plot(data["mode"], mean, marker, color=shade, mfc="white", ms=4.5, label=f"η = {eta:g}")
    axes.set(xlabel="mode j", ylabel="‖W q$_j$‖²", ylim=(0, None))
    axes.set_title("linear: size of each mode with stop-gradient\n(lines: equilibrium p₊² of the mode)", fontsize=10)
    axes.legend(fontsize=8)


def _draw_fates(data: xr.Dataset, axes: Any) -> None:
    """Share of seeds in which a mode is alive, over its threshold; the threshold rule is the step between."""
    share = survives(data).sel(branch="stop").mean("seed")
    rows = np.arange(data.sizes["decay"])
    for row, eta in enumerate(data["decay"].values):
        filled = 0.85 - 0.85 * share.sel(decay=eta)
        axes.scatter(data["threshold"], np.full(data.sizes["mode"], row), s=26, c=filled, cmap="gray", vmin=0, vmax=1,
                     edgecolors=COLOURS["grey"], linewidths=0.5, zorder=3)  # fmt: skip
        if eta:
            axes.plot([eta, eta], [row - 0.42, row + 0.42], color=COLOURS["vermilion"], linewidth=2, zorder=2)
    low, high = float(data["threshold"].min()), float(data["threshold"].max())
    axes.set(xscale="log", xlim=(low / 1.6, high * 2.2), xlabel="threshold of the mode, λ$_d$²/(4λ$_s$)")
    axes.set_ylim(rows[-1] + 0.7, -0.7)
    _label_decays(data, axes.yaxis, axes)
    axes.set_title("linear: alive (black) or lost (pale)\n(red: where the threshold equals η)", fontsize=10)


def _draw_numbers(data: xr.Dataset, axes: Any) -> None:
    rows = np.arange(data.sizes["decay"])
    numbers = survives(data).sum("mode")
    for branch in data["branch"].values:
        style = {**BRANCH_STYLE[str(branch)], "marker": "o", "markersize": 4}
        draw_seeds(axes, rows, numbers.sel(branch=branch), style, label=str(branch))
    foretold = (data["decay"] < data["threshold"]).sum("mode")
    axes.plot(rows, foretold, "x", color=COLOURS["black"], ms=8, mew=1.8, label="η < λ$_d$²/(4λ$_s$)", zorder=4)
    _label_decays(data, axes.xaxis, axes)
    axes.set_title(f"linear: modes alive, of {data.sizes['mode']}", fontsize=10)
    axes.legend(fontsize=8)
