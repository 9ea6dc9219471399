"""Without stop-gradient the noiseless toy can escape collapse; augmentation noise closes the escape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.systems.catalogue import system as find_system

COST = 1.0
NOISE = (0.0, 0.01, 0.03, 0.1, 0.3)


def run(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    noise: Any = NOISE,
    alpha: float = 1.0,
    t_end: float = 60.0,
) -> xr.Dataset:
    """Integrate `full` from a start that escapes, for several σ²; `escape` > 0 where the noiseless toy escapes."""
    flow = find_system("scalar", branch="full")
    start = {"phi": 0.6, "theta": 0.8, **(initial or {})}
    parts = []
    for index, sigma2 in enumerate(noise):
        run = solve(flow, start, t_end, parameters={"sigma2": sigma2, "alpha": alpha})
        parts.append(run.drop_attrs())
        if progress:
            progress(index + 1, len(noise), f"σ² = {sigma2:g}")
    data = xr.concat(parts, xr.DataArray(np.asarray(noise, float), dims="sigma2", name="sigma2"))
    phi, theta = np.linspace(-1.0, 3.0, 201), np.linspace(-1.5, 1.5, 161)
    gap, side = np.meshgrid(1 - phi, theta, indexing="ij")
    data["escape"] = (("phi_grid", "theta_grid"), alpha * side**2 - gap**2)
    data = data.assign_coords(phi_grid=phi, theta_grid=theta)
    about = {**flow.about(), "rhs": None}
    return stamp(data, flow=about, parameters={"alpha": alpha, "eta_p": 0.0, "eta_s": 0.0}, initial=start)


def verdict(data: xr.Dataset) -> str:
    """Say whether the noiseless run escapes, and whether the proven bound holds under noise."""
    last = data["theta"].isel(time=-1)
    clean = abs(float(last.sel(sigma2=0.0))) if 0.0 in data["sigma2"] else float("nan")
    bound = abs(data["theta"].isel(time=0)) * np.exp(-data["sigma2"] * data["time"])
    holds = bool((abs(data["theta"]) <= bound * (1 + 1e-9)).all())
    word = f"escapes (θ → {clean:.4g})" if clean > 1e-3 else "collapses"
    law = "as proven, |θ| ≤ |θ₀|e^(−σ²t) holds" if holds else "the bound |θ₀|e^(−σ²t) is broken"
    return f"without stop-gradient and without noise this start {word}; with any noise it collapses: {law}"
