"""A faster predictor: φ reaches its slow manifold sooner, and θ's growth pays for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.analysis.numerics.outcome import outcome
from dynsim.analysis.numerics.timescales import timescales
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.labels import label_ends
from dynsim.drawing.planes import draw_orbit
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.systems.catalogue import system as find_system
from dynsim.verdict import Verdict

ALPHAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def compute(
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


def verdict(data: xr.Dataset) -> Verdict:
    """Say how the end of θ depends on α."""
    size = abs(data["theta_limit"])
    slow, fast = float(size[0]), float(size[-1])
    span = f"α = {float(data['alpha_fine'][0]):g} to {float(data['alpha_fine'][-1]):g}"
    if max(slow, fast) < 1e-6:
        return concluded("measured", f"From this start the encoder collapses for every α, {span}", "θ(∞) = 0")
    shift = "falls" if fast < slow * (1 - 1e-6) else "rises" if fast > slow * (1 + 1e-6) else "stays"
    return concluded(
        "measured",
        f"With a faster predictor |θ| at the end {shift}: {slow:.3g} to {fast:.3g} for {span}",
        f"|θ(∞)| {shift} from {slow:.4g} to {fast:.4g} for {span}",
    )


def draw(data: xr.Dataset, figure: Any) -> None:
    """Orbits in the phase plane, speed ratio over time, and the exact θ∞ over α."""
    plane, speed, ends = panel_row(figure, 3)
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.88, data.sizes["alpha"]))
    labels = []
    for shade, alpha in zip(shades, data["alpha"].values, strict=True):
        one = data.sel(alpha=alpha)
        draw_orbit(plane, one["phi"], one["theta"], color=shade)
        ratio = one["relative_speed_ratio"][1:]
        speed.plot(one["time"][1:], ratio.where(ratio > 0), color=shade)
        known = ratio.values[np.isfinite(ratio.values) & (ratio.values > 0)]
        labels.append((float(known[-1]) if known.size else np.nan, rf"$\alpha$ = {alpha:g}", shade))
    plane.axvline(1.0, color=COLOURS["black"], linewidth=1.0, linestyle="--")
    plane.set(xlabel=r"predictor $\varphi$", ylabel=r"encoder $\theta$", title="orbits")
    speed.set(xscale="log", yscale="log", xlabel="flow time t", title=r"relative speed, $\varphi$ / $\theta$")
    speed.axhline(1.0, color=COLOURS["grey"], linewidth=0.7)
    speed.set_xlim(float(data["time"][1]), float(data["time"][-1]))
    label_ends(speed, labels)
    ends.plot(data["alpha_fine"], abs(data["theta_limit"]), color=COLOURS["black"])
    ends.scatter(data["alpha"], abs(data["theta"].isel(time=-1)), c=shades, zorder=3, s=14)
    log = "log" if float(abs(data["theta_limit"]).min()) > 1e-6 else "linear"
    ends.set(xscale="log", yscale=log, xlabel=r"$\alpha$", title=r"$|\theta|$ at the end")
    caption(
        figure,
        data,
        "Scalar toy with stop-gradient; α multiplies the predictor's gradient. Dashed: φ = 1. "
        "Right: exact, dots integrated",
    )


FIGURE = Figure(
    name="predictor-ratio",
    summary="Faster and slower predictors: runs over the ratio of rates",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=1.0,
    height=2.9,
    panels=3,
)
