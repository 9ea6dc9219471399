"""Alternating optimisation: without a predictor noise eats every mode; with one it ends elsewhere than the flow."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.choices import Branch, FlowOptimiser
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import BRANCH_STYLE, COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.optimise import optimise
from dynsim.records import stamp
from dynsim.systems.catalogue import system as find_system
from dynsim.verdict import Verdict

SIGNALS = (2.0, 1.0, 0.5, 0.25, 0.12)
COUNTS = (1, 2, 4, 8, 16, 32, 64)
STEPS = (0.02, 0.2, 0.6)
ORDERS = {"φ first": ("phi", "theta"), "θ first": ("theta", "phi")}
# Label → branch and noise of the toy and of its noisy version.
CASES: dict[str, tuple[Branch, float]] = {
    "stop": ("stop", 0.0),
    "full": ("full", 0.0),
    "stop, noise": ("stop", 0.1),
    "full, noise": ("full", 0.1),
}
EXACT: FlowOptimiser = "alternating-minimisation"


def compute(
    progress: Any = None,
    *,
    signals: Any = SIGNALS,
    noise: float = 0.1,
    rounds: int = 60,
    starts: int = 81,
    phi: float = 0.6,
    theta: float = 0.1,
) -> xr.Dataset:
    """Alternate exactly and in k gradient steps without predictor; with one, from the article's start and beside it.

    Without predictor a round of exact alternation multiplies a mode by r = λ_d/λ_s, one of k steps of size h by
    r + (1 − r)(1 − hλ_s)^k; the flow decays like e^{−(λ_s − λ_d)t}.
    """
    signal = xr.DataArray(np.asarray(signals, dtype=float), dims="mode")
    alone = find_system("alternating")
    spectrum = {"lambda_d": signal, "lambda_s": signal + noise}
    exact = optimise(alone, {"w": 1.0}, rounds, lr=1.0, parameters=spectrum, optimiser=EXACT)
    data = xr.Dataset(
        {"w": (("mode", "round"), exact["w"].transpose("mode", "step").values)},
        coords={"mode": np.arange(len(signal)) + 1, "round": np.arange(rounds + 1), "lambda_d": signal},
    )
    data["share"] = data["w"] ** 2 / (data["w"] ** 2).sum("mode")
    _tell(progress, 1, "exact alternation")

    view = 1.5  # λ_d = 1
    one = {"lambda_d": 1.0, "lambda_s": view}
    factors = [
        [
            float(optimise(alone, {"w": 1.0}, 1, lr=h, parameters=one, optimiser="alternating", k=k)["w"][-1])
            for k in COUNTS
        ]
        for h in STEPS
    ]
    data = data.assign_coords(k=list(COUNTS), h=list(STEPS))
    data["factor"] = (("h", "k"), factors)
    data["pace"] = -np.log(abs(data["factor"])) / (data["k"] * data["h"] * (view - 1))
    _tell(progress, 2, "k steps")

    kept = []
    with_predictor = find_system("modes", k=1).fix(eta_p=0, eta_s=0)
    known = {"lambda_d1": signal, "lambda_s1": signal + noise, "alpha": 1.0}
    for order in ORDERS.values():
        blocks = tuple({"phi": "p1", "theta": "w1"}[name] for name in order)
        ends = optimise(
            with_predictor, {"p1": phi, "w1": 1.0}, rounds, lr=1.0, parameters=known, optimiser=EXACT, order=blocks
        )
        kept.append(ends["w1"].transpose("mode", "step").values)
    data = data.assign_coords(order=list(ORDERS))
    data["w_with_predictor"] = (("order", "mode", "round"), kept)
    _tell(progress, 3, "with a predictor")

    data = _add_toy(data, phi, theta, starts)
    _tell(progress, 4, "the toy")
    toy = find_system("toy")
    about = {**toy.about(), "branch": "stop and full", "reference": alone.reference}
    return stamp(
        data, flow=about, parameters={"alpha": 1.0}, initial={"phi": phi, "theta": theta}, noise=noise, view=view
    )


def _tell(progress: Any, done: int, what: str) -> None:
    if progress:
        progress(done, 4, what)


def _add_toy(data: xr.Dataset, phi: float, theta: float, starts: int) -> xr.Dataset:
    """Add paths block by block, and where θ ends over φ(0), under either order, with and without stop-gradient."""
    axis = np.linspace(-0.5, 1.5, starts)
    axis = axis[abs(axis) > 1e-9]  # at φ = 0 the encoder's loss is flat
    paths, ends, flows = [], [], []
    for branch, sigma2 in CASES.values():
        flow = find_system("scalar", branch=branch).fix(sigma2=sigma2, eta_p=0, eta_s=0)
        for order in ORDERS.values():
            options: dict[str, Any] = {"lr": 1.0, "optimiser": EXACT, "order": order}
            path = [(phi, theta)]
            for _ in range(3):
                path += _round(flow, path[-1], order)
            paths.append(path)
            grid = optimise(flow, {"phi": axis, "theta": theta}, 30, every=30, **options)
            ends.append(grid["theta"].isel(step=-1).values)
        small = optimise(flow, {"phi": axis, "theta": theta}, 20000, lr=0.02, every=20000)
        flows.append(small["theta"].isel(step=-1).values)
    shape = (len(CASES), len(ORDERS))
    data = data.assign_coords(case=list(CASES), phi_start=axis)
    data["path"] = (("case", "order", "block", "coordinate"), np.reshape(paths, (*shape, -1, 2)))
    data["theta_end"] = (("case", "order", "phi_start"), np.reshape(ends, (*shape, -1)))
    data["theta_descent"] = (("case", "phi_start"), flows)
    return data


def _round(flow: Any, start: tuple[float, float], order: tuple[str, str]) -> list[tuple[float, float]]:
    """Where both blocks of one round end: the second block of the round is what moves in the other variable."""
    initial = {"phi": start[0], "theta": start[1]}
    end = optimise(flow, initial, 1, lr=1.0, optimiser=EXACT, order=order).isel(step=-1)
    done = {name: float(end[name]) for name in ("phi", "theta")}
    between = {**initial, order[0]: done[order[0]]}
    return [(between["phi"], between["theta"]), (done["phi"], done["theta"])]


def verdict(data: xr.Dataset) -> Verdict:
    """Say what alternation does to modes, what k does, and where the toy ends under either order."""
    ratio = data["lambda_d"] / (data["lambda_d"] + data.attrs["noise"])
    error = float(abs(data["w"] - ratio ** data["round"]).max())
    share = data["share"].isel(round=-1)
    first = float(data["lambda_d"].isel(mode=int(share.values.argmax())))
    kept = data["w_with_predictor"].isel(round=-1)
    change = float(abs(kept - data["w_with_predictor"].isel(round=1)).max())
    slow = data["pace"].sel(h=STEPS[0])
    where = {
        (case, order): tuple(round(float(x), 4) + 0.0 for x in data["path"].sel(case=case, order=order).isel(block=-1))
        for case in ("stop", "full")
        for order in ORDERS
    }
    told = "; ".join(
        f"{case} ({where[case, 'φ first'][0]:.3g}, {where[case, 'φ first'][1]:.3g}) φ-first, "
        f"({where[case, 'θ first'][0]:.3g}, {where[case, 'θ first'][1]:.3g}) θ-first"
        for case in ("stop", "full")
    )
    noisy = float(abs(data["theta_end"].sel(case="full, noise")).max())
    close = "to rounding" if error < 1e-9 else f"within {error:.1g}"
    detail = (
        f"without predictor a round multiplies every mode by λ_d/λ_s ({close}): all decay, and in shares "
        f"λ_d = {first:g} takes {float(share.max()):.0%}; k = {int(data['k'][-1])} steps per target instead of one "
        f"slow the decay to {float(slow[-1]):.0%} of the flow's; with a predictor no mode moves after the first round "
        f"; the toy ends at {told}, and with noise full {'collapses' if noisy < 1e-3 else 'survives'} in either order"
    )
    # Without a predictor everything decays; with one and noise, the branch without stop-gradient does.
    gone = error < 1e-9 and float(abs(data["w"].isel(round=-1)).max()) < 0.1
    headline = (
        f"Alternation: without predictor {'every mode decays' if gone else 'some mode is left'}; "
        f"with one {'nothing moves' if change < 1e-9 else 'it moves'} after round 1"
    )
    return concluded("measured", headline, detail)


STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
ORDER_STYLE = {
    "φ first": {"color": COLOURS["blue"], "marker": "o"},
    "θ first": {"color": COLOURS["orange"], "marker": "s"},
}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Modes with and without predictor; the toy's paths block by block, and where its starts end."""
    kept, plane, ends = panel_row(figure, 3)
    _kept(kept, data)
    _paths(plane, data)
    _ends(ends, data)
    caption(figure, data, "Exact alternation: each block to its minimum, stop-gradients held meanwhile. Solid: stop, "
            "dashed: full; blue: φ first, orange: θ first; black: small gradient steps")  # fmt: skip


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Modes without predictor, their shares, k steps per target; modes with one, the toy's paths and ends."""
    (modes, share, pace), (kept, plane, ends) = figure.subplots(2, 3)
    noise, rounds = data.attrs["noise"], data["round"]
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.88, data.sizes["mode"]))
    for shade, style, mode in zip(shades, STYLES, data["mode"].values, strict=False):
        one = data.sel(mode=mode)
        signal = float(one["lambda_d"])
        modes.plot(rounds, (signal / (signal + noise)) ** rounds, color=shade, linestyle=style, label=f"{signal:g}")
        modes.plot(rounds[::4], one["w"][::4], "o", color=shade, markersize=4, markerfacecolor="white")
        share.plot(rounds, one["share"], color=shade, linestyle=style)
    modes.set(yscale="log", ylim=(1e-6, 60), xlabel="round of exact alternation", ylabel="encoder w of the mode")
    modes.set_title("no predictor: w ← w·λ_d/λ_s")
    modes.legend(title="signal λ_d", loc="upper center", ncols=5, handlelength=1.4, columnspacing=0.9)
    share.set(xlabel="round of exact alternation", ylabel="share of w²", ylim=(0, 1.02))
    share.set_title("shares of the modes")

    tones = colormaps[SEQUENCE](np.linspace(0.0, 0.8, data.sizes["h"]))
    fine, view = np.geomspace(1, float(data["k"][-1]), 200), data.attrs["view"]
    for tone, style, h in zip(tones, STYLES, data["h"].values, strict=False):
        factor = 1 / view + (1 - 1 / view) * (1 - h * view) ** fine
        pace.plot(fine, -np.log(factor) / (fine * h * (view - 1)), color=tone, linestyle=style, label=f"h = {h:g}")
        pace.plot(data["k"], data["pace"].sel(h=h), "o", color=tone, markersize=4, markerfacecolor="white")
    pace.axhline(1.0, color=COLOURS["grey"], linewidth=0.9)
    pace.annotate("the flow", (0.98, 1.0), xycoords=("axes fraction", "data"), ha="right", va="bottom")
    pace.set(
        xscale="log", xlabel="gradient steps k per target", ylabel="rate of decay over the flow's", ylim=(0, 1.25)
    )
    pace.set_xticks(data["k"].values, [str(k) for k in data["k"].values])
    pace.minorticks_off()
    pace.set_title("no predictor, k steps")
    pace.legend(loc="lower left")

    _kept(kept, data)
    _paths(plane, data)
    _ends(ends, data)
    caption(
        figure,
        data,
        f"Upper row: no predictor, λ_s = λ_d + {noise:g}; lines: derived, circles: run",
        "Lower row: with predictor; one block after the other to its exact minimum. Solid: stop, dashed: full",
    )


def _kept(kept: Any, data: xr.Dataset) -> None:
    """Draw what is left of every mode, without a predictor and with one under either order."""
    rounds = data["round"]
    kept.plot(data["lambda_d"], data["w"].isel(round=-1), "x--", color=COLOURS["vermilion"], label="no predictor")
    for order, look in ORDER_STYLE.items():
        last = data["w_with_predictor"].sel(order=order).isel(round=-1)
        kept.plot(data["lambda_d"], last, linestyle="-", **look, markersize=5, label=f"predictor, {order}")
    kept.set(xscale="log", xlabel="signal λ_d", ylabel=f"w after {int(rounds[-1])} rounds", ylim=(-0.05, None))
    ticks = sorted(data["lambda_d"].values)
    kept.set_xticks(ticks, [f"{value:g}" for value in ticks])
    kept.minorticks_off()
    kept.set_title("modes with and without predictor")
    kept.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24))


def _paths(axes: Any, data: xr.Dataset) -> None:
    """Blocks as arrows of an orbit in the plane, with and without stop-gradient."""
    axes.axvline(1.0, color=COLOURS["grey"], linewidth=0.9)
    axes.axhline(0.0, color=COLOURS["grey"], linewidth=0.9)
    shifts = {("stop", "φ first"): 0.0015, ("full", "φ first"): -0.0015}  # both go the same way
    for case in ("stop", "full"):
        for order, look in ORDER_STYLE.items():
            path = data["path"].sel(case=case, order=order).values
            path = path + np.array([0.0, shifts.get((case, order), 0.0)])
            dashes = BRANCH_STYLE[case]["linestyle"]
            axes.plot(*path.T, color=look["color"], linestyle=dashes, linewidth=1.8, label=f"{case}, {order}")
            axes.plot(*path[-1], look["marker"], color=look["color"], markersize=7, zorder=4)
    start = data["path"].isel(case=0, order=0, block=0).values
    axes.plot(*start, "o", color=COLOURS["black"], markersize=6, zorder=5)
    for x, y in {
        tuple(np.round(path[-1], 4))
        for path in data["path"].sel(case=["stop", "full"]).values.reshape(-1, *data["path"].shape[2:])
    }:
        axes.annotate(f"({x:.3g}, {y + 0.0:.3g})", (x, y), xytext=(5, 4), textcoords="offset points", fontsize=7)
    axes.margins(0.18)
    axes.set(xlabel="predictor φ", ylabel="encoder θ")
    axes.set_title("the toy, block by block")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2, handlelength=1.6, columnspacing=0.8)


def _ends(axes: Any, data: xr.Dataset) -> None:
    """|θ| at the end over φ(0)."""
    for case in ("stop", "full"):
        dashes = BRANCH_STYLE[case]["linestyle"]
        for order, look in ORDER_STYLE.items():
            end = abs(data["theta_end"].sel(case=case, order=order))
            axes.plot(data["phi_start"], end, color=look["color"], linestyle=dashes, linewidth=1.8)
        descent = abs(data["theta_descent"].sel(case=case))
        axes.plot(data["phi_start"], descent, color=COLOURS["black"], linestyle=dashes, linewidth=0.9)
    axes.set(xlabel="start φ(0)", ylabel="|θ| at the end", title="ends; black: small steps")


FIGURE = Figure(
    name="alternating",
    summary="SimSiam as alternating optimisation: with and without a predictor",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=5.0,
    height=3.5,
    full_height=7.7,
    panels=3,
    small={"rounds": 8, "starts": 9},
)
