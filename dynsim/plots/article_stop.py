"""The article's first plot: with stop-gradient θ survives."""

from __future__ import annotations

from typing import Any

import xarray as xr

from dynsim.plots.parts.trajectories import draw_article_run

EXPERIMENT = "trajectory"
OPTIONS: dict[str, Any] = {"branch": "stop"}
SIZE = (6.4, 4.0)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Draw φ(t) and θ(t) with their exact limits."""
    draw_article_run(
        data, figure, "With stop-gradient", "loss ½(φθ − sg(θ))², second branch of the encoder removed (SimSiam)"
    )
