"""Who is ahead on its own way, predictor or encoder: shares of the way over time, per branch; joins `timescales`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.outcome import outcome
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.labels import label_ends
from dynsim.drawing.style import ENCODER, PREDICTOR
from dynsim.drawing.words import BRANCHES as BRANCH_WORDS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.flow import BRANCHES
from dynsim.systems.catalogue import system
from dynsim.verdict import Verdict, Word

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
AHEAD = {1: "φ ahead", -1: "θ ahead", 0: "no statement"}


def compute(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    t_end: float = 60.0,
) -> xr.Dataset:
    """`progress_phi` and `progress_theta`: shares of each variable's own way, over ``(branch, time)``.

    `stated` is what the theorem says, 1 where φ is ahead at every share, −1 where θ is, 0 where it says nothing;
    `when_phi` and `when_theta` are the times at which each of `share` is reached.

    Theorem: orbits of the toy are arcs of one curvature, so that one variable is ahead at every share. With
    stop-gradient φ is ahead of a surviving θ iff αθ₀² > φ₀² (0 < φ₀ < 1; for φ₀ > 1 the reverse), and φ₀ > 1 that
    collapses has φ ahead; with both branches φ is ahead iff it collapses; with the second alone iff φ₀ < 1.
    """
    parts = []
    for branch in BRANCHES:
        flow = system("toy", branch=branch)
        start = {**{name: flow.defaults[name] for name in flow.states}, **(initial or {})}
        values = {name: float(value) for name, value in flow.values(parameters).items()}
        end = outcome(flow, start, values)
        run = solve(flow, start, times=np.linspace(0.0, t_end, 4001), parameters=values)
        part = xr.Dataset(coords={"time": run["time"], "share": list(SHARES)})
        for name in ("phi", "theta"):
            way = float(end.limit[name]) - start[name]
            moved = (run[name] - start[name]) / way if way else run[name] * np.nan
            part[f"progress_{name}"] = ("time", np.asarray(moved.values, dtype=float))
            part[f"when_{name}"] = ("share", _reached(run["time"].values, part[f"progress_{name}"].values))
        part["stated"] = stated_order(branch, start["phi"], start["theta"], values["alpha"], bool(end.collapsed))
        parts.append(part)
    data = xr.concat(parts, xr.DataArray(list(BRANCHES), dims="branch", name="branch"))
    about = {"name": "toy", "states": list(flow.states), "roles": flow.roles, "reference": flow.reference}
    return stamp(data, flow=about, parameters=values, initial=start)


def stated_order(branch: str, phi: float, theta: float, alpha: float, collapses: bool) -> int:
    """1 where the theorem puts φ ahead at every share of the way, −1 where θ, 0 where it says nothing."""
    if theta == 0 or phi == 1:
        return 0
    if branch == "target":
        return 1 if phi < 1 else -1
    if branch == "full":
        return 1 if collapses else -1
    if phi <= 0:  # θ turns round on the way
        return 0
    if collapses:
        return 1
    level = alpha * theta**2 - phi**2
    return int(np.sign(level if phi < 1 else -level))


def _reached(time: np.ndarray, progress: np.ndarray) -> list[float]:
    """Time at which each share is first reached, between records by a straight line; NaN where never."""
    found = []
    for share in SHARES:
        beyond = np.flatnonzero(progress >= share)
        if not beyond.size or beyond[0] == 0:
            found.append(np.nan)
            continue
        at = beyond[0]
        found.append(float(np.interp(share, progress[at - 1 : at + 1], time[at - 1 : at + 1])))
    return found


def verdict(data: xr.Dataset) -> Verdict:
    """Say per branch who is half-way first, and whether the order at every share is the theorem's."""
    first, facts, wrong, asked = {}, [], 0, 0
    for branch in data["branch"].values:
        one = data.sel(branch=branch)
        lead = np.sign((one["when_theta"] - one["when_phi"]).values)
        stated = int(one["stated"])
        known = np.isfinite(lead)
        if stated and known.any():
            asked += int(known.sum())
            wrong += int((lead[known] != stated).sum())
        half = lead[SHARES.index(0.5)]
        first[str(branch)] = {1.0: "φ", -1.0: "θ"}.get(float(half), "neither")
        times = [f"{float(one[name].sel(share=0.5)):.4g}" for name in ("when_phi", "when_theta")]
        facts.append(f"{branch}: half-way at t = {times[0]} (φ) and {times[1]} (θ), theorem: {AHEAD[stated]}")
    facts.append(f"of {asked} shares and branches on which the theorem speaks {wrong} are otherwise")
    word: Word = "open" if not asked else "holds" if not wrong else "does not hold"
    told = ", ".join(f"{branch} {name}" for branch, name in first.items())
    return concluded(word, f"Half-way first: {told} (φ: predictor, θ: encoder)", "; ".join(facts))


def draw(data: xr.Dataset, figure: Any) -> None:
    """One panel per branch: the share of its own way that each variable has covered."""
    for axes, branch in zip(panel_row(figure, data.sizes["branch"]), data["branch"].values, strict=True):
        one = data.sel(branch=branch)
        times = [float(one[f"when_{name}"].sel(share=0.9)) for name in ("phi", "theta")]
        last = (
            min(1.4 * np.nanmax(times), float(data["time"][-1]))
            if np.isfinite(times).any()
            else float(data["time"][-1])
        )
        shown = one.sel(time=slice(0, last))
        labels = []
        for name, style, label in (("phi", PREDICTOR, r"$\varphi$"), ("theta", ENCODER, r"$\theta$")):
            axes.plot(shown["time"], shown[f"progress_{name}"], **style)
            labels.append((float(shown[f"progress_{name}"][-1]), label, str(style["color"])))
            half = float(one[f"when_{name}"].sel(share=0.5))
            axes.plot(half, 0.5, "o", color=style["color"], markersize=4)
        axes.set(xlabel="flow time t", xlim=(0, last), ylim=(min(0.0, float(shown["progress_theta"].min())), 1.02))
        axes.set_title(BRANCH_WORDS[str(branch)])
        label_ends(axes, labels)
    figure.supylabel("share of the way covered")
    caption(figure, data, "Each variable's way is from its start to its exact end; dots: half of it. One is ahead at "
            "every share: the orbits bend one way")  # fmt: skip


FIGURE = Figure(
    name="who-is-fast",
    summary="Shares of the way covered by predictor and encoder, per branch",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=0.5,
    height=2.8,
    panels=3,
)
