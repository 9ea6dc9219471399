"""Without stop-gradient the noiseless toy can escape collapse; noise closes the escape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.labels import label_ends
from dynsim.drawing.planes import draw_orbit
from dynsim.drawing.style import SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.systems.catalogue import system as find_system
from dynsim.verdict import Verdict

NOISE = (0.0, 0.01, 0.03, 0.1, 0.3)
FLOOR = 1e-6  # what is smaller is not drawn


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
    escapes = alpha * start["theta"] ** 2 > (1 - start["phi"]) ** 2
    values = {"alpha": alpha, "eta_p": 0.0, "eta_s": 0.0}
    return stamp(data, flow=about, parameters=values, initial=start, escapes=escapes)


def verdict(data: xr.Dataset) -> Verdict:
    """Say whether the noiseless run escapes, and whether the proven bound holds under noise."""
    start = abs(data["theta"].isel(sigma2=0, time=0).item())
    bound = start * np.exp(-data["sigma2"] * data["time"])
    holds = bool((abs(data["theta"]) <= bound * (1 + 1e-6) + 1e-9).where(data["sigma2"] > 0, True).all())
    law = "|θ| ≤ |θ(0)|·e^(−σ²t) holds" if holds else "the bound |θ(0)|·e^(−σ²t) is broken"
    noisy = ", ".join(f"{float(s):g}" for s in data["sigma2"].values if s > 0)
    detail = f"without stop-gradient; with noise σ² = {noisy}: {law}" if noisy else "without stop-gradient and noise"
    if 0.0 not in data["sigma2"]:
        return concluded("holds" if holds else "does not hold", f"With noise {law}", detail)
    clean = abs(float(data["theta"].sel(sigma2=0.0).isel(time=-1)))
    escapes = float(data.attrs["escapes"]) > 0
    word = f"escapes, θ → {clean:.3g}" if escapes else "collapses"
    return concluded(
        "holds" if holds and escapes else "holds under conditions" if holds else "does not hold",
        f"Without noise this start {word}" + (f"; with noise {law}" if noisy else ""),
        f"{detail}; without noise the start {word}, by the exact rule",
    )


def draw(data: xr.Dataset, figure: Any) -> None:
    """Escape region of the noiseless toy with the orbits over it; θ over time against the proven bound."""
    plane, decay = panel_row(figure, 2)
    plane.contourf(
        data["phi_grid"], data["theta_grid"], data["escape"].T, levels=[-1e9, 0, 1e9], colors=["#FFFFFF", "#CFE3EF"]
    )
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.85, data.sizes["sigma2"]))
    labels = []
    for shade, sigma2 in zip(shades, data["sigma2"].values, strict=True):
        one = data.sel(sigma2=sigma2)
        draw_orbit(plane, one["phi"], one["theta"], color=shade)
        size = abs(one["theta"])
        decay.plot(one["time"], size.where(size > FLOOR), color=shade)
        if sigma2 > 0:
            bound = float(size[0]) * np.exp(-sigma2 * one["time"])
            decay.plot(one["time"], bound.where(bound > FLOOR), color=shade, linewidth=0.8, linestyle=":")
        labels.append((max(float(size[-1]), FLOOR), rf"$\sigma^2$ = {sigma2:g}", shade))
    plane.set(xlabel=r"predictor $\varphi$", ylabel=r"encoder $\theta$", title="shaded: escapes without noise")
    plane.set_xlim(float(data["phi_grid"][0]), float(data["phi_grid"][-1]))
    plane.set_ylim(float(data["theta_grid"][0]), float(data["theta_grid"][-1]))
    decay.set(
        yscale="log", xlabel="flow time t", ylabel=r"$|\theta|$", title=r"dotted: $|\theta(0)|\,e^{-\sigma^2 t}$"
    )
    decay.set_ylim(FLOOR, 2 * float(abs(data["theta"]).max()))
    decay.set_xlim(0, float(data["time"][-1]))
    label_ends(decay, labels)
    caption(
        figure,
        data,
        "Scalar system without stop-gradient. Without noise the encoder escapes where α θ(0)² > (1 − φ(0))², exactly",
    )


FIGURE = Figure(
    name="noise-closes-the-escape",
    summary="Branches without stop-gradient, with and without noise",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=1.0,
    height=3,
    panels=2,
)
