"""Runs as Datasets: one variable per state and per observable, whatever produced the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.field import Field

__all__ = ["run_dataset", "state_axes"]


def state_axes(name: str, count: int) -> tuple[str, ...]:
    """Names of the dimensions of a state with `count` axes: rows, columns, then numbered."""
    return tuple(f"{name}_{('row', 'column')[i] if i < 2 else i}" for i in range(count))


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
    for name, function in field.observables.items():
        variables[name] = ([dimension], np.array(function(states), dtype=float))
    return xr.Dataset(variables, coords={dimension: np.asarray(coordinates)})
