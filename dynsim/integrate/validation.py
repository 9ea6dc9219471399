"""What enters an integration: the field, the start, the times, each checked before any work is done."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from dynsim.arguments import a_number, a_real
from dynsim.errors import InvalidType, bad, unknown
from dynsim.field import Field
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.sources import as_field

__all__ = [
    "cores",
    "count",
    "field_of",
    "named",
    "numbers",
    "start_of",
    "times_of",
    "tolerance",
]


def field_of(flow: Any, parameters: Mapping[Any, Any] | None) -> Field:
    """Numeric field of a `Flow` or a `Field`; the latter already carries its parameters."""
    return as_field(flow).field(parameters)


def named(argument: str, values: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Check that a mapping gives a value to every name and to no other; keys may be Symbols."""
    if not isinstance(values, Mapping):
        raise bad(argument, values, f"a mapping with {', '.join(names)}", kind=InvalidType)
    result = {name_of(argument, key): value for key, value in values.items()}
    for key in result:
        if key not in names:
            raise unknown(f"state in {argument}", key, names)
    missing = [name for name in names if name not in result]
    if missing:
        raise bad(argument, values, f"a value for every state; missing: {', '.join(missing)}")
    return {name: result[name] for name in names}


def start_of(field: Field, initial: Any) -> np.ndarray:
    """State vector of a single start, of shape ``(field.size,)``; every number must be finite."""
    y0 = np.empty(field.size)
    for name, value in named("initial", initial, field.names).items():
        if type(value) is float and field.shape(name) == () and math.isfinite(value):
            y0[field.slices[name]] = value
            continue
        argument = f"initial['{name}']"
        array = floats_of(argument, value, "a real number")
        if array.shape != field.shape(name):
            expected = f"an array of shape {field.shape(name)}" if field.shape(name) else "one number"
            raise bad(argument, value, expected, "use ensemble for many starts" if array.ndim else "")
        if not np.isfinite(array).all():
            raise bad(argument, value, "a finite value")
        y0[field.slices[name]] = array.ravel()
    return y0


def numbers(argument: str, values: Any) -> dict[str, float]:
    """``{name: finite number}`` of a mapping whose keys may be Symbols."""
    if not isinstance(values, Mapping):
        raise bad(argument, values, "a mapping {name: number}", kind=InvalidType)
    result = {}
    for key, value in values.items():
        name = name_of(argument, key)
        result[name] = a_number(f"{argument}['{name}']", value)
    return result


def times_of(t_end: Any, times: Any, count: int = 201, *, backward: bool = False) -> np.ndarray:
    """Output times from exactly one of `t_end` (then `count` equal times, the last of them if it is 1) and `times`."""
    if (t_end is None) == (times is None):
        raise bad("t_end, times", (t_end, times), "exactly one of the two")
    if times is None:
        end = a_real("t_end", t_end)
        if not np.isfinite(end) or end == 0 or (end < 0 and not backward):
            what = "a finite number other than 0" if backward else "a positive, finite number"
            raise bad("t_end", t_end, what)
        return np.linspace(0.0, end, count) if count > 1 else np.array([end])
    result = numbers_of("times", times, "an increasing sequence of numbers")
    if result.size == 0:
        raise bad("times", times, "a one-dimensional sequence with at least one time")
    away = result if not backward or result[-1] >= 0 else -result
    if not (away[0] >= 0 and away[-1] < np.inf and (away[1:] > away[:-1]).all()):
        also = ", or their negatives for a run backward" if backward else ""
        raise bad("times", times, f"finite, non-negative, strictly increasing times{also}")
    return result


def breakpoints_of(breakpoints: Any) -> tuple[float, ...]:
    """Check a sequence of finite times."""
    result = numbers_of("breakpoints", breakpoints, "a sequence of times")
    if not np.isfinite(result).all():
        raise bad("breakpoints", breakpoints, "finite times")
    return tuple(map(float, result))


def floats_of(argument: str, values: Any, expected: str) -> np.ndarray:
    """Array of real numbers; one too large for a float is infinite, and what a mask hides is no number."""
    if type(values) is np.ndarray and values.dtype == np.float64:
        return values
    if np.ma.is_masked(values):
        raise bad(argument, values, f"{expected}, not masked", "fill or drop what is masked")
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO":
            raise TypeError(array.dtype)
        if array.dtype.kind == "O" and array.size:
            array = np.array([a_real(argument, value) for value in array.flat]).reshape(array.shape)
        return array.astype(float, copy=False)
    except (TypeError, ValueError, OverflowError):
        raise bad(argument, values, expected, kind=InvalidType) from None


def numbers_of(argument: str, values: Any, expected: str) -> np.ndarray:
    """One-dimensional array of real numbers."""
    result = np.array(floats_of(argument, values, expected))
    if result.ndim != 1 or not np.ndim(values):
        raise bad(argument, values, f"a one-dimensional sequence: {expected}")
    return result


_LEAST = 1e-200  # squares of what is smaller underflow in every error norm


def tolerance(argument: str, value: Any) -> float:
    """Check a positive, finite tolerance, not so small that its square vanishes."""
    number = _positive(argument, value)
    if number < _LEAST:
        raise bad(argument, value, f"at least {_LEAST:g}", "solvers square their tolerances")
    return number


def count(argument: str, value: Any, default: int) -> int:
    """Check a positive whole number; None takes the default."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise bad(argument, value, "a positive whole number", kind=InvalidType)
    if not 1 <= value < 2**63:
        raise bad(argument, value, "a positive whole number" if value < 1 else "a whole number below 2⁶³")
    return int(value)


def cores() -> int:
    """Number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _positive(argument: str, value: Any) -> float:
    number = a_real(argument, value)
    if not np.isfinite(number) or number <= 0:
        raise bad(argument, value, "a positive, finite number")
    return number
