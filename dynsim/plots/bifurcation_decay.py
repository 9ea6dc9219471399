"""Weight decay destroys the learned state in a saddle-node: the fold at η_c, for several σ²."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS, SEQUENCE

EXPERIMENT = "bifurcation-decay"
OPTIONS: dict[str, Any] = {}
SIZE = (9.6, 4.5)


def draw(data: xr.Dataset, figure: Any) -> None:
    """φ and θ at the two equilibria over η: the upper stable, the lower the boundary of collapse."""
    panels = figure.subplots(1, 2)
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.85, data.sizes["sigma2"]))
    for axes, state, label in zip(panels, ("phi", "theta"), ("φ (predictor)", "θ (encoder)"), strict=True):
        for shade, sigma2 in zip(shades, data["sigma2"].values, strict=True):
            one = data.sel(sigma2=sigma2)
            for value, style in ((1, "-"), (0, "--")):
                shown = one["stable"].values == value
                shown[1:] |= (one["stable"].values[:-1] == value) & (one["stable"].values[1:] >= 0)
                label_ = f"{sigma2:g}" if value == 1 else None
                axes.plot(one["eta"].where(shown), one[state].where(shown), style, color=shade, label=label_)
            exact = float(one["exact_eta"])
            axes.vlines(exact, 0.0, 1.05, color=shade, linewidth=0.8, linestyle=":")
            axes.plot(one["fold_eta"], one[f"fold_{state}"], "o", color=shade, markerfacecolor="white", zorder=4)
        axes.axhline(0.0, color=COLOURS["black"], linewidth=1.6)
        axes.set(xlabel="weight decay η", ylabel=label, xlim=(0, 0.3), ylim=(-0.13, 1.08))
    figure.legend(*panels[0].get_legend_handles_labels(), title="σ²", loc="outside upper center", ncols=len(shades))
    panels[0].set_title("predictor at the equilibria")
    panels[1].set_title("encoder at the equilibria")
    for axes in panels:
        axes.annotate("collapsed state: always stable", (0.15, -0.03), ha="center", va="top", fontsize=8.5)
    caption(
        figure,
        data,
        "Scalar system with stop-gradient, η_p = η_s = η. Solid: stable. Circle: fold. Dashed: a saddle, the boundary "
        "of collapse for starts with αθ² = φ², φ > 0 (off that, the boundary is the saddle's stable manifold). "
        "Dotted: exact η_c = 1/(4(1+σ²)); beyond it every start collapses",
    )
