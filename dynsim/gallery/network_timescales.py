"""Who is ahead, predictor or encoder, by which measure: toy and networks, three branches; from `fast-lane`'s run."""

from __future__ import annotations

from textwrap import fill
from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.measures import draw_seeds
from dynsim.drawing.rows import branch_legend, draw_rows
from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.fast_lane import DRAWN, TOY, compute, facts, ratio
from dynsim.gallery.fast_lane import (
    FIGURE as FAST_LANE,
)
from dynsim.gallery.figure import Figure, concluded
from dynsim.records import provenance
from dynsim.verdict import Verdict

# What is drawn, and whether more than 1 means that the predictor is ahead (speeds) or behind (times).
MEASURES = {
    "relative_speed": "relative speed",
    "absolute_speed": "absolute speed",
    "half_life": "half-way time",
    "time90": "90 % time",
}


def who(data: xr.Dataset, branch: str = "stop") -> dict[str, dict[str, str]]:
    """Who is ahead by each measure: ``{network: {measure: "predictor" | "encoder" | "seeds differ"}}``."""
    found: dict[str, dict[str, str]] = {}
    for network in data["network"].values:
        here = data.sel(network=network, branch=branch)
        found[str(network)] = {}
        for measure in MEASURES:
            values = ratio(here, measure)
            values = values.isel(record=0) if "record" in values.dims else 1 / values
            known = values.values[np.isfinite(values.values)]
            ahead = known > 1
            told = "seeds differ" if ahead.size and ahead.any() != ahead.all() else "encoder"
            found[str(network)][measure] = "nobody" if not known.size else "predictor" if ahead.all() else told
    return found


def verdict(data: xr.Dataset) -> Verdict:
    """Say in how many networks the measures agree on who is ahead, with stop-gradient."""
    found = who(data)
    agree = {name: ahead for name, ahead in found.items() if len(set(ahead.values())) == 1}
    words = [
        f"with stop-gradient, {name}: " + ", ".join(f"{ahead[one]} by {MEASURES[one]}" for one in MEASURES)
        for name, ahead in found.items()
    ]
    networks = [name for name in found if name != TOY]
    same = sum(name in agree for name in networks)
    headline = [
        f"All four measures agree on who is ahead in {same} of {len(networks)} networks"
        + (f"; in the toy: {next(iter(set(found[TOY].values())))}" if TOY in agree else "; not in the toy"),
        f"All four measures agree on who is ahead in {same} of {len(networks)} networks",
    ]
    return concluded("measured", headline, "; ".join([*words, *facts(data)]))


def draw(data: xr.Dataset, figure: Any) -> None:
    """Predictor over encoder by three measures, a row per network."""
    panels = panel_row(figure, 3)
    columns = [
        ("relative speed\nat the start", ratio(data, "relative_speed").isel(record=0)),
        ("absolute speed\nat the start", ratio(data, "absolute_speed").isel(record=0)),
        ("half-way time, inverted", 1 / ratio(data, "half_life")),
    ]
    draw_rows(panels, columns)
    branch_legend(panels[-1], [str(one) for one in data["branch"].values])
    _say(data, figure, "Predictor over encoder; right of 1 the predictor is ahead")


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """The 90 % time beside the half-way time, and the predictor's part of the loss's fall along the run."""
    names = [str(one) for one in data["network"].values]
    above, below = figure.add_gridspec(2, 1, height_ratios=(1.15, 1))
    panels = above.subgridspec(1, 4).subplots()
    columns = [
        ("relative speed\nat the start", ratio(data, "relative_speed").isel(record=0)),
        ("absolute speed\nat the start", ratio(data, "absolute_speed").isel(record=0)),
        ("half-way time,\ninverted", 1 / ratio(data, "half_life")),
        ("90 % time,\ninverted", 1 / ratio(data, "time90")),
    ]
    draw_rows(panels, columns)
    branch_legend(panels[-1], [str(one) for one in data["branch"].values])
    thin = data.isel(record=slice(None, None, max(1, data.sizes["record"] // DRAWN)))
    shares = below.subgridspec(1, len(names)).subplots(sharey=True, squeeze=False)[0]
    for axes, name in zip(shares, names, strict=True):
        for branch in data["branch"].values:
            one = thin["predictor_share"].sel(network=name, branch=branch)
            draw_seeds(axes, thin["record"], one, BRANCH_STYLE[str(branch)])
        axes.axhline(0.0, color=COLOURS["grey"], linewidth=0.8)
        axes.set(ylim=(-1.05, 1.05), xlim=(0, 1))
        axes.set_title(fill(name, 12))
    shares[0].set_ylabel("predictor's part of dl/dt")
    shares[len(names) // 2].set_xlabel("share of the run")
    how = (
        "Above: predictor over encoder, right of 1 the predictor is ahead. Below: its part of dl/dt in the sum of the "
        "sizes of both parts; negative lowers the loss"
    )
    _say(data, figure, how)


def _say(data: xr.Dataset, figure: Any, how: str) -> None:
    about = provenance(data)["experiment"]
    seeds = data.sizes["seed"]
    caption(figure, data, how, f"Toy from φ = 0.6, θ = 0.1; data: {about['data']}, mean and range over {seeds} seeds")


FIGURE = Figure(
    name="network-timescales",
    summary="Who is ahead, predictor or encoder, by which measure",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=FAST_LANE.cost,
    height=3.3,
    full_height=6.2,
    panels=3,
    needs=FAST_LANE.needs,
    small=FAST_LANE.small,
    run="fast-lane",
)
