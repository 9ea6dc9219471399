"""From arrays over members to a Dataset over the grid, all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import xarray as xr

from dynsim.field import Field
from dynsim.integrate.blocks import Block
from dynsim.integrate.grid import Grid
from dynsim.integrate.members import Batch, Run
from dynsim.integrate.runs import state_axes

__all__ = ["ATTRIBUTES", "Frame", "InMemory", "observe"]

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "status": {
        "long_name": "how the run of the member ended",
        "flag_values": np.arange(5, dtype=np.int8),
        "flag_meanings": "ok at_rest blow_up step_limit invalid_start",
    },
    "steps": {"long_name": "accepted steps"},
}


def observe(batch: Batch, run: Run) -> dict[str, np.ndarray]:
    """Observables of a batch, each of shape ``(members, times)``."""
    states = run.states.swapaxes(1, 2)  # parameters that vary do so along the last axis
    return {name: function(states).T for name, function in batch.field.observables.items()}


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
    def coords(self) -> Mapping[Any, Any]:
        """Coordinates of the grid, and the time."""
        dims, values = ((), self.times[0]) if self.single else ("time", self.times)
        time = {"time": xr.Variable(dims, values, {"long_name": "flow time"})}
        grid = self.grid.coords
        return grid.assign(time) if isinstance(grid, xr.Coordinates) else {**grid, **time}

    def variables(self, run: Run, observed: dict[str, np.ndarray]) -> dict[str, tuple[tuple[str, ...], Any]]:
        """``{name: (dimensions beside the grid's, array over members)}``."""
        time, pick = ((), (slice(None), 0)) if self.single else (("time",), ())
        found = {
            name: ((*time, *state_axes(name, values.ndim - 2)), _members_first(values)[pick])
            for name, values in self.field.split(run.states).items()
        }
        found |= {name: (time, values[pick]) for name, values in observed.items()}
        return {**found, "status": ((), run.status), "steps": ((), run.steps)}

    def dataset(self, run: Run, observed: dict[str, np.ndarray], attributes: dict[str, Any]) -> xr.Dataset:
        """Dataset over the grid from arrays over all its members."""
        grid, dims, arrays = self.grid, {}, {}
        for name, (more, values) in self.variables(run, observed).items():
            dims[name], arrays[name] = (*grid.dims, *more), values.reshape((*grid.shape, *values.shape[1:]))
        if not grid.dims:
            layout = tuple((name, dims[name], values.shape, values.dtype.char) for name, values in arrays.items())
            empty = _layout(layout, self.times.tobytes(), self.single)
            result = empty.copy(deep=self.single, data=arrays)
            result.attrs = attributes
            return result
        variables = {name: xr.Variable(dims[name], values, ATTRIBUTES.get(name)) for name, values in arrays.items()}
        return xr.Dataset(variables, self.coords, attributes)


def _members_first(values: np.ndarray) -> np.ndarray:
    """Axes of members and times before those of a matrix state."""
    return values if values.ndim == 2 else np.moveaxis(values, (-2, -1), (0, 1))


@lru_cache(maxsize=16)
def _layout(layout: tuple[tuple[str, tuple[str, ...], tuple[int, ...], str], ...], times: bytes, single: bool) -> Any:
    """Empty Dataset of a single member: making one takes longer than a run, copying it does not."""
    variables = {n: xr.Variable(dims, np.empty(shape, kind), ATTRIBUTES.get(n)) for n, dims, shape, kind in layout}
    record = np.frombuffer(times)
    dims, values = ((), record[0]) if single else ("time", record)
    return xr.Dataset(variables, {"time": xr.Variable(dims, values, {"long_name": "flow time"})})


class InMemory:
    """Holds the whole result; engines write straight into it."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.run = Run.empty(frame.field.size, frame.grid.size, len(frame.times))
        self.observed: dict[str, np.ndarray] = {}

    def part(self, block: Block) -> Run:
        """Arrays for the engine to fill."""
        return self.run.part(block.start, block.stop)

    def keep(self, block: Block, run: Run, observed: dict[str, np.ndarray]) -> None:
        """Take over a finished block."""
        count = self.frame.grid.size
        if block.stop - block.start == count:
            self.observed = observed
            return
        for name, values in observed.items():
            whole = self.observed.setdefault(name, np.empty((count, len(self.frame.times))))
            whole[block.start : block.stop] = values

    def dataset(self, attributes: dict[str, Any]) -> xr.Dataset:
        """The result."""
        return self.frame.dataset(self.run, self.observed, attributes)
