"""Equilibria over a parameter, with folds, branch points and Hopf points; solid where stable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynsim.analysis.numerics.continuation import continuation
from dynsim.drawing.branches import draw_branches, draw_special_points
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure
from dynsim.records import provenance, stamp
from dynsim.symbolic.parser import parse
from dynsim.symbolic.printing import unicode_name, unicode_text
from dynsim.systems.building import with_parameter
from dynsim.systems.named_or_typed import named_or_typed


def compute(
    progress: Any = None,
    *,
    system: str = "scalar",
    states: str | None = None,
    variant: str | None = None,
    branch: str = "stop",
    over: tuple[str, float, float] = ("eta", 0.005, 0.3),
    parameters: Mapping[str, float] | None = None,
    initial: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Branches over ``(name, low, high)``; `initial` names a start, else all are looked for."""
    name, low, high = over
    flow = with_parameter(named_or_typed(system, states, branch=branch, variant=variant), name)
    found = continuation(flow, name, (low, high), initial=initial, parameters=parameters)
    rest = {key: value for key, value in provenance(found.branches)["parameters"].items() if key != name}
    return stamp(
        found.branches.drop_attrs(),
        flow=flow.about(),
        parameter=name,
        parameters=rest,
        folds=found.folds,
        branch_points=found.branch_points,
        hopf=found.hopf,
    )


def verdict(data: xr.Dataset) -> str:
    """Say how many branches there are and where they fold, cross or begin to oscillate."""
    about = provenance(data)
    name = about["parameter"]

    def at(points: list[dict[str, float]]) -> str:
        values = sorted({f"{point[name]:.6g}" for point in points}, key=float)
        return f"{len(points)} at {name} = {', '.join(values)}" if points else "none"

    return (
        f"{data.sizes['branch']} branches of equilibria; folds: {at(about['folds'])}; "
        f"branch points: {at(about['branch_points'])}; Hopf points: {at(about['hopf'])}"
    )


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


FIGURE = Figure(
    name="continuation",
    summary="Equilibria of any system or typed loss over one parameter",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=5.0,
    size=(9.6, 4.0),
)
