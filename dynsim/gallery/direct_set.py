"""DirectPred and DirectCopy: a predictor that is set keeps the threshold of a learned one and moves its boundary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.ensemble import ensemble
from dynsim.records import provenance, stamp
from dynsim.systems.catalogue import system as find_system
from dynsim.verdict import Verdict

VARIANTS = ("direct-pred", "direct-copy")
POWERS = (0.25, 0.5, 1.0, 2.0)
FEATURES = (1.0, 0.6, 0.35)
FOREVER = 2e4


def compute(
    progress: Any = None,
    *,
    noise: float = 0.1,
    eta: float = 0.05,
    start: float = 0.08,
    resolution: int = 81,
    halvings: int = 20,
) -> xr.Dataset:
    """Map outcomes over (η, s(0)); find threshold and boundary by halving intervals of runs; compare with a learned P.

    Everywhere λ_s = λ_d + `noise`; the maps and the boundary are those of λ_d = 1.
    """
    view = 1.0 + noise
    threshold = 1 / (4 * view)
    data = xr.Dataset(coords={"variant": list(VARIANTS), "a": list(POWERS), "feature": list(FEATURES)})
    data = _add_maps(data, view, threshold, resolution)
    _tell(progress, 1, "maps over η and s(0)")

    powers = xr.DataArray(list(POWERS), dims="a")
    general = find_system("direct-set", variant="direct-set")
    signal = xr.DataArray(np.geomspace(0.2, 2.0, 9), dims="signal")
    known = {"lambda_d": signal, "lambda_s": signal + noise, "a": powers}
    high = (signal / (signal + noise)) ** (1 / powers)  # where the mode would end without decay
    middle = (signal / (2 * (signal + noise))) ** (1 / powers)  # where s₋ and s₊ meet

    def survives(decay: xr.DataArray) -> xr.DataArray:
        return _end(general, high, {**known, "eta_s": decay}) > middle / 2

    data["signal"] = signal
    data["measured_threshold"] = _halved(survives, 0 * high, 0 * high + 1.0, halvings)
    data["threshold"] = signal**2 / (4 * (signal + noise))
    _tell(progress, 2, "threshold over λ_d")

    decays = xr.DataArray(np.linspace(0.1, 0.95, 7) * threshold, dims="decay")
    low, top = (xr.broadcast(_equilibria(decays, view, powers, sign), powers)[0] for sign in (-1, 1))

    def dies(begin: xr.DataArray) -> xr.DataArray:
        return _end(general, begin, {"lambda_d": 1.0, "lambda_s": view, "a": powers, "eta_s": decays}) < begin

    data["decay"] = decays
    data["measured_boundary"] = _halved(dies, 0 * low, top, halvings)
    fine = xr.DataArray(np.linspace(0.0, threshold, 201), dims="decay_fine")
    data["decay_fine"] = fine
    for name, sign in (("lower", -1), ("upper", 1)):
        data[name] = _equilibria(fine, view, powers, sign)
    _tell(progress, 3, "boundary over η")

    data = _add_features(data, noise, eta, start)
    _tell(progress, 4, "features")
    data = data.drop_vars([name for name in data.coords if name not in data.dims])
    about = {**general.about(), "rhs": None}
    told = {"eta_s": eta}
    return stamp(data, flow=about, parameters=told, initial={"s": start}, noise=noise, threshold_at_one=threshold)


def _tell(progress: Any, done: int, what: str) -> None:
    if progress:
        progress(done, 4, what)


def _equilibria(eta: Any, view: float, power: Any, sign: int) -> Any:
    """Equilibria of λ_d = 1: s_∓ = ((1 ∓ √(1 − 4ηλ_s))/(2λ_s))^(1/a)."""
    return ((1 + sign * np.sqrt(np.maximum(1 - 4 * eta * view, 0.0))) / (2 * view)) ** (1 / power)


def _end(flow: Any, begin: xr.DataArray, parameters: dict[str, Any]) -> xr.DataArray:
    """Where s is after a long time."""
    return ensemble(flow, {"s": begin}, FOREVER, parameters=parameters)["s"].drop_vars("time")


def _halved(
    holds: Callable[[xr.DataArray], xr.DataArray], yes: xr.DataArray, no: xr.DataArray, times: int
) -> xr.DataArray:
    """Where `holds` turns from true to false between `yes` and `no`, member by member."""
    for _ in range(times):
        middle = (yes + no) / 2
        true = holds(middle).transpose(*middle.dims)
        yes, no = xr.where(true, middle, yes), xr.where(true, no, middle)
    return (yes + no) / 2


def _add_maps(data: xr.Dataset, view: float, threshold: float, resolution: int) -> xr.Dataset:
    """Add what survives on a grid, by runs and by the exact rule."""
    eta = np.linspace(0.01, 1.2, resolution) * threshold
    begin = np.linspace(0.004, 1.0, resolution)
    ended, stated = [], []
    for variant in VARIANTS:
        flow = find_system("direct-set", variant=variant)
        known = {"lambda_d": 1.0, "lambda_s": view, "eta_s": eta}
        ended.append(ensemble(flow, {"s": begin}, FOREVER, parameters=known)["s"].transpose("s0", "eta_s").values)
        assert flow.exact is not None
        rule = [[flow.exact.end({"s": s}, {**known, "eta_s": e}) for e in eta] for s in begin]
        stated.append([[not end.collapsed for end in row] for row in rule])  # type: ignore[union-attr]
    data = data.assign_coords(eta_grid=eta, start_grid=begin)
    data["survives"] = (("variant", "start_grid", "eta_grid"), (np.array(ended) > 1e-4).astype(np.int8))
    data["stated"] = (("variant", "start_grid", "eta_grid"), np.array(stated).astype(np.int8))
    return data


def _add_features(data: xr.Dataset, noise: float, eta: float, start: float) -> xr.Dataset:
    """Add features over time and at their end: set predictors, and a learned one from p = w and from p = w/5."""
    times = np.concatenate([[0.0], np.geomspace(0.1, 2000.0, 240)])
    fine = np.geomspace(0.15, 2.0, 121)
    shown = xr.DataArray(list(FEATURES), dims="feature")
    spectrum = xr.DataArray(fine, dims="signal_fine")
    learned = find_system("modes", k=1).fix(eta_p="eta", eta_s="eta")
    runs: list[Any] = []
    ends: list[Any] = []
    for variant in VARIANTS:
        flow = find_system("direct-set", variant=variant)
        for axis, found, asked in ((shown, runs, {"times": times}), (spectrum, ends, {"t_end": FOREVER})):
            known = {"lambda_d": axis, "lambda_s": axis + noise, "eta_s": eta}
            found.append(
                ensemble(flow, {"s": start}, parameters=known, **asked)["s"].transpose(axis.dims[0], ...).values
            )
    for share in (1.0, 0.2):
        w = np.sqrt(start)
        for axis, found, asked in ((shown, runs, {"times": times}), (spectrum, ends, {"t_end": FOREVER})):
            known = {"alpha": 1.0, "eta": eta, "lambda_d1": axis, "lambda_s1": axis + noise}
            end = ensemble(learned, {"p1": share * w, "w1": w}, parameters=known, **asked)["w1"] ** 2
            found.append(end.transpose(axis.dims[0], ...).values)
    data = data.assign_coords(
        predictor=[*VARIANTS, "learned, p = w", "learned, p = w/5"], time=times, signal_fine=fine
    )
    data["s"] = (("predictor", "feature", "time"), np.array(runs))
    data["s_end"] = (("predictor", "signal_fine"), np.array(ends))
    return data


def verdict(data: xr.Dataset) -> Verdict:
    """Say how well threshold and boundary are confirmed, and what learning the predictor changes."""
    right = float((data["survives"] == data["stated"]).mean())
    threshold = float(abs(data["measured_threshold"] / data["threshold"] - 1).max())
    exact = _equilibria(data["decay"], 1 + data.attrs["noise"], data["a"], -1)
    boundary = float(abs(data["measured_boundary"] - exact).max())
    pred, copy, same, behind = (data["s_end"].isel(predictor=index) for index in range(4))
    gap = float(abs(data["s"].isel(predictor=0) - data["s"].isel(predictor=2)).max())
    cut = [float(data["signal_fine"].where(end > 1e-4).min()) for end in (pred, copy, same, behind)]
    detail = (
        f"runs and the exact rule agree on {right:.2%} of the map; the threshold is λ_d²/(4λ_s) within "
        f"{threshold:.1g} (relative) for a from {min(POWERS):g} to {max(POWERS):g}, the boundary s_− within "
        f"{boundary:.1g}; DirectPred is the learned predictor started at p = w (s(t) within {gap:.1g}); of the "
        f"features started at the same s it keeps those with λ_d ≥ {cut[0]:.2g}, DirectCopy those ≥ {cut[1]:.2g}, a "
        f"learned predictor started at w/5 those ≥ {cut[3]:.2g}"
    )
    headline = (
        f"Set predictors keep the threshold λ_d²/(4λ_s); rule right on {100 * right:.4g} % of the map"
        if threshold < 1e-3
        else f"The threshold of set predictors is off λ_d²/(4λ_s) by {threshold:.1%}"
    )
    return concluded("holds" if threshold < 1e-3 and right > 0.99 else "holds under conditions", headline, detail)


TITLES = {"direct-pred": "DirectPred, P = (WWᵀ)^½", "direct-copy": "DirectCopy, P = WWᵀ"}
POWER = {"direct-pred": 0.5, "direct-copy": 1.0}
TICKS, DECAYS = (0.2, 0.5, 1.0, 2.0), (0.03, 0.1, 0.3)
STYLES = ("-", "--", "-.", ":")
PREDICTORS: tuple[dict[str, Any], ...] = (
    {"color": COLOURS["blue"], "linestyle": "-", "label": "DirectPred"},
    {"color": COLOURS["vermilion"], "linestyle": "--", "label": "DirectCopy"},
    {"color": COLOURS["black"], "linestyle": "none", "marker": "o", "markersize": 3.5, "markerfacecolor": "none",
     "markevery": 8, "label": "learned, p(0) = w(0)"},
    {"color": COLOURS["green"], "linestyle": "-.", "label": "learned, p(0) = w(0)/5"},
)  # fmt: skip


def draw(data: xr.Dataset, figure: Any) -> None:
    """Outcome maps of both rules, and which features are kept."""
    pred, copy, ends = panel_row(figure, 3)
    for axes, variant in ((pred, "direct-pred"), (copy, "direct-copy")):
        _map(axes, data, variant)
    copy.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=1, columnspacing=0.8, handlelength=1.8)
    _kept(ends, data)
    caption(
        figure,
        data,
        "One mode s of WWᵀ with stop-gradient, the predictor set to s^a. Grey: runs collapse; lines: "
        "closed "
        f"form. Right: η_s = {provenance(data)['parameters']['eta_s']:g}, one start",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Outcome maps of both rules; boundary and threshold, exact and measured; features over time and at the end."""
    (pred, copy, boundary), (threshold, runs, ends) = figure.subplots(2, 3)
    for axes, variant in ((pred, "direct-pred"), (copy, "direct-copy")):
        _map(axes, data, variant)
    copy.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=1, columnspacing=0.8, handlelength=1.8)

    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.85, data.sizes["a"]))
    for shade, style, a in zip(shades, STYLES, data["a"].values, strict=True):
        one = data.sel(a=a)
        boundary.plot(data["decay_fine"], one["lower"], color=shade, linestyle=style, label=f"{a:g}")
        boundary.plot(data["decay_fine"], one["upper"], color=shade, linestyle=style, linewidth=0.8)
        boundary.plot(data["decay"], one["measured_boundary"], "o", color=shade, markersize=5, markerfacecolor="white")
        threshold.plot(data["signal"], one["measured_threshold"], _marker(a), color=shade, markersize=9 - 2 * a)
    boundary.axvline(data.attrs["threshold_at_one"], color=COLOURS["grey"], linewidth=0.9, linestyle="--")
    boundary.set(xlabel="weight decay η_s", ylabel="s", ylim=(0, 1.02), title="boundary s₋ (thick) and end s₊ (thin)")
    boundary.legend(title="power a", loc="center left", bbox_to_anchor=(0.0, 0.42))
    threshold.plot(data["signal"], data["threshold"], color=COLOURS["black"], linewidth=1.2, zorder=1, label="exact")
    threshold.set(xscale="log", yscale="log", xlabel="signal λ_d", ylabel="largest η_s a mode survives")
    threshold.annotate("λ_d²/(4λ_s)", (0.6, 0.35), xycoords="axes fraction")
    threshold.set_title("threshold: markers measured, any a")

    for look, predictor in zip(PREDICTORS, data["predictor"].values, strict=True):
        for width, feature in zip((2.0, 1.4, 0.9), data["feature"].values, strict=True):
            run = data["s"].sel(predictor=predictor, feature=feature).isel(time=slice(1, None))
            runs.plot(data["time"][1:], run, **{"linewidth": width, **look, "label": None})
    features = ", ".join(f"{float(value):g}" for value in data["feature"])
    runs.set(
        xscale="log", xlabel="flow time t", ylabel="s", ylim=(-0.02, 1), title=f"λ_d = {features} (thick to thin)"
    )
    _kept(ends, data)
    for axes in (threshold, ends):
        axes.set_xticks(TICKS, [f"{value:g}" for value in TICKS])
        axes.minorticks_off()
    threshold.set_yticks(DECAYS, [f"{value:g}" for value in DECAYS])
    caption(
        figure,
        data,
        "One mode s of WWᵀ with stop-gradient, the predictor set to s^a. Lines: closed form; circles and "
        "markers: found by runs",
    )


def _kept(ends: Any, data: xr.Dataset) -> None:
    """What is left of a feature over its signal, per predictor."""
    for look, predictor in zip(PREDICTORS, data["predictor"].values, strict=True):
        ends.plot(data["signal_fine"], data["s_end"].sel(predictor=predictor), **{"linewidth": 1.6, **look})
    ends.set(xscale="log", xlabel="signal λ_d", ylabel="s at the end", ylim=(-0.02, 1.02), title="features kept")
    ends.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=1, columnspacing=0.8, handlelength=1.8)
    ends.set_xticks(TICKS, [f"{value:g}" for value in TICKS])
    ends.minorticks_off()


def _marker(a: float) -> str:
    return {0.25: "o", 0.5: "s", 1.0: "^", 2.0: "x"}.get(float(a), "D")


def _map(axes: Any, data: xr.Dataset, variant: str) -> None:
    """What survives, by runs, under the exact curves."""
    one = data["survives"].sel(variant=variant)
    axes.contourf(
        data["eta_grid"], data["start_grid"], one, levels=[-0.5, 0.5, 1.5], colors=["#C9C9C9", "#FFFFFF"], zorder=0
    )
    a = POWER[variant]
    lower, upper = (data[name].sel(a=a) for name in ("lower", "upper"))
    axes.plot(data["decay_fine"], lower, color=COLOURS["blue"], linewidth=1.6, label="s₋, exact")
    axes.plot(data["decay_fine"], upper, color=COLOURS["green"], linewidth=1.6, linestyle="-.", label="s₊, exact")
    limit = data.attrs["threshold_at_one"]
    axes.axvline(limit, color=COLOURS["vermilion"], linewidth=1.2, linestyle="--", label="λ_d²/(4λ_s)")
    axes.set(xlabel="weight decay η_s", ylabel="start s(0)", ylim=(0, 1), title=TITLES[variant])
    axes.set_xlim(0, float(data["eta_grid"][-1]))
    axes.grid(False)


FIGURE = Figure(
    name="direct-set",
    summary="DirectPred and DirectCopy: thresholds and boundaries of a set predictor",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=5.0,
    height=3.7,
    full_height=7.7,
    panels=3,
    small={"resolution": 9, "halvings": 8},
)
