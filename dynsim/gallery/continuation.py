"""Equilibria over a parameter, with folds, branch points and Hopf points; solid where stable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynsim.analysis.numerics.continuation import continuation
from dynsim.choices import Branch
from dynsim.drawing.branches import branch_panels, draw_branches
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.names import unicode_name
from dynsim.records import provenance, stamp
from dynsim.symbolic.parser import parse
from dynsim.symbolic.printing import unicode_text
from dynsim.symbolic.sources import as_flow
from dynsim.systems.building import with_parameter
from dynsim.verdict import Verdict


def compute(
    progress: Any = None,
    *,
    system: str = "scalar",
    states: str | None = None,
    variant: str | None = None,
    branch: Branch = "stop",
    over: tuple[str, float, float] = ("eta", 0.005, 0.3),
    parameters: Mapping[str, float] | None = None,
    initial: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Branches over ``(name, low, high)``; `initial` names a start, else all are looked for."""
    name, low, high = over
    flow = with_parameter(as_flow(system, states, branch=branch, variant=variant), name)
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


def verdict(data: xr.Dataset) -> Verdict:
    """Say how many branches there are and where they fold, cross or begin to oscillate."""
    about = provenance(data)
    name = about["parameter"]
    shown = unicode_name(name)

    def at(points: list[dict[str, float]], digits: int) -> str:
        values = sorted({f"{point[name]:.{digits}g}" for point in points}, key=float)
        return f"{len(points)} at {shown} = {', '.join(values)}" if points else "none"

    count = data.sizes["branch"]
    branches = f"{count} branch{'' if count == 1 else 'es'} of equilibria"
    words = (("folds", "folds"), ("branch_points", "branch points"), ("hopf", "Hopf points"))
    found = [f"{word}: {at(about[key], 3)}" for key, word in words if about[key]]
    detail = "; ".join(f"{word}: {at(about[key], 6)}" for key, word in words)
    if count == 0:
        return concluded("open", f"No branch of equilibria found over {shown}", detail)
    return concluded(
        "measured",
        [f"{branches} over {shown}; {'; '.join(found) or 'no special points'}", f"{branches} over {shown}"],
        f"{branches}; {detail}",
    )


def draw(data: xr.Dataset, figure: Any) -> None:
    """One panel per state, three at the most; a parameter without equilibria says so."""
    about = provenance(data)
    states = branch_panels(data)
    panels = panel_row(figure, len(states))
    for axes, state in zip(panels, states, strict=True):
        draw_branches(data, axes, state)
    if panels[0].get_legend_handles_labels()[0]:
        panels[0].legend(loc="best")
    flow = about["flow"]
    name = flow.get("name") or (f"the loss {unicode_text(parse(flow['loss']))}" if "loss" in flow else "the flow")
    caption(
        figure,
        data,
        f"Equilibria of {name}{', branch ' + flow['branch'] if 'branch' in flow else ''}; solid: stable, dashed: "
        "unstable. Lines of equilibria are not followed",
    )


FIGURE = Figure(
    name="continuation",
    summary="Equilibria of any system or typed loss over one parameter",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=5.0,
    height=3,
    panels=2,
)
