"""The logistic law x' = rate·x(1 − x/capacity), which many of the one-mode systems obey in some power."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["logistic", "signed_root"]


def logistic(t: Any, start: Any, rate: Any, capacity: Any) -> Any:
    """x(t) = capacity/(1 + (capacity/x₀ − 1)·e^{−rate·t}); everything broadcasts, t = ∞ included.

    Parameters
    ----------
    t : array
        Flow time.
    start : array
        x₀; a start at 0 stays there. Above the capacity a negative rate diverges in finite time: NaN from there on.
    rate, capacity : array

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.systems.laws import logistic
    >>> logistic(np.array([0.0, np.inf]), 0.1, 2.0, 1.0)
    array([0.1, 1. ])
    """
    start = np.asarray(start, dtype=float)
    with np.errstate(all="ignore"):
        shrink = np.exp(-np.asarray(rate, dtype=float) * t)
        value = capacity / (1 + (capacity / start - 1) * shrink)
        settled = np.where(start == capacity, capacity, value)
        moving = np.where((settled < 0) != (start < 0), np.nan, settled)
    return np.where(start == 0, 0.0, moving)


def signed_root(square: Any, start: Any) -> Any:
    """√square with the sign of `start`, which a mode never changes."""
    with np.errstate(invalid="ignore"):
        return np.sign(start) * np.sqrt(square)
