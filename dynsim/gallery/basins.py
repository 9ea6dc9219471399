"""Basins of collapse: where each start ends, integrated, with the exact boundary over it; with and without noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.analysis.numerics.basins import basins
from dynsim.analysis.numerics.separatrices import separatrices
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.records import stamp
from dynsim.symbolic.flow import BRANCHES
from dynsim.systems.catalogue import system
from dynsim.verdict import Verdict

COLLAPSED = 1e-3


def compute(
    progress: Any = None,
    *,
    count: int = 100,
    sigma2: float = 0.1,
    alpha: float = 1.0,
    eta_p: float = 0.0,
    eta_s: float = 0.0,
    t_end: float = 3000.0,
) -> xr.Dataset:
    """`limit` = |θ| at the end over ``(branch, noise, phi, theta)``, NaN where undecided; `collapses`, the exact rule
    (1, 0, −1 unknown); the stable separatrices, `border_phi` and `border_theta` over ``(…, border, arc)``.
    """
    phi, theta = np.linspace(-1.5, 1.75, count), np.linspace(-1.5, 1.5, count)
    levels = [0.0, float(sigma2)]
    parts, done = [], 0
    for branch in BRANCHES:
        for noise in levels:
            flow = system("scalar", branch=branch)
            assert flow.exact is not None
            values = {"sigma2": noise, "alpha": alpha, "eta_p": eta_p, "eta_s": eta_s}
            grid, starts = {"phi": phi, "theta": theta}, {"phi": phi[:, None], "theta": theta}
            computed = basins(flow.describe(exact=None), grid, values, t_end=t_end)
            part = xr.Dataset({"limit": (("phi", "theta"), abs(computed["limit_theta"]).values.astype(np.float32))})
            part["collapses"] = (("phi", "theta"), flow.exact.collapses(starts, values, ("theta",)))
            parts.append(part.merge(_borders(flow, values)))
            done += 1
            if progress:
                progress(done, len(BRANCHES) * len(levels), f"{branch}, σ² = {noise:g}")
    most = max(part.sizes["border"] for part in parts)
    padded = [part.pad(border=(0, most - part.sizes["border"])) for part in parts]
    rows = [xr.concat(padded[i : i + 2], xr.DataArray(levels, dims="noise", name="noise")) for i in range(0, 6, 2)]
    data = xr.concat(rows, xr.DataArray(list(BRANCHES), dims="branch", name="branch"))
    data = data.assign_coords(phi=phi, theta=theta)
    about = {"name": "scalar", "reference": flow.reference, "states": list(flow.states), "roles": flow.roles}
    values = {"alpha": alpha, "eta_p": eta_p, "eta_s": eta_s}
    return stamp(data.drop_attrs(), flow=about, parameters=values, t_end=t_end)


def _borders(flow: Any, values: dict[str, float]) -> xr.Dataset:
    found = separatrices(flow, values)
    kept = found.isel(separatrix=np.flatnonzero(found["manifold"] == "stable"))
    names = {"phi": "border_phi", "theta": "border_theta", "separatrix": "border", "along": "arc"}
    return kept[["phi", "theta"]].rename(names).drop_attrs()


def verdict(data: xr.Dataset) -> Verdict:
    """Compare the integrated basins with the exact rule, and say what noise does to them."""
    decided = np.isfinite(data["limit"])
    known = decided & (data["collapses"] >= 0)
    wrong = int((known & ((data["limit"] < COLLAPSED) != (data["collapses"] == 1))).sum())
    share = {
        str(branch): [
            float((data["limit"] < COLLAPSED).where(decided).sel(branch=branch, noise=n).mean()) for n in data["noise"]
        ]
        for branch in data["branch"].values
    }
    told = ", ".join(f"{branch} {clean:.0%} and {noisy:.0%}" for branch, (clean, noisy) in share.items())
    noise = float(data["noise"][1])
    detail = (
        f"share of decided starts that collapse without noise and with σ² = {noise:g}: {told}; "
        f"{wrong} of {int(known.sum())} decided starts contradict the exact rule, "
        f"{int((~decided).sum())} of {decided.size} stay undecided"
    )
    headline = [
        f"Collapse with σ² = {noise:g}: "
        + ", ".join(f"{b} {s[1]:.0%}" for b, s in share.items())
        + " of decided starts",
    ]
    return concluded("does not hold" if wrong else "holds", headline, detail)


_TITLES = {"stop": "with stop-gradient", "full": "without stop-gradient", "target": "only the second branch"}


def draw(data: xr.Dataset, figure: Any) -> None:
    """One panel per branch, with noise."""
    _draw(data, figure, data["noise"].values[-1:])


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """One column per branch, one row per noise level; colour is |θ| at the end."""
    _draw(data, figure, data["noise"].values)


def _draw(data: xr.Dataset, figure: Any, noise: np.ndarray) -> None:
    branches = data["branch"].values
    if len(noise) == 1:
        panels = panel_row(figure, len(branches), sharex=True, sharey=True)[None]
    else:
        panels = figure.subplots(len(noise), len(branches), sharex=True, sharey=True, squeeze=False)
    colours = colormaps[SEQUENCE].with_extremes(bad="white")
    for row, level in zip(panels, noise, strict=True):
        for axes, branch in zip(row, branches, strict=True):
            one = data.sel(branch=branch, noise=level)
            mesh = axes.pcolormesh(
                one["phi"], one["theta"], one["limit"].T, cmap=colours, vmin=0.0, vmax=1.6, rasterized=True
            )
            for index in range(one.sizes["border"]):
                border = one.isel(border=index)
                axes.plot(border["border_phi"], border["border_theta"], color="white", linewidth=3.2)
                axes.plot(border["border_phi"], border["border_theta"], color=COLOURS["vermilion"], linewidth=1.6)
            share = float((one["limit"] < COLLAPSED).where(one["limit"].notnull()).mean())
            box = {"facecolor": "white", "edgecolor": "none", "pad": 2.0}
            told = {"transform": axes.transAxes, "va": "center", "fontsize": 9, "bbox": box}
            axes.text(0.03, 0.5, f"{share:.0%} collapse", **told)
            axes.plot(0.6, 0.1, "o", color="white", markeredgecolor="black", markersize=6)
            axes.set(xlim=(one["phi"][0], one["phi"][-1]), ylim=(one["theta"][0], one["theta"][-1]))
            axes.grid(False)
            if level == noise[0]:
                axes.set_title(_TITLES.get(str(branch), str(branch)))
        row[0].set_ylabel(f"{'noise' if level else 'no noise'}, σ² = {level:g}\nθ(0), encoder")
    for axes in panels[-1]:
        axes.set_xlabel("φ(0), predictor")
    figure.colorbar(mesh, ax=list(np.ravel(panels)), label="|θ| at the end (0: collapsed)", shrink=0.8, extend="max")
    caption(
        figure,
        data,
        f"White: undecided at t = {data.attrs['t_end']:g}. Vermilion: the exact boundary of collapse. "
        "Circle: φ = 0.6, θ = 0.1, the article's start. Shares are of the decided starts",
    )


FIGURE = Figure(
    name="basins",
    summary="Which starts collapse, in the three branches, with and without noise",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=15.0,
    height=2.9,
    full_height=4.7,
    panels=3,
    small={"count": 20},
)
