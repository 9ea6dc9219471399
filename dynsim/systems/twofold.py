"""Numbers with twice the digits of a float, as unevaluated sums of two floats.

Beside a separatrix what decides is a difference of nearly equal numbers, such as αθ² − φ² + 1. Rounded before it is
taken, it is wrong by more than it is large; here it is right to the last digit.

References
----------
Dekker, "A floating-point technique for extending the available precision", Numerische Mathematik 18 (1971).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Twofold", "twofold"]

_SPLIT = 134217729.0  # 2^27 + 1 cuts 53 digits in halves whose products are exact
_LARGE = 1e300  # beyond, the halves would overflow


class Twofold(NamedTuple):
    """The number ``high + low``, |low| at most half a unit in the last place of `high`. Arrays broadcast.

    Examples
    --------
    >>> from dynsim.systems.twofold import twofold
    >>> third = twofold(1.0) / 3.0
    >>> float((third * 3.0 - 1.0).value)
    0.0
    >>> float(((twofold(1e-20) + 1.0) - 1.0).value)
    1e-20
    """

    high: Any
    low: Any

    @property
    def value(self) -> Any:
        """The nearest float."""
        return self.high + self.low

    def __add__(self, other: Any) -> Twofold:
        other = twofold(other)
        high, low = _sum(self.high, other.high)
        return _tidied(high, low + self.low + other.low)

    def __sub__(self, other: Any) -> Twofold:
        other = twofold(other)
        return self + Twofold(-other.high, -other.low)

    def __mul__(self, other: Any) -> Twofold:
        other = twofold(other)
        high, low = _product(self.high, other.high)
        return _tidied(high, low + (self.high * other.low + self.low * other.high))

    def __truediv__(self, other: Any) -> Twofold:
        other = twofold(other)
        first = self.high / other.high
        rest = self - other * first
        return _tidied(first, rest.value / other.high)


def twofold(number: Any) -> Twofold:
    """A float, an array of floats or a `Twofold` as a `Twofold`."""
    if isinstance(number, Twofold):
        return number
    number = np.asarray(number, dtype=float)[()]
    return Twofold(number, 0.0 * number)


def _sum(a: Any, b: Any) -> tuple[Any, Any]:
    """A + b and its rounding error."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def _product(a: Any, b: Any) -> tuple[Any, Any]:
    """a·b and its rounding error."""
    whole = a * b
    a1, b1 = (x * _SPLIT - (x * _SPLIT - x) for x in (a, b))
    a2, b2 = a - a1, b - b1
    return whole, a2 * b2 - (((whole - a1 * b1) - a2 * b1) - a1 * b2)


def _tidied(high: Any, low: Any) -> Twofold:
    low = np.where(np.isfinite(low) & (np.abs(high) < _LARGE), low, 0.0)[()]
    with np.errstate(invalid="ignore"):
        total, error = _sum(high, low)
    # Each element by itself: an infinite neighbour must not cost the others their last digits.
    return Twofold(total, np.where(np.isfinite(error), error, 0.0)[()])
