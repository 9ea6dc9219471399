"""All measures of fast and slow along the article's run, in the three branches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.timescales import timescales
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.branches import BRANCHES
from dynsim.systems.catalogue import system as find_system

COST = 0.5


def run(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    t_end: float = 40.0,
) -> xr.Dataset:
    """Measure the toy in every branch; dimensions `branch` and `time`."""
    parts = []
    for branch in BRANCHES:
        flow = find_system("toy", branch=branch)
        start = {**{name: flow.defaults[name] for name in flow.states}, **(initial or {})}
        data = solve(flow, start, t_end, parameters=parameters)
        parts.append(xr.merge([data, timescales(flow, data)], combine_attrs="drop"))
    data = xr.concat(parts, xr.DataArray(list(BRANCHES), dims="branch", name="branch"))
    return stamp(
        data,
        flow={"name": "toy", "states": list(flow.states), "roles": flow.roles, "reference": flow.reference},
        parameters=flow.field(parameters).about["parameters"],
        initial=start,
    )


def verdict(data: xr.Dataset) -> str:
    """Say which variable is the fast one by each measure, at the start and over the run."""
    start = data["relative_speed_ratio"].isel(time=0)
    ratios = ", ".join(f"{b} 1/{1 / float(start.sel(branch=b)):.3g}" for b in data["branch"].values)
    slower = bool((start < 1).all())
    who = (
        "the encoder is the faster variable in all three branches"
        if slower
        else "the predictor is not slower everywhere"
    )
    growing = float(np.gradient(data["theta"].sel(branch="stop").values)[0]) > 0
    sign = "only with stop-gradient does θ grow" if growing else "θ shrinks even with stop-gradient"
    return f"relative speed of φ over θ at the start: {ratios}; {who}; {sign}"
