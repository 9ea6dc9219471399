"""Runs as Datasets: one variable per state and per observable, over time or over a grid of members."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import xarray as xr

from dynsim.field import Field
from dynsim.integrate.batch import EnsembleArrays, GridBlock
from dynsim.integrate.grid import Grid, state_axes
from dynsim.status import status_attributes

__all__ = ["ATTRIBUTES", "Frame", "InMemory", "run_dataset"]

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
        if not self.grid.dims:
            return _time_alone(self.times.tobytes(), self.single)
        time, grid = {"time": _time(self.times, self.single)}, self.grid.coords
        return grid.assign(time) if isinstance(grid, xr.Coordinates) else xr.Coordinates({**grid, **time})

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
        variables = {
            name: xr.Variable(
                (*dims, *more), values.reshape(shape + values.shape[1:]), ATTRIBUTES.get(name), None, True
            )
            for name, (more, values) in self.variables(run).items()
        }
        return _assembled(variables, self.coords, attributes)


def _members_first(values: np.ndarray) -> np.ndarray:
    """Axes of members and times before those of a matrix state."""
    return values if values.ndim == 2 else np.moveaxis(values, (-2, -1), (0, 1))


def _time(times: np.ndarray, single: bool) -> xr.Variable:
    dims, values = ((), times[0]) if single else ("time", times)
    return xr.Variable(dims, values, {"long_name": "flow time"})


@lru_cache(maxsize=16)
def _time_alone(times: bytes, single: bool) -> xr.Coordinates:
    """Coordinates of a single member: making them takes longer than its run."""
    return xr.Coordinates({"time": _time(np.frombuffer(times), single)})


def _assembled(variables: dict[str, xr.Variable], coords: xr.Coordinates, attributes: dict[str, Any]) -> xr.Dataset:
    """Dataset of parts that are known to fit: to merge and align them takes longer than thousands of steps."""
    known = {name: variable.copy(deep=False) for name, variable in coords.variables.items()}
    return xr.Dataset._construct_direct(
        {**known, **variables}, coord_names=set(known), attrs=attributes, indexes=dict(coords.xindexes)
    )


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


def run_dataset(field: Field, states: Any, dimension: str, coordinates: Any) -> xr.Dataset:
    """Dataset of a single run.

    Parameters
    ----------
    field : Field
    states : array of shape ``(field.size, len(coordinates))``
    dimension : str
        "time" (flow time) or "step".
    coordinates : array

    Returns
    -------
    xarray.Dataset
        Matrix states have dimensions ``(dimension, <name>_row, <name>_column)``.
    """
    states = np.asarray(states, dtype=float)
    variables: dict[str, Any] = {}
    for name, values in field.split(states).items():
        variables[name] = ([dimension, *state_axes(name, values.ndim - 1)], np.moveaxis(values, -1, 0))
    for name in field.observables:
        variables[name] = ([dimension], np.array(field.observe(name, np.asarray(coordinates), states), dtype=float))
    return xr.Dataset(variables, coords={dimension: np.asarray(coordinates)})
