"""The step size: rest, period doubling, chaos, divergence; the bound that says when; which starts it saves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.errors import bad
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.step_size import stable_step_size, step_size_bifurcation
from dynsim.records import stamp
from dynsim.systems.catalogue import system as find_system
from dynsim.verdict import Verdict

NOISE = (0.0, 0.2, 0.5)


def compute(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    eta: float = 0.05,
    resolution: int = 400,
    settle: int = 4000,
    starts: int = 10_000_000,
) -> xr.Dataset:
    """Iterate gradient descent with stop-gradient over h: the toy, and the scalar system with weight decay.

    The toy has a line of equilibria, each with its own bound 2/(αθ²); with decay there is one, and it doubles its
    period. `bound` is where the linearisation says so, `first` where the iterated map does. Of the `starts` of the
    toy, in rows at fixed φ₀ across the boundary of collapse, it is counted how many collapse: `shift`.
    """
    if not 0 <= eta < 0.25:
        raise bad("eta", eta, "from 0 to below 1/4, the fold", "beyond it the scalar system has nothing that lives")
    toy = find_system("toy")
    article = {"phi": 0.6, "theta": 0.1, **(initial or {})}
    steps = np.linspace(0.02, 5.0, resolution)
    line = step_size_bifurcation(toy, article, steps, settle=settle, keep=48)
    flow = find_system("scalar").fix(eta_p="eta", eta_s="eta")
    start = {"phi": 0.8, "theta": 0.8}
    point = step_size_bifurcation(flow, start, steps, parameters={"sigma2": 0.0, "eta": eta}, settle=settle, keep=48)
    if progress:
        progress(1, 3, "bifurcation diagrams")

    decays = xr.DataArray(np.linspace(0.01, 0.15, 15), dims="eta")
    noise = xr.DataArray(list(NOISE), dims="sigma2")
    fine = np.linspace(1.5, 12.0, 2 * resolution)
    upper = _upper(noise, decays)
    beside = {"phi": 1.001 * upper, "theta": 0.9995 * upper}  # off the invariant φ = θ, where one direction hides
    values = {"sigma2": noise, "eta": decays}
    ends = step_size_bifurcation(flow, beside, fine, parameters=values, settle=settle, keep=8)
    resting = (ends["period"] == 1) & (abs(ends["theta"].isel(step=-1)) > 1e-3)
    bound = [[_bound(flow, s, e) for e in decays.values] for s in NOISE]
    if progress:
        progress(2, 3, "stability bound over η and σ²")
    data = xr.Dataset(
        {
            "toy_theta": (("lr", "orbit"), line["theta"].transpose("lr", "step").values),
            "toy_period": ("lr", line["period"].values),
            "theta": (("lr", "orbit"), point["theta"].transpose("lr", "step").values),
            "period": ("lr", point["period"].values),
            "bound": (("sigma2", "eta"), bound),
            "first": (("sigma2", "eta"), fine[resting.transpose("sigma2", "eta", "lr").values.argmin(axis=-1)]),
        },
        coords={"lr": steps, "sigma2": list(NOISE), "eta": decays.values},
    )
    data = data.merge(_boundaries(starts))
    if progress:
        progress(3, 3, "boundary of collapse")
    end = toy.exact.end(article, {"alpha": 1.0}) if toy.exact else None
    data["toy_flow"] = abs(float(end.values["theta"])) if end else np.nan
    data["diagram_bound"] = _bound(flow, 0.0, eta)
    about = {**toy.about(), "roles": toy.roles}
    return stamp(data, flow=about, parameters={"alpha": 1.0}, initial=article, eta=eta, resolution=fine[1] - fine[0])


def _upper(sigma2: Any, eta: Any) -> Any:
    """φ = θ at the upper equilibrium, p₊ = (1 + √(1 − 4η(1 + σ²)))/(2(1 + σ²))."""
    return (1 + np.sqrt(1 - 4 * eta * (1 + sigma2))) / (2 * (1 + sigma2))


def _bound(flow: Any, sigma2: float, eta: float) -> float:
    upper = float(_upper(sigma2, eta))
    return stable_step_size(flow, {"phi": upper, "theta": upper}, {"sigma2": sigma2, "eta": eta, "alpha": 1.0})


@dataclass(frozen=True)
class Case:
    """A way to descend, the start values φ₀ of its rows, and the boundary of collapse in αθ₀² that is stated there."""

    name: str
    branch: str
    low: float
    high: float
    momentum: float = 0.0
    nesterov: bool = False

    def boundary(self, phi: float, step: float) -> tuple[float, float]:
        """Of the flow, and what the step adds to it: of first order in the effective step."""
        u = 1 - phi
        if self.branch == "full" or (self.branch == "stop" and phi <= 0):
            return (u**2 if self.branch == "full" else phi**2), 0.0
        if self.branch == "target":
            return 2 * u, -step * u**2 / 2
        return phi**2 - 1, -step * u**2 / 2

    @property
    def effective(self) -> float:
        """Step of plain descent to which one of this kind is equivalent, over its own."""
        mu = self.momentum
        return (1 - mu + 2 * mu**2 if self.nesterov else 1 + mu) / (1 - mu) ** 2


CASES = (
    Case("stop", "stop", 1.2, 2.2),
    Case("stop, φ₀ < 0", "stop", -1.5, -0.5),
    Case("full", "full", -0.8, 0.4),
    Case("target", "target", -0.8, 0.4),
    Case("stop, heavy ball", "stop", 1.3, 2.1, momentum=0.5),
    Case("stop, Nesterov", "stop", 1.25, 2.15, momentum=0.5, nesterov=True),
)
STEPS = (0.025, 0.05, 0.1)  # effective
ROWS = 6
REST = 60.0  # flow time: what of the shift is still to come is of the order of its square, inverted
_BLOCK = 16_384  # starts at a time, which stay in the processor's cache


def _boundaries(starts: int) -> xr.Dataset:
    """Rows of starts across the boundary of collapse, descended until they rest; α = 1."""
    many = max(1, round(starts / (len(CASES) * ROWS * len(STEPS))))
    shape = (len(CASES), ROWS, len(STEPS))
    shift, error = np.empty(shape), np.empty(shape)
    phis = np.array([np.linspace(case.low, case.high, ROWS) for case in CASES])
    stated = np.empty(shape)
    for index in np.ndindex(*shape):
        case, phi, step = CASES[index[0]], float(phis[index[:2]]), STEPS[index[2]]
        flow, moved = case.boundary(phi, step)
        reach = min(2.5 * step * max((1 - phi) ** 2 / 2, 0.02), 0.9 * flow)
        rows = flow + reach * (2 * (np.arange(many) + 0.5) / many - 1)
        lost = sum(
            int(_collapses(case, phi, rows[first : first + _BLOCK], step).sum()) for first in range(0, many, _BLOCK)
        )
        shift[index], error[index] = reach * (2 * lost / many - 1), reach / many
        stated[index] = moved
    dims = ("case", "row", "effective_step")
    found = {"shift": (dims, shift), "stated_shift": (dims, stated), "shift_error": (dims, error)}
    coords = {"case": [case.name for case in CASES], "effective_step": list(STEPS)}
    data = xr.Dataset({**found, "row_phi": (dims[:2], phis)}, coords)
    data["runs"] = many * int(np.prod(shape))
    return data


def _collapses(case: Case, phi0: float, square: np.ndarray, step: float) -> np.ndarray:
    """Whether descent from (φ₀, ±√square) ends at θ = 0: the flow's own rule, once there is little left to go."""
    mu, lr = case.momentum, step / case.effective
    phi, theta = np.full(len(square), phi0), np.sqrt(square)
    push, pull, slope, up, down = (np.zeros_like(phi) for _ in range(5))
    for _ in range(int(np.ceil(REST * (1 - mu) / lr))):
        np.subtract(1.0, phi, out=slope)
        slope *= theta
        np.multiply(slope, theta, out=up)
        if case.branch == "stop":
            np.multiply(slope, phi, out=down)
        elif case.branch == "full":
            np.multiply(slope, phi - 1.0, out=down)
        else:
            np.negative(slope, out=down)
        if mu:
            for buffer, force in ((push, up), (pull, down)):
                buffer *= mu
                buffer += force
                force[:] = force + mu * buffer if case.nesterov else buffer
        for state, force in ((phi, up), (theta, down)):
            force *= lr
            state += force
    square, u = theta**2, 1 - phi
    if case.branch == "full":
        return np.asarray(square <= u**2)
    if case.branch == "target":
        return np.asarray((u > 0) & (square <= 2 * u))
    return np.asarray(np.where(phi > 0, phi**2 - square >= 1, square <= phi**2))


def verdict(data: xr.Dataset) -> Verdict:
    """Say up to which step the toy comes to rest, and how well the linear bound tells where the map turns."""
    rests = data["toy_period"] == 1
    last = (
        float(data["lr"].isel(lr=int(rests.values.argmin()) - 1)) if not bool(rests.all()) else float(data["lr"][-1])
    )
    gap = float(abs(data["first"] - data["bound"]).max())
    detail = (
        f"from the article's start gradient descent comes to rest up to a step of about {last:.3g}; with weight decay "
        f"the map leaves its equilibrium within {gap:.2g} of the step that the linearisation names, by period doubling"
    )
    moves, still = _shifts(data)
    detail += (
        f"; {int(data['runs']):,} runs across the boundary of collapse: extrapolated to a small step it moves by what "
        f"first order states, within {moves:.1%}, with momentum at the effective step; where no shift is stated there "
        f"is none, within {still:.0e}"
    )
    headline = [
        f"The toy rests up to h ≈ {last:.3g}; bound met within {gap:.2g}, shift of the boundary within {moves:.1%}",
        f"The toy comes to rest up to a step of about {last:.3g}; the linear bound is met within {gap:.2g}",
    ]
    return concluded("measured", headline, detail)


def _shifts(data: xr.Dataset) -> tuple[float, float]:
    """Relative error of the stated shift per step, and the largest shift where none is stated.

    Shifts per step at h, 2h and 4h are extrapolated to h = 0.
    """
    one = data.sortby("effective_step")
    per_step = one["shift"] / one["effective_step"]
    stated = (one["stated_shift"] / one["effective_step"]).isel(effective_step=0)
    limit = (8 * per_step[..., 0] - 6 * per_step[..., 1] + per_step[..., 2]) / 3
    moves = abs(limit / stated.where(stated != 0) - 1)
    return float(moves.max()), float(abs(one["shift"]).where(one["stated_shift"] == 0).max())


def draw(data: xr.Dataset, figure: Any) -> None:
    """Attractor of the toy's map over the step; the bound of stability; the shift of the boundary of collapse."""
    line, bound, shift = panel_row(figure, 3)
    _draw_attractor(data, line, "toy_theta")
    _draw_bound(data, bound)
    _draw_shift(data, shift)
    caption(
        figure,
        data,
        "Gradient descent with stop-gradient. Left: the toy, where every point of a line of equilibria has its own "
        f"bound. Shaded: diverges. Right: {int(data['runs']):,} runs, μ = 0.5; lines: first order",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """The same, and the attractor with weight decay."""
    grid = figure.subplots(2, 2)
    _draw_attractor(data, grid[0, 0], "toy_theta")
    _draw_attractor(data, grid[0, 1], "theta")
    _draw_bound(data, grid[1, 0])
    _draw_shift(data, grid[1, 1])
    caption(
        figure,
        data,
        "Gradient descent with stop-gradient. Left: the toy, where every point of a line of equilibria has its own "
        f"bound. Shaded: diverges. Bottom right: {int(data['runs']):,} runs, μ = 0.5; lines: first order",
    )


def _draw_shift(data: xr.Dataset, axes: Any) -> None:
    """Shift of the boundary per effective step over φ₀: larger marks for larger steps, lines as it is stated."""
    colours = ("blue", "orange", "vermilion", "green", "purple", "black")
    markers = ("o", "v", "s", "D", "^", "x")
    steps = data["effective_step"].values
    for case, name, marker in zip(data["case"].values, colours, markers, strict=True):
        one, colour = data.sel(case=case), COLOURS[name]
        x = one["row_phi"]
        for size, step in zip((6.0, 4.5, 3.0), steps[::-1], strict=False):
            y = one["shift"].sel(effective_step=step) / step
            style = {"color": colour, "markerfacecolor": "none", "markersize": size, "linestyle": "none"}
            axes.plot(x, y, marker, **style)
        fine = np.linspace(float(x.min()), float(x.max()), 50)
        stated = -((1 - fine) ** 2) / 2 if bool((one["stated_shift"] != 0).any()) else 0 * fine
        axes.plot(fine, stated, color=colour, linewidth=0.9, zorder=1)
    axes.set(xlabel="start φ₀", ylabel="shift of αθ₀² / effective step", title="boundary of collapse")
    axes.set_ylim(-2.0, 0.38)
    for left, top, words, name, side in (
        (-1.6, 0.32, "full, and stop from φ₀ < 0: none", "vermilion", "left"),
        (-0.3, -1.35, "target", "green", "left"),
        (2.3, -1.1, "stop (○)\nheavy ball (△)\nNesterov (×)", "blue", "right"),
    ):
        axes.text(left, top, words, color=COLOURS[name], ha=side, va="top")


def _draw_attractor(data: xr.Dataset, axes: Any, name: str) -> None:
    """Where the map ends over the step, beside what the linearisation says."""
    h, orbit = data["lr"].values, abs(data[name])
    axes.plot(h, orbit.values, ".", color=COLOURS["black"], markersize=1.7, markeredgewidth=0, rasterized=True)
    period = data["toy_period" if name == "toy_theta" else "period"].values
    gone = h[period < 0]
    if gone.size:
        axes.axvspan(gone[0], h[-1], color="#EFE0D6", zorder=0)
    axes.set(xlim=(0, h[-1]), ylim=(-0.02, 1.45), xlabel="step size h", ylabel="|θ| after thousands of steps")
    if name == "toy_theta":
        axes.plot(h, np.sqrt(2 / h), color=COLOURS["vermilion"], label="bound: h = 2/θ²")
        axes.axhline(
            float(data["toy_flow"]), color=COLOURS["blue"], linewidth=1.2, linestyle="--", label="the flow: θ∞"
        )
        axes.set_title("toy: a line of equilibria")
    else:
        limit = float(data["diagram_bound"])
        axes.axvline(limit, color=COLOURS["vermilion"], label=f"bound: h = {limit:.3g}")
        axes.set_title(f"with decay η = {data.attrs['eta']:g}: one equilibrium")
    axes.legend(loc="lower left")


def _draw_bound(data: xr.Dataset, axes: Any) -> None:
    """The largest stable step over decay and noise: linearised, and iterated."""
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.8, data.sizes["sigma2"]))
    for shade, style, sigma2 in zip(shades, ("-", "--", "-."), data["sigma2"].values, strict=False):
        one = data.sel(sigma2=sigma2)
        axes.plot(data["eta"], one["bound"], color=shade, linestyle=style, label=f"{sigma2:g}")
        axes.plot(data["eta"], one["first"], "o", color=shade, markersize=4, markerfacecolor="white")
    axes.set(xlabel="weight decay η", ylabel="largest stable step", title="line: linearised, circles: iterated")
    axes.legend(title="noise σ²")


FIGURE = Figure(
    name="step-size",
    summary="Gradient descent over its step size, and the bound of stability",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=60.0,
    stored=True,
    height=3.1,
    full_height=6.0,
    panels=3,
    small={"resolution": 41, "settle": 400, "starts": 20_000},
)
