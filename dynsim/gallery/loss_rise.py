"""The loss rises first under stop-gradient: the flow is no descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.labels import label_ends
from dynsim.drawing.planes import draw_orbit
from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.flow import BRANCHES
from dynsim.systems.catalogue import system as find_system
from dynsim.verdict import Verdict


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


def verdict(data: xr.Dataset) -> Verdict:
    """Say by how much and how long the loss rises under stop-gradient."""
    loss = data["loss"].sel(branch="stop")
    peak = int(loss.values.argmax())
    others = [b for b in ("full", "target") if float(data["loss"].sel(branch=b).diff("time").max()) > 1e-12]
    elsewhere = f"it rises too in {' and '.join(others)}" if others else "in the other branches it falls"
    if peak == 0:
        return concluded("does not hold", "From this start the loss falls at once, also with stop-gradient", elsewhere)
    times, until = float(loss[peak] / loss[0]), float(data["time"][peak])
    tail = f"to the end of the run, t = {until:.3g}" if peak == loss.size - 1 else f"until t = {until:.3g}"
    return concluded(
        "holds",
        [
            f"With stop-gradient the loss rises {times:.3g}-fold {tail}; {elsewhere}",
            f"With stop-gradient the loss rises {times:.3g}-fold to the end of the run; {elsewhere}",
            f"With stop-gradient the loss rises {times:.3g}-fold {tail}",
        ],
        f"the loss rises from {float(loss[0]):.4g} to {float(loss[peak]):.4g}, {tail}; {elsewhere}",
    )


def draw(data: xr.Dataset, figure: Any) -> None:
    """Loss over time in the three branches; where in the plane it rises under stop-gradient."""
    left, right = panel_row(figure, 2)
    highest = float(data["loss"].max())
    labels = []
    for branch in data["branch"].values:
        style, loss = BRANCH_STYLE[str(branch)], data["loss"].sel(branch=branch)
        left.plot(data["time"], loss, **style)
        shown = loss.values[loss.values > highest * 1e-6]
        labels.append((float(shown[-1]), str(branch), style["color"]))
    left.set(yscale="log", xlabel="flow time t", title="loss along the run")
    left.set_ylim(highest * 1e-6, highest * 3)
    left.set_xlim(float(data["time"][0]), float(data["time"][-1]))
    label_ends(left, labels)
    right.contourf(
        data["phi_grid"], data["theta_grid"], data["rise"].T, levels=[-1e9, 0, 1e9], colors=["#FFFFFF", "#F2D3BE"]
    )
    stop = data.sel(branch="stop")
    draw_orbit(right, stop["phi"], stop["theta"], **BRANCH_STYLE["stop"])
    right.axvline(1.0, color=COLOURS["grey"], linewidth=0.8, linestyle=":")
    right.set(xlabel=r"predictor $\varphi$", ylabel=r"encoder $\theta$", title="shaded: the loss rises")
    caption(
        figure,
        data,
        "Right: with stop-gradient dl/dt = θ²(1−φ)²[φ(1−φ) − αθ²] is positive in the shade: the field is the gradient "
        "of no function, so the loss is no measure of progress",
    )


FIGURE = Figure(
    name="loss-rise",
    summary="The loss of the toy along its run, and the part of each block",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=0.3,
    height=3,
    panels=2,
)
