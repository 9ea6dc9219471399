"""Where weight decay and the teacher's rate collapse the encoder, with the exact threshold over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.ensemble import ensemble
from dynsim.records import stamp
from dynsim.status import Status
from dynsim.systems.catalogue import system
from dynsim.verdict import Verdict, Word


def compute(
    progress: Any = None, *, count: int = 81, sigma2: float = 0.1, alpha: float = 1.0, t_end: float = 4000.0
) -> xr.Dataset:
    """Size of the encoder at `t_end`; `warm`, `cold` over ``(eta, beta)`` and `split` over ``(eta_p, eta_s)``."""
    eta, beta = np.linspace(0.0025, 0.3, count), np.geomspace(0.03, 10, count)
    byol = system("byol").fix(eta_p="eta", eta_s="eta")
    grid = {"eta": eta, "beta": beta, "sigma2": sigma2, "alpha": alpha}
    start = {"phi": 0.8, "theta": 0.8}
    data = xr.Dataset(coords={"eta": eta, "beta": beta})
    for index, (name, teacher) in enumerate((("warm", 0.8), ("cold", 0.0))):
        end = ensemble(byol, {**start, "xi": teacher}, t_end, parameters=grid, rtol=1e-7, atol=1e-9)
        data[name] = (("eta", "beta"), abs(end["theta"]).transpose("eta", "beta").values)
        data[f"{name}_moves"] = (("eta", "beta"), _moves(end).transpose("eta", "beta").values)
        if progress:
            progress(index + 1, 3, f"{name} teacher")
    split = {"eta_p": eta, "eta_s": eta, "sigma2": sigma2, "alpha": alpha}
    end = ensemble(system("scalar"), start, t_end, parameters=split, rtol=1e-7, atol=1e-9)
    data["split"] = (("eta_p", "eta_s"), abs(end["theta"]).transpose("eta_p", "eta_s").values)
    data["split_moves"] = (("eta_p", "eta_s"), _moves(end).transpose("eta_p", "eta_s").values)
    data = data.assign_coords(eta_p=eta, eta_s=eta)
    data["threshold"] = 1 / (4 * (1 + sigma2))
    about = {"name": "byol, scalar", "reference": byol.reference, "states": list(byol.states), "roles": byol.roles}
    return stamp(data, flow=about, parameters={"sigma2": sigma2, "alpha": alpha}, initial=start, t_end=t_end)


def _moves(end: xr.Dataset) -> xr.DataArray:
    """Whether a run has ended on its way: what it comes to is not known."""
    return end["status"] != Status.AT_REST


def verdict(data: xr.Dataset) -> Verdict:
    """Compare what survives with the exact threshold."""
    limit = float(data["threshold"])
    warm, cold = (data[name] > 1e-3 for name in ("warm", "cold"))
    beyond = (warm.where(data["eta"] > 1.05 * limit, False), data["warm_moves"])
    saved = int(warm.sum())
    lost = f"{int((warm & ~cold).sum()) / saved:.0%} of what a warm one saves" if saved else "all, as a warm one"
    split = ((data["split"] > 1e-3).where(data["eta_s"] > 1.02 * limit, False), data["split_moves"])
    words = [_survives(*one) for one in (beyond, split)]
    detail = (
        f"above η_c = {limit:.4g} {words[0]}; a cold teacher loses {lost}; with separate decays above η_s = η_c, "
        f"whatever η_p, {words[1]}; still moving at t = {data.attrs['t_end']:g}: "
        + ", ".join(f"{name} {float(data[f'{name}_moves'].mean()):.0%}" for name in ("warm", "cold", "split"))
    )
    headline = [
        f"Above η_c = {limit:.3g} {words[0]}; a cold teacher loses {lost}",
        f"Above η_c = {limit:.3g} {words[0]}",
    ]
    word: Word = "does not hold" if "something survives" in words else "holds" if set(words) == {NOTHING} else "open"
    return concluded(word, headline, detail)


NOTHING = "nothing survives"


def _survives(alive: xr.DataArray, moves: xr.DataArray) -> str:
    """What is alive and rests survives; what is alive and moves may yet die."""
    if bool((alive & ~moves).any()):
        return "something survives"
    return "it is undecided: the runs are too short" if bool(alive.any()) else NOTHING


def draw(data: xr.Dataset, figure: Any) -> None:
    """Size of the encoder at the end, in three planes of parameters."""
    panels = panel_row(figure, 3)
    told = (
        ("warm", "eta", "beta", "warm teacher, ξ(0) = θ(0)", "weight decay η", "teacher rate β"),
        ("cold", "eta", "beta", "cold teacher, ξ(0) = 0", "weight decay η", "teacher rate β"),
        ("split", "eta_p", "eta_s", "separate decays, no teacher", "predictor's decay η_p", "encoder's decay η_s"),
    )
    limit = float(data["threshold"])
    for axes, (name, x, y, title, x_label, y_label) in zip(panels, told, strict=True):
        shown = data[name].transpose(y, x)
        mesh = axes.pcolormesh(data[x], data[y], shown, cmap=SEQUENCE, vmin=0, vmax=1.2, rasterized=True)
        if float(shown.min()) < 1e-3 < float(shown.max()):
            axes.contour(data[x], data[y], np.log10(shown + 1e-12), levels=[-3], colors="white", linewidths=1.4)
        line = axes.axvline if name != "split" else axes.axhline
        line(limit, color="#D55E00", linewidth=1.6, linestyle="--")
        axes.set(title=title, xlabel=x_label, ylabel=y_label, yscale="log" if y == "beta" else "linear")
        axes.grid(False)
    figure.colorbar(mesh, ax=list(panels), label="|θ| at the end", shrink=0.9, extend="max")
    caption(
        figure,
        data,
        f"Dashed: exact threshold η_c = 1/(4(1+σ²)) = {limit:.4g}; white: boundary of collapse from this "
        f"start at t = {data.attrs['t_end']:g}",
    )


FIGURE = Figure(
    name="collapse-map",
    summary="Which weight decays and teacher's rates collapse",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=10.0,
    height=3.0,
    panels=3,
    small={"count": 15},
)
