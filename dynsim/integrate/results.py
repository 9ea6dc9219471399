"""Runs as Datasets: one variable per state and per observable, over time or over a grid of members."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import xarray as xr

from dynsim.field import Field
from dynsim.integrate.batch import EnsembleArrays, GridBlock
from dynsim.integrate.grid import Grid, state_axes
from dynsim.integrate.variables import coordinates, variable
from dynsim.records import as_json
from dynsim.status import Status, status_attributes
from dynsim.symbolic.flow import Flow

__all__ = ["ATTRIBUTES", "Frame", "InMemory", "description", "run_dataset"]

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "status": status_attributes(),
    "steps": {"long_name": "accepted steps"},
}


@dataclass(frozen=True)
class Frame:
    """What the Dataset will look like before any number is known.

    Attributes
    ----------
    field : Field
        For its names, shapes and observables.
    times : array
    single : bool
        Only the end is recorded: `time` is a scalar coordinate and no dimension.
    """

    field: Field
    grid: Grid
    times: np.ndarray
    single: bool

    @cached_property
    def coords(self) -> xr.Coordinates:
        """Coordinates of the grid, and the time."""
        time, grid = {"time": _time(self.times, self.single)}, self.grid.coords
        return grid.assign(time) if isinstance(grid, xr.Coordinates) else coordinates({**grid, **time})

    def variables(self, run: EnsembleArrays) -> dict[str, tuple[tuple[str, ...], Any]]:
        """``{name: (dimensions beside the grid's, array over members)}``."""
        time, pick = ((), (slice(None), 0)) if self.single else (("time",), ())
        found = {
            name: ((*time, *state_axes(name, values.ndim - 2)), _members_first(values)[pick])
            for name, values in self.field.split(run.states).items()
        }
        found |= {name: (time, row[pick]) for name, row in zip(self.field.observables, run.observed, strict=True)}
        return {**found, "status": ((), run.status), "steps": ((), run.steps)}

    def dataset(self, run: EnsembleArrays, attributes: dict[str, Any]) -> xr.Dataset:
        """Dataset over the grid from arrays over all its members."""
        dims, shape = self.grid.dims, self.grid.shape
        if not dims:
            return _copied(_form_of(self.field, self.times, self.single, _ENDS), self._numbers(run), attributes)
        made = {
            name: variable((*dims, *more), values.reshape(shape + values.shape[1:]), ATTRIBUTES.get(name))
            for name, (more, values) in self.variables(run).items()
        }
        return xr.Dataset(made, self.coords, attributes)

    def _numbers(self, run: EnsembleArrays) -> dict[str, Any]:
        """``{name: array}`` of the one member there is."""
        if self.field.shapes:
            return {name: values[0, ...] for name, (_, values) in self.variables(run).items()}
        names, rows = (*self.field.names, *self.field.observables), run.outputs[:, 0]
        numbers = {name: row[0, ...] if self.single else row for name, row in zip(names, rows, strict=True)}
        return numbers | {"status": run.status[0, ...], "steps": run.steps[0, ...]}


_Further = tuple[tuple[str, tuple[str, ...], tuple[int, ...], str], ...]
"""Name, dimensions, shape and type of variables beside states and observables."""

_ENDS: _Further = (("status", (), (), "int8"), ("steps", (), (), "int32"))
_LONGEST = 2**12  # times of a form that is kept


def _form_of(field: Field, times: np.ndarray, single: bool, further: _Further) -> xr.Dataset:
    """Dataset of one run without its numbers."""
    make = _form if len(times) <= _LONGEST else _form.__wrapped__
    return make(field.names, tuple(field.shapes.items()), tuple(field.observables), times.tobytes(), single, further)


@lru_cache(maxsize=64)
def _form(names: Any, shapes: Any, observables: Any, times: bytes, single: bool, further: _Further) -> xr.Dataset:
    shape = {name: dict(shapes).get(name, ()) for name in (*names, *observables)}
    at = np.frombuffer(times)
    axis = {} if single else {"time": len(at)}
    sizes = {name: axis | dict(zip(state_axes(name, len(own)), own, strict=True)) for name, own in shape.items()}
    places = [(name, tuple(own), tuple(own.values()), "float64") for name, own in sizes.items()]
    made = {
        name: variable(dims, np.broadcast_to(np.zeros((), kind), lengths), ATTRIBUTES.get(name))
        for name, dims, lengths, kind in (*places, *further)
    }
    return xr.Dataset(made, coordinates({"time": _time(at, single)}))


def _copied(form: xr.Dataset, values: dict[str, Any], attributes: dict[str, Any]) -> xr.Dataset:
    """A form with its numbers: to copy one takes a third of the time that it takes to make one."""
    shapes = form.variables
    dataset = form.copy(data={name: variable(shapes[name].dims, array) for name, array in values.items()})
    dataset.attrs = attributes
    return dataset


def _members_first(values: np.ndarray) -> np.ndarray:
    """Axes of members and times before those of a matrix state."""
    return values if values.ndim == 2 else np.moveaxis(values, (-2, -1), (0, 1))


def _time(times: np.ndarray, single: bool) -> xr.Variable:
    dims, values = ((), times[:1].reshape(())) if single else ("time", times)
    return variable(dims, values, {"long_name": "flow time"})


_texts: WeakKeyDictionary[Flow, str] = WeakKeyDictionary()


def description(flow: Any) -> str:
    """What the flow says of itself, as text; written once where it has equations, which do not change."""
    if flow.equations is None:
        return as_json(flow.origin())
    found = _texts.get(flow)
    if found is None:
        found = _texts[flow] = as_json(flow.origin())
    return found


class InMemory:
    """Holds the whole result; engines write straight into it."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.run = EnsembleArrays.empty(frame.field, frame.grid.size, len(frame.times))

    def part(self, block: GridBlock) -> EnsembleArrays:
        """Arrays for the engine to fill."""
        return self.run.part(block.start, block.stop)

    def keep(self, block: GridBlock, run: EnsembleArrays) -> None:
        """Take over a finished block; it lies where it belongs."""

    def dataset(self, attributes: dict[str, Any]) -> xr.Dataset:
        """The result."""
        return self.frame.dataset(self.run, attributes)


def run_dataset(
    field: Field,
    states: np.ndarray,
    times: np.ndarray,
    status: Status,
    events: dict[str, np.ndarray],
    attributes: dict[str, Any],
    observed: np.ndarray | None = None,
) -> xr.Dataset:
    """Dataset of a single run.

    Parameters
    ----------
    field : Field
    states : array of shape ``(field.size, len(times))``
    times : array
    status : Status
    events : dict
        ``{name: array over "event"}``.
    attributes : dict
    observed : array of shape ``(observables, len(times))``, optional
        Where they are known already.

    Returns
    -------
    xarray.Dataset
        Matrix states have dimensions ``("time", <name>_row, <name>_column)``.
    """
    split = field.split(states).items()
    numbers = {name: np.moveaxis(values, -1, 0) if values.ndim > 1 else values for name, values in split}
    for index, name in enumerate(field.observables):
        known = field.observe(name, times, states) if observed is None else observed[index]
        numbers[name] = np.array(known, dtype=float)
    ended = {"status": np.array(status, np.int8)}
    happened = tuple((name, ("event",), values.shape, values.dtype.char) for name, values in events.items())
    form = _form_of(field, times, False, (*_ENDS[:1], *happened))
    return _copied(form, numbers | ended | events, attributes)
