"""Where φ' = (1 − φ)(φ² + c) has taken φ by time t: time as a function of φ, inverted by Newton's method.

Written with u = 1 − φ and q = φ² + c, time is ∫dφ/(uq), an elementary function. It is inverted not in φ but on
a clock: a variable that runs at a bounded speed, so that time is an almost linear function of it, and from which
φ and q follow without loss of digits. With r = √−c, three clocks cover all starts:

    σ = ∫(φ ± r) dt   where c < −¼:  φ ∓ r is a logistic function of σ  (the sign is that of φ)
    w = ∫u dt         where φ < ¾:   φ is a Möbius function of e^{2rw}, or of tan(√c·w)
    s = ∫q dt         from φ = ¾ on: u = u₀e^{−s}

A start with φ < ¾ that survives goes by w up to φ = ¾ and by s from there. A start so close to q = 0 that q is
no normal number follows the linear flow until it is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["passage"]

Array = np.ndarray
_FEW, _MIDDLE = -0.25, 0.75
_TINY = 1e-120  # below it φ stands still as long as √q does not grow
_ITERATIONS, _CLOSE, _NARROW = 100, 1e-9, 1e-15


class _Reading(NamedTuple):
    """What a clock tells: time, its own speed, φ, and θ relative to the start."""

    time: Array
    speed: Array
    phi: Array
    ratio: Array


class _Starts(NamedTuple):
    """Members: time to go, φ, q = αθ² and the conserved c = q − φ²."""

    t: Array
    phi: Array
    q: Array
    c: Array

    def some(self, chosen: Array) -> _Starts:
        return _Starts(*(values[chosen] for values in self))


def passage(t: Array, phi: Array, root: Array) -> tuple[Array, Array, Array]:
    """φ and θ/θ₀ at time t, the latter as two factors, since alone it may exceed every number.

    Parameters
    ----------
    t, phi, root : arrays of one shape
        Time ≥ 0 (infinity included), and φ and √α·|θ| at time 0.

    Returns
    -------
    phi, gain, ratio : arrays
    """
    shape = np.shape(phi)
    t, phi, root = (np.asarray(values, dtype=float).ravel() for values in (t, phi, root))
    with np.errstate(all="ignore"):
        low = (root < _TINY) & (root > 0)
        t, root, gain = _linear(t, phi, root, low) if low.any() else (t, root, np.ones_like(t))
        starts = _Starts(t, phi, root**2, (root - phi) * (root + phi))
        collapses = np.where(phi > 0, starts.c <= -1, root <= -phi)
        end, ratio = _end(starts, root, collapses)
        unmoved = (t == 0) | (root == 0)
        end[unmoved], ratio[unmoved] = phi[unmoved], 1.0
        todo = ~unmoved & np.isfinite(t) & np.isfinite(end)
        if todo.any():
            _integrate(starts, collapses, todo, end, ratio)
    return end.reshape(shape), gain.reshape(shape), ratio.reshape(shape)


def _linear(t: Array, phi: Array, root: Array, low: Array) -> tuple[Array, Array, Array]:
    """Time that is left, √q and its gain by then, where √q grows or decays by itself as long as it is `low`."""
    rate = np.where(low, phi * (1 - phi), 0.0)
    spent = np.where(rate > 0, np.minimum(t, np.log(_TINY / root) / rate), np.where(low & (t < np.inf), t, 0.0))
    gain = np.exp(rate * spent)
    return t - spent, root * gain, gain


def _integrate(starts: _Starts, collapses: Array, todo: Array, end: Array, ratio: Array) -> None:
    """Fill `end` and `ratio` where there is something to do, each member by its clock."""
    steep = todo & (starts.c < _FEW)
    lower = todo & ~steep & (starts.phi < _MIDDLE)
    rising = lower & ~collapses
    wait = np.full_like(end, np.inf)
    wait[rising] = _time(starts.some(rising), np.full(rising.sum(), _MIDDLE))
    passed = lower & (starts.t > wait)
    for chosen, by in ((steep, _by_sigma), (lower & ~passed, _by_w), (todo & ~steep & ~lower, _by_s)):
        end[chosen], ratio[chosen] = by(starts.some(chosen))
    late = starts.some(passed)
    middle = _Starts(late.t - wait[passed], np.full_like(late.t, _MIDDLE), _MIDDLE**2 + late.c, late.c)
    end[passed], further = _by_s(middle)
    ratio[passed] = further * np.sqrt(middle.q / late.q)


def _end(s: _Starts, root: Array, collapses: Array) -> tuple[Array, Array]:
    """φ and θ/θ₀ at t = ∞."""
    survivors = np.maximum(s.q + (1 - s.phi) * (1 + s.phi), 0.0)
    end = np.where(collapses, np.copysign(np.sqrt(np.maximum(-s.c, 0.0)), s.phi), 1.0)
    ratio = np.where(collapses, 0.0, np.sqrt(survivors) / root)
    broken = ~np.isfinite(s.phi + s.q)
    end[broken] = ratio[broken] = np.nan
    return end, ratio


def _by_sigma(s: _Starts) -> tuple[Array, Array]:
    """By e = φ − ρ with ρ = ±r: e/u = (e₀/u₀)·e^{(1−ρ)σ}, and time = (σ − ∫dφ/(u(φ+ρ)))/(2ρ)."""
    rho = np.copysign(np.sqrt(-s.c), s.phi)
    side, a, k = np.sign(rho), 1 - rho, 1 + rho
    e0 = s.q / (s.phi + rho)
    ahead = np.where(np.abs(rho) < 1, np.where(rho > 0, a, 0.0), 0.0)  # e at the end: φ = 1 or φ = ρ

    def read(clock: Array) -> _Reading:
        sigma = side * clock
        turned = a * sigma
        large, small = np.exp(-np.maximum(turned, 0.0)), np.exp(np.minimum(turned, 0.0))
        gain = np.where(turned > 0, -_over(-turned, a), _over(turned, a, sigma))
        below = large + e0 * gain
        e = e0 * small / below
        through = np.maximum(turned, 0.0)
        other = _log_over(np.expm1(-through), k, e0 * gain / (s.phi + rho), through)
        time = (sigma - other) / (2 * rho)
        return _Reading(time, np.abs(2 * rho + e), rho + e, np.sqrt(e * (2 * rho + e) / s.q))

    return _inverted(read, s.t, np.abs(2 * rho + e0), np.abs(2 * rho + ahead))


def _by_w(s: _Starts) -> tuple[Array, Array]:
    """φ' = q on the clock w: a Riccati equation, solved by tan where c > 0, by the exponential where c ≤ 0."""
    rho = np.copysign(np.sqrt(np.maximum(-s.c, 0.0)), s.phi)
    e0 = s.q / (s.phi + rho)
    k = np.sqrt(np.maximum(s.c, 0.0))
    collapses = (s.c <= 0) & (s.phi <= 0)

    def read(w: Array) -> _Reading:
        sine = np.sin(k * w) / np.where(k > 0, k, 1.0)
        turning = np.cos(k * w) - s.phi * sine
        decaying = 1 - e0 * _over(2 * rho * w, 2 * rho, w)
        below = np.where(s.c > 0, turning, decaying)
        phi = np.where(s.c > 0, s.phi * np.cos(k * w) + s.c * sine, rho * decaying + e0 * np.exp(2 * rho * w)) / below
        u = 1 - phi
        log_ratio = rho * w - np.log(below)  # ρ is 0 where c > 0
        time = (np.log((1 - s.phi) / u) + log_ratio + w) / (1 + s.c)
        return _Reading(time, u, phi, np.exp(log_ratio))

    last = np.where(collapses, np.inf, _inverse_speed(s, np.full_like(s.phi, _MIDDLE)))
    return _inverted(read, s.t, 1 - s.phi, np.where(collapses, 1 - rho, 1 - _MIDDLE), last)


def _by_s(s: _Starts) -> tuple[Array, Array]:
    """By u = u₀e^{−s}."""

    def read(clock: Array) -> _Reading:
        u = 1 - s.phi
        phi = np.where(clock < 1, s.phi - u * np.expm1(-clock), 1 - u * np.exp(-clock))
        q = phi**2 + s.c
        time = (clock + np.log(q / s.q) / 2 + _inverse_speed(s, phi)) / (1 + s.c)
        return _Reading(time, q, phi, np.sqrt(q / s.q))

    return _inverted(read, s.t, s.q, 1 + s.c)


def _time(s: _Starts, phi: Array) -> Array:
    """Time from the start to φ on its way to 1."""
    q = phi**2 + s.c
    return (np.log((1 - s.phi) / (1 - phi)) + np.log(q / s.q) / 2 + _inverse_speed(s, phi)) / (1 + s.c)


def _inverse_speed(s: _Starts, phi: Array) -> Array:
    """∫dφ/(φ² + c) from the start to φ; where c ≤ 0 both are positive."""
    k = np.sqrt(np.maximum(s.c, 0.0))
    angle = np.arctan2(k * (phi - s.phi), s.c + phi * s.phi) / k
    r = np.sqrt(np.maximum(-s.c, 0.0))
    straight = (phi - s.phi) * (s.phi + r) / (s.q * (phi + r))
    return np.where(s.c > 0, angle, _log_over(0.0, 2 * r, straight))


def _over(x: Array, a: Array, limit: Array | None = None) -> Array:
    """(e^x − 1)/a, and `limit` where a = 0."""
    return np.where(a == 0, x if limit is None else limit, np.expm1(x) / np.where(a == 0, 1.0, a))


def _log_over(shift: Array | float, a: Array, y: Array, before: Array | float = 0.0) -> Array:
    """(before + ln(1 + shift + a·y))/a, and y where a = 0."""
    return np.where(a == 0, y, (before + np.log1p(shift + a * y)) / np.where(a == 0, 1.0, a))


def _inverted(
    read: Callable[[Array], _Reading], t: Array, speed: Array, final_speed: Array, last: Array | float = np.inf
) -> tuple[Array, Array]:
    """φ and θ/θ₀ where the clock's time is t: Newton's method, kept within what the speeds allow."""
    low = t * np.minimum(speed, final_speed)
    high = np.minimum(t * np.maximum(speed, final_speed), last)
    clock = np.clip(t * speed, low, high)
    for _ in range(_ITERATIONS):
        found = read(clock)
        early = found.time < t
        low, high = np.where(early, np.maximum(low, clock), low), np.where(early, high, np.minimum(high, clock))
        newton = clock - (found.time - t) * found.speed
        inside = (newton >= low) & (newton <= high)
        following = np.where(inside, newton, (low + high) / 2)
        # Newton's next error is the square of this step; a bracket this narrow holds nothing but rounding.
        settled = np.where(inside, np.abs(following - clock) <= _CLOSE * clock, high - low <= _NARROW * high)
        clock = following
        if settled.all():
            break
    found = read(clock)
    return found.phi, found.ratio
