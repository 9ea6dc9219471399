"""Which features are learned, in which order: strong signals first, weak ones fall to weight decay."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.solve import solve
from dynsim.records import provenance, stamp
from dynsim.systems.catalogue import system as find_system
from dynsim.verdict import Verdict

SIGNALS = (2.0, 1.0, 0.5, 0.25, 0.12)
LEARNED = 1e-3


def compute(
    progress: Any = None,
    *,
    signals: Any = SIGNALS,
    noise: float = 0.1,
    eta: float = 0.04,
    start: float = 0.2,
    t_end: float = 1000.0,
) -> xr.Dataset:
    """Run k modes together from p = w = `start`, and one mode over a fine range of λ_d and several decays."""
    signals = np.asarray(signals, dtype=float)
    numbers = range(1, len(signals) + 1)
    flow = find_system("modes", k=len(signals)).fix(eta_p="eta", eta_s="eta")
    spectrum = {f"lambda_d{i}": signals[i - 1] for i in numbers} | {
        f"lambda_s{i}": signals[i - 1] + noise for i in numbers
    }
    values = {"alpha": 1.0, "eta": eta, **spectrum}
    times = np.concatenate([[0.0], np.geomspace(0.1, t_end, 300)])
    together = solve(flow, dict.fromkeys(flow.states, start), times=times, parameters=values, method="Radau")
    data = xr.Dataset(
        {letter: (("mode", "time"), np.stack([together[f"{letter}{i}"] for i in numbers])) for letter in ("p", "w")},
        coords={"time": times, "mode": list(numbers), "lambda_d": ("mode", signals)},
    )
    if progress:
        progress(1, 2, "the modes together")

    one = find_system("modes", k=1).fix(eta_p="eta", eta_s="eta")
    fine = np.geomspace(0.5 * signals.min(), 1.25 * signals.max(), 121)
    axis = xr.DataArray(fine, dims="lambda_fine", coords={"lambda_fine": fine})
    decays = np.array([0.0, eta / 2, eta, 2 * eta])
    ends = ensemble(
        one,
        {"p1": start, "w1": start},
        1e4,
        parameters={"alpha": 1.0, "eta": decays, "lambda_d1": axis, "lambda_s1": axis + noise},
    )
    data["w_end"] = ends["w1"].drop_vars("time")
    data["eta_threshold"] = axis**2 / (4 * (axis + noise))
    if progress:
        progress(2, 2, "one mode over λ_d and η")
    told = {"alpha": 1.0, "eta": eta}
    about = {**flow.about(), "rhs": None, "loss": None}
    return stamp(data.drop_attrs(), flow=about, parameters=told, initial={"p": start, "w": start}, noise=noise)


def verdict(data: xr.Dataset) -> Verdict:
    """Say which modes are learned, in which order, and which the decay removes."""
    size, time = abs(data["w"]).transpose("mode", "time").values, data["time"].values
    signals = [float(value) for value in data["lambda_d"].values]
    # A mode that still changes in the second half of the time is on its way: nobody knows where to.
    rests = np.abs(size[:, -1] - size[:, np.searchsorted(time, 0.5 * time[-1])]) <= 0.01 * np.maximum(
        size[:, -1], LEARNED
    )
    learned, lost = rests & (size[:, -1] > LEARNED), size[:, -1] <= LEARNED
    way = np.abs(size - size[:, :1]) >= 0.5 * np.abs(size[:, -1:] - size[:, :1])
    times = {
        signal: float(time[one.argmax()]) for signal, one, kept in zip(signals, way, learned, strict=True) if kept
    }
    order = sorted(times, key=lambda signal: times[signal])
    gone = [signal for signal, dead in zip(signals, lost, strict=True) if dead]
    moving = [signal for signal, a, b in zip(signals, learned, lost, strict=True) if not a and not b]
    told = [
        f"modes learned in the order λ_d = {_listed(order)}"
        if len(order) > 1
        else f"only λ_d = {_listed(order)} learned"
        if order
        else "no mode learned",
        f"λ_d = {_listed(gone)} lost to decay" if gone else "none lost to decay",
        *([f"λ_d = {_listed(moving)} still moving"] if moving else []),
    ]
    facts = [*told]
    if len(order) > 1:
        facts.append(
            f"{'the strongest' if order == sorted(order, reverse=True) else 'not the strongest'} signal first"
        )
    headline = [
        "; ".join(told),
        f"{len(order)} of {len(signals)} modes are learned, {len(gone)} decay away, {len(moving)} still move",
    ]
    return concluded("measured", headline, "; ".join(facts))


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Encoder of every mode over time; thresholds over λ_d; final strength over λ_d for several decays."""
    runs, plane, ends = panel_row(figure, 3)
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.88, data.sizes["mode"]))
    eta = provenance(data)["parameters"]["eta"]
    learned = abs(data["w"].isel(time=-1)) > 1e-3
    for shade, mode in zip(shades, data["mode"].values, strict=True):
        one = data.sel(mode=mode)
        runs.plot(one["time"][1:], one["w"][1:], color=shade, label=f"{float(one['lambda_d']):g}")
        marker = {"markerfacecolor": shade if learned.sel(mode=mode) else "white"}
        plane.plot(float(one["lambda_d"]), eta, "o", markersize=8, markeredgecolor=shade, zorder=4, **marker)
    runs.set(xscale="log", xlabel="flow time t", ylabel="encoder w of the mode", title="modes over time")
    runs.legend(
        title="signal λ_d",
        loc="upper center",
        bbox_to_anchor=(0.5, -0.24),
        ncols=3,
        columnspacing=0.8,
        handlelength=1.8,
    )

    fine, threshold = data["lambda_fine"], data["eta_threshold"]
    plane.plot(fine, threshold, color=COLOURS["black"])
    plane.fill_between(fine, threshold, 10.0, color="#EFE0D6", zorder=0)
    plane.annotate("η_c = λ_d²/(4λ_s)", (0.97, 0.1), xycoords="axes fraction", ha="right")
    plane.set(xscale="log", yscale="log", xlabel="signal λ_d", ylabel="weight decay η")
    plane.set_ylim(float(threshold.min()), 2.5 * float(threshold.max()))
    plane.set_title("filled: learned, open: lost")

    styles = ("-", "--", "-.", ":")
    for style, value in zip(styles, data["eta"].values, strict=True):
        ends.plot(fine, abs(data["w_end"].sel(eta=value)), color=COLOURS["black"], linestyle=style, label=f"{value:g}")
    ends.set(xscale="log", xlabel="signal λ_d", ylabel="|w| at the end", title="what is left of a mode")
    ends.legend(
        title="weight decay η",
        loc="upper center",
        bbox_to_anchor=(0.5, -0.24),
        ncols=2,
        columnspacing=0.8,
        handlelength=1.8,
    )
    caption(
        figure,
        data,
        f"Aligned modes with stop-gradient, augmentation noise {data.attrs['noise']:g}, equal decay of "
        "predictor and encoder. Middle: filled learned, open lost; shaded: no equilibrium but 0",
    )


FIGURE = Figure(
    name="eigenmodes",
    summary="Which eigenmodes of the data survive weight decay, and when they grow",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=4.0,
    height=3.4,
    panels=3,
)
