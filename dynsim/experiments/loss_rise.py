"""Under stop-gradient the loss goes up first: the flow descends no function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.branches import BRANCHES
from dynsim.systems.catalogue import system as find_system

COST = 0.3


def run(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    t_end: float = 20.0,
) -> xr.Dataset:
    """Loss along the run in every branch; `rise` is positive where in the plane it rises under `stop`."""
    parts = []
    for branch in BRANCHES:
        flow = find_system("toy", branch=branch)
        start = {**{name: flow.defaults[name] for name in flow.states}, **(initial or {})}
        parts.append(solve(flow, start, times=np.linspace(0, t_end, 801), parameters=parameters).drop_attrs())
    data = xr.concat(parts, xr.DataArray(list(BRANCHES), dims="branch", name="branch"))
    stop = find_system("toy", branch="stop")
    values = stop.field(parameters).about["parameters"]
    phi, theta = np.linspace(-0.5, 1.5, 201), np.linspace(0.0, 1.2, 161)
    grid_phi, grid_theta = np.meshgrid(phi, theta, indexing="ij")
    # dl/dt = θ²(1−φ)²[φ(1−φ) − αθ²]: its sign is that of the bracket.
    bracket = grid_phi * (1 - grid_phi) - values["alpha"] * grid_theta**2
    data["rise"] = (("phi_grid", "theta_grid"), bracket)
    data = data.assign_coords(phi_grid=phi, theta_grid=theta)
    about = {"name": "toy", "states": list(stop.states), "roles": stop.roles, "reference": stop.reference}
    return stamp(data, flow=about, parameters=values, initial=start)


def verdict(data: xr.Dataset) -> str:
    """Say by how much and how long the loss rises under stop-gradient."""
    loss = data["loss"].sel(branch="stop")
    peak = int(loss.values.argmax())
    if peak == 0:
        return "from this start the loss falls from the beginning, also under stop-gradient"
    others = (
        "in the other branches it falls"
        if all(float(data["loss"].sel(branch=b).diff("time").max()) <= 0 for b in ("full", "target"))
        else "in another branch it rises too"
    )
    return (
        f"under stop-gradient the loss rises {float(loss[peak] / loss[0]):.3g}-fold until t = "
        f"{float(data['time'][peak]):.3g}, then falls to zero; {others}"
    )
