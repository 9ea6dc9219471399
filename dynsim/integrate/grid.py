"""The members of an ensemble: starts and parameters that vary, their dimensions, their order.

A number is shared by all members. A one-dimensional array of a state `phi` spans the dimension `phi0`, of a
parameter `alpha` the dimension `alpha`. A DataArray keeps its own dimensions, and entries that share a
dimension are paired along it. All dimensions together span the grid; its points, the last dimension fastest,
are the members.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dynsim.errors import bad
from dynsim.integrate.validation import floats_of, named
from dynsim.integrate.variables import variable
from dynsim.symbolic.sources import as_field

__all__ = ["Grid", "grid_of", "state_axes"]

_TAKEN = ("time", "step", "status", "steps", "event")  # dimensions and variables of an ensemble's own


def state_axes(name: str, count: int) -> tuple[str, ...]:
    """Names of the dimensions of a state with `count` axes: rows, columns, then numbered."""
    return tuple(f"{name}_{('row', 'column')[i] if i < 2 else i}" for i in range(count))


@dataclass(frozen=True)
class Grid:
    """Starts and parameters of every member, none of them copied more often than needed.

    Attributes
    ----------
    dims, shape : tuple
        Names and lengths of the grid's dimensions; empty for a single member.
    coords : mapping
        The coordinates of the grid, as a Dataset takes them.
    values : dict
        ``{name: array}``: the axes of the grid first, of length 1 where the entry does not vary, then the
        axes of a matrix state.
    spans : dict
        ``{name: dimensions along which it varies}``.
    flow : Flow or Field
        With parameters that depend on the time put in: what is to be integrated.
    schedules : dict
        ``{parameter: text}`` of those.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    coords: Mapping[Any, Any]
    values: dict[str, np.ndarray]
    spans: dict[str, tuple[str, ...]]
    flow: Any
    schedules: dict[str, str]

    @property
    def size(self) -> int:
        """Number of members."""
        return prod(self.shape)

    def own(self, name: str) -> tuple[int, ...]:
        """Shape of one member's value, ``()`` for a number."""
        return self.values[name].shape[len(self.dims) :]

    def members(self, name: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Values of members `start` … `stop` − 1, of shape ``(count, *own)``; a view where that is possible."""
        stop = self.size if stop is None else min(stop, self.size)
        value, own = self.values[name], self.own(name)
        if not self.dims:
            return value.reshape(1, *own)[: stop - start]
        if not self.spans[name]:
            return np.broadcast_to(value.reshape(own), (stop - start, *own))
        row = prod(self.shape[1:])
        if row and start % row == 0 == stop % row:
            whole = np.broadcast_to(value, (*self.shape, *own))
            return whole[start // row : stop // row].reshape(stop - start, *own)
        index = np.unravel_index(np.arange(start, stop), self.shape)
        lengths = value.shape[: len(self.dims)]
        return value[tuple(i if n > 1 else 0 * i for i, n in zip(index, lengths, strict=True))]

    def dataset(self, variables: Mapping[str, tuple[tuple[str, ...], Any]]) -> xr.Dataset:
        """Dataset over the grid.

        Parameters
        ----------
        variables : mapping
            ``{name: (further dimensions, array of shape (members, …))}``, the members in their order.
        """
        unfolded = {
            name: ((*self.dims, *more), np.reshape(values, (*self.shape, *np.shape(values)[1:])))
            for name, (more, values) in variables.items()
        }
        return xr.Dataset(unfolded, coords=self.coords)

    def describe(self, names: Iterable[str]) -> dict[str, Any]:
        """Plain record of entries for provenance: numbers as they are, else the dimensions they span."""
        return {name: self._description(name) for name in names}

    def describe_parameters(self, names: Iterable[str]) -> dict[str, Any]:
        """The same of parameters; those that depend on the time are told by their text."""
        return self.describe(name for name in names if "[" not in name) | self.schedules

    def _description(self, name: str) -> Any:
        value = self.values[name]
        if self.spans[name]:
            return {"along": list(self.spans[name])}
        if value.size > 64:
            return {"shape": list(self.own(name)), "norm": float(np.linalg.norm(value))}
        return value.reshape(self.own(name)).tolist()


def grid_of(flow: Any, initial: Any, parameters: Mapping[Any, Any] | None = None, **more: Any) -> Grid:
    """Resolve starts, parameters and further entries such as ``lr=…`` into one grid.

    Parameters
    ----------
    flow : Flow or Field
    initial, parameters : mapping
        ``{name or Symbol: number, one-dimensional array or DataArray}``; left-out parameters take the
        system's defaults. Values need not be finite: a member that cannot start says so in its status.
    **more
        Further numbers, arrays or DataArrays that may vary from member to member.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        A name that is none, a value that is no number or array of numbers, dimensions that do not pair.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.integrate.grid import grid_of
    >>> grid = grid_of(dynsim.system("toy"), {"phi": [0.1, 0.2, 0.3], "theta": 0.1}, {"alpha": [1.0, 10.0]})
    >>> grid.dims, grid.shape
    (('phi0', 'alpha'), (3, 2))
    >>> grid.members("phi")
    array([0.1, 0.1, 0.2, 0.2, 0.3, 0.3])
    """
    flow = as_field(flow)
    starts, constants = named("initial", initial, flow.states), {}
    schedules: dict[str, str] = {}
    if flow.equations is not None:
        bound = flow.equations.with_parameters(parameters)
        constants = bound.values
        schedules = {name: str(value) for name, value in bound.given.items() if name not in constants}
        flow = bound.flow
    else:
        flow.values(parameters)  # which refuses all
    numbers = {**starts, **constants, **more}
    if all(type(value) is float for value in numbers.values()) and not any(map(flow.shape, starts)):
        values = {name: np.array(value) for name, value in numbers.items()}  # one member, as most often
        return Grid((), (), _NO_COORDINATES, values, dict.fromkeys(values, ()), flow, schedules)
    labels = {name: f"{name}0" for name in starts} | {name: name for name in (*constants, *more)}
    entries = {
        name: _entry(f"initial['{name}']", value, labels[name], flow.shape(name), name)
        for name, value in starts.items()
    }
    entries |= {name: _entry(f"parameters['{name}']", value, name) for name, value in constants.items()}
    entries |= {name: _entry(name, value, name) for name, value in more.items()}
    sizes = _sizes(entries, (*_TAKEN, *starts))
    return Grid(
        tuple(sizes),
        tuple(sizes.values()),
        _coordinates(entries, labels),
        {name: _aligned(entry, sizes) for name, entry in entries.items()},
        {name: entry.spans for name, entry in entries.items()},
        flow,
        schedules,
    )


_NO_COORDINATES: Mapping[Any, Any] = {}


class _Entry(NamedTuple):
    """Values whose first axes are the dimensions `spans`; the rest is a matrix state."""

    values: np.ndarray
    spans: tuple[str, ...]
    coords: Mapping[Any, Any] = _NO_COORDINATES


def _entry(argument: str, value: Any, label: str, shape: tuple[int, ...] = (), name: str = "") -> _Entry:
    if isinstance(value, xr.DataArray):
        entry = _named_entry(argument, value, state_axes(name, len(shape)))
    else:
        array = _floats(argument, value)
        spans = (label,) if array.ndim == 1 + len(shape) else ()
        coords = {label: variable(label, array)} if spans and not shape else _NO_COORDINATES
        entry = _Entry(array, spans, coords)
    if entry.values.shape[len(entry.spans) :] != shape:
        one = f"an array of shape {shape}, a stack of them" if shape else "a number, a one-dimensional array"
        advice = "name the dimensions of a larger array with a DataArray"
        raise bad(argument, f"shape {entry.values.shape}", f"{one} or a DataArray", advice)
    return entry


def _named_entry(argument: str, value: xr.DataArray, axes: tuple[str, ...]) -> _Entry:
    """Entry of a DataArray; where the axes of a matrix state are not named they are the last ones."""
    if axes and set(axes) <= set(value.dims):
        value = value.transpose(..., *axes)
    spans = tuple(str(d) for d in value.dims[: max(value.ndim - len(axes), 0)])
    values = _floats(argument, value.values)
    if not spans:
        return _Entry(values, spans)
    if all(type(index) is xr.indexes.PandasIndex for index in value.xindexes.values()):
        found = value.coords.variables.items()
        return _Entry(values, spans, {name: item for name, item in found if set(item.dims) <= set(spans)})
    return _Entry(values, spans, value.coords.to_dataset().drop_dims(axes, errors="ignore").coords)


def _floats(argument: str, value: Any) -> np.ndarray:
    return floats_of(argument, value, "a real number or an array of real numbers")


def _sizes(entries: Mapping[str, _Entry], reserved: tuple[str, ...]) -> dict[str, int]:
    """Length of every dimension, in the order in which the entries bring them in."""
    sizes: dict[str, int] = {}
    for name, entry in entries.items():
        for dimension, length in zip(entry.spans, entry.values.shape, strict=False):
            if dimension in reserved:
                raise bad(
                    f"dimension of '{name}'", dimension, f"none of {', '.join(reserved)}", "rename the dimension"
                )
            if sizes.setdefault(dimension, length) != length:
                advice = "entries that share a dimension are paired along it"
                raise bad(f"dimension '{dimension}'", f"lengths {sizes[dimension]} and {length}", "one length", advice)
    return sizes


def _aligned(entry: _Entry, sizes: Mapping[str, int]) -> np.ndarray:
    """Values with one axis per dimension of the grid, of length 1 where the entry does not vary."""
    if not sizes:
        return entry.values
    order = [entry.spans.index(d) for d in sizes if d in entry.spans]
    own = entry.values.shape[len(order) :]
    values = entry.values.transpose(*order, *range(len(order), entry.values.ndim))
    return values.reshape((*(n if d in entry.spans else 1 for d, n in sizes.items()), *own))


def _coordinates(entries: Mapping[str, _Entry], labels: Mapping[str, str]) -> Mapping[Any, Any]:
    """Coordinates of all entries, and the values of those that vary without being a coordinate themselves."""
    given = [entry.coords for entry in entries.values() if entry.coords]
    try:
        coords = _merged(given)
    except ValueError as error:
        raise bad("coordinates", str(error), "the same coordinate values along a shared dimension") from None
    for name, (values, spans, _) in entries.items():
        if spans and values.ndim == len(spans) and labels[name] not in {*coords, *spans}:
            more = {labels[name]: variable(spans, values)}
            coords = coords.assign(more) if isinstance(coords, xr.Coordinates) else {**coords, **more}
    return coords


def _merged(given: list[Mapping[Any, Any]]) -> Mapping[Any, Any]:
    """Coordinates of one name must agree along their dimension; others that disagree are left out."""
    if any(isinstance(coords, xr.Coordinates) for coords in given):  # an index of several levels, say
        return xr.merge([xr.Dataset(coords=coords) for coords in given], join="exact", compat="minimal").coords
    merged: dict[Any, xr.Variable] = {}
    differing = set()
    for name, values in (item for coords in given for item in coords.items()):
        if not merged.setdefault(name, values).equals(values):
            if values.dims == (name,):
                raise ValueError(f"{name} differs")
            differing.add(name)
    return {name: values for name, values in merged.items() if name not in differing}
