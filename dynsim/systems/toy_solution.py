r"""The scalar toy at any time, in closed form, for every start and every α > 0.

With u = 1 − φ and a conserved quantity per branch, `full` and `target` are solved by elementary functions;
for `stop` time is an elementary function of φ, which `toy_passage` inverts. All forms here keep their digits
where κ, c → 0, near the separatrices and after any time, infinity included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dynsim.errors import bad

__all__ = ["SOLUTIONS", "passage"]

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


Solution = Callable[[Any, Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]


def _full(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Conserve κ = u² − αθ²: u² = v₀/(1 + αθ₀²·(1 − e^{−2κt})/κ) with v₀ = u₀²."""
    t, phi, theta, alpha = _arrays(t, initial, parameters)
    u, pull = 1 - phi, alpha * theta**2
    root = np.sqrt(alpha) * theta
    kappa = (u - root) * (u + root)
    fade, gain = _fade_and_gain(2 * np.abs(kappa), t)
    collapses = kappa >= 0
    below = np.sqrt(np.where(collapses, 1 + _times(2 * pull, gain), fade + _times(2 * pull, gain)))
    fade = np.sqrt(fade)
    return {
        "phi": phi + u * (1 - np.where(collapses, 1.0, fade) / below),
        "theta": theta * np.where(collapses, fade, 1.0) / below,
    }


def _target(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Conserve c = αθ² − 2u: u = u₀/(1 + αθ₀²·(e^{ct} − 1)/c), 1/θ² = e^{−ct}/θ₀² + α(1 − e^{−ct})/c."""
    t, phi, theta, alpha = _arrays(t, initial, parameters)
    u, pull = 1 - phi, alpha * theta**2
    c = pull - 2 * u
    fade, gain = _fade_and_gain(np.abs(c), t)
    collapses = (c <= 0) | (theta == 0)
    with np.errstate(all="ignore"):
        below = np.where(collapses, 1.0, fade) + _times(pull, gain)
        u_ratio = np.where(collapses, 1.0, fade) / below
        theta_t = theta * np.sqrt(np.where(collapses, fade, 1.0) / below)
        if (low := ~collapses & (np.abs(theta) < _TINY)).any():  # θ₀² is no normal number
            grown = np.log(np.abs(theta)) + np.where(low, c * t, 0.0) / 2
            size = np.where(grown < -600, np.exp(grown), 1 / np.hypot(np.exp(-grown), np.sqrt(alpha * gain)))
            u_ratio = np.where(low, np.where(grown < -600, 1.0, (np.exp(-grown) * size) ** 2), u_ratio)
            theta_t = np.where(low, np.copysign(size, theta), theta_t)
    return {"phi": phi + u * (1 - u_ratio), "theta": theta_t}


def _stop(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Conserve c = αθ² − φ²: φ' = (1 − φ)(φ² + c)."""
    t, phi, theta, alpha = np.broadcast_arrays(*_arrays(t, initial, parameters))
    phi_t, gain, ratio = passage(t, phi, np.sqrt(alpha) * np.abs(theta))
    return {"phi": phi_t, "theta": theta * gain * ratio}


def _fade_and_gain(rate: Any, t: Any) -> tuple[Any, Any]:
    """e^{−rate·t}, and (1 − e^{−rate·t})/rate, which is t where the rate vanishes."""
    with np.errstate(all="ignore"):
        turned = np.where(rate == 0, 0.0, rate * t)  # 0·∞ is 0 here: nothing fades
        gain = np.where(rate == 0, t, -np.expm1(-turned) / rate)
    return np.exp(-turned), gain


def _times(pull: Any, gain: Any) -> Any:
    """Product in which nothing times an infinite time is nothing."""
    with np.errstate(invalid="ignore"):
        return np.where(pull == 0, 0.0, pull * gain)


def _arrays(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[np.ndarray]:
    values = (t, initial["phi"], initial["theta"], parameters["alpha"])
    t, phi, theta, alpha = (np.asarray(value, dtype=float) for value in values)
    if (alpha <= 0).any():
        raise bad("alpha", parameters["alpha"], "α > 0, for which the closed form holds")
    return [t, phi, theta, alpha]


SOLUTIONS: dict[str, Solution] = {"stop": _stop, "full": _full, "target": _target}
