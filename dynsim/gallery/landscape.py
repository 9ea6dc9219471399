"""One loss and its minima, a cross; runs from one start in the three branches: the flow decides, not the minima."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.planes import draw_orbit
from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import BRANCHES as BRANCH_WORDS
from dynsim.drawing.words import caption
from dynsim.gallery.article import compute_all
from dynsim.gallery.figure import Figure, concluded
from dynsim.verdict import Verdict


def compute(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    t_end: float = 60.0,
) -> xr.Dataset:
    """The toy's loss over the plane, and its runs from one start; `landscape` over ``(phi_grid, theta_grid)``."""
    data = compute_all(progress, initial=initial, parameters=parameters, t_end=t_end)
    phi = np.linspace(min(-0.2, float(data["phi"].min()) - 0.2), max(1.4, float(data["phi"].max()) + 0.2), 161)
    reach = max(1.0, 1.15 * float(abs(data["theta"]).max()))
    theta = (
        np.linspace(-0.35 * reach, reach, 141) if float(data["theta"].max()) > 0 else np.linspace(-reach, reach, 141)
    )
    grid_phi, grid_theta = np.meshgrid(phi, theta, indexing="ij")
    data["landscape"] = (("phi_grid", "theta_grid"), (grid_phi * grid_theta - grid_theta) ** 2 / 2)
    return data.assign_coords(phi_grid=phi, theta_grid=theta)


def verdict(data: xr.Dataset) -> Verdict:
    """Say whether the three flows of one loss go to different minima."""
    ends = {
        str(branch): (float(data["limit_phi"].sel(branch=branch)), float(data["limit_theta"].sel(branch=branch)))
        for branch in data["branch"].values
    }
    alive = [branch for branch, (_, theta) in ends.items() if abs(theta) > 1e-6]
    told = "; ".join(f"{branch} ends at ({phi:.4g}, {_zero(theta):.4g})" for branch, (phi, theta) in ends.items())
    if 0 < len(alive) < len(ends):
        dead = [branch for branch in ends if branch not in alive]
        headline = f"One loss, one start, other minima: {' and '.join(alive)} lives, {' and '.join(dead)} collapse"
        headline = headline.replace("collapse", "collapses") if len(dead) == 1 else headline
        headline = headline.replace("lives", "live") if len(alive) > 1 else headline
        return concluded("holds", headline, told)
    fate = "live" if alive else "collapse"
    return concluded("does not hold", f"From this start all three flows {fate}: the minima tell them not apart", told)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Contours of the loss, its minima as thick lines, one orbit per branch."""
    axes = figure.subplots()
    levels = 10.0 ** np.arange(-5.0, 2.0)
    loss = data["landscape"].T
    axes.contourf(data["phi_grid"], data["theta_grid"], loss, levels=[0, *levels], cmap="Greys", alpha=0.35,
                  norm=_log_norm(levels))  # fmt: skip
    axes.axvline(1.0, color=COLOURS["grey"], linewidth=2.5, zorder=2)
    axes.axhline(0.0, color=COLOURS["grey"], linewidth=2.5, zorder=2)
    for branch in data["branch"].values:
        one = data.sel(branch=branch)
        draw_orbit(axes, one["phi"], one["theta"], **BRANCH_STYLE[str(branch)])
        axes.plot([], [], label=BRANCH_WORDS[str(branch)], **BRANCH_STYLE[str(branch)])
        axes.plot(one["limit_phi"], one["limit_theta"], "s", color=BRANCH_STYLE[str(branch)]["color"], zorder=6)
    axes.set(xlabel=r"predictor $\varphi$", ylabel=r"encoder $\theta$")
    axes.set_xlim(float(data["phi_grid"][0]), float(data["phi_grid"][-1]))
    axes.set_ylim(float(data["theta_grid"][0]), float(data["theta_grid"][-1]))
    axes.grid(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    caption(figure, data, "Shade: the loss ½(φθ − θ)² on a logarithmic scale, zero on the grey cross",
            "Circle: start. Squares: exact ends")  # fmt: skip


def _log_norm(levels: np.ndarray) -> Any:
    from matplotlib.colors import LogNorm

    return LogNorm(float(levels[0]) / 10, float(levels[-1]))


def _zero(value: float) -> float:
    return 0.0 if abs(value) < 1e-9 else value


FIGURE = Figure(
    name="landscape",
    summary="One loss, its minima as a cross, and the flows of the three branches",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=0.4,
    height=3.4,
)
