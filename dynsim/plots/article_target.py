"""The article's remark: keep only the second branch and θ dies too."""

from __future__ import annotations

from typing import Any

import xarray as xr

from dynsim.plots.parts.trajectories import draw_article_run

EXPERIMENT = "trajectory"
OPTIONS: dict[str, Any] = {"branch": "target"}
SIZE = (6.4, 4.0)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Draw φ(t) and θ(t) with their exact limits."""
    draw_article_run(
        data,
        figure,
        "Only the second branch",
        "loss ½(φθ − θ)²; of the encoder's two branches only the second is kept",
    )
