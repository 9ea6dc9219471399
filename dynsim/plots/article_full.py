"""The article's second plot: without stop-gradient θ dies before φ gets anywhere."""

from __future__ import annotations

from typing import Any

import xarray as xr

from dynsim.plots.parts.trajectories import draw_article_run

EXPERIMENT = "trajectory"
OPTIONS: dict[str, Any] = {"branch": "full"}
SIZE = (6.4, 4.0)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Draw φ(t) and θ(t) with their exact limits."""
    draw_article_run(data, figure, "Without stop-gradient", "loss ½(φθ − θ)², both branches of the encoder kept")
