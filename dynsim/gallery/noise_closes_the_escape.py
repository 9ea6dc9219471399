"""Without stop-gradient the noiseless toy can escape collapse; noise closes the escape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.systems.catalogue import system as find_system

NOISE = (0.0, 0.01, 0.03, 0.1, 0.3)


def compute(
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


def draw(data: xr.Dataset, figure: Any) -> None:
    """Escape region of the noiseless toy with the orbits over it; θ over time against the proven bound."""
    plane, decay = figure.subplots(1, 2)
    plane.contourf(
        data["phi_grid"], data["theta_grid"], data["escape"].T, levels=[-1e9, 0, 1e9], colors=["#FFFFFF", "#CFE3EF"]
    )
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.85, data.sizes["sigma2"]))
    for shade, sigma2 in zip(shades, data["sigma2"].values, strict=True):
        one = data.sel(sigma2=sigma2)
        plane.plot(one["phi"], one["theta"], color=shade)
        decay.plot(one["time"], one["theta"], color=shade, label=f"{sigma2:g}")
        if sigma2 > 0:
            bound = float(one["theta"][0]) * np.exp(-sigma2 * one["time"])
            decay.plot(one["time"], bound, color=shade, linewidth=0.9, linestyle=":")
    plane.plot(data["phi"][0, 0], data["theta"][0, 0], "o", color=COLOURS["black"], markersize=5)
    plane.annotate("escapes without noise", (1.0, 1.2), ha="center", fontsize=9)
    plane.annotate("collapses", (-0.3, 0.35), ha="center", fontsize=9)
    plane.annotate("collapses", (2.3, 0.35), ha="center", fontsize=9)
    plane.set(xlabel="φ (predictor)", ylabel="θ (encoder)", title="branch full: noiseless escape region, orbits")
    decay.set(yscale="log", xlabel="flow time t", ylabel="θ", title="θ under noise (dotted: |θ₀|e^(−σ²t))")
    decay.set_ylim(1e-6, 2)
    decay.legend(title="σ²", fontsize=8)
    caption(
        figure,
        data,
        "Scalar system without stop-gradient, no weight decay. Escape without noise: α θ₀² > (1 − φ₀)², exact. "
        "So stop-gradient is not needed in every noiseless toy, but with augmentation noise the full gradient always "
        "collapses",
    )


FIGURE = Figure(
    name="noise-closes-the-escape",
    summary="Branches without stop-gradient, with and without noise",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=1.0,
    size=(9.6, 4.0),
)
