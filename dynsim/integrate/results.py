"""From arrays over members to a Dataset over the grid, all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
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
        return self.grid.coords.assign_coords(time).coords if self.grid.dims else time

    def variables(self, run: Run, observed: dict[str, np.ndarray]) -> dict[str, tuple[tuple[str, ...], Any]]:
        """``{name: (dimensions beside the grid's, array over members)}``."""
        time, pick = ((), (slice(None), 0)) if self.single else (("time",), ())
        found = {
            name: ((*time, *state_axes(name, values.ndim - 2)), np.moveaxis(values, (-2, -1), (0, 1))[pick])
            for name, values in self.field.split(run.states).items()
        }
        found |= {name: (time, values[pick]) for name, values in observed.items()}
        return {**found, "status": ((), run.status), "steps": ((), run.steps)}

    def dataset(self, run: Run, observed: dict[str, np.ndarray]) -> xr.Dataset:
        """Dataset over the grid from arrays over all its members."""
        grid = self.grid
        unfolded = {
            name: xr.Variable(
                (*grid.dims, *more), values.reshape((*grid.shape, *values.shape[1:])), ATTRIBUTES.get(name)
            )
            for name, (more, values) in self.variables(run, observed).items()
        }
        return xr.Dataset(unfolded, coords=self.coords)


class InMemory:
    """Holds the whole result; engines write straight into it."""

    def __init__(self, frame: Frame) -> None:
        count = frame.grid.size
        self.frame = frame
        self.run = Run.empty(frame.field.size, count, len(frame.times))
        self.observed = {name: np.empty((count, len(frame.times))) for name in frame.field.observables}

    def part(self, block: Block) -> Run:
        """Arrays for the engine to fill."""
        return self.run.part(block.start, block.stop)

    def keep(self, block: Block, run: Run, observed: dict[str, np.ndarray]) -> None:
        """Take over a finished block."""
        for name, values in observed.items():
            self.observed[name][block.start : block.stop] = values

    def dataset(self, attributes: dict[str, Any]) -> xr.Dataset:
        """The result."""
        return self.frame.dataset(self.run, self.observed).assign_attrs(attributes)
