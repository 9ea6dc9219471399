"""A named axis of a study: its values, and what they set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynsim.errors import InvalidType, bad

__all__ = ["Axis", "axis"]

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
    """

    name: str
    values: tuple[Any, ...]
    sets: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """The axis as plain data, which `axis` reads back."""
        return {"values": list(self.values), "sets": list(self.sets)}


def axis(name: str, given: Any) -> Axis:
    """Read an axis.

    Parameters
    ----------
    name : str
    given : sequence or mapping
        The values, or one of ``{"values": […]}``, ``{"linspace": [first, last, count]}``, ``{"geomspace": [first,
        last, count]}`` and ``{"logspace": [first exponent of ten, last, count]}`` as in NumPy; ``"sets"`` names what
        they set where that is not the name of the axis.

    Raises
    ------
    InvalidValue, InvalidType
        No values, values that are no plain ones or not all different, a grid that is not described by three numbers.

    Examples
    --------
    >>> from dynsim.sweeps.axes import axis
    >>> axis("eta", {"linspace": [0, 0.2, 3], "sets": ["eta_p", "eta_s"]})
    Axis(name='eta', values=(0.0, 0.1, 0.2), sets=('eta_p', 'eta_s'))
    """
    where = f"axis '{name}'"
    if not name.isidentifier():
        raise bad("axis", name, "a name made of letters, digits and underscores")
    sets: Any = name
    if isinstance(given, Mapping):
        kinds = [key for key in given if key != "sets"]
        if len(kinds) != 1 or kinds[0] not in ("values", *_GRIDS):
            raise bad(where, dict(given), f"one of values, {', '.join(_GRIDS)}, and sets if it is not '{name}'")
        sets = given.get("sets", name)
        given = given["values"] if kinds[0] == "values" else _grid(where, kinds[0], given[kinds[0]])
    names = (sets,) if isinstance(sets, str) else tuple(sets)
    if not names or not all(isinstance(item, str) for item in names):
        raise bad(f"sets of {where}", sets, "a name or a list of names")
    return Axis(name, _values(where, given), names)


def _grid(where: str, kind: str, bounds: Any) -> Any:
    try:
        first, last, count = bounds
        if isinstance(count, bool) or int(count) != count or count < 1:
            raise ValueError("a whole number of values is needed")
        with np.errstate(all="raise"):
            return _GRIDS[kind](float(first), float(last), int(count))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise bad(f"{kind} of {where}", bounds, "[first, last, count]", str(error)) from None


def _values(where: str, given: Any) -> tuple[Any, ...]:
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
    if len(set(alike)) != len(alike):
        raise bad(where, given, "values that are all different")
    return alike
