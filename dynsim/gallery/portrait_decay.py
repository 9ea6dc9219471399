"""The plane under weight decay: below its threshold a living state and its saddle, above it the origin alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.portrait import portrait
from dynsim.choices import Branch
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.planes import draw_orbit, draw_portrait
from dynsim.drawing.words import caption
from dynsim.errors import bad
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.solve import solve
from dynsim.progress import Progress
from dynsim.records import provenance, stamp
from dynsim.systems.catalogue import system
from dynsim.verdict import Verdict

VIEW = {"phi": (-1.0, 1.5), "theta": (-1.25, 1.25)}
SHRUNK = (1e-6, 1e-3, 1e-2)  # |θ| at the end below which a start counts as collapsed; the middle one is drawn


def compute(
    progress: Progress | None = None,
    *,
    etas: Sequence[float] = (0.0, 0.15, 0.3),
    branch: Branch = "stop",
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    t_end: float = 300.0,
    count: int = 81,
) -> xr.Dataset:
    """Portraits of the scalar system with equal decays of predictor and encoder.

    Parameters
    ----------
    progress : callable, optional
    etas : sequence of float
        η_p = η_s, a panel each.
    branch : {"stop", "full", "target"}
    initial, parameters : mapping, optional
        Start of the drawn orbit; α and σ², 0.1 by default.
    t_end : float
        Flow time of the orbits whose ends say which starts collapse.
    count : int
        Starts along either axis.

    Returns
    -------
    xarray.Dataset
        What `portrait` returns, over `eta`; the orbit; `end` over ``(eta, x_coarse, y_coarse)``: |θ| at the end.
    """
    if not len(etas) or not all(isinstance(one, int | float) and one >= 0 for one in etas):
        raise bad("etas", etas, "weight decays, 0 or above")
    flow = system("scalar", branch=branch)
    start = {**{name: flow.defaults[name] for name in flow.states}, **(initial or {})}
    grid = {name: np.linspace(*VIEW[name], count) for name in flow.states}
    parts = []
    for index, eta in enumerate(etas):
        values = {"sigma2": 0.1, **(parameters or {}), "eta_p": eta, "eta_s": eta}
        part = portrait(flow, values, VIEW, at=start)
        run = solve(flow, start, times=np.linspace(0, 100, 401), parameters=values)
        part = part.merge(run[list(flow.states)].rename({n: f"orbit_{n}" for n in flow.states}).drop_attrs(),
                          combine_attrs="override")  # fmt: skip
        ends = ensemble(flow, grid, t_end, parameters=values)["theta"]
        part["end"] = (("x_coarse", "y_coarse"), np.abs(ends.values))
        parts.append(part)
        if progress:
            progress(index + 1, len(etas), f"η = {eta:g}")
    axis = xr.DataArray([float(one) for one in etas], dims="eta", name="eta")
    data = xr.concat(_padded(parts), axis, combine_attrs="override").drop_attrs()
    shown = {name: float(flow.values(values)[name]) for name in ("alpha", "sigma2")}
    return stamp(data, flow={**flow.about(), "branch": branch}, parameters=shown, initial=start, x_name="phi",
                 y_name="theta", complete=min(int(one.attrs["complete"]) for one in parts), t_end=t_end)  # fmt: skip


def _padded(parts: list[xr.Dataset]) -> list[xr.Dataset]:
    """As many points, lines and separatrices in each, without a kind where there is none."""
    blank: Any = {"point_kind": "", "separatrix_manifold": ""}
    result = []
    for part in parts:
        for dimension in ("point", "line", "separatrix"):
            short = max(one.sizes.get(dimension, 0) for one in parts) - part.sizes.get(dimension, 0)
            part = part.pad({dimension: (0, short)}, constant_values=blank) if short else part
        result.append(part)
    return result


def _shares(data: xr.Dataset, bound: float) -> list[float]:
    return [float((one < bound).mean()) for one in data["end"]]


def verdict(data: xr.Dataset) -> Verdict:
    """Say how much of the view collapses at each decay, and which equilibria live."""
    etas = [float(one) for one in data["eta"].values]
    facts = []
    for eta in etas:
        one = data.sel(eta=eta)
        living = [
            kind
            for kind, y in zip(one["point_kind"].values, one["point_y"].values, strict=True)
            if str(kind).startswith("stable") and abs(float(y)) > 1e-9
        ]
        facts.append(f"η = {eta:g}: {len(living)} stable living points in view")
    for bound in SHRUNK:
        told = ", ".join(f"{share:.1%}" for share in _shares(data, bound))
        facts.append(f"starts with |θ| < {bound:g} at t = {data.attrs['t_end']:g}: {told}")
    told = ", ".join(f"{share:.0%} at η = {eta:g}" for share, eta in zip(_shares(data, SHRUNK[1]), etas, strict=True))
    return concluded("measured", [f"Starts that collapse: {told}", "Starts that collapse, by weight decay"],
                     "; ".join(facts))  # fmt: skip


def draw(data: xr.Dataset, figure: Any) -> None:
    """A panel per weight decay."""
    shade = False
    for axes, eta in zip(panel_row(figure, data.sizes["eta"], sharey=True), data["eta"].values, strict=True):
        one = data.sel(eta=eta)
        dead = (one["end"] < SHRUNK[1]).values.astype(float)
        x, y = (np.linspace(*VIEW[name], dead.shape[0]) for name in VIEW)
        if dead.any():
            shade = True
            axes.contourf(x, y, dead.T, levels=[0.5, 1.5], colors=["#EFE0D6"], zorder=0)
        draw_portrait(one.assign_attrs(data.attrs), axes)
        draw_orbit(axes, one["orbit_phi"], one["orbit_theta"])
        axes.set(title=rf"$\eta = {eta:g}$", box_aspect=1)  # the view is a square
        axes.label_outer()
    caption(figure, data, "Grey: field. Dotted: nullclines. Black: orbit. Filled point: stable, square: saddle. "
            "Green: lines of equilibria. Purple: separatrices",
            f"Shaded: starts that collapse until t = {data.attrs['t_end']:g}" if shade else "",
            f"Branch {provenance(data)['flow']['branch']}")  # fmt: skip


FIGURE = Figure(
    name="portrait-decay",
    summary="The plane under weight decay: which starts collapse below and above its threshold",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=3.0,
    height=3.7,
    panels=3,
    small={"count": 21, "etas": (0.0, 0.3)},
)
