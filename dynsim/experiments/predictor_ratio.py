"""The predictor's learning-rate ratio α from 0.1 to 100: φ becomes fast, and θ's growth pays for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.outcome import outcome
from dynsim.analysis.numerics.timescales import timescales
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.systems.catalogue import system as find_system

COST = 1.0
ALPHAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def run(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    alphas: Any = ALPHAS,
    t_end: float = 100.0,
) -> xr.Dataset:
    """Integrate the toy with stop-gradient for every α; `theta_limit` is exact, on a finer grid."""
    flow = find_system("toy")
    start = {**{name: flow.defaults[name] for name in flow.states}, **(initial or {})}
    times = np.concatenate([[0.0], np.geomspace(t_end / 1e4, t_end, 300)])
    parts = []
    for index, alpha in enumerate(alphas):
        data = solve(flow, start, times=times, parameters={"alpha": alpha}, method="LSODA")
        data["relative_speed_ratio"] = timescales(flow, data)["relative_speed_ratio"]
        parts.append(data.drop_attrs())
        if progress:
            progress(index + 1, len(alphas), f"α = {alpha:g}")
    data = xr.concat(parts, xr.DataArray(np.asarray(alphas, float), dims="alpha", name="alpha"))
    fine = np.geomspace(min(alphas), max(alphas), 121)
    ends = [float(outcome(flow, start, {"alpha": float(value)}).limit["theta"]) for value in fine]
    data["theta_limit"] = ("alpha_fine", ends)
    data = data.assign_coords(alpha_fine=fine)
    return stamp(data, flow=flow.about(), parameters={}, initial=start)


def verdict(data: xr.Dataset) -> str:
    """Say how the end of θ depends on α."""
    theta = data["theta_limit"]
    slow, fast = float(theta[0]), float(theta[-1])
    shift = "falls" if fast < slow else "rises"
    alphas = data["alpha_fine"]
    return (
        f"θ∞ {shift} from {slow:.4g} at α = {float(alphas[0]):g} to {fast:.4g} at α = {float(alphas[-1]):g}: "
        "a faster predictor leaves the encoder less to grow"
    )
