"""One run of any system or typed loss: states, phase plane, speeds and loss side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.outcome import outcome
from dynsim.analysis.numerics.portrait import portrait
from dynsim.analysis.numerics.timescales import timescales
from dynsim.choices import Branch
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.measures import draw_timescales
from dynsim.drawing.planes import draw_orbit, draw_portrait
from dynsim.drawing.runs import draw_states
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption
from dynsim.errors import BlowUp, bad, unknown
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.solve import solve
from dynsim.names import unicode_name
from dynsim.records import provenance
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.sources import as_flow, with_loss
from dynsim.verdict import Verdict

LIMIT, MORE, PLANE, SPEED = "limit.", "more.", "plane.", "speed."


def compute(
    progress: Any = None,
    *,
    system: str = "toy",
    states: str | None = None,
    branch: Branch = "stop",
    variant: str | None = None,
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    t_end: float = 30.0,
    view: Mapping[str, tuple[float, float]] | None = None,
    plane: tuple[str, str] | None = None,
    time: str = "linear",
    more: Sequence[Sequence[float]] = (),
) -> xr.Dataset:
    """Integrate one run; ``limit.<state>`` says where it ends; the variables of `portrait` begin with ``plane.``.

    `time` is the scale that the time axes are to have, "linear" or "log"; each of `more` is the start of a further
    orbit, recorded as ``more.<state>`` over the dimension `orbit`.
    """
    if time not in ("linear", "log"):
        raise unknown("time", time, ("linear", "log"))
    flow = with_loss(as_flow(system, states, branch=branch, variant=variant))
    start = {**{name: flow.defaults.get(name, 0.5) for name in flow.states}, **(initial or {})}
    when = {"t_end": t_end} if time == "linear" else {"times": _dense_early(t_end)}
    data = solve(flow, start, **when, parameters=parameters)
    speeds = timescales(flow, data)
    # Names with a dot: no state can be called so, whatever the user calls the states.
    data = data.assign({f"{SPEED}{name}": speeds[name] for name in speeds if str(name).endswith("speed_ratio")})
    end = outcome(flow, start, parameters)
    data = data.assign({f"{LIMIT}{name}": float(value) for name, value in end.limit.items()})
    if len(flow.states) > 1:
        across, upwards = plane or flow.states[:2]
        scene = portrait(flow, parameters, view, plane=(across, upwards), at=start)
        apart = {name: f"{PLANE}{name}" for name in (*scene.variables, *scene.dims)}
        data = data.merge(scene.drop_attrs().rename(apart), combine_attrs="override")
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
    return {f"{MORE}{name}": (("orbit", "time"), orbits[row]) for row, name in enumerate(flow.states)}


def verdict(data: xr.Dataset) -> Verdict:
    """Say where the run ends."""
    about = provenance(data)
    flow = about["flow"]
    ends = {name: float(data[f"{LIMIT}{name}"]) for name in flow["states"]}
    shown = [f"{unicode_name(name)} → {_shown(value)}" for name, value in ends.items()]
    word = {"yes": "collapse", "no": "no collapse", "undecided": "undecided"}[about["collapsed"]]
    reason = f"{'exact' if about['outcome_exact'] else 'integrated'}: {about['outcome_reason']}"
    if not all(np.isfinite(list(ends.values()))):
        headlines = [reason.partition(": ")[2], "The run has no limit"]
    elif flow.get("roles"):
        headlines = [f"{', '.join(shown)}: {word}", f"{shown[0]}, …: {word}"]
    else:
        headlines = [", ".join(shown), f"{shown[0]}, …"]
    detail = "; ".join([*shown, word, reason.replace(";", ",")])
    return concluded("measured" if about["collapsed"] != "undecided" else "open", headlines, detail)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Draw the plane beside the states over time, or the states alone."""
    _draw(data, figure, [])


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Draw the speeds and the loss as well."""
    speeds = any(str(name).startswith(SPEED) for name in data)
    _draw(data, figure, [*(["speeds"] if speeds else []), *(["loss"] if "loss" in data else [])])


def _draw(data: xr.Dataset, figure: Any, more: list[str]) -> None:
    right = ["states", *more]
    has_plane = f"{PLANE}velocity_x" in data
    if has_plane and not more:
        plane, states = panel_row(figure, 2)
        axes = {"plane": plane, "states": states}
    else:
        layout = [["plane", name] for name in right] if has_plane else [[name] for name in right]
        axes = figure.subplot_mosaic(layout)
    if has_plane:
        _draw_plane(data, axes["plane"])
    about = provenance(data)
    limits = {name: float(data[f"{LIMIT}{name}"]) for name in about["flow"]["states"]}
    draw_states(data, axes["states"], limits)
    if "speeds" in axes:
        names = {f"{SPEED}{name}": name for name in ("relative_speed_ratio", "absolute_speed_ratio")}
        speeds = data[[name for name in names if name in data]]
        draw_timescales(speeds.rename({name: names[str(name)] for name in speeds.data_vars}), axes["speeds"])
    if "loss" in axes:
        axes["loss"].plot(data["time"], data["loss"], color=COLOURS["black"])
        axes["loss"].set(xlabel="flow time t", ylabel="loss")
    if data.attrs.get("time_scale") == "log":
        for name in right:
            axes[name].set(xscale="log", xlim=(1e-4 * float(data["time"][-1]), float(data["time"][-1])))
    branch = about["flow"].get("branch")
    caption(
        figure,
        data,
        f"Branch {branch}" if branch else "",
        f"{'Exact' if about['outcome_exact'] else 'Integrated'}: {about['outcome_reason']}",
        "Green: equilibria, dashed where they repel. Purple: separatrices" if has_plane else "",
    )


def _draw_plane(data: xr.Dataset, axes: Any) -> None:
    across, upwards = data.attrs["x_name"], data.attrs["y_name"]
    scene = data[[name for name in data.variables if str(name).startswith(PLANE)]]
    apart = {name: str(name).removeprefix(PLANE) for name in (*scene.variables, *scene.dims)}
    draw_portrait(scene.drop_vars("time", errors="ignore").rename(apart).assign_attrs(data.attrs), axes)
    for index in range(data.sizes.get("orbit", 0)):
        x, y = (data[f"{MORE}{name}"].isel(orbit=index).values for name in (across, upwards))
        draw_orbit(axes, x, y, color="#555555", linewidth=1.0)
    draw_orbit(axes, data[across], data[upwards])


def _shown(value: float) -> str:
    return "0" if abs(value) < 1e-9 else f"{value:.4g}"


FIGURE = Figure(
    name="one-run",
    summary="One run of any system or typed loss: states, plane, speeds, loss",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=0.5,
    height=3.2,
    full_height=5.2,
    panels=2,
)
