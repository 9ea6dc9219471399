"""Phase portrait of a system: the toy in its three branches, or any other in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.portrait import portrait
from dynsim.errors import BlowUp
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.branches import BRANCHES
from dynsim.symbolic.flow import Flow
from dynsim.systems.named_or_typed import named_or_typed

COST = 6.0
SMALL = {"branch": "stop"}  # what tests run
_TIMES = np.linspace(0, 100, 1001)


def run(
    progress: Callable[[int, int, str], None] | None = None,
    *,
    system: str = "toy",
    states: str | None = None,
    variant: str | None = None,
    branch: str = "all",
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Portraits over the dimension `branch`, the orbit from `initial`, and where the toy collapses exactly."""
    names = BRANCHES if branch == "all" and system == "toy" else ("stop" if branch == "all" else branch,)
    parts = []
    for index, name in enumerate(names):
        flow = named_or_typed(system, states, branch=name, variant=variant)
        start = {**{state: flow.defaults.get(state, 0.5) for state in flow.states}, **(initial or {})}
        part = portrait(flow, parameters, at=start)
        part = part.merge(_orbit(flow, start, parameters), combine_attrs="override")
        if len(flow.states) == 2:
            part["collapsed"] = (("x_coarse", "y_coarse"), _collapse_map(flow, parameters, part))
        parts.append(part)
        if progress:
            progress(index + 1, len(names), f"branch {name}")
    axis = xr.DataArray(list(names), dims="branch", name="branch")
    data = xr.concat(_aligned(parts), axis, combine_attrs="override")
    told = {key: parts[0].attrs[key] for key in ("x_name", "y_name")}
    about = {**flow.about(), "branch": branch}
    values = {key: float(value) for key, value in flow.values(parameters).items()}
    complete = min(int(part.attrs["complete"]) for part in parts)
    return stamp(data.drop_attrs(), flow=about, parameters=values, initial=start, complete=complete, **told)


def _orbit(flow: Flow, start: Mapping[str, float], parameters: Any) -> xr.Dataset:
    try:
        data = solve(flow, start, times=_TIMES, parameters=parameters, rtol=1e-9)
    except BlowUp as error:
        data = error.dataset
        data = data.reindex(time=_TIMES)
    return xr.Dataset({f"orbit_{name}": ("time", data[name].values) for name in flow.states}, coords={"time": _TIMES})


def _collapse_map(flow: Flow, parameters: Any, part: xr.Dataset, count: int = 122) -> np.ndarray:
    """1 where the exact rule says collapse, 0 where it says none, −1 where the flow has no rule."""
    told = np.full((count, count), -1, dtype=np.int8)
    if flow.exact is None:
        return told
    x_name, y_name = part.attrs["x_name"], part.attrs["y_name"]
    for i, x in enumerate(np.linspace(float(part.x[0]), float(part.x[-1]), count)):
        for j, y in enumerate(np.linspace(float(part.y[0]), float(part.y[-1]), count)):
            values = {key: float(value) for key, value in flow.values(parameters).items()}
            end = flow.exact.end({x_name: float(x), y_name: float(y)}, values)
            if end is not None and end.collapsed is not None:
                told[i, j] = int(end.collapsed)
    return told


def _aligned(parts: list[xr.Dataset]) -> list[xr.Dataset]:
    """Pad points and lines with NaN, so that branches with different numbers of them stand side by side."""
    blank: Any = {"point_kind": "", "separatrix_manifold": ""}
    result = []
    for part in parts:
        for dimension in ("point", "line", "separatrix"):
            if dimension not in part.dims:
                continue
            short = max(other.sizes[dimension] for other in parts) - part.sizes[dimension]
            part = part.pad({dimension: (0, short)}, constant_values=blank) if short else part
        result.append(part)
    return result


def verdict(data: xr.Dataset) -> str:
    """Say, per branch, how much of the view collapses and what the lines of equilibria do."""
    words = []
    for branch in data["branch"].values:
        one = data.sel(branch=branch)
        if "collapsed" in one and int(one["collapsed"].min()) >= 0:
            words.append(f"{branch}: {float(one['collapsed'].mean()):.0%} of the view collapses")
        elif "point" in one.dims:
            kinds = [str(kind) for kind in one["point_kind"].values if str(kind)]
            words.append(f"{branch}: {', '.join(kinds) or 'no isolated equilibrium'}")
        else:
            words.append(f"{branch}: a plane through more states than two, without equilibria")
    proven = "equilibria proven complete" if data.attrs["complete"] else "equilibria not proven complete"
    return f"{'; '.join(words)} ({proven})"
