r"""The scalar toy at any time, in closed form, for every start and every α > 0.

With u = 1 − φ and a conserved quantity per branch, `full` and `target` are solved by elementary functions. All forms
here keep their digits where κ, c → 0, beside the separatrices and after any time, infinity included.

`stop` is φ' = (1 − φ)(φ² + c). With q = φ² + c, time is ∫dφ/(uq), an elementary function of φ. It is inverted not in φ
but on a clock: a variable that runs at a bounded speed, so that time is an almost linear function of it, and from
which φ and q follow without loss of digits. With r = √−c, three clocks cover all starts:

    σ = ∫(φ ± r) dt   where c < −¼:  φ ∓ r is a logistic function of σ  (the sign is that of φ)
    w = ∫u dt         where φ < ¾:   φ is a Möbius function of e^{2rw}, or of tan(√c·w)
    s = ∫q dt         from φ = ¾ on: u = u₀e^{−s}

A start with φ < ¾ that survives goes by w up to φ = ¾ and by s from there. A start so close to q = 0 that q is
no normal number follows the linear flow until it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dynsim.errors import bad
from dynsim.systems.twofold import Twofold, twofold

__all__ = ["SOLUTIONS", "toy_at"]

Array = np.ndarray
_FEW, _MIDDLE = -0.25, 0.75
_TINY = 1e-120  # below it φ stands still as long as √q does not grow
_ITERATIONS, _CLOSE, _NARROW = 100, 1e-9, 1e-15
_FAR = 40.0  # e⁻⁴⁰ beside 1 is less than a rounding


class _ClockReading(NamedTuple):
    """What a clock tells: time, its own speed, φ, and θ relative to the start."""

    time: Array
    speed: Array
    phi: Array
    ratio: Array


class _Starts(NamedTuple):
    """Members: time to go, φ, u = 1 − φ, q = αθ², and the conserved c = q − φ² and 1 + c, each to its last digit."""

    t: Array
    phi: Array
    u: Array
    q: Array
    c: Array
    above: Array

    def some(self, chosen: Array) -> _Starts:
        return _Starts(*(values[chosen] for values in self))


def _passage(starts: _Starts, root: Array) -> tuple[Array, Array, Array]:
    """φ and θ/θ₀ at time t, the latter as two factors, since alone it may exceed every number; `root` is √α·|θ|."""
    shape = np.shape(root)
    starts, root = _Starts(*(values.ravel() for values in starts)), root.ravel()
    phi = starts.phi
    with np.errstate(all="ignore"):
        gain = np.ones_like(root)
        low = (root < _TINY) & (root > 0)
        if low.any():
            left, root, gain = _linear(starts.t, phi, root, low)
            square = root**2
            fresh = left, phi, starts.u, square, (root - phi) * (root + phi), square + starts.u * (1 + phi)
            starts = _Starts(*(np.where(low, new, old) for new, old in zip(fresh, starts, strict=True)))
        collapses = np.where(phi > 0, starts.above <= 0, (starts.c <= 0) & (phi <= 0))
        end, ratio = _end(starts, root, collapses)
        unmoved = (starts.t == 0) | (root == 0)
        end[unmoved], ratio[unmoved] = phi[unmoved], 1.0
        todo = ~unmoved & np.isfinite(starts.t) & np.isfinite(end)
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
    there = np.full_like(late.t, _MIDDLE)
    middle = _Starts(late.t - wait[passed], there, 1 - there, there**2 + late.c, late.c, late.above)
    end[passed], further = _by_s(middle)
    ratio[passed] = further * np.sqrt(middle.q / late.q)


def _end(s: _Starts, root: Array, collapses: Array) -> tuple[Array, Array]:
    """φ and θ/θ₀ at t = ∞."""
    survivors = np.maximum(s.above, 0.0)
    end = np.where(collapses, np.copysign(np.sqrt(np.maximum(-s.c, 0.0)), s.phi), 1.0)
    ratio = np.where(collapses, 0.0, np.sqrt(survivors) / root)
    broken = ~np.isfinite(s.phi + s.q)
    end[broken] = ratio[broken] = np.nan
    return end, ratio


def _by_sigma(s: _Starts) -> tuple[Array, Array]:
    """By e = φ − ρ with ρ = ±r: e/u = (e₀/u₀)·e^{(1−ρ)σ}, and time = (σ − ∫dφ/(u(φ+ρ)))/(2ρ)."""
    size = np.sqrt(-s.c)
    rho, side = np.copysign(size, s.phi), np.sign(s.phi)
    less, more = s.above / (1 + size), 1 + size  # 1 − r and 1 + r
    a, k = np.where(side > 0, less, more), np.where(side > 0, more, less)
    e0 = s.q / (s.phi + rho)
    ahead = np.where((s.above > 0) & (side > 0), a, 0.0)  # e at the end: φ = 1 or φ = ρ

    def read(clock: Array) -> _ClockReading:
        sigma = side * clock
        turned = a * sigma
        large, small = np.exp(-np.maximum(turned, 0.0)), np.exp(np.minimum(turned, 0.0))
        gain = np.where(turned > 0, -_over(-turned, a), _over(turned, a, sigma))
        below = large + e0 * gain
        e = e0 * small / below
        other = _log_over(k, e0 * gain / (s.phi + rho), np.maximum(turned, 0.0))
        time = (sigma - other) / (2 * rho)
        return _ClockReading(time, np.abs(2 * rho + e), rho + e, np.sqrt(e * (2 * rho + e) / s.q))

    return _inverted(read, s.t, np.abs(2 * rho + e0), np.abs(2 * rho + ahead))


def _by_w(s: _Starts) -> tuple[Array, Array]:
    """φ' = q on the clock w: a Riccati equation, solved by tan where c > 0, by the exponential where c ≤ 0."""
    rho = np.copysign(np.sqrt(np.maximum(-s.c, 0.0)), s.phi)
    e0 = s.q / (s.phi + rho)
    k = np.sqrt(np.maximum(s.c, 0.0))
    collapses = (s.c <= 0) & (s.phi <= 0)

    def read(w: Array) -> _ClockReading:
        sine = np.sin(k * w) / np.where(k > 0, k, 1.0)
        turning = np.cos(k * w) - s.phi * sine
        decaying = 1 - e0 * _over(2 * rho * w, 2 * rho, w)
        below = np.where(s.c > 0, turning, decaying)
        phi = np.where(s.c > 0, s.phi * np.cos(k * w) + s.c * sine, rho * decaying + e0 * np.exp(2 * rho * w)) / below
        u = 1 - phi
        log_ratio = rho * w - np.log(below)  # ρ is 0 where c > 0
        time = (np.log(s.u / u) + log_ratio + w) / s.above
        return _ClockReading(time, u, phi, np.exp(log_ratio))

    last = np.where(collapses, np.inf, _inverse_speed(s, np.full_like(s.phi, _MIDDLE)))
    return _inverted(read, s.t, s.u, np.where(collapses, 1 - rho, 1 - _MIDDLE), last)


def _by_s(s: _Starts) -> tuple[Array, Array]:
    """By u = u₀e^{−s}."""

    def read(clock: Array) -> _ClockReading:
        phi = np.where(clock < 1, s.phi - s.u * np.expm1(-clock), 1 - s.u * np.exp(-clock))
        q = phi**2 + s.c
        time = (clock + np.log(q / s.q) / 2 + _inverse_speed(s, phi)) / s.above
        return _ClockReading(time, q, phi, np.sqrt(q / s.q))

    return _inverted(read, s.t, s.q, 1 + s.c)


def _time(s: _Starts, phi: Array) -> Array:
    """Time from the start to φ on its way to 1."""
    q = phi**2 + s.c
    return (np.log(s.u / (1 - phi)) + np.log(q / s.q) / 2 + _inverse_speed(s, phi)) / s.above


def _inverse_speed(s: _Starts, phi: Array) -> Array:
    """∫dφ/(φ² + c) from the start to φ; where c ≤ 0 both are positive."""
    k = np.sqrt(np.maximum(s.c, 0.0))
    angle = np.arctan2(k * (phi - s.phi), s.c + phi * s.phi) / k
    r = np.sqrt(np.maximum(-s.c, 0.0))
    straight = (phi - s.phi) * (s.phi + r) / (s.q * (phi + r))
    return np.where(s.c > 0, angle, _log_over(2 * r, straight))


def _over(x: Array, a: Array, limit: Array | None = None) -> Array:
    """(e^x − 1)/a, and `limit` where a = 0."""
    return np.where(a == 0, x if limit is None else limit, np.expm1(x) / np.where(a == 0, 1.0, a))


def _log_over(a: Array, y: Array, through: Array | float = 0.0) -> Array:
    """ln(1 + a·y·e^through)/a, and y·e^through where a = 0."""
    near = np.exp(np.minimum(through, _FAR))
    grown = np.where(through > _FAR, np.log(np.abs(a * y)) + through, np.log1p(a * y * near))
    return np.where(a == 0, y * near, grown / np.where(a == 0, 1.0, a))


def _inverted(
    read: Callable[[Array], _ClockReading], t: Array, speed: Array, final_speed: Array, last: Array | float = np.inf
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


Solution = Callable[[Any, Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]


class _Start(NamedTuple):
    """A start of the toy: θ in floats, φ, u = 1 − φ and αθ² to twice their digits."""

    phi: Twofold
    u: Twofold
    theta: Any
    pull: Twofold
    alpha: Any


def toy_at(branch: str, t: Any, phi: Any, theta: Any, alpha: Any, square: Any = None) -> tuple[Any, Any]:
    """φ and θ at time t; everything broadcasts.

    Parameters
    ----------
    branch : {"stop", "full", "target"}
    t, theta : array
    phi, alpha : array or Twofold
        α > 0.
    square : array or Twofold, optional
        θ², where that is known and θ is its root.
    """
    t, theta = np.asarray(t, dtype=float), np.asarray(theta, dtype=float)
    with np.errstate(all="ignore"):
        phi, alpha = twofold(phi), twofold(alpha)
        pull = alpha * (twofold(theta) * theta if square is None else twofold(square))
        start = _Start(phi, twofold(1.0) - phi, theta, pull, alpha.value)
        return {"stop": _stop, "full": _full, "target": _target}[branch](t, start)


def _full(t: Any, start: _Start) -> tuple[Any, Any]:
    """Conserve κ = u² − αθ²: u² = v₀/(1 + αθ₀²·(1 − e^{−2κt})/κ) with v₀ = u₀²."""
    kappa = (start.u * start.u - start.pull).value
    fade, gain = _fade_and_gain(2 * np.abs(kappa), t)
    collapses = kappa >= 0
    grown = _times(2 * start.pull.value, gain)
    below = np.sqrt(np.where(collapses, 1.0, fade) + grown)
    fade = np.sqrt(fade)
    above = np.where(collapses, 1.0, fade)
    moved = start.u.value * grown / (below * (below + above))  # u₀ − u without cancellation
    gone = np.where(np.isinf(grown), start.u.value, np.where(grown == 0, 0.0, moved))
    return start.phi.value + gone, start.theta * np.where(collapses, fade, 1.0) / below


def _target(t: Any, start: _Start) -> tuple[Any, Any]:
    """Conserve c = αθ² − 2u: u = u₀/(1 + αθ₀²·(e^{ct} − 1)/c), 1/θ² = e^{−ct}/θ₀² + α(1 − e^{−ct})/c."""
    theta, pull, alpha = start.theta, start.pull.value, start.alpha
    c = (start.pull - start.u * 2.0).value
    fade, gain = _fade_and_gain(np.abs(c), t)
    collapses = (c <= 0) | (theta == 0)
    above, grown = np.where(collapses, 1.0, fade), _times(pull, gain)
    below = above + grown
    gone = np.where(grown == 0, 0.0, np.where(np.isinf(grown), 1.0, grown / below))  # (u₀ − u)/u₀
    theta_t = theta * np.sqrt(np.where(collapses, fade, 1.0) / below)
    if (low := ~collapses & (np.abs(theta) < _TINY)).any():  # θ₀² is no normal number
        grown = np.log(np.abs(theta)) + np.where(low, c * t, 0.0) / 2
        size = np.where(grown < -600, np.exp(grown), 1 / np.hypot(np.exp(-grown), np.sqrt(alpha * gain)))
        gone = np.where(low, np.where(grown < -600, 0.0, 1 - (np.exp(-grown) * size) ** 2), gone)
        theta_t = np.where(low, np.copysign(size, theta), theta_t)
    return start.phi.value + start.u.value * gone, theta_t


def _stop(t: Any, start: _Start) -> tuple[Any, Any]:
    """Conserve c = αθ² − φ²: φ' = (1 − φ)(φ² + c)."""
    c = start.pull - start.phi * start.phi
    above = start.pull - (start.phi - 1.0) * (start.phi + 1.0)
    root = np.sqrt(start.alpha) * np.abs(start.theta)
    pulled = np.where(np.isfinite(start.pull.value), start.pull.value, root**2)
    numbers = (t, start.phi.value, start.u.value, pulled, c.value, above.value, root, start.theta)
    *members, root, theta = (array.copy() for array in np.broadcast_arrays(*numbers))
    phi, gain, ratio = _passage(_Starts(*members), root)
    return phi, theta * gain * ratio


def _fade_and_gain(rate: Any, t: Any) -> tuple[Any, Any]:
    """e^{−rate·t}, and (1 − e^{−rate·t})/rate, which is t where the rate vanishes."""
    turned = np.where(rate == 0, 0.0, rate * t)  # 0·∞ is 0 here: nothing fades
    return np.exp(-turned), np.where(rate == 0, t, -np.expm1(-turned) / rate)


def _times(pull: Any, gain: Any) -> Any:
    """Product in which nothing times an infinite time is nothing."""
    return np.where(pull == 0, 0.0, pull * gain)


def _solution(branch: str, t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    alpha = np.asarray(parameters["alpha"], dtype=float)
    if (alpha <= 0).any():
        raise bad("alpha", parameters["alpha"], "α > 0, for which the closed form holds")
    phi, theta = toy_at(branch, t, np.asarray(initial["phi"], dtype=float), initial["theta"], alpha)
    return {"phi": phi, "theta": theta}


SOLUTIONS: dict[str, Solution] = {branch: partial(_solution, branch) for branch in ("stop", "full", "target")}
