"""Which optimisers collapse: small gradient steps do as the flow does, adaptive and second-order ones do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS

EXPERIMENT = "optimisers"
OPTIONS: dict[str, Any] = {}
SIZE = (12.0, 5.2)

MARKERS = (
    {"marker": "o", "color": COLOURS["blue"]},
    {"marker": "s", "color": COLOURS["orange"]},
    {"marker": "^", "color": COLOURS["vermilion"]},
    {"marker": "D", "color": COLOURS["purple"]},
)
TITLES = {
    "stop": "with stop-gradient",
    "full": "without stop-gradient",
    "full, noise": "without, views noisy (σ² = 0.1)",
}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Share of collapsed starts per setting, and where the article's start ends; one row per optimiser."""
    panels = figure.subplots(1, data.sizes["setting"] + 1, sharey=True)
    rows = np.arange(data.sizes["optimiser"])
    shifts = np.linspace(-0.22, 0.22, data.sizes["lr"])
    for axes, setting in zip(panels, data["setting"].values, strict=False):
        one = data.sel(setting=setting)
        exact = float(one["exact_share"])
        axes.axvline(exact, color=COLOURS["black"], linewidth=1.0, linestyle="--", zorder=1)
        for style, shift, lr in zip(MARKERS, shifts, data["lr"].values, strict=False):
            share, lost = (one[name].sel(lr=lr) for name in ("collapsed", "diverged"))
            axes.plot(share, rows + shift, linestyle="none", markersize=6, label=f"{lr:g}", **style)
            for row in np.flatnonzero(lost > 0.05):
                axes.annotate(
                    f"{float(lost[row]):.0%} diverge",
                    (float(share[row]), row + shift), xytext=(6, 0), textcoords="offset points", va="center",
                    fontsize=7, zorder=1.5, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
                )  # fmt: skip
        axes.set(xlim=(-0.05, 1.08), xlabel="share of starts that collapse")
        axes.set_title(TITLES.get(str(setting), str(setting)), fontsize=10)
    ends = panels[-1]
    for style, shift, lr in zip(MARKERS, shifts, data["lr"].values, strict=False):
        for setting, fill in (("stop", style["color"]), ("full", "none")):
            values = abs(data["end"].sel(setting=setting, lr=lr))
            ends.plot(values, rows + shift, linestyle="none", markersize=6, markerfacecolor=fill, **style)
    ends.axvline(float(data["exact_end"]), color=COLOURS["black"], linewidth=1.0, linestyle="--", zorder=1)
    ends.set(xlabel="|θ| at the end", xlim=(-0.08, None))
    ends.set_title("from the article's start\n(filled: stop, open: full)", fontsize=10)
    panels[0].set_yticks(rows, data["optimiser"].values)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    panels[2].legend(title="step size", fontsize=8, title_fontsize=8, loc="lower left")
    caption(
        figure,
        data,
        f"Scalar toy, {data.attrs['starts']} starts on [−0.5, 1.5] × [0.05, 1.25]; collapsed: |θ| < 0.05 after flow "
        f"time {data.attrs['span']:g} (Newton and Gauss–Newton 20, exact minimisation 30 rounds). Dashed: the flow, "
        "exactly. RMSProp, sign and Adam do not come to rest at large steps: their end is a jitter as wide as the "
        "step. Newton looks for any root of the field, and the origin is one",
    )
