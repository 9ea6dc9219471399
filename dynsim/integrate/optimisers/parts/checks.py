"""Options of optimisers, checked as they come in."""

from __future__ import annotations

from numbers import Real
from typing import Any

from dynsim.errors import InvalidType, bad

__all__ = ["fraction", "non_negative"]


def fraction(argument: str, value: Any) -> float:
    """Check a number in [0, 1)."""
    number = _real(argument, value, "a number in [0, 1)")
    if not 0 <= number < 1:
        raise bad(argument, value, "a number in [0, 1)")
    return number


def non_negative(argument: str, value: Any) -> float:
    """Check a finite number ≥ 0."""
    number = _real(argument, value, "a finite number ≥ 0")
    if not 0 <= number < float("inf"):
        raise bad(argument, value, "a finite number ≥ 0")
    return number


def _real(argument: str, value: Any, expected: str) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise bad(argument, value, expected, kind=InvalidType)
    return float(value)
