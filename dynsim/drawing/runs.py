"""Runs over time: one run, a grid of runs, steps of an optimiser, noisy paths."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.labels import label_ends
from dynsim.drawing.style import COLOURS, ROLE_STYLE, SEQUENCE
from dynsim.drawing.words import symbol
from dynsim.records import provenance
from dynsim.status import Status

__all__ = ["draw_ensemble", "draw_noise", "draw_optimise", "draw_run", "draw_states", "role_style", "states_of"]

MOST_MEMBERS = 200  # more lines than this are ink without information
_NOT_STATES = {"status", "steps", "loss", "seed_sequence"}


def states_of(data: xr.Dataset, along: str = "time") -> list[str]:
    """States of a run in the order of its flow; where it does not say, every variable over `along` but the loss."""
    flow = provenance(data).get("flow")
    named = flow.get("states", ()) if isinstance(flow, dict) else ()
    known = [name for name in named if name in data]
    if known:
        return known
    return [
        str(name)
        for name, values in data.data_vars.items()
        if along in values.dims and str(name) not in _NOT_STATES and values.dtype.kind == "f"
    ]


def role_style(data: xr.Dataset, name: str, index: int = 0) -> dict[str, Any]:
    """Line style of a state by its role: the same in every figure; without a role one by its place."""
    flow = provenance(data).get("flow")
    roles = flow.get("roles", {}) if isinstance(flow, dict) else {}
    for role, names in (roles or {}).items():
        if name in names and role in ROLE_STYLE:
            return dict(ROLE_STYLE[role])
    colours = list(COLOURS.values())
    return {"color": colours[index % len(colours)], "linestyle": ("-", "--", "-.", ":")[index % 4], "linewidth": 1.6}


def draw_run(data: xr.Dataset, axes: Any) -> None:
    """Draw every state over flow time with its name at the end of its line; a matrix by its norm."""
    labels = []
    for index, name in enumerate(states_of(data)):
        values, text = _scalar(data[name], "time"), symbol(name)
        if data[name].ndim > 1:
            text = rf"$\|{text.strip('$')}\|$"
        style = role_style(data, name, index)
        axes.plot(data["time"], values, **style)
        labels.append((_last(values), text, style["color"]))
    _time_axis(axes, data)
    _zero_line(axes)
    label_ends(axes, labels)
    _say_status(axes, data)


def draw_states(data: xr.Dataset, axes: Any, limits: Mapping[str, float] | None = None) -> None:
    """Draw a run; the limits, if given, as thin lines with their values at the right edge."""
    labels = []
    for index, name in enumerate(states_of(data)):
        style = role_style(data, name, index)
        axes.plot(data["time"].values, data[name].values, **style)
        text = symbol(name)
        limit = np.nan if limits is None else limits.get(name, np.nan)
        if np.isfinite(limit):
            axes.axhline(limit, color=style["color"], linewidth=0.7, linestyle=":", zorder=1)
            labels.append((limit, rf"{text} $\to$ {limit:.4g}", style["color"]))
        else:
            labels.append((_last(data[name]), text, style["color"]))
    _time_axis(axes, data)
    _zero_line(axes)
    label_ends(axes, labels)


def draw_ensemble(data: xr.Dataset, axes: Any) -> None:
    """Draw a grid of runs: over time as thin lines; ends alone over what was varied, as lines, map or histogram."""
    along = next((name for name in ("time", "step") if name in data.dims and data.sizes[name] > 1), None)
    names = states_of(data, along or "time") or _floats(data)
    if along is not None:
        labels = []
        for index, name in enumerate(names):
            style = role_style(data, name, index)
            members = data[name].transpose(..., along).values.reshape(-1, data.sizes[along])
            shown = members[:: max(1, -(-len(members) // MOST_MEMBERS))]
            alpha = float(np.clip(4 / max(len(shown), 1), 0.12, 1.0))
            axes.plot(data[along], shown.T, color=style["color"], linestyle=style["linestyle"], lw=0.8, alpha=alpha)
            labels.append((float(np.nanmedian(shown[:, -1])), symbol(name), style["color"]))
        if along == "time":
            _time_axis(axes, data)
        else:
            axes.set_xlabel("step")
        label_ends(axes, labels)
        return
    ends = data.isel({name: -1 for name in ("time", "step") if name in data.dims})
    dims = [str(name) for name in ends[names[0]].dims]
    if len(dims) == 1:
        _ends_over_one(axes, ends, names, dims[0])
    elif len(dims) == 2:
        _ends_over_two(axes, ends, names, dims)
    else:
        for index, name in enumerate(names):
            style = role_style(data, name, index)
            known = ends[name].values.ravel()
            known = known[np.isfinite(known)]
            axes.hist(known, bins=40, histtype="step", color=style["color"], label=symbol(name))
        axes.set(xlabel="value at the end", ylabel="runs")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def draw_optimise(data: xr.Dataset, axes: Any) -> None:
    """Draw every state over the steps of an optimiser; several runs as thin lines."""
    names = states_of(data, "step")
    if any(len(data[name].dims) > 1 for name in names):
        draw_ensemble(data, axes)
        return
    labels = []
    for index, name in enumerate(names):
        style = role_style(data, name, index)
        axes.plot(data["step"], data[name], **style)
        labels.append((_last(data[name]), symbol(name), style["color"]))
    axes.set_xlabel("step")
    _zero_line(axes)
    label_ends(axes, labels)
    _say_status(axes, data)


def draw_noise(data: xr.Dataset, axes: Any) -> None:
    """Draw noisy runs: some paths, their median and the middle 90 %; of times of escape the share not yet gone."""
    if "escape_time" in data:
        times = np.sort(data["escape_time"].values.ravel())
        known = times[np.isfinite(times)]
        stays = 1 - np.arange(1, len(known) + 1) / times.size
        axes.step(np.concatenate([[0.0], known]), np.concatenate([[1.0], stays]), where="post", color=COLOURS["blue"])
        axes.set(xlabel="flow time t", ylabel="share not yet escaped", ylim=(0, 1.02))
        return
    if not {"time", "step"} & set(data.dims):
        for index, name in enumerate(states_of(data, "seed")):
            ends = data[name].values.ravel()
            style = role_style(data, name, index)
            axes.hist(
                ends[np.isfinite(ends)],
                bins=40,
                density=True,
                histtype="step",
                label=symbol(name),
                color=style["color"],
            )
        axes.set(xlabel="value at the end", ylabel="density over seeds")
        axes.legend()
        return
    along = "time" if "time" in data.dims else "step"
    labels = []
    for index, name in enumerate(states_of(data, along)):
        style = role_style(data, name, index)
        paths = data[name].transpose("seed", ..., along).values.reshape(-1, data.sizes[along])
        low, middle, high = np.nanquantile(paths, [0.05, 0.5, 0.95], axis=0)
        axes.plot(data[along], paths[:10].T, color=style["color"], linewidth=0.4, alpha=0.5)
        axes.fill_between(data[along], low, high, color=style["color"], alpha=0.15, linewidth=0)
        axes.plot(data[along], middle, **style)
        labels.append((float(middle[-1]), symbol(name), style["color"]))
    axes.set_xlabel("flow time t" if along == "time" else "step")
    _zero_line(axes)
    label_ends(axes, labels)


def _ends_over_one(axes: Any, ends: xr.Dataset, names: Iterable[str], dim: Hashable) -> None:
    across = ends[dim] if dim in ends.coords else np.arange(ends.sizes[dim])
    labels = []
    for index, name in enumerate(names):
        style = role_style(ends, name, index)
        axes.plot(across, ends[name], marker=".", **style)
        labels.append((_last(ends[name]), symbol(name), style["color"]))
    axes.set(xlabel=_axis_name(str(dim)), ylabel="value at the end")
    label_ends(axes, labels)


def _ends_over_two(axes: Any, ends: xr.Dataset, names: list[str], dims: list[str]) -> None:
    name = next((one for one in names if _has_role(ends, one, "encoder")), names[-1])
    across, up = (ends[dim].values if dim in ends.coords else np.arange(ends.sizes[dim]) for dim in dims)
    values = ends[name].transpose(dims[1], dims[0]).values
    mesh = axes.pcolormesh(across, up, values, cmap=SEQUENCE, shading="nearest", rasterized=True)
    axes.figure.colorbar(mesh, ax=axes, label=f"{symbol(name)} at the end")
    axes.set(xlabel=_axis_name(dims[0]), ylabel=_axis_name(dims[1]))
    axes.grid(False)


def _has_role(data: xr.Dataset, name: str, role: str) -> bool:
    flow = provenance(data).get("flow")
    return isinstance(flow, dict) and name in (flow.get("roles") or {}).get(role, ())


def _axis_name(dim: str) -> str:
    """Name of a starting value's dimension, ``theta0`` for θ(0), of a parameter as it is."""
    return f"{symbol(dim[:-1])}(0)" if dim.endswith("0") and len(dim) > 1 else symbol(dim)


def _floats(data: xr.Dataset) -> list[str]:
    return [str(name) for name, values in data.data_vars.items() if values.dtype.kind == "f"]


def _scalar(values: xr.DataArray, along: str) -> xr.DataArray:
    more = [dim for dim in values.dims if dim != along]
    return (values**2).sum(more) ** 0.5 if more else values


def _last(values: xr.DataArray) -> float:
    known = values.values[np.isfinite(values.values)]
    return float(known[-1]) if known.size else np.nan


def _time_axis(axes: Any, data: xr.Dataset) -> None:
    axes.set_xlabel("flow time t")
    first, last = map(float, data["time"].values[[0, -1]])
    if abs(last - first) > 1e-12 * max(abs(first), abs(last)) < np.inf:
        axes.set_xlim(min(first, last), max(first, last))


def _zero_line(axes: Any) -> None:
    """Mark zero, at which an encoder has collapsed, where it is in sight."""
    low, high = axes.get_ylim()
    if low <= 0 <= high:
        axes.axhline(0, color=COLOURS["grey"], linewidth=0.7, zorder=0)


def _say_status(axes: Any, data: xr.Dataset) -> None:
    if "status" not in data or data["status"].size != 1:
        return
    value = int(data["status"].values.ravel()[0])
    status = Status(value) if value in set(Status) else Status.OK  # a file of an older version
    if status not in (Status.OK, Status.AT_REST):
        axes.set_title(status.message, loc="left")
