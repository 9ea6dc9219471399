"""Which attractor each start goes to."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.algebra.equilibria import equilibria
from dynsim.analysis.boxes import box_of, drawn_box
from dynsim.analysis.numerics.attractors import Attractors
from dynsim.errors import DynsimError, bad
from dynsim.field import Field
from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.grid import Grid, grid_of
from dynsim.integrate.validation import tolerance
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.sources import as_flow

__all__ = ["basins"]

# A run has arrived when it is this close, relative to the size of its surroundings, to what attracts it.
_ARRIVED = 1e-3
# Long before the end of the integration it must be closer.
_SETTLED = 1e-6
# Shares of the time after which those that have settled are left out.
_STAGES = (0.01, 0.1, 1.0)
_ATOL = 1e-11  # in units of the largest start
_BLOCK = 2**17  # starts at a time


def basins(
    flow: Flow,
    initial: Mapping[Any, Any],
    parameters: Mapping[Any, Any] | None = None,
    *,
    t_end: float = 1e3,
    box: Mapping[Any, Any] | None = None,
    rtol: float = 1e-9,
    atol: float | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Say for every start of a grid where its run ends.

    Parameters
    ----------
    flow : Flow
    initial : mapping
        ``{state: value}`` as `ensemble` takes it: numbers, one-dimensional arrays, which span the dimensions
        ``<state>0``, or DataArrays, which keep their own dimensions and are paired along those they share.
    parameters : mapping, optional
        ``{parameter: number}``; what is left out takes the system's default.
    t_end : float
        Flow time of the integration, where no exact rule is known.
    box : mapping, optional
        Where to look for attractors if they have to be searched numerically. Others are learned from where runs
        come to rest.
    rtol, atol : float
        Tolerances of each step of the integration; the absolute one is 1e-11 of the largest start by default.
    progress : callable, optional
        ``progress(done, total)``, in starts.

    Returns
    -------
    xarray.Dataset
        Over the dimensions of the starts: `attractor`, an index into the dimension `equilibrium`, or −1 where
        it stays undecided (still moving, diverged, or too close to a point that is slow to attract or to
        repel); ``limit_<state>``, where the run ends, NaN if undecided; `exact`, 1 where a rule decided, or nothing
        moves at the start, and 0 where the integration did. Over `equilibrium`: `kind` ("limit cycle" among them,
        with its `period`), `learned`, 1 for those that only the runs have shown, and ``at_<state>``, NaN along the
        free state of a line. On a cycle runs have an attractor, but no limit.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        No flow, a start or parameter that is missing or unknown.

    See Also
    --------
    outcome : of one start.
    separatrices : what lies between them.

    Examples
    --------
    >>> import dynsim, numpy as np
    >>> starts = {"phi": np.array([0.5, 1.5]), "theta": np.array([0.5])}
    >>> found = dynsim.basins(dynsim.system("toy"), starts)
    >>> found.limit_theta.values.round(6).ravel()  # beyond φ² − αθ² = 1 the encoder collapses
    array([1., 0.])
    """
    flow = as_flow(flow)
    flow.require_autonomous("a basin map")
    field = flow.field(parameters)
    grid = grid_of(flow, initial, parameters)
    starts = _starts(flow, grid)
    found = equilibria(flow, parameters, box=box)
    if not found.complete and box is None:
        found = equilibria(flow, parameters, box=_around(flow, starts))
    t_end = tolerance("t_end", t_end)
    size = float(np.abs(starts).max(initial=0.0)) or 1.0
    options = {"rtol": tolerance("rtol", rtol), "atol": tolerance("atol", _ATOL * size if atol is None else atol)}
    attractors = Attractors(flow, field, found, size)
    ends, exact = _known(flow, field, starts, parameters)
    attractor, limits = np.full(grid.size, -1, dtype=np.int32), np.full(ends.shape, np.nan)
    # A rule needs no attractor: it may put a run on an unstable point, or on one that no search has found.
    limits[:, exact] = ends[:, exact]
    attractor[exact], _ = attractors.assign(ends[:, exact], _SETTLED * size)
    for first in range(0, grid.size, _BLOCK):
        block = slice(first, first + _BLOCK)
        left = first + np.flatnonzero(~exact[block])
        if left.size:
            attractor[left], limits[:, left] = _integrated(attractors, starts[:, left], parameters, t_end, options)
            if progress is not None:
                progress(min(first + _BLOCK, grid.size), grid.size, "starts")
    variables = {
        "attractor": attractor,
        **{f"limit_{name}": limits[i] for i, name in enumerate(flow.states)},
        "exact": exact.astype(np.int8),
    }
    data = grid.dataset({name: ((), values) for name, values in variables.items()}).assign(attractors.described())
    data = data.assign_coords({f"{name}0": starts[i, 0] for i, name in enumerate(flow.states) if not grid.spans[name]})
    return stamp(
        data,
        kind="basins",
        flow=flow.about(),
        parameters=field.about["parameters"],
        t_end=float(t_end),
        complete=int(found.complete),
    )


def _starts(flow: Flow, grid: Grid) -> np.ndarray:
    """Starts of shape ``(states, members)``."""
    for name in flow.states:
        if not grid.values[name].size or not np.isfinite(grid.values[name]).all():
            raise bad(f"initial['{name}']", grid.values[name], "at least one start, and finite ones")
    return np.array([grid.members(name) for name in flow.states], dtype=float)


def _around(flow: Flow, starts: np.ndarray) -> dict[str, tuple[float, float]]:
    """The view, enlarged to hold every start."""
    view = drawn_box(flow, box_of(flow, None)).sides
    return {
        name: (min(view[name][0], float(values.min())), max(view[name][1], float(values.max())))
        for name, values in zip(flow.states, starts, strict=True)
    }


def _known(
    flow: Flow, field: Field, starts: np.ndarray, parameters: Mapping[Any, Any] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Where every run ends, shape ``(states, members)``, where a rule tells or nothing moves; and which those are."""
    exact = (field.f(0.0, starts) == 0).all(axis=0)
    ends = np.where(exact, starts, np.nan)
    if flow.exact is not None and flow.exact.limit is not None:
        values = {name: float(value) for name, value in flow.values(parameters).items()}
        if flow.exact.solution is not None:  # all starts at once, where it holds for the parameters and has a limit
            with suppress(DynsimError):
                found = flow.exact(np.inf, dict(zip(flow.states, starts[:, ~exact], strict=True)), values)
                ends[:, ~exact] = np.array([found[name] for name in flow.states])
                exact = np.isfinite(ends).all(axis=0)
        limit, original, names = flow.exact.limit, flow.exact.original(values), set(flow.states)
        asked = ~exact
        if flow.exact.may_know is not None:
            with np.errstate(all="ignore"):
                asked &= flow.exact.may_know(dict(zip(flow.states, starts, strict=True)), original)
        left = np.flatnonzero(asked)
        for index, start in zip(left, zip(*(row[left].tolist() for row in starts), strict=True), strict=True):
            rule = limit(dict(zip(flow.states, start, strict=True)), original)
            if rule is not None and names <= set(rule.values):
                ends[:, index] = [float(rule.values[name]) for name in flow.states]
                exact[index] = True
    return ends, exact


def _integrated(
    attractors: Attractors,
    starts: np.ndarray,
    parameters: Mapping[Any, Any] | None,
    t_end: float,
    options: Mapping[str, Any],
) -> tuple[np.ndarray, np.ndarray]:
    """Index of the attractor each start goes to, −1 if none can be told, and the limit itself."""
    flow, size = attractors.flow, attractors.size
    attractor, limits = np.full(starts.shape[1], -1, dtype=np.int32), np.full(starts.shape, np.nan)
    left, y, elapsed = np.arange(starts.shape[1]), starts, 0.0
    dimension = "".join(flow.states) + "0"  # longer than any state's name
    for time in (share * t_end for share in _STAGES):
        initial = {name: xr.DataArray(row, dims=dimension) for name, row in zip(flow.states, y, strict=True)}
        run = ensemble(flow, initial, time - elapsed, parameters=parameters, **options)
        y = np.array([run[name].values for name in flow.states])
        final = time == t_end
        for learn in (False, True):
            if learn and not (attractors.learn_rests(y, time) + (attractors.learn_cycles(y) if final else 0)):
                continue
            reached, places = attractors.assign(y, size * (_ARRIVED if final else _SETTLED), after=time)
            settled = reached >= 0
            attractor[left[settled]], limits[:, left[settled]] = reached[settled], places[:, settled]
            on_the_way = ~settled & np.isfinite(y).all(axis=0)
            left, y = left[on_the_way], y[:, on_the_way]
            if not left.size:
                return attractor, limits
        elapsed = time
    return attractor, limits
