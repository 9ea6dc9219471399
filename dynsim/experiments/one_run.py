"""One run of any system or typed loss, with its portrait, its speeds and its exact end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.outcome import outcome
from dynsim.analysis.numerics.portrait import portrait
from dynsim.analysis.numerics.timescales import timescales
from dynsim.errors import BlowUp, bad, unknown
from dynsim.integrate.solve import solve
from dynsim.records import provenance
from dynsim.symbolic.flow import Flow
from dynsim.systems.named_or_typed import named_or_typed, with_loss

COST = 0.5


def run(
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
