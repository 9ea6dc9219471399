"""The loss rises first under stop-gradient: the flow is no descent."""

from __future__ import annotations

from typing import Any

import xarray as xr

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import BRANCH_STYLE, COLOURS

EXPERIMENT = "loss-rise"
OPTIONS: dict[str, Any] = {}
SIZE = (9.0, 3.9)


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
