"""Tipping: what parameters that move do to a trained state, and whether it comes back when they do."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.tipping_networks import LAYERS, LR, NAMES, OMEGA, WARM, networks_under_ramps
from dynsim.integrate.events import Terminal
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.rules import Move
from dynsim.systems.catalogue import system as find_system
from dynsim.verdict import Verdict

SEED = 1e-6  # a constant push, the same in both loops: without one nothing leaves the collapsed state
FEATURES, RELIABILITY, TAU_S = 10, 0.7, 0.1  # clusters, r and student's temperature of the DINO loop
DECAY = 0.88  # of the fold, in the run under a predictor that is slowed down: 0.2 at σ² = 0.1


def compute(
    progress: Any = None,
    *,
    sigma2: float = 0.1,
    beta: float = 1.0,
    slowest: float = 1e-10,
    rate: float = 1e-6,
    seeds: int = 5,
    speeds: Any = (2.5e-4, 1e-3, 4e-3),
) -> xr.Dataset:
    """Runs under ramps: of weight decay through the fold, of the predictor's rate, of decay and temperature and back.

    `slowest` is the slowest ramp of the decay per unit of flow time, `rate` that of the loops, in units of their span
    per unit of flow time times ten. Networks on the digits, a linear one and one of two layers, have their decay
    raised at the `speeds`.
    """
    fold = 1 / (4 * (1 + sigma2))
    speed = np.geomspace(1e-5, slowest, 1 + round(2 * np.log10(1e-5 / slowest)))
    delay = np.array([[_delay(eps, sigma2, fold, None), _delay(eps, sigma2, fold, beta)] for eps in speed])
    total = 3 + len(LAYERS) * len(speeds)
    if progress:
        progress(1, total, "delays")
    times = np.linspace(0.0, 90.0, 181)
    ramp = np.array([10.0, 20.0, 30.0, 40.0])
    tipped = np.array([_slowed(float(length), sigma2, times) for length in ramp])
    if progress:
        progress(2, total, "ramps of α")
    data = xr.Dataset(
        {
            "delay": (("speed", "teacher"), delay),
            "phi": (("ramp", "time"), tipped),
        },
        coords={"speed": speed, "teacher": ["none", f"{beta:g}"], "ramp": ramp, "time": times},
    )
    data = data.merge(_loops(sigma2, fold, rate))
    if progress:
        progress(3, total, "loops")
    if len(speeds):
        data = data.merge(networks_under_ramps(tuple(float(speed) for speed in speeds), seeds, progress, total))
    flow = find_system("scalar").fix(eta_p="eta", eta_s="eta")
    return stamp(
        data,
        "torch",
        "scikit-learn",
        flow=flow.about(),
        parameters={"sigma2": sigma2, "alpha": 1.0},
        beta=beta,
        threshold=fold,
    )


def _upper(eta: float, sigma2: float) -> float:
    return float((1 + np.sqrt(1 - 4 * eta * (1 + sigma2))) / (2 * (1 + sigma2)))


def _delay(eps: float, sigma2: float, fold: float, beta: float | None) -> float:
    """Decay beyond the fold at which φ has fallen to half its value there, under a ramp of rate `eps`."""
    eps = float(eps)
    before = 40 * (eps**2 / fold) ** (1 / 3)
    before = min(before, 0.9 * fold)
    flow = find_system("scalar" if beta is None else "byol").fix(eta_p="eta", eta_s="eta")
    start = dict.fromkeys(flow.states, _upper(fold - before, sigma2))
    parameters: dict[str, Any] = {"eta": f"{fold - before!r} + {eps!r}*t", "sigma2": sigma2, "alpha": 1.0}
    if beta is not None:
        parameters["beta"] = beta
    half = Terminal(f"phi - {1 / (4 * (1 + sigma2))!r}")
    t_end = (before + 40 * (eps**2 / fold) ** (1 / 3) + 100 * eps) / eps
    run = solve(flow, start, t_end, parameters=parameters, events=[half], method="LSODA")
    return float(run["event_time"][0]) * eps - before


def _slowed(length: float, sigma2: float, times: np.ndarray) -> np.ndarray:
    """φ while α falls from 10 to 1 in a time, from the equilibrium at 10."""
    flow = find_system("scalar").fix(eta_p="eta", eta_s="eta")
    decay = DECAY / (4 * (1 + sigma2))
    upper = _upper(decay, sigma2)
    parameters = {"alpha": f"10 - 9*min(t/{length!r}, 1)", "eta": decay, "sigma2": sigma2}
    run = solve(flow, {"phi": upper, "theta": upper / 10**0.5}, times=times, parameters=parameters, max_step=1.0)
    return np.asarray(run["phi"].values)


def _loops(sigma2: float, fold: float, rate: float) -> dict[str, Any]:
    """DINO's logit gap over the teacher's temperature, and φ over decay, both up and down again, as slowly."""
    share = np.concatenate([np.linspace(0, 1, 401), np.linspace(1, 0, 401)[1:]])
    span = 0.1 / rate
    triangle = f"(1 - abs(1 - t/{span!r}))"
    times = np.concatenate([share[:401], 2 - share[401:]]) * span
    found: dict[str, Any] = {}
    warm, cold = (f"(exp(b/{tau}) - 1)/(exp(b/{tau}) + {FEATURES - 1})" for tau in ("tau_t", TAU_S))
    dino = Flow.of({"b": Move(f"({RELIABILITY}*{warm} - {cold})/{FEATURES * TAU_S} + {SEED}")})
    decay = Flow.of({"p": Move(f"p*(p*(1 - {1 + sigma2!r}*p) - eta) + {SEED}")})
    gap, held = _dino_branch()
    trained = float(gap[np.nanargmin(np.where(gap > gap[np.nanargmax(held)], np.abs(held - 0.06), np.nan))])
    settings = {
        "dino": (dino, "b", "tau_t", 0.06, 0.085, trained),
        "decay": (decay, "p", "eta", 0.5 * fold, 1.5 * fold, _upper(0.5 * fold, sigma2)),
    }
    for name, (flow, state, parameter, low, high, start) in settings.items():
        law = f"{low!r} + {high - low!r}*{triangle}"
        options: dict[str, Any] = {"method": "LSODA", "rtol": 1e-8, "atol": 1e-10, "max_step": span / 400}
        run = solve(flow, {state: start}, times=times, parameters={parameter: law}, **options)
        found[f"{name}_state"] = ("sweep", run[state].values)
        found[f"{name}_parameter"] = ("sweep", low + (high - low) * share)
    found["dino_fold"] = ((), float(np.nanmax(held)))
    return found


def _dino_branch() -> tuple[np.ndarray, np.ndarray]:
    """Logit gaps b, and the teacher's temperature at which each rests: r·e(b/τ_t) = e(b/τ_s) solved for τ_t."""
    b = np.linspace(1e-4, 0.5, 20_001)
    y = np.expm1(b / TAU_S) / (np.exp(b / TAU_S) + FEATURES - 1) / RELIABILITY
    b, y = b[y < 1], y[y < 1]
    return b, b / np.log((1 + (FEATURES - 1) * y) / (1 - y))


def constants(data: xr.Dataset) -> np.ndarray:
    """Delay over ε^(2/3) as ε → 0, for each teacher: what is left is ε^(1/3)(a + b ln ε), fitted."""
    eps = data["speed"].values
    terms = np.stack([np.ones_like(eps), np.cbrt(eps), np.cbrt(eps) * np.log(eps)], axis=1)
    scaled = data["delay"].transpose("speed", "teacher").values / np.cbrt(eps**2)[:, None]
    return np.asarray(np.linalg.lstsq(terms, scaled, rcond=None)[0][0])


def expected_constants(data: xr.Dataset) -> np.ndarray:
    """Ω₀η_c^(−1/3), times (1 + 2η_c/β)^(2/3) behind a teacher of rate β."""
    fold, beta = data.attrs["threshold"], data.attrs["beta"]
    plain = OMEGA / np.cbrt(fold)
    return np.array([plain, plain * (1 + 2 * fold / beta) ** (2 / 3)])


def jumps(data: xr.Dataset) -> dict[str, float]:
    """Where the loops jump: DINO down on the way up, up on the way back, and what is left of decay's at its end."""
    state, parameter = data["dino_state"].values, data["dino_parameter"].values
    middle = len(state) // 2
    level = 0.5 * float(state[: middle + 1].max() * 0.4)
    down = int(np.argmax(state[: middle + 1] < level))
    up = middle + int(np.argmax(state[middle:] > level))
    returned = float(data["decay_state"][-1] / data["decay_state"][0])
    return {"down": float(parameter[down]), "up": float(parameter[up]), "returned": returned}


def verdict(data: xr.Dataset) -> Verdict:
    """Compare the delays with the theory, and say which ramps tip and which loops close."""
    found, stated = constants(data), expected_constants(data)
    exponent = np.polyfit(np.log(data["speed"].values[-5:]), np.log(data["delay"].values[-5:, 0]), 1)[0]
    lost = [float(length) for length in data["ramp"] if float(data["phi"].sel(ramp=length)[-1]) < 0.01]
    kept = [float(length) for length in data["ramp"] if float(length) not in lost]
    loop = jumps(data)
    good = bool((np.abs(found / stated - 1) < 0.01).all())
    detail = (
        f"delay of the collapse behind the fold ∝ ε^{exponent:.4f}, constant {found[0]:.4f} as ε → 0 "
        f"(theory {stated[0]:.4f}); behind a teacher of rate {data.attrs['beta']:g} {found[1]:.4f} "
        f"(theory {stated[1]:.4f}); the predictor's rate slowed tenfold within {', '.join(f'{x:g}' for x in lost)} "
        f"collapses, within {', '.join(f'{x:g}' for x in kept)} lives, though the equilibrium is stable throughout; "
        f"DINO's clusters are lost at τ_t = {loop['down']:.4f} (fold {float(data['dino_fold']):.4f}) and come back at "
        f"{loop['up']:.4f}; after decay has gone up and down φ is {loop['returned']:.0e} of what it was; "
        f"{_network_words(data)}"
    )
    state = data["dino_state"].values
    back = {"temperature": float(state[-1] / state[0]) > 0.5, "decay": loop["returned"] > 0.5}
    told = ", ".join(f"{name} {'comes back' if returned else 'does not'}" for name, returned in back.items())
    worst = float(abs(network_errors(data)).max()) if "network" in data else np.nan
    networks = f", networks within {worst:.0%}" if np.isfinite(worst) else ""
    headline = [f"Collapse lags the fold by ε^{exponent:.2f}{words}; {told}" for words in (networks, "")]
    return concluded("holds" if good and loop["returned"] < 0.01 else "measured", headline, detail)


def network_errors(data: xr.Dataset) -> xr.DataArray:
    """Observed step of collapse over the predicted one, counted from the beginning of the ramp, minus 1."""
    start = WARM / LR
    return (data["observed"] - start) / (data["predicted"] - start) - 1


def _network_words(data: xr.Dataset) -> str:
    """Predicted and observed steps of every network, with the spread over its seeds."""
    told = []
    if "network" not in data:
        return "no network was trained"
    for network in data["network"].values:
        one = data.sel(network=network)
        steps = ", ".join(
            f"{float(part['predicted']):.0f} against {float(part['observed'].mean()):.0f} "
            f"({float(part['observed'].min()):.0f} to {float(part['observed'].max()):.0f})"
            for part in (one.sel(network_speed=speed) for speed in data["network_speed"].values)
        )
        told.append(f"{NAMES[str(network)]} network, steps until collapse, predicted against observed: {steps}")
    speeds = ", ".join(f"{speed:g}" for speed in data["network_speed"].values)
    worst = float(abs(network_errors(data)).max())
    return (
        f"networks on digits, ramps {speeds} per flow time, {data.sizes['seed']} seeds: {'; '.join(told)}; "
        f"the step from the beginning of the ramp on is met within {worst:.1%}"
    )


def draw(data: xr.Dataset, figure: Any) -> None:
    """Delays over the speed of the ramp; networks against their prediction; the two loops."""
    trained = "network" in data
    panels = panel_row(figure, 3 if trained else 2)
    _draw_delays(data, panels[0])
    _draw_loops(data, panels[-1])
    middle = ""
    if trained:
        _draw_predicted(data, panels[1])
        middle = f"Middle: networks on digits, decay raised through the fold; range over {data.sizes['seed']} seeds"
    caption(figure, data, "Left: scalar system, lines Ω₀ε^(2/3)η_c^(−1/3) and its teacher's factor", middle)


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Above the toy: delays, a predictor slowed down, the loops; below the networks over decay, and their steps."""
    trained = "network" in data
    grid = figure.subplots(2 if trained else 1, 3, squeeze=False)
    _draw_delays(data, grid[0, 0])
    _draw_slowed(data, grid[0, 1])
    _draw_loops(data, grid[0, 2])
    for axes, network in zip(grid[-1], data["network"].values if trained else (), strict=False):
        _draw_sizes(data.sel(network=network), axes)
        axes.set_title(f"{NAMES[str(network)]} network, features over decay")
    below = ""
    if trained:
        _draw_predicted(data, grid[1, 2])
        below = (
            f"Below: networks on digits, {data.sizes['seed']} seeds each; grey lines: the fold; triangles: where "
            "collapse is predicted"
        )
    how = "Top left: lines Ω₀ε^(2/3)η_c^(−1/3) and its teacher's factor; scalar system, equal decay"
    caption(figure, data, how, below)


def _draw_sizes(one: xr.Dataset, axes: Any) -> None:
    """Size of the features over the decay, every seed a line, with the predicted place of collapse."""
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.7, one.sizes["network_speed"]))
    for shade, speed in zip(shades, one["network_speed"].values, strict=True):
        run = one.sel(network_speed=speed)
        for seed in run["seed"].values:
            label = f"ε = {speed:g}" if seed == run["seed"].values[0] else None
            axes.plot(
                run["network_decay"], run["network_size"].sel(seed=seed), color=shade, linewidth=0.9, label=label
            )
        first = float(run["network_decay"][0])
        at = first + speed * (float(run["predicted"]) * LR - WARM)
        axes.plot(at, 1.0, "v", color=shade, markeredgecolor=COLOURS["black"], markersize=6, zorder=4)
    axes.axvline(float(one["network_fold"].isel(network_speed=0)), color=COLOURS["grey"], linewidth=1)
    axes.set(xlabel="weight decay η", ylabel="features / size that counts as collapse", ylim=(0, None))
    axes.legend(loc="upper right")


def _draw_predicted(data: xr.Dataset, axes: Any) -> None:
    """Steps from the beginning of the ramp to the collapse: observed over predicted."""
    start = WARM / LR
    for network, marker, colour in zip(
        data["network"].values, ("o", "s"), (COLOURS["blue"], COLOURS["vermilion"]), strict=True
    ):
        one = data.sel(network=network)
        x, y = one["predicted"] - start, one["observed"] - start
        mean = y.mean("seed")
        spread = np.abs(np.stack([y.min("seed") - mean, y.max("seed") - mean]))
        look = {"color": colour, "markerfacecolor": "white", "markersize": 5}
        axes.errorbar(x, mean, spread, fmt=marker, label=NAMES[str(network)], **look)
    shown = data["predicted"] - start
    ends = [0.7 * float(shown.min()), 1.4 * float(shown.max())]
    axes.plot(ends, ends, color=COLOURS["grey"], linewidth=0.9, zorder=0)
    axes.set(xscale="log", yscale="log", xlabel="predicted steps of the ramp", ylabel="observed steps")
    for axis in (axes.xaxis, axes.yaxis):  # less than two decades: matplotlib would name every minor tick
        axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_title("collapse of networks")
    axes.legend(loc="upper left")


def _draw_delays(data: xr.Dataset, late: Any) -> None:
    speed, labels = data["speed"].values, ("no teacher", f"teacher, β = {data.attrs['beta']:g}")
    colours = (COLOURS["blue"], COLOURS["vermilion"])
    for index, (label, colour, marker) in enumerate(zip(labels, colours, ("o", "s"), strict=True)):
        look = {"color": colour, "markerfacecolor": "white" if index else colour, "markersize": 4}
        late.plot(speed, data["delay"][:, index], marker, label=label, **look)
        late.plot(speed, expected_constants(data)[index] * np.cbrt(speed**2), color=colour, linewidth=0.9)
    late.set(xscale="log", yscale="log", xlabel="speed ε of the decay", ylabel=r"delay $\eta^* - \eta_c$")
    late.set(title="collapse behind the fold")
    late.legend(loc="upper left")


def _draw_slowed(data: xr.Dataset, slowed: Any) -> None:
    colours = (COLOURS["blue"], COLOURS["vermilion"])
    for length in data["ramp"].values:
        one = data["phi"].sel(ramp=length)
        lost = float(one[-1]) < 0.01
        slowed.plot(data["time"], one, color=colours[1] if lost else colours[0])
        at = int(np.argmin(np.abs(one.values - 0.2))) if lost else int(np.argmin(one.values))
        where = (data["time"].values[at], float(one[at]))
        offset, side = ((3, 2), "left") if lost else ((0, -9), "center")
        slowed.annotate(f"T = {length:g}", where, xytext=offset, textcoords="offset points", ha=side)
    slowed.set(xlabel="flow time t", ylabel="predictor φ", title="α from 10 to 1 within T")


def _draw_loops(data: xr.Dataset, loops: Any) -> None:
    colours = (COLOURS["blue"], COLOURS["vermilion"])
    shown = (("dino", colours[0], "DINO over τ_t", 1.2), ("decay", colours[1], "toy over η", 2.6))
    for name, colour, label, width in shown:
        x = data[f"{name}_parameter"] / (data.attrs["threshold"] if name == "decay" else float(data["dino_fold"]))
        y = data[f"{name}_state"] / float(data[f"{name}_state"][0])
        middle = data.sizes["sweep"] // 2
        loops.plot(x[: middle + 1], y[: middle + 1], color=colour, linewidth=width, label=label)
        loops.plot(x[middle:], y[middle:], color=colour, linewidth=width, linestyle="--")
    loops.set(xlabel="parameter over its fold", ylabel="state over its start", title="up solid, back dashed")
    loops.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24))


FIGURE = Figure(
    name="tipping",
    summary="Parameters that move: late collapse, collapse by speed, loops",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=120.0,
    height=3.3,
    full_height=6.6,
    panels=3,
    needs=("networks",),
    small={"slowest": 1e-7, "rate": 1e-5, "seeds": 1, "speeds": (1.6e-2,)},
)
