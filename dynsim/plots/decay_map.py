"""Weight decay × noise × predictor's rate × branch: where the encoder lives, with the exact threshold over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS, SEQUENCE

EXPERIMENT = "decay-map"
OPTIONS: dict[str, Any] = {}
SIZE = (11.0, 7.6)

_TITLES = {"stop": "with stop-gradient", "full": "without", "target": "second branch only"}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Size of the encoder at the end; a row per branch, a column per predictor's rate."""
    branches = [str(name) for name in data["branch"].values]
    heights = [2.0 if name == "stop" else 1.0 for name in branches]
    panels = figure.subplots(
        len(branches), data.sizes["alpha"], sharex=True, sharey=True, squeeze=False, height_ratios=heights
    )
    size = data["alpha"] ** 0.5 * abs(data["theta"]).transpose("branch", "alpha", "eta", "sigma2")
    for row, branch in zip(panels, branches, strict=True):
        for axes, alpha in zip(row, data["alpha"].values, strict=True):
            mesh = _map(axes, data, size.sel(branch=branch, alpha=alpha))
            axes.set_title(f"{branch}, α = {alpha:g}", fontsize=10)
        row[0].set_ylabel(f"{_TITLES.get(branch, branch)}\nweight decay η")
    for axes in panels[-1]:
        axes.set_xlabel("noise variance σ²")
    figure.colorbar(mesh, ax=list(panels.flat), label="√α·|θ| at the end", shrink=0.7, extend="max")
    caption(
        figure,
        data,
        "Scalar system, equal decay of predictor and encoder. Dashed: the exact threshold η_c = 1/(4(1+σ²)), beyond "
        "which nothing but collapse is left under stop-gradient, whatever α; white: boundary of collapse from this "
        f"start at t = {data.attrs['t_end']:g}, which depends on α. At η = 0 a strong predictor collapses where "
        "φ₀² − αθ₀² ≥ 1/(1+σ²)², and a little decay saves it. Without stop-gradient any noise or decay collapses the "
        "encoder from this start",
    )


def _map(axes: Any, data: xr.Dataset, shown: xr.DataArray) -> Any:
    noise, decay = data["sigma2"], data["eta"]
    mesh = axes.pcolormesh(noise, decay, shown, cmap=SEQUENCE, vmin=0, vmax=1, rasterized=True, shading="nearest")
    alive, known = int((shown > 1e-3).sum()), int(shown.notnull().sum())
    if alive > 0.01 * known:
        level = np.log10(shown.fillna(0) + 1e-12)
        axes.contour(noise, decay, level, levels=[-3], colors="white", linewidths=1.4, linestyles="solid")
    elif known:
        words = f"{alive or 'none'} of {known} runs {'lives' if alive == 1 else 'live'}"
        if alive == 1 and float(shown[0, 0]) > 1e-3:
            words += ": σ² = η = 0"
        axes.annotate(words, (0.5, 0.2), xycoords="axes fraction", ha="center", color="white", fontsize=9)
    axes.plot(noise, data["threshold"], color=COLOURS["vermilion"], linestyle="--", linewidth=1.8)
    axes.grid(False)
    return mesh
