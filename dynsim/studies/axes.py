"""A named axis of a study: its values, and what they set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dynsim.errors import InvalidType, bad

if TYPE_CHECKING:
    import xarray

__all__ = ["LONGEST", "Axis", "axis", "spanned"]

LONGEST = 10_000_000  # values of an axis: its coordinate is held in memory

_GRIDS: dict[str, Callable[..., Any]] = {"linspace": np.linspace, "logspace": np.logspace, "geomspace": np.geomspace}


@dataclass(frozen=True)
class Axis:
    """One dimension of the results.

    Attributes
    ----------
    name : str
        Name of the dimension.
    values : tuple
        Numbers, texts or truth values, all different.
    sets : tuple of str
        The settings that take these values; one axis may drive several.
    cases : tuple of tuple, optional
        Where the values are names of cases: for each of them what every setting in `sets` takes.
    """

    name: str
    values: tuple[Any, ...]
    sets: tuple[str, ...]
    cases: tuple[tuple[Any, ...], ...] | None = None

    def along(self, setting: str) -> tuple[Any, ...]:
        """What a setting takes along the axis.

        Examples
        --------
        >>> from dynsim.studies.axes import axis
        >>> axis("loss", {"cases": {"a": {"lr": 0.1, "m": 0}, "b": {"lr": 0.2, "m": 1}}}).along("lr")
        (0.1, 0.2)
        """
        return self.values if self.cases is None else tuple(row[self.sets.index(setting)] for row in self.cases)

    def plain(self) -> dict[str, Any]:
        """The axis as plain data, which `axis` reads back."""
        found: dict[str, Any] = {"values": list(self.values), "sets": list(self.sets)}
        if self.cases is None:
            return found
        return {**found, "cases": [list(row) for row in self.cases]}


def axis(name: str, given: Any) -> Axis:
    """Read an axis.

    Parameters
    ----------
    name : str
    given : sequence or mapping
        The values, or one of ``{"values": […]}``, ``{"linspace": [first, last, count]}``, ``{"geomspace": [first,
        last, count]}`` and ``{"logspace": [first exponent of ten, last, count]}`` as in NumPy; ``"sets"`` names what
        they set where that is not the name of the axis. ``{"cases": {name: {setting: value, …}, …}}`` names
        combinations, for settings that make sense only together.

    Raises
    ------
    InvalidValue, InvalidType
        No values, values that are no plain ones or not all different, a grid that is not described by three numbers,
        cases that do not set the same.

    Examples
    --------
    >>> from dynsim.studies.axes import axis
    >>> axis("eta", {"linspace": [0, 0.2, 3], "sets": ["eta_p", "eta_s"]}).values
    (0.0, 0.1, 0.2)
    """
    where = f"axis '{name}'"
    if not name.isidentifier():
        raise bad("axis", name, "a name made of letters, digits and underscores")
    sets: Any = name
    if isinstance(given, Mapping) and "cases" in given:
        return _of_cases(name, where, given)
    if isinstance(given, Mapping):
        kinds = [key for key in given if key != "sets"]
        if len(kinds) != 1 or kinds[0] not in ("values", *_GRIDS):
            raise bad(where, dict(given), f"one of values, {', '.join(_GRIDS)}, cases, and sets if it is not '{name}'")
        sets = given.get("sets", name)
        given = given["values"] if kinds[0] == "values" else _grid(where, kinds[0], given[kinds[0]])
    names = (sets,) if isinstance(sets, str) else sets
    if not isinstance(names, list | tuple) or not names or not all(isinstance(item, str) for item in names):
        raise bad(f"sets of {where}", sets, "a name or a list of names")
    names = tuple(names)
    return Axis(name, _values(where, given), names)


def _of_cases(name: str, where: str, given: Mapping[str, Any]) -> Axis:
    """Cases as a person writes them, or as `Axis.plain` does."""
    cases = given["cases"]
    if set(given) == {"values", "sets", "cases"}:
        rows = [tuple(row) for row in cases]
        return Axis(name, _values(where, given["values"]), tuple(given["sets"]), tuple(rows))
    expected = "a table of cases, each a table of the same settings: {cases = {a = {lr = 0.1}, b = {lr = 0.2}}}"
    if set(given) != {"cases"} or not isinstance(cases, Mapping) or not cases:
        raise bad(where, dict(given), expected, kind=InvalidType)
    if not all(isinstance(case, Mapping) and case for case in cases.values()):
        raise bad(where, dict(given), expected, kind=InvalidType)
    sets = tuple(next(iter(cases.values())))
    for label, case in cases.items():
        if set(case) != set(sets):
            raise bad(f"case '{label}' of {where}", dict(case), f"values for {', '.join(sets)}, like the first case")
    columns = [_values(f"{key} of {where}", [case[key] for case in cases.values()], repeated=True) for key in sets]
    return Axis(name, _values(where, list(map(str, cases))), sets, tuple(zip(*columns, strict=True)))


def _grid(where: str, kind: str, bounds: Any) -> Any:
    try:
        first, last, count = bounds
        if isinstance(count, bool) or int(count) != count or count < 1:
            raise ValueError("a whole number of values is needed")
        if count > LONGEST:
            raise ValueError(f"an axis has at most {LONGEST} values")
        with np.errstate(all="raise"):
            return _GRIDS[kind](float(first), float(last), int(count))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise bad(f"{kind} of {where}", bounds, "[first, last, count]", str(error)) from None


def _values(where: str, given: Any, *, repeated: bool = False) -> tuple[Any, ...]:
    plain = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(plain, str) or not hasattr(plain, "__iter__"):
        raise bad(where, given, "a sequence of values or a grid such as {'linspace': [0, 1, 11]}", kind=InvalidType)
    values = tuple(plain)
    if not values:
        raise bad(where, given, "at least one value")
    if all(isinstance(v, str) for v in values) or all(isinstance(v, bool) for v in values):
        alike: tuple[Any, ...] = values
    elif all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        alike = values
    elif all(isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v) for v in values):
        alike = tuple(float(v) for v in values)
    else:
        raise bad(where, given, "finite numbers, texts or truth values, all of one kind", kind=InvalidType)
    if len(set(alike)) != len(alike) and not repeated:
        raise bad(where, given, "values that are all different")
    return alike


def spanned(data: xarray.Dataset, names: Iterable[str]) -> xarray.Dataset:
    """A result with dimensions of length one for those of the axes that it lacks.

    Raises
    ------
    InvalidValue
        An axis has the name of something that runs record.
    """
    for name in names:
        if name in data.data_vars:
            raise bad("axis", name, "a name that no result has")
    return data.expand_dims({name: 1 for name in names if name not in data.dims})
