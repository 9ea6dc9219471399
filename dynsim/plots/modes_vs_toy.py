"""Eigenmodes of a linear network against the scalar toy: exact when aligned, measured when not."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.spread import draw_seeds
from dynsim.plots.parts.style import BRANCH_STYLE, COLOURS, SEQUENCE
from dynsim.records import provenance

EXPERIMENT = "modes-vs-toy"
OPTIONS: dict[str, Any] = {}
SIZE = (12.0, 7.4)

_PLAIN = {"color": COLOURS["blue"], "linestyle": "-", "linewidth": 1.8}
_DECAYED = {"color": COLOURS["vermilion"], "linestyle": "--", "linewidth": 1.8}
_HIDDEN = {"color": COLOURS["green"], "linestyle": "-.", "linewidth": 1.8}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Above: aligned modes, their error, the error from torch's start; below: alignment, commutator, asymmetry."""
    grid = figure.subplots(2, 3)
    _draw_modes(data, grid[0, 0])
    _draw_aligned_error(data, grid[0, 1])
    _draw_predictions(data, grid[0, 2])
    titles = {
        "alignment": "cos(u$_j$, P u$_j$), mean over modes",
        "commutator": "commutator ‖FP − PF‖/(‖F‖‖P‖)",
        "asymmetry": "asymmetry ‖P − Pᵀ‖/‖P‖",
    }
    for axes, (name, title) in zip(grid[1], titles.items(), strict=True):
        _draw_measure(data, axes, name, title)
    grid[1, 0].legend(fontsize=7, loc="lower right")
    about = provenance(data)
    caption(
        figure,
        data,
        f"Linear encoder ({about['experiment']['dim']} × 64) and predictor on scikit-learn's digits, squared error, "
        f"noise σ² = {about['sigma2']:.2g}, full-batch flow. Aligned: p = w = {about['start']:g} in every mode",
        f"Below: torch's start, to t = {about['t_end']:g}; green: hidden layer with batch norm, cosine loss, SGD for "
        f"{int(data['step'][-1])} steps, where no theory holds. Modes: eigenvectors u of F = E[zzᵀ]. Bands and bars: "
        f"range over {data.sizes['seed']} seeds",
    )


def _draw_modes(data: xr.Dataset, axes: Any) -> None:
    one, decay = data.sel(branch="stop"), float(data["decay"][-1])
    few = slice(None, None, max(1, data.sizes["aligned_time"] // 14))
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.88, data.sizes["mode"]))
    for shade, mode in zip(shades, data["mode"].values, strict=True):
        limit = float(one["threshold"].sel(mode=mode))
        axes.plot(one["aligned_time"], one["w_toy"].sel(mode=mode), color=shade, label=f"{limit:.3f}")
        axes.plot(
            one["aligned_time"][few],
            one["w_network"].sel(mode=mode)[few],
            "o",
            color=shade,
            markersize=4.5,
            markerfacecolor="white",
            zorder=3,
        )
    axes.set(xlabel="flow time t", ylabel="w$_j$", ylim=(0, None))
    axes.set_title(f"aligned, stop, decay η = {decay:g}\nlines: scalar equation, rings: network", fontsize=10)
    axes.legend(title="η$_c$ of the mode", fontsize=7, title_fontsize=8, ncols=2)


def _draw_aligned_error(data: xr.Dataset, axes: Any) -> None:
    for branch in data["branch"].values:
        one, style = data.sel(branch=branch), BRANCH_STYLE[str(branch)]
        encoder, predictor = abs(one["w_network"] - one["w_toy"]), abs(one["p_network"] - one["p_toy"])
        error = encoder.where(encoder > predictor, predictor).max("mode")
        axes.plot(one["aligned_time"], error.where(error > 0), label=str(branch), **style)
    leak = data["leak"].max("branch")
    axes.plot(data["aligned_time"], leak.where(leak > 0), color=COLOURS["grey"], lw=1.2, ls=":", label="off the modes")
    axes.axhline(1e-7, color=COLOURS["black"], linewidth=1, linestyle="--")
    axes.annotate("10⁻⁷", (0.98, 1e-7), xycoords=("axes fraction", "data"), xytext=(0, 3), textcoords="offset points",
                  ha="right", fontsize=8)  # fmt: skip
    axes.set(xlabel="flow time t", yscale="log", ylim=(1e-17, 1e-6))
    axes.set_title("aligned: |network − scalar equation|,\nworst mode, p or w", fontsize=10)
    axes.legend(fontsize=8)


def _draw_predictions(data: xr.Dataset, axes: Any) -> None:
    looks = {
        (0, 0): (_PLAIN["color"], "white", "o"), (0, 1): (_PLAIN["color"], _PLAIN["color"], "o"),
        (1, 0): (_DECAYED["color"], "white", "s"), (1, 1): (_DECAYED["color"], _DECAYED["color"], "s"),
    }  # fmt: skip
    modes = data["mode"].values
    for (d, s), (colour, face, marker) in looks.items():
        error = data["mode_error"].isel(decay=d, started=s).transpose("seed", "mode").values
        middle = np.median(error, axis=0)
        axes.errorbar(
            modes + 0.18 * (2 * d + s - 1.5),
            middle,
            yerr=[middle - error.min(axis=0), error.max(axis=0) - middle],
            fmt=marker,
            color=colour,
            markerfacecolor=face,
            markersize=5,
            elinewidth=1,
            label=f"η = {float(data['decay'][d]):g}, from t = {float(data['started'][s]):g}",
        )
    axes.axhline(1.0, color=COLOURS["grey"], linewidth=0.8)
    axes.set(xlabel="mode j (by size at the start of the prediction)", yscale="log", xticks=modes, ylim=(1e-6, 3))
    axes.set_title(
        f"torch's start: relative error of the scalar\nprediction of w$_j$, {_ahead(data):g} ahead", fontsize=10
    )
    axes.legend(fontsize=7, ncols=2, loc="lower center")


def _ahead(data: xr.Dataset) -> float:
    return float(data["started"][1] - data["started"][0])


def _draw_measure(data: xr.Dataset, axes: Any, name: str, title: str) -> None:
    time = data["time"].values
    for eta, style in zip(data["decay"].values, (_PLAIN, _DECAYED), strict=True):
        draw_seeds(axes, time / time[-1], data[name].sel(decay=eta), style, label=f"linear, η = {eta:g}")
        if name == "alignment":
            weighted = data["weighted_alignment"].sel(decay=eta)
            draw_seeds(axes, time / time[-1], weighted, {**style, "linewidth": 0.9}, label="… weighted by size")
    step = data["step"].values
    draw_seeds(axes, step / step[-1], data[f"mlp_{name}"], _HIDDEN, label="hidden layer, SGD")
    axes.set(xlabel="share of the run", ylim=(-0.45, 1.05) if name == "alignment" else (0, None))
    axes.set_title(title, fontsize=10)
