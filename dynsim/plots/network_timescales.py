"""Who is fast, predictor or encoder: every measure, on the toy and on two networks, at three ratios α."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.spread import draw_seeds
from dynsim.plots.parts.style import COLOURS, SEQUENCE
from dynsim.records import provenance

EXPERIMENT = "network-timescales"
OPTIONS: dict[str, Any] = {}
SIZE = (12.0, 9.0)

_LINES = ("-", "--", "-.")


def draw(data: xr.Dataset, figure: Any) -> None:
    """Above and below one column per subject; between them gap, eigenvalues and times of displacement."""
    grid = figure.subplots(3, 3)
    alphas = data["alpha"].values
    colours = colormaps[SEQUENCE](np.linspace(0.0, 0.82, len(alphas)))
    styles = [{"color": tuple(c), "linestyle": line} for c, line in zip(colours, _LINES, strict=False)]
    for column, subject in enumerate(data["subject"].values):
        _draw_speeds(data.sel(subject=subject), grid[0, column], styles, str(subject))
        _draw_shares(data.sel(subject=subject), grid[2, column], styles, str(subject))
    _draw_gap(data, grid[1, 0], styles)
    _draw_eigenvalues(data, grid[1, 1], styles)
    _draw_times(data, grid[1, 2], styles)
    grid[0, 0].legend(title="α", fontsize=8, title_fontsize=8)
    about = provenance(data)
    caption(
        figure,
        data,
        f"Stop-gradient everywhere; α multiplies the predictor's learning rate. Toy: t = {about['t_end']:g}. Linear "
        "network: linear encoder and predictor, squared error, lr 0.02; hidden layer: MLP with batch norm and MLP "
        f"predictor, cosine loss, lr 0.1; both {about['steps']} steps of SGD, momentum 0.9, batch 64, on "
        "scikit-learn's digits with every augmentation, speeds by the gradient on a fixed batch",
        "‖P − P*‖ counts directions that the features hardly use in full",
        f"Eigenvalues: flow of a linear network with {about['dim']} features. Bands and bars: range over "
        f"{data.sizes['seed']} seeds. There is no standard definition of fast, and these disagree",
    )


def _draw_speeds(data: xr.Dataset, axes: Any, styles: list[dict[str, Any]], subject: str) -> None:
    for alpha, style in zip(data["alpha"].values, styles, strict=True):
        one = data.sel(alpha=alpha)
        draw_seeds(axes, data["record"], one["relative_speed_ratio"], {**style, "linewidth": 2.0}, label=f"{alpha:g}")
        draw_seeds(axes, data["record"], one["absolute_speed_ratio"], {**style, "linewidth": 0.9})
    axes.axhline(1.0, color=COLOURS["grey"], linewidth=0.8)
    axes.set(yscale="log", xlabel="share of the run")
    if subject == "toy":
        axes.set_ylabel("← encoder faster   predictor faster →", fontsize=8)
    axes.set_title(f"{subject}: speed of predictor/encoder\nrelative (thick), absolute (thin)", fontsize=9.5)


def _draw_gap(data: xr.Dataset, axes: Any, styles: list[dict[str, Any]]) -> None:
    for subject, width in (("toy", 0.9), ("linear network", 2.0)):
        for alpha, style in zip(data["alpha"].values, styles, strict=True):
            values = data["predictor_gap"].sel(subject=subject, alpha=alpha)
            draw_seeds(axes, data["record"], values.where(values > 0), {**style, "linewidth": width})
    axes.set(yscale="log", xlabel="share of the run", ylim=(1e-4, None))
    axes.set_title(
        "distance to the slow manifold ‖P − P*‖/‖P*‖\nlinear network (thick), toy |φ − 1| (thin)", fontsize=9.5
    )


def _draw_eigenvalues(data: xr.Dataset, axes: Any, styles: list[dict[str, Any]]) -> None:
    zeros = []
    for subject, width in (("toy", 0.9), ("linear network", 2.0)):
        for alpha, style in zip(data["alpha"].values, styles, strict=True):
            one = data.sel(jacobian_of=subject, alpha=alpha)
            gap = one["eigenvalue_gap"].where(one["zero_eigenvalues"] == 0)
            known = np.isfinite(gap)  # of the network the Jacobian is taken at a few moments only
            axes.plot(data["record"][known], gap[known], **{**style, "linewidth": width})
            zeros.append(f"{float(one['zero_eigenvalues'].isel(record=-1)):.0f}")
    half = len(zeros) // 2
    axes.annotate(
        f"zero eigenvalues at the end, by α:\ntoy {', '.join(zeros[:half])}; linear network {', '.join(zeros[half:])}",
        (0.98, 0.03), xycoords="axes fraction", ha="right", va="bottom", fontsize=7.5,
    )  # fmt: skip
    axes.set(yscale="log", xlabel="share of the run", ylim=(0.03, None))
    axes.set_title("eigenvalues of the Jacobian, |λ|max/|λ|min\nlinear network (thick), toy (thin)", fontsize=9.5)


def _draw_times(data: xr.Dataset, axes: Any, styles: list[dict[str, Any]]) -> None:
    subjects = data["subject"].values.tolist()
    for column, (alpha, style) in enumerate(zip(data["alpha"].values, styles, strict=True)):
        for name, marker, face in (("half_life_ratio", "o", "white"), ("time90_ratio", "s", style["color"])):
            for row, subject in enumerate(subjects):
                values = data[name].sel(alpha=alpha, subject=subject).values
                y = row + 0.22 * (column - 1) + (0.07 if name == "time90_ratio" else -0.03)
                axes.plot([values.min(), values.max()], [y, y], color=style["color"], linewidth=1)
                axes.plot(values.mean(), y, marker, color=style["color"], markerfacecolor=face, markersize=5.5)
    axes.axvline(1.0, color=COLOURS["grey"], linewidth=0.8)
    both = np.concatenate([data[name].values.ravel() for name in ("half_life_ratio", "time90_ratio")])
    low, high = min(0.9 * np.nanmin(both), 0.9), max(1.1 * np.nanmax(both), 1.1)
    axes.set_xscale("log")
    ticks = [tick for tick in (0.05, 0.1, 0.2, 0.5, 0.7, 1.0, 1.4, 2.0, 5.0, 10.0, 20.0) if low < tick < high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set(
        xlim=(low, high), ylim=(len(subjects) - 0.5, -0.5), xlabel="predictor/encoder (left of 1: predictor faster)"
    )
    axes.set_yticks(range(len(subjects)), subjects, fontsize=8)
    axes.set_title("time until 50 % (rings) and 90 % (squares)\nof the displacement is done", fontsize=9.5)


def _draw_shares(data: xr.Dataset, axes: Any, styles: list[dict[str, Any]], subject: str) -> None:
    for alpha, style in zip(data["alpha"].values, styles, strict=True):
        draw_seeds(axes, data["record"], data["predictor_share"].sel(alpha=alpha), {**style, "linewidth": 1.8})
    axes.axhline(0.0, color=COLOURS["grey"], linewidth=0.8)
    axes.set(ylim=(-1.05, 1.05), xlabel="share of the run")
    axes.set_title(f"{subject}: the predictor's part of dl/dt\nrelative to |its part| + |the encoder's|", fontsize=9.5)
