"""Equilibria over a parameter, with folds, branch points and Hopf points; solid where stable."""

from __future__ import annotations

from typing import Any

import xarray as xr

from dynsim.plots.parts.branches import draw_branches, draw_special_points
from dynsim.plots.parts.captions import caption
from dynsim.records import provenance
from dynsim.symbolic.parser import parse
from dynsim.symbolic.printing import unicode_name, unicode_text

EXPERIMENT = "continuation"
OPTIONS: dict[str, Any] = {}
SIZE = (9.6, 4.0)


def draw(data: xr.Dataset, figure: Any) -> None:
    """One panel per state, four at the most."""
    about = provenance(data)
    parameter, states = about["parameter"], about["flow"]["states"][:4]
    panels = figure.subplots(1, len(states), squeeze=False)[0]
    for axes, state in zip(panels, states, strict=True):
        draw_branches(axes, data, parameter, state)
        draw_special_points(axes, about, parameter, state)
        axes.set(xlabel=unicode_name(parameter), ylabel=unicode_name(state))
    if panels[0].get_legend_handles_labels()[0]:
        panels[0].legend()
    flow = about["flow"]
    name = flow.get("name") or (f"the loss {unicode_text(parse(flow['loss']))}" if "loss" in flow else "the flow")
    caption(
        figure,
        data,
        f"Equilibria of {name}, branch {flow.get('branch', 'stop')}, by pseudo-arclength; solid: stable, "
        "dashed: unstable. Lines of equilibria are not followed",
    )
