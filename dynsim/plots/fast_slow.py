"""Fast predictor, slow encoder: orbits fall onto the critical manifold, drift along it, and leave it near θ = 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS

EXPERIMENT = "fast-slow"
OPTIONS: dict[str, Any] = {}
SIZE = (13.0, 4.7)


def draw(data: xr.Dataset, figure: Any) -> None:
    """A phase plane for every α, and the distance to the slow manifold over time."""
    count = data.sizes["alpha"]
    *planes, distance = figure.subplots(1, count + 1, width_ratios=[1.0] * count + [1.1])
    for axes, alpha in zip(planes, data["alpha"].values, strict=True):
        _plane(axes, data.sel(alpha=alpha), float(data["critical_phi"]))
        axes.set_title(f"α = {alpha:g}")
        axes.set_xlabel("φ, predictor")
        if axes is not planes[0]:
            axes.tick_params(labelleft=False)
    planes[0].set_ylabel("θ, encoder")
    planes[-1].legend(loc="center left", bbox_to_anchor=(0.0, 0.65), fontsize=7.5)
    styles = ("-", "--", "-.", ":")
    for index, alpha in enumerate(data["alpha"].values):
        one = data["distance"].sel(alpha=alpha)
        distance.plot(
            data["time"][1:], one[1:], styles[index % 4], color=COLOURS["black"], linewidth=1.4, label=f"α = {alpha:g}"
        )
    distance.set(xscale="log", yscale="log", xlabel="flow time t", ylabel="|φ − φ*(θ)|", xlim=(1e-3, data["time"][-1]))
    distance.set(ylim=(1e-8, 3), title="distance to the slow manifold")
    distance.legend(loc="lower left")
    caption(
        figure,
        data,
        f"Critical manifold (α → ∞): φ = {float(data['critical_phi']):.4g}; on it θ' = "
        f"{_printed(data.attrs['reduced'])}, arrows; normal eigenvalue "
        f"{_printed(data.attrs['normal'])}, zero at θ = 0",
        "Dotted: nullcline of φ at this α, the slow manifold φ*(θ). Filled: stable equilibrium, square: saddle",
        "The encoder decays along the manifold until the predictor is no longer fast; only there is its fate decided",
    )


def _printed(expression: str) -> str:
    return expression.replace("theta", "θ").replace("**2", "²").replace("*", "").replace("-", "−")


def _plane(axes: Any, data: xr.Dataset, critical: float) -> None:
    labels = {"faster": "predictor faster", "slower": "encoder faster"}
    for index in range(data.sizes["start"]):
        one = data.isel(start=index)
        fast = one["predictor_faster"].values == 1
        for where, name, colour, width in (
            (fast, "faster", COLOURS["vermilion"], 1.1),
            (~fast, "slower", COLOURS["blue"], 1.9),
        ):
            shown = where.copy()
            shown[1:] |= where[:-1]
            path = [np.where(shown, one[state], np.nan) for state in ("phi", "theta")]
            axes.plot(*path, color=colour, linewidth=width, label=labels.pop(name, None), zorder=2)
        axes.plot(one["phi"][0], one["theta"][0], ".", color=COLOURS["grey"], markersize=4, zorder=2)
    axes.plot(
        [critical, critical], [0, 1.5], color=COLOURS["black"], linewidth=3.5, alpha=0.25, label="critical manifold"
    )
    for low in (1.35, 1.0, 0.65):
        arrow = {"arrowstyle": "-|>", "color": COLOURS["black"], "linewidth": 1.4}
        axes.annotate("", (critical, low - 0.12), (critical, low), arrowprops=arrow, zorder=4)
    axes.plot(
        data["nullcline_phi"], data["height"], ":", color=COLOURS["black"], linewidth=1.4, label="nullcline of φ"
    )
    for x, y, stable in zip(
        data["point_phi"].values, data["point_theta"].values, data["point_stable"].values, strict=True
    ):
        face = COLOURS["green"] if stable else "white"
        marker = "o" if stable else "s"
        axes.plot(x, y, marker, color=COLOURS["green"], markerfacecolor=face, markersize=7, zorder=5)
    axes.set(xlim=(-1.3, 1.75), ylim=(-0.04, 1.5))
