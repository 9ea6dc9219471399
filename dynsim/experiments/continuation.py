"""Equilibria of any system or typed loss as one parameter varies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynsim.analysis.numerics.continuation import continuation
from dynsim.records import provenance, stamp
from dynsim.systems.building import with_parameter
from dynsim.systems.named_or_typed import named_or_typed

COST = 5.0


def run(
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
