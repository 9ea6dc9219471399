"""The teacher's coefficient on networks: from none to frozen all survive; a cold, slow one comes too late."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.spread import draw_seeds
from dynsim.plots.parts.style import COLOURS, SEQUENCE
from dynsim.records import provenance

EXPERIMENT = "network-ema"
OPTIONS: dict[str, Any] = {}
SIZE = (11.4, 6.8)

_PANELS = (
    ("spread", "spread std(z/|z|)·√d", "linear"),
    ("rankme", "RankMe", "linear"),
    ("norm_ratio", "norm of z / norm at start", "log"),
    ("knn", "kNN accuracy (augmented)", "linear"),
)
_LINES = ("-", (0, (5, 1)), "--", "-.", ":")
_NO_STOP = {"color": COLOURS["vermilion"], "linestyle": (0, (1, 1)), "linewidth": 1.4}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Four measures of the network with hidden layer, and the linear network on its flow, warm and cold."""
    grid = figure.subplots(2, 3)
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.88, data.sizes["teacher"]))
    styles = [{"color": tuple(c), "linestyle": line} for c, line in zip(shades, _LINES, strict=False)]
    for axes, (name, title, scale) in zip(grid[:, :2].flat, _PANELS, strict=True):
        for m, style in zip(data["teacher"].values, styles, strict=True):
            draw_seeds(axes, data["step"], data[name].sel(teacher=m), style, label=f"m = {m:g}")
        draw_seeds(axes, data["step"], data[f"{name}_full"], _NO_STOP, label="no stop-gradient")
        axes.set(xlabel="step", yscale=scale)
        axes.set_title(f"hidden layer: {title}", fontsize=10)
    grid[0, 0].set_ylim(0, 1.05)
    grid[1, 1].set_ylim(0, None)
    grid[0, 1].set_ylim(0, None)
    grid[0, 0].legend(fontsize=7.5, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 0.12))
    for axes, start in zip(grid[:, 2], data["start"].values, strict=True):
        _draw_linear(data.sel(start=start), axes, styles)
    grid[0, 2].set_ylim(0, None)
    grid[1, 2].set(yscale="log", ylim=(1e-3, 5))
    grid[0, 2].set_title("linear: size of z, warm teacher\n(lines: network, rings: matrix flow)", fontsize=10)
    grid[1, 2].set_title("linear: size of z, cold teacher V(0) = 0", fontsize=10)
    about, eta = provenance(data)["experiment"], data.attrs["eta"]
    caption(
        figure,
        data,
        f"Teacher V ← mV + (1−m)W, stop-gradient always on its side. Hidden layer: MLP encoder with batch norm, MLP "
        f"predictor, cosine loss, SGD lr {about['lr']:g}, momentum {about['momentum']:g}, batch {about['batch']}, on "
        f"{about['data']} with every augmentation. Linear: {data.attrs['dim']} features, squared error, noise "
        f"σ² = {data.attrs['sigma2']:g}, decay η = {eta:g} on both layers, the same SGD with lr 0.02; its flow has "
        "β = (1−m)(1−momentum)/lr. Mean and range over "
        f"{data.sizes['seed']} seeds (rings: mean)",
    )


def _draw_linear(data: xr.Dataset, axes: Any, styles: list[dict[str, Any]]) -> None:
    few = slice(1, None, 2)
    for m, style in zip(data["teacher"].values, styles, strict=True):
        one = data.sel(teacher=m)
        draw_seeds(axes, one["record"], one["norm_network"].clip(1e-4), style)
        flow = one["norm_flow"].mean("seed").clip(1e-4)
        axes.plot(one["record"][few], flow[few], "o", color=style["color"], mfc="white", ms=4.5, zorder=3)
    axes.set_xlabel("flow time t")
