"""The loss rises first under stop-gradient: the flow is no descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.branches import BRANCHES
from dynsim.systems.catalogue import system as find_system


def compute(
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


def draw(data: xr.Dataset, figure: Any) -> None:
    """Loss over time in the three branches; where in the plane it rises under stop-gradient."""
    left, right = figure.subplots(1, 2)
    for branch in data["branch"].values:
        left.plot(data["time"], data["loss"].sel(branch=branch), label=str(branch), **BRANCH_STYLE[str(branch)])
    left.set(yscale="log", xlabel="flow time t", ylabel="loss ½(φθ − θ)²", title="loss along the run")
    left.set_ylim(float(data["loss"].max()) * 1e-6, float(data["loss"].max()) * 3)
    left.legend()
    right.contourf(
        data["phi_grid"], data["theta_grid"], data["rise"].T, levels=[-1e9, 0, 1e9], colors=["#FFFFFF", "#F2D3BE"]
    )
    stop = data.sel(branch="stop")
    right.plot(stop["phi"], stop["theta"], **BRANCH_STYLE["stop"])
    right.plot(stop["phi"][0], stop["theta"][0], "o", color=COLOURS["black"], markersize=5)
    right.axvline(1.0, color=COLOURS["grey"], linewidth=1.0, linestyle=":")
    right.annotate("loss rises", (0.3, 0.16), ha="center", fontsize=9)
    right.annotate("loss falls", (0.0, 0.9), ha="center", fontsize=9)
    right.set(xlabel="φ (predictor)", ylabel="θ (encoder)", title="with stop-gradient: dl/dt > 0 in the shade")
    caption(
        figure,
        data,
        "Scalar toy. With stop-gradient dl/dt = θ²(1−φ)²[φ(1−φ) − αθ²], positive while αθ² < φ(1−φ): the field is "
        "the gradient of no function, so the loss is no measure of progress",
    )


FIGURE = Figure(
    name="loss-rise",
    summary="The loss of the toy along its run, and the part of each block",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=0.3,
    size=(9.0, 3.9),
)
