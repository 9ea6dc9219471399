"""The law y' = rate·y^c(1 − y), which the deep linear networks obey, each with its own power c.

Time is an incomplete beta function of y, elementary for whole c:

    rate·t = ∫ y^(−c)/(1 − y) dy,

and is inverted on the clock ln(y/(1 − y)), on which it is smooth and monotone. Above y = 1 the reciprocal z = 1/y
obeys the same law with the power 1 − c, so that one integral serves both sides.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import digamma

__all__ = ["passage", "power_logistic"]

_TERMS = 60  # both series shrink at least twofold from term to term
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
    """∫ y^(b−1)/(1 − y) dy between two clocks: by y^(b−1)/(1 − y) = y^(b−1) + y^b/(1 − y), until 1 < b ≤ 2."""
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
    grown = np.expm1(exponent * (log_high - log_low))
    power = np.where(grown == 0, 0.0, grown * np.exp(exponent * log_low))
    return np.where(none, log_high - log_low, power / np.where(none, 1.0, exponent))


def _tail(clock: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ y^(b+k)/(b+k) for 1 < b ≤ 2: as it stands up to y = ½, beyond it around y = 1, −ln(1 − y) split off."""
    y, rest = 1 / (1 + np.exp(-clock)), 1 / (1 + np.exp(clock))
    small, near = np.minimum(y, 0.5), np.minimum(rest, 0.5)
    power, ahead = small**b, np.zeros_like(b)
    weight, gap, around = np.ones_like(b), digamma(1.0) - digamma(b), np.zeros_like(b)
    for k in range(_TERMS):
        ahead = ahead + power / (b + k)
        power = power * small
        around = around + weight * gap
        weight = weight * near * (b + k) / (k + 1)
        gap = gap + 1 / (k + 1) - 1 / (b + k)
    return np.where(y <= 0.5, ahead, np.logaddexp(0.0, clock) + y**b * around)
