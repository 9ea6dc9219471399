r"""Laws of motion of one variable, solved in time: the logistic law, its powers, and one with a logarithm."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

__all__ = ["log_linear", "logistic", "passage", "power_logistic", "signed_root"]


def logistic(t: Any, start: Any, rate: Any, pull: Any) -> Any:
    """x(t) of x' = x(rate − pull·x), which is x₀/(e^{−rate·t} + pull·x₀·(1 − e^{−rate·t})/rate).

    Everything broadcasts, t = ∞ included. With pull ≥ 0 and x₀ ≥ 0 nothing cancels, whatever the sign of the rate.

    Parameters
    ----------
    t : array
        Flow time.
    start : array
        x₀; a start at 0 stays there. Where x diverges in finite time it is NaN from there on.
    rate, pull : array

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.systems.laws import logistic
    >>> logistic(np.array([0.0, np.inf]), 0.1, 2.0, 2.0)
    array([0.1, 1. ])
    """
    start, rate, pull = (np.asarray(x, dtype=float) for x in (start, rate, pull))
    with np.errstate(all="ignore"):
        turned = np.where(rate == 0, 0.0, rate * t)
        fade = np.exp(-turned)
        gain = np.where(rate == 0, t, -np.expm1(-turned) / rate)
        pushed = pull * start
        share = np.where(rate == 0, 0.0, pushed / rate)
        below = np.where(pushed < 0, fade * (1 - share) + share, fade + np.where(pushed == 0, 0.0, pushed * gain))
        below = np.where((pushed < 0) & (rate == 0), 1 + pushed * gain, below)
        value = np.where(below > 0, start / below, np.nan)
    return np.where(start == 0, 0.0, value)


def signed_root(square: Any, start: Any) -> Any:
    """√square with the sign of `start`, which a mode never changes."""
    with np.errstate(invalid="ignore"):
        return np.sign(start) * np.sqrt(square)


_STEPS, _SERIES = 12, 40
_SMALL = 0.3  # below, F(w) is summed


def log_linear(t: Any, start: Any, whole: Any, rate: Any) -> tuple[Any, Any]:
    """u(t) of u' = −rate·u/(1 + u), and 1 + u, each to its last digit: u + ln|u| = u₀ + ln|u₀| − rate·t.

    Parameters
    ----------
    t : array
        Flow time ≥ 0; ∞ is allowed.
    start, whole : array
        u₀ and 1 + u₀; u₀ = 0 and ∞ stay. u stays on its side of 0 and −1.
    rate : array
        Positive.

    References
    ----------
    Corless et al., "On the Lambert W function", Advances in Computational Mathematics 5 (1996).

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.systems.laws import log_linear
    >>> u, _ = log_linear(3.0, 2.0, 3.0, 1.0)
    >>> bool(np.isclose(u + np.log(u), 2 + np.log(2) - 3))
    True
    """
    start, whole = (np.asarray(x, dtype=float) for x in (start, whole))
    with np.errstate(all="ignore"):
        elapsed = np.asarray(rate, dtype=float) * t
        start, whole, elapsed = np.broadcast_arrays(start, whole, elapsed)
        above = scipy.special.wrightomega(np.where(start > 0, start + np.log(np.abs(start)) - elapsed, 0.0))
        level = np.where(start < 0, _from_minus_one(whole) + elapsed, 1.0)
        w = np.where(whole > 0, _inside(level), -_outside(level))
        u = np.where(start > 0, above, np.where((whole > 0) & (level > 1), -_lambert(level), w - 1))
        still = (start == 0) | np.isinf(start) | (elapsed == 0)
        return np.where(still, start, u), np.where(still, whole, np.where(start > 0, 1 + above, w))


def _from_minus_one(w: Any) -> Any:
    """F(w) = −w − ln(1 − w), which grows by rate·t: w²/2 + w³/3 + … near u = −1."""
    small = np.abs(w) < _SMALL
    x = np.where(small, w, 0.0)
    total = np.zeros_like(x)
    for k in range(_SERIES, 1, -1):
        total = (total + 1 / k) * x
    return np.where(small, total * x, -w - np.log1p(-w))


def _lambert(level: Any) -> Any:
    """1 − w for 0 < w < 1 where F is large."""
    return -scipy.special.lambertw(-np.exp(-1 - np.maximum(level, 1.0))).real


def _inside(level: Any) -> Any:
    """W between 0 and 1 with F(w) = level: Newton's method, from √(2F) on which F lies."""
    w = np.minimum(np.sqrt(2 * np.minimum(level, 1.0)), 0.9)
    for _ in range(_STEPS):
        w = np.clip(w - (_from_minus_one(w) - np.minimum(level, 1.0)) * (1 - w) / w, w / 4, (1 + 3 * w) / 4)
    return np.where(level == 0, 0.0, np.where(level > 1, 1 - _lambert(level), w))


def _outside(level: Any) -> Any:
    """−w for w < 0 with F(w) = level: x − ln(1 + x) = level, from above the root, where Newton is monotone."""
    finite = np.isfinite(level)
    x = np.where(finite, level + np.sqrt(2 * level), 1.0)
    for _ in range(_STEPS):
        x = x - (_from_minus_one(-x) - np.where(finite, level, 1.0)) * (1 + x) / np.maximum(x, 1e-300)
    return np.where(finite, np.where(level == 0, 0.0, x), np.inf)


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
    weight, gap, around = np.ones_like(b), scipy.special.digamma(1.0) - scipy.special.digamma(b), np.zeros_like(b)
    for k in range(_TERMS):
        around = around + weight * gap
        weight = weight * rest * (b + k) / (k + 1)
        gap = gap + 1 / (k + 1) - 1 / (b + k)
    return np.logaddexp(0.0, clock) + y**b * around
