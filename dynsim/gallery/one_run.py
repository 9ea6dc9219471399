"""One run of any system or typed loss: states, phase plane, speeds and loss side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.outcome import outcome
from dynsim.analysis.numerics.portrait import portrait
from dynsim.analysis.numerics.timescales import timescales
from dynsim.drawing.planes import (
    draw_field,
    draw_lines,
    draw_nullclines,
    draw_orbit,
    draw_points,
    draw_separatrices,
)
from dynsim.drawing.runs import draw_states
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption
from dynsim.errors import BlowUp, bad, unknown
from dynsim.gallery.figure import Figure
from dynsim.integrate.solve import solve
from dynsim.records import provenance
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.printing import unicode_name
from dynsim.systems.named_or_typed import named_or_typed, with_loss


def compute(
    progress: Any = None,
    *,
    system: str = "toy",
    states: str | None = None,
    branch: str = "stop",
    variant: str | None = None,
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    t_end: float = 30.0,
    view: Mapping[str, tuple[float, float]] | None = None,
    plane: tuple[str, str] | None = None,
    time: str = "linear",
    more: Sequence[Sequence[float]] = (),
) -> xr.Dataset:
    """Integrate one run; ``limit_<state>`` says where it ends; the portrait's variables are those of `portrait`.

    `time` is the scale that the time axes are to have, "linear" or "log"; each of `more` is the start of a further
    orbit, recorded as ``more_<state>`` over the dimension `orbit`.
    """
    if time not in ("linear", "log"):
        raise unknown("time", time, ("linear", "log"))
    flow = with_loss(named_or_typed(system, states, branch=branch, variant=variant))
    start = {**{name: flow.defaults.get(name, 0.5) for name in flow.states}, **(initial or {})}
    when = {"t_end": t_end} if time == "linear" else {"times": _dense_early(t_end)}
    data = solve(flow, start, **when, parameters=parameters)
    speeds = timescales(flow, data)
    data = data.assign({name: speeds[name] for name in speeds if str(name).endswith(("speed_ratio", "half_life"))})
    end = outcome(flow, start, parameters)
    data = data.assign({f"limit_{name}": float(value) for name, value in end.limit.items()})
    if len(flow.states) > 1:
        across, upwards = plane or flow.states[:2]
        scene = portrait(flow, parameters, view, plane=(across, upwards), at=start)
        data = data.merge(scene.drop_attrs(), combine_attrs="override")
        data.attrs.update(x_name=across, y_name=upwards, complete=scene.attrs["complete"])
    if more:
        data = data.assign(_further(flow, more, data["time"].values, parameters))
    data.attrs.update(
        time_scale=time,
        collapsed={True: "yes", False: "no", None: "undecided"}[end.collapsed],
        outcome_exact=int(end.exact),
        outcome_reason=end.reason,
    )
    return data


def _dense_early(t_end: float) -> np.ndarray:
    return np.unique(np.concatenate([np.linspace(0.0, t_end, 201), np.geomspace(1e-4 * t_end, t_end, 101)]))


def _further(flow: Flow, starts: Sequence[Sequence[float]], times: np.ndarray, parameters: Any) -> dict[str, Any]:
    orbits = np.full((len(flow.states), len(starts), len(times)), np.nan)
    for index, start in enumerate(starts):
        if len(start) != len(flow.states):
            raise bad("more", start, f"{len(flow.states)} numbers, for {', '.join(flow.states)}")
        try:
            one = solve(flow, dict(zip(flow.states, start, strict=True)), times=times, parameters=parameters)
        except BlowUp as error:
            one = error.dataset.reindex(time=times)
        orbits[:, index] = [one[name].values for name in flow.states]
    return {f"more_{name}": (("orbit", "time"), orbits[row]) for row, name in enumerate(flow.states)}


def verdict(data: xr.Dataset) -> str:
    """Say where the run ends."""
    about = provenance(data)
    limits = ", ".join(f"{name} → {float(data[f'limit_{name}']):.4g}" for name in about["flow"]["states"])
    word = {"yes": "collapse", "no": "no collapse", "undecided": "undecided"}[about["collapsed"]]
    source = "exact" if about["outcome_exact"] else "integrated"
    return f"branch '{about['flow']['branch']}': {limits}: {word} ({source}: {about['outcome_reason']})"


def draw(data: xr.Dataset, figure: Any) -> None:
    """Draw the panels that the data has something for."""
    ratios = [name for name in ("relative_speed_ratio", "absolute_speed_ratio") if name in data]
    right = ["states", *(["speeds"] if ratios else []), *(["loss"] if "loss" in data else [])]
    has_plane = "velocity_x" in data
    layout = [["plane", name] for name in right] if has_plane else [[name] for name in right]
    axes = figure.subplot_mosaic(layout, width_ratios=[1.1, 1.0] if has_plane else None)
    if has_plane:
        _draw_plane(data, axes["plane"])
    draw_states(data, axes["states"])
    axes["states"].legend(loc="best")
    if ratios:
        _draw_speeds(data, axes["speeds"], ratios)
    if "loss" in data:
        axes["loss"].plot(data["time"], data["loss"], color=COLOURS["black"])
        axes["loss"].set(xlabel="flow time t", ylabel="loss")
    if data.attrs.get("time_scale") == "log":
        for name in right:
            axes[name].set(xscale="log", xlim=(1e-4 * float(data["time"][-1]), float(data["time"][-1])))
    about = provenance(data)
    word = {"yes": "collapse", "no": "no collapse", "undecided": "undecided"}[about["collapsed"]]
    ends = ", ".join(f"{unicode_name(name)} → {float(data[f'limit_{name}']):.4g}" for name in about["flow"]["states"])
    figure.suptitle(f"{ends}: {word}" if about["flow"].get("roles") else ends)
    caption(
        figure,
        data,
        f"Branch {about['flow']['branch']}. {'Exact' if about['outcome_exact'] else 'Integrated'}: "
        f"{about['outcome_reason']}",
        "Green: equilibria, dashed where they repel. Purple: separatrices" if has_plane else "",
    )


def _draw_plane(data: xr.Dataset, axes: Any) -> None:
    across, upwards = data.attrs["x_name"], data.attrs["y_name"]
    draw_field(axes, data)
    draw_nullclines(axes, data)
    draw_lines(axes, data)
    draw_separatrices(axes, data)
    draw_points(axes, data)
    for index in range(data.sizes.get("orbit", 0)):
        x, y = (data[f"more_{name}"].isel(orbit=index).values for name in (across, upwards))
        axes.plot(x, y, color="#555555", linewidth=1.1, zorder=3)
        axes.plot(x[0], y[0], "o", color="#555555", markersize=3.5, zorder=3)
    draw_orbit(axes, xr.Dataset({f"orbit_{name}": data[name] for name in (across, upwards)}), across, upwards)
    axes.set(
        xlim=(data.x[0], data.x[-1]),
        ylim=(data.y[0], data.y[-1]),
        xlabel=unicode_name(across),
        ylabel=unicode_name(upwards),
    )


def _draw_speeds(data: xr.Dataset, axes: Any, ratios: list[str]) -> None:
    for name, style in zip(ratios, ("-", "--"), strict=False):
        values = data[name].values
        positive = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        axes.plot(data["time"], positive, style, color=COLOURS["black"], label=name.split("_")[0])
    axes.axhline(1, color="#888888", linewidth=0.8)
    axes.set(yscale="log", xlabel="flow time t", ylabel="speed of predictor\nover encoder")
    axes.legend(loc="best")


FIGURE = Figure(
    name="one-run",
    summary="One run of any system or typed loss: states, plane, speeds, loss",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=0.5,
    size=(9.6, 6.4),
)
