"""Networks as rows, branches as points with their range over seeds: ratios on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dynsim.drawing.style import BRANCH_STYLE, COLOURS

__all__ = ["branch_legend", "draw_rows"]


def draw_rows(panels: Any, columns: Sequence[tuple[str, xr.DataArray]], apart: str = "toy") -> None:
    """Draw a row per network, one apart: each branch a point at the mean over seeds, a bar over their range.

    Parameters
    ----------
    panels : sequence of matplotlib Axes
    columns : sequence of (title, values)
        Values over `network`, `branch` and `seed`; what is 1 is equal.
    apart : str
        The network that a line parts from those below it.
    """
    for axes, (name, values) in zip(panels, columns, strict=True):
        names = [str(one) for one in values["network"].values]
        branches = [str(one) for one in values["branch"].values]
        for row, network in enumerate(names):
            for place, branch in enumerate(branches):
                one = values.sel(network=network, branch=branch).values
                one = one[np.isfinite(one) & (one > 0)]
                if not one.size:
                    continue
                y = row + 0.22 * (place - (len(branches) - 1) / 2)
                colour = BRANCH_STYLE[branch]["color"]
                axes.plot([one.min(), one.max()], [y, y], color=colour, linewidth=1.1)
                axes.plot(one.mean(), y, MARKERS[branch], color=colour, markersize=4.5)
        axes.axvline(1.0, color=COLOURS["black"], linewidth=0.8, zorder=1)
        if apart in names:
            axes.axhline(names.index(apart) + 0.5, color=COLOURS["grey"], linewidth=0.5, linestyle=":")
        axes.set(xscale="log", title=name, ylim=(len(names) - 0.45, -0.55))
        few_ticks(axes)
        axes.set_yticks(range(len(names)), names)
        axes.grid(axis="y", visible=False)
        if axes.get_position().x0 > panels[0].get_position().x0 + 0.01:
            axes.tick_params(labelleft=False)


def few_ticks(axes: Any) -> None:
    """Write the ticks of a logarithmic axis as numbers: powers of ten, with 2 and 5 between where few fit."""
    low, high = axes.get_xlim()
    decades = np.log10(high / low)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 1.6 else (1.0,), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


MARKERS = {"stop": "o", "full": "s", "target": "^"}


def branch_legend(axes: Any, branches: Sequence[str]) -> None:
    """Markers and colours of the branches, right of the last panel."""
    for one in branches:
        axes.plot([], [], MARKERS[one], color=BRANCH_STYLE[one]["color"], label=one)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.0)
