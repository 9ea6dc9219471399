r"""Laws of motion of one variable, solved in time: the logistic law, its powers, and one with a logarithm."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import digamma, lambertw, wrightomega

__all__ = ["log_linear", "logistic", "passage", "power_logistic", "signed_root"]


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


_STEPS = 25


def log_linear(t: Any, start: Any, rate: Any) -> Any:
    """u(t) of u' = −rate·u/(1 + u), on the side of u = 0 and u = −1 on which it starts.

    Parameters
    ----------
    t : array
        Flow time; ∞ is allowed.
    start : array
        u₀; 0 and ∞ stay.
    rate : array
        Positive.

    Returns
    -------
    array
        Everything broadcasts.

    References
    ----------
    Corless et al., "On the Lambert W function", Advances in Computational Mathematics 5 (1996).

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.systems.laws import log_linear
    >>> u = log_linear(3.0, 2.0, 1.0)
    >>> bool(np.isclose(u + np.log(u), 2 + np.log(2) - 3))
    True
    """
    start = np.asarray(start, dtype=float)
    with np.errstate(all="ignore"):
        level = start + np.log(np.abs(start)) - np.asarray(rate, dtype=float) * t
        start, level = np.broadcast_arrays(start, level)
        above = wrightomega(np.where(start > 0, level, 0.0))
        inside = lambertw(-np.exp(np.where((start < 0) & (start >= -1), level, -2.0))).real
        value = np.where(start > 0, above, np.where(start >= -1, inside, _below(level)))
    return np.where((start == 0) | np.isinf(start), start, value)


def _below(level: Any) -> Any:
    """Solve v − ln v = −level for v > 1 and return −v: Newton from above the root, where it is monotone."""
    target = np.maximum(-level, 1.0)
    root = target + np.sqrt(2 * (target - 1))
    finite = np.isfinite(target)
    for _ in range(_STEPS):
        slope = 1 - 1 / root
        step = np.where(finite & (slope > 0), (root - np.log(root) - target) / slope, 0.0)
        root = np.maximum(root - step, 1.0)
    return -np.where(finite, root, np.inf)


_TERMS = 60  # where a series shrinks at least twofold from term to term
_LATE, _LATE_TERMS = float(np.log(3.0)), 140  # up to y = ¾, where the terms shrink by a quarter
_TURNS, _CLOSE = 100, 4e-15


def power_logistic(t: Any, start: Any, rate: Any, power: Any) -> Any:
    """y(t) of y' = rate·y^power·(1 − y); everything broadcasts, t = ∞ included.

    Parameters
    ----------
    t : array
        Flow time ≥ 0.
    start : array
        y₀ ≥ 0; 0 and 1 stay.
    rate : array
        Positive.
    power : array
        c ≥ 1: below, y leaves 0 by itself and the run is not determined by its start.

    References
    ----------
    Saxe, McClelland & Ganguli, arXiv:1312.6120 (2014), for c = 1; Littwin et al., arXiv:2407.03475 (2024), for c = 2L.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.systems.laws import power_logistic
    >>> power_logistic(np.array([0.0, 5.0, np.inf]), 0.25, 2.0, 4.0).round(4)
    array([0.25  , 0.2876, 1.    ])
    """
    t, start, rate, power = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (t, start, rate, power)))
    value = np.where(np.isnan(t + start + rate + power), np.nan, start)
    moving = (start > 0) & (start != 1) & (t > 0) & (rate > 0) & np.isfinite(start + power)
    value = np.where(moving & np.isinf(t), 1.0, value)
    moving &= np.isfinite(t)
    if moving.any():
        y, c = start[moving], power[moving]
        above = y > 1
        logit = _clock((rate * t)[moving], np.where(above, 1 / y, y), np.where(above, c, 1 - c))
        value[moving] = np.where(above, 1 + np.exp(-logit), 1 / (1 + np.exp(-logit)))
    return value[()]


def passage(start: Any, end: Any, power: Any) -> Any:
    """rate·t from y = start to y = end, both between 0 and 1; everything broadcasts.

    Examples
    --------
    >>> from dynsim.systems.laws import passage
    >>> round(float(passage(0.25, 0.5, 1.0)), 6)  # logistic: ln 3
    1.098612
    """
    y0, y, c = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (start, end, power)))
    with np.errstate(divide="ignore"):
        return _elapsed(np.log(y0 / (1 - y0)), np.log(y / (1 - y)), 1 - c)


def _clock(elapsed: np.ndarray, y: np.ndarray, b: np.ndarray) -> np.ndarray:
    """ln(y/(1 − y)) after the time `elapsed`: Newton's method, the bracket halved wherever it is slow."""
    with np.errstate(all="ignore"):
        first = np.log(y / (1 - y))
        low, clock = first, first
        # Until y = ½ the bracket is clear; from there ln(1/(1 − y)) grows no faster than 1/y^(b−1) lets it.
        half = np.maximum(first, 0.0)
        left = np.maximum(elapsed - _elapsed(first, half, b), 0.0)
        grown = np.logaddexp(0.0, half) + left * np.maximum(1.0, (1 + np.exp(-half)) ** (b - 1))
        high = np.maximum(grown + np.log(-np.expm1(-grown)), half)
        last = high - low
        for _ in range(_TURNS):
            missing = elapsed - _elapsed(first, clock, b)
            low, high = np.where(missing > 0, clock, low), np.where(missing > 0, high, np.minimum(high, clock))
            newton = clock + missing * np.exp(b * np.log1p(np.exp(-clock)))
            size = _CLOSE * np.maximum(1.0, np.abs(clock))
            if ((np.abs(newton - clock) <= size) | (high - low <= size)).all():
                break
            trusted = (newton >= low) & (newton <= high) & (np.abs(newton - clock) <= last / 2)
            following = np.where(trusted, newton, (low + high) / 2)
            clock, last = following, np.abs(following - clock)
    return clock


def _elapsed(low: np.ndarray, high: np.ndarray, b: np.ndarray) -> np.ndarray:
    """∫ y^(b−1)/(1 − y) dy between two clocks.

    Far from y = 1 term by term of the geometric series, where nothing cancels however small y^b is; near it by
    y^(b−1)/(1 − y) = y^(b−1) + y^b/(1 − y), used until 1 < b ≤ 2.
    """
    border = np.where(b > 2, _LATE, 0.0)
    return _far(np.minimum(low, border), np.minimum(high, border), b) + _near(
        np.maximum(low, border), np.maximum(high, border), b
    )


def _far(low: np.ndarray, high: np.ndarray, b: np.ndarray) -> np.ndarray:
    log_low, log_high = (-np.log1p(np.exp(-clock)) for clock in (low, high))
    total = np.zeros_like(log_high + b)
    moving = np.broadcast_to(low != high, total.shape)
    if moving.any():
        for k in range(_TERMS if (high <= 0).all() else _LATE_TERMS):
            total += _difference(log_low, log_high, b + k)
    return total


def _near(low: np.ndarray, high: np.ndarray, b: np.ndarray) -> np.ndarray:
    log_low, log_high = (-np.log1p(np.exp(-clock)) for clock in (low, high))
    total = np.zeros_like(b)
    raised = np.maximum(0, np.floor(2 - b)).astype(int)
    for step in range(int(raised.max(initial=0))):
        exponent = b + step
        total += np.where(step < raised, _difference(log_low, log_high, exponent), 0.0)
    lowered = np.maximum(0, np.ceil(b - 2)).astype(int)
    for step in range(int(lowered.max(initial=0))):
        exponent = b - 1 - step
        total -= np.where(step < lowered, _difference(log_low, log_high, exponent), 0.0)
    rest = b + raised - lowered
    return total + _tail(high, rest) - _tail(low, rest)


def _difference(log_low: np.ndarray, log_high: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """∫ y^(exponent−1) dy, of which the logarithm is one case."""
    none = np.abs(exponent) < 1e-12
    turned = exponent * (log_high - log_low)
    close = np.expm1(np.clip(turned, -1.0, 1.0)) * np.exp(exponent * log_low)
    power = np.where(np.abs(turned) <= 1, close, np.exp(exponent * log_high) - np.exp(exponent * log_low))
    return np.where(none, log_high - log_low, power / np.where(none, 1.0, exponent))


def _tail(clock: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ y^(b+k)/(b+k) for 1 < b ≤ 2 and y ≥ ½: around y = 1, −ln(1 − y) split off."""
    y, rest = 1 / (1 + np.exp(-clock)), 1 / (1 + np.exp(clock))
    weight, gap, around = np.ones_like(b), digamma(1.0) - digamma(b), np.zeros_like(b)
    for k in range(_TERMS):
        around = around + weight * gap
        weight = weight * rest * (b + k) / (k + 1)
        gap = gap + 1 / (k + 1) - 1 / (b + k)
    return np.logaddexp(0.0, clock) + y**b * around
