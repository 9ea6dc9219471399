"""One run of any system or typed loss, with its portrait, its speeds and its exact end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynsim.analysis.outcome import outcome
from dynsim.analysis.portrait import portrait
from dynsim.analysis.timescales import timescales
from dynsim.integrate.solve import solve
from dynsim.records import provenance
from dynsim.systems.parts.named_or_typed import named_or_typed, with_loss

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
) -> xr.Dataset:
    """Integrate one run; ``limit_<state>`` says where it ends; the portrait's variables are those of `portrait`."""
    flow = with_loss(named_or_typed(system, states, branch=branch, variant=variant))
    start = {**{name: flow.defaults.get(name, 0.5) for name in flow.states}, **(initial or {})}
    data = solve(flow, start, t_end, parameters=parameters)
    speeds = timescales(flow, data)
    data = data.assign({name: speeds[name] for name in speeds if str(name).endswith(("speed_ratio", "half_life"))})
    end = outcome(flow, start, parameters)
    data = data.assign({f"limit_{name}": float(value) for name, value in end.limit.items()})
    if len(flow.states) > 1:
        across, upwards = plane or flow.states[:2]
        scene = portrait(flow, parameters, view, plane=(across, upwards), at=start)
        data = data.merge(scene.drop_attrs(), combine_attrs="override")
        data.attrs.update(x_name=across, y_name=upwards, complete=scene.attrs["complete"])
    data.attrs.update(
        collapsed={True: "yes", False: "no", None: "undecided"}[end.collapsed],
        outcome_exact=int(end.exact),
        outcome_reason=end.reason,
    )
    return data


def verdict(data: xr.Dataset) -> str:
    """Say where the run ends."""
    about = provenance(data)
    limits = ", ".join(f"{name} → {float(data[f'limit_{name}']):.4g}" for name in about["flow"]["states"])
    word = {"yes": "collapse", "no": "no collapse", "undecided": "undecided"}[about["collapsed"]]
    source = "exact" if about["outcome_exact"] else "integrated"
    return f"branch '{about['flow']['branch']}': {limits}: {word} ({source}: {about['outcome_reason']})"
