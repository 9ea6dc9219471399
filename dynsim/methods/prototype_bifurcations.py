"""Bifurcations of prototypes trained on soft assignments: DINO with its centre and teacher, SwAV.

One-hot clusters go in, the views of an image fall into the same cluster with P(i, j) = rδ_ij/K + (1−r)/K². In the
symmetric state with logits b·I the pattern obeys, with e_K(x) = (eˣ − 1)/(eˣ + K − 1),

    b′ = [r·e_K(b/τ_t) − e_K(b/τ_s)]/(Kτ_s);

the constant mode, all logits of one prototype together, is governed by the centre: with g = 1/(K²τ_s), p = g/τ_s,
q = g/τ_t, and a teacher of rate β, s³ + (p+β+m)s² + [β(p−q) + m(p+β)]s + pβm.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

__all__ = [
    "branches",
    "critical_centre_rate",
    "fold",
    "growth_rates",
    "hopf",
    "hopf_lyapunov",
    "pitchfork_hopf",
    "share",
    "trained_state_margin",
]


def share(x: np.ndarray | float, prototypes: int) -> np.ndarray:
    """e_K(x): by how much the softmax of (x, 0, …, 0) exceeds its uniform value, from 0 to 1."""
    with np.errstate(over="ignore", divide="ignore"):
        return 1 / (1 + prototypes / np.expm1(np.asarray(x, dtype=float)))


def _temperature(b: np.ndarray, agreement: float, tau_s: float, prototypes: int) -> np.ndarray:
    """The τ_t at which b is an equilibrium: e_K(b/τ_t) = e_K(b/τ_s)/r, solved for τ_t."""
    y = share(b / tau_s, prototypes) / agreement
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.log1p((prototypes - 1) * y) - np.log1p(-y)
        return np.where(y < 1, b / x, 0.0)


def _largest(agreement: float, tau_s: float, prototypes: int) -> float:
    """B at which even a teacher of temperature 0 balances: e_K(b/τ_s) = r."""
    return tau_s * (np.log1p((prototypes - 1) * agreement) - np.log1p(-agreement))


@lru_cache(maxsize=256)
def fold(agreement: float, tau_s: float, prototypes: int) -> tuple[float, float]:
    """τ_f and b_f: the hottest teacher with which a pattern can live, and the pattern there; rτ_s and 0 if K = 2.

    Examples
    --------
    >>> from dynsim.methods.prototype_bifurcations import fold
    >>> [round(value, 10) for value in fold(0.7, 0.1, 10)]
    [0.0779846735, 0.1450216462]
    """
    from scipy.optimize import brentq

    if prototypes == 2 or agreement >= 1 or agreement <= 0:
        return agreement * tau_s, 0.0
    top = _largest(agreement, tau_s, prototypes)
    b = top * np.concatenate([np.geomspace(1e-4, 0.5, 400), 1 - np.geomspace(0.5, 1e-8, 400)])
    best = int(np.argmax(_temperature(b, agreement, tau_s, prototypes)))
    if best == 0:
        return agreement * tau_s, 0.0
    low, high = b[best - 1], b[min(best + 1, len(b) - 1)]

    def slope(x: float) -> float:  # of ln τ_t(b), from x·dτ_t/db in closed form: the root is exact to rounding
        t = float(_temperature(np.array(x), agreement, tau_s, prototypes))
        return x / tau_s * _logit_slope(x / tau_s, agreement, prototypes) - x / t

    top_b = float(brentq(slope, low, high, xtol=1e-15, rtol=1e-14))
    return float(_temperature(np.array(top_b), agreement, tau_s, prototypes)), top_b


def _logit_slope(x: float, agreement: float, prototypes: int) -> float:
    """dX/dx where e_K(X) = e_K(x)/r."""
    e = float(share(x, prototypes))
    y = e / agreement
    slope = (1 + (prototypes - 1) * e) * (1 - e) / prototypes / agreement  # de_K/dx = (1 + (K−1)e)(1 − e)/K
    return slope * ((prototypes - 1) / (1 + (prototypes - 1) * y) + 1 / (1 - y))


def branches(agreement: float, tau_t: float, tau_s: float, prototypes: int) -> tuple[float, float]:
    """The patterns b₋ ≤ b₊ of one teacher's temperature: the boundary of "warm", and the trained state; NaN if none.

    Examples
    --------
    >>> from dynsim.methods.prototype_bifurcations import branches
    >>> round(branches(0.7, 0.07, 0.1, 10)[1], 10)
    0.2649829952
    """
    from scipy.optimize import brentq

    r, k = agreement, prototypes
    if r >= 1:
        return (0.0, np.inf) if tau_t < tau_s else (np.nan, np.nan)
    if r <= 0:
        return np.nan, np.nan
    tau_f, b_f = fold(r, tau_s, k)
    top = _largest(r, tau_s, k)

    def excess(log_b: float) -> float:
        return float(_temperature(np.array(np.exp(log_b)), r, tau_s, k)) - tau_t

    if tau_t >= tau_f or tau_t <= 0:
        return (0.0, top) if tau_t <= 0 else ((b_f, b_f) if tau_t == tau_f and b_f > 0 else (np.nan, np.nan))
    start = np.log(b_f) if b_f > 0 else np.log(top) - 40
    while b_f == 0 and excess(start) <= 0:  # so close to the pitchfork that b₊ is below any resolution
        return 0.0, 0.0
    upper = float(np.exp(brentq(excess, start, np.log(top), xtol=1e-15, rtol=1e-14)))
    if tau_t <= r * tau_s or b_f == 0:
        return 0.0, upper
    low = np.log(b_f) - 1
    while excess(low) > 0 and low > np.log(b_f) - 200:
        low -= 1
    return float(np.exp(brentq(excess, low, np.log(b_f), xtol=1e-15, rtol=1e-14))), upper


def hopf(tau_s: float, tau_t: float, prototypes: int = 2, beta: float | None = None) -> tuple[float, float]:
    """Centre rate m_H below which the uniform state oscillates, and the frequency ω there; 0 and NaN if τ_t ≥ τ_s.

    Parameters
    ----------
    tau_s, tau_t : float
        Temperatures of student and teacher.
    prototypes : int
    beta : float, optional
        Rate of the teacher; by default it equals the student.

    Examples
    --------
    >>> from dynsim.methods.prototype_bifurcations import hopf
    >>> [round(value, 6) for value in hopf(0.1, 0.04)], [round(value, 6) for value in hopf(0.1, 0.04, beta=100)]
    ([37.5, 30.618622], [34.307033, 23.202998])
    """
    g = 1 / (prototypes**2 * tau_s)
    p, q = g / tau_s, g / tau_t
    if beta is None:
        m = q - p
        return (m, float(np.sqrt(p * m))) if m > 0 else (0.0, np.nan)
    b = (p + beta) ** 2 - q * beta
    inner = b**2 - 4 * (p + beta) ** 2 * beta * (p - q)
    m = (-b + np.sqrt(inner)) / (2 * (p + beta)) if inner >= 0 else 0.0
    if not (m > 0 and q > p):
        return 0.0, np.nan
    return float(m), float(np.sqrt(beta * (p - q) + m * (p + beta)))


def growth_rates(
    agreement: float, tau_s: float, tau_t: float, prototypes: int, centre_rate: float, beta: float | None = None
) -> tuple[float, float]:
    """Growth rates of the pattern and of the constant mode at the uniform state (real parts).

    Below m_H both may grow, and a start that is infinitely near goes where the faster one leads. Without a teacher's
    lag they are equal at the centre rate (rq − p)(1 − r)/r, if the constant mode does not oscillate there.

    Examples
    --------
    >>> from dynsim.methods.prototype_bifurcations import growth_rates
    >>> g, p, q = 2.5, 25.0, 62.5
    >>> equal = (0.7 * q - p) * 0.3 / 0.7
    >>> [round(rate, 9) for rate in growth_rates(0.7, 0.1, 0.04, 2, equal)]
    [18.75, 18.75]
    """
    g = 1 / (prototypes**2 * tau_s)
    p, q, m = g / tau_s, g / tau_t, centre_rate
    if beta is None:
        return agreement * q - p, float(np.roots([1, p - q + m, p * m]).real.max())
    pattern = np.roots([1, beta + p, beta * (p - agreement * q)]).real.max()
    constant = np.roots([1, p + beta + m, beta * (p - q) + m * (p + beta), p * beta * m]).real.max()
    return float(pattern), float(constant)


def hopf_lyapunov(tau_s: float, tau_t: float) -> float:
    """First Lyapunov coefficient at the Hopf point, K = 2, teacher equal to the student: always negative.

    With a basis in which the linear part is a rotation the cycle has r² = (m_H − m)/(2|ℓ₁|): it is supercritical.
    """
    return -(tau_s**2 - tau_t**2) / (128 * tau_s**4 * tau_t**2)


def pitchfork_hopf(agreement: float, tau_s: float, prototypes: int = 2) -> float:
    """Centre rate at which pattern and constant mode lose stability together, at τ_t = rτ_s."""
    return (1 / agreement - 1) / (prototypes**2 * tau_s**2)


def trained_state_margin(agreement: float, tau_s: float, tau_t: float) -> float:
    """Centre rate above which the trained state is stable against the constant mode (K = 2); ≤ 0: for every rate."""
    b = branches(agreement, tau_t, tau_s, 2)[1]
    return float((_bell(b / tau_t) / tau_t - _bell(b / tau_s) / tau_s) / tau_s)


def _bell(x: float | np.ndarray) -> np.ndarray:
    return 0.25 / np.cosh(np.clip(np.asarray(x) / 2, -350, 350)) ** 2


@lru_cache(maxsize=64)
def critical_centre_rate(agreement: float, tau_s: float, tau_t: float) -> float:
    """Centre rate m_c < m_H below which the cycle of the constant mode attracts; K = 2, teacher without lag.

    Between m_c and m_H the pattern still grows along the cycle: its Floquet exponent, the mean of
    [r S((a−c)/τ_t)/τ_t − S(a/τ_s)/τ_s]/τ_s with S = ¼sech²(x/2), is positive. NaN if the pattern does not grow.
    """
    from scipy.optimize import brentq

    if tau_t >= agreement * tau_s:
        return np.nan
    m_h = hopf(tau_s, tau_t)[0]
    low = 0.02 * m_h
    if _floquet(low, agreement, tau_s, tau_t) > 0:
        return 0.0
    return float(brentq(_floquet, low, 0.999 * m_h, args=(agreement, tau_s, tau_t), xtol=1e-4 * m_h))


def _floquet(m: float, agreement: float, tau_s: float, tau_t: float) -> float:
    """Mean growth rate of the pattern along the cycle of (a, a − c), from one upward crossing of a = 0 to the next."""
    from scipy.integrate import solve_ivp

    def field(_t: float, y: np.ndarray) -> list[float]:
        a, d = y[0], y[1]
        rise = -0.5 * (np.tanh(a / (2 * tau_s)) - np.tanh(d / (2 * tau_t))) / tau_s
        growth = (agreement * _bell(d / tau_t) / tau_t - _bell(a / tau_s) / tau_s) / tau_s
        return [rise, rise - m * d, float(growth)]  # d = a − c, c′ = m(a − c)

    def crossing(_t: float, y: np.ndarray) -> float:
        return y[0]

    crossing.direction = 1.0  # type: ignore[attr-defined]
    period = 2 * np.pi / hopf(tau_s, tau_t)[1]
    span = 60 * period + 20 / m
    run = solve_ivp(field, (0, span), [tau_s, tau_t, 0.0], method="LSODA", rtol=1e-9, atol=1e-12, events=crossing)
    times, states = run.t_events[0], run.y_events[0]
    if len(times) < 3:
        return float(run.y[2, -1] / run.t[-1])
    return float((states[-1, 2] - states[-2, 2]) / (times[-1] - times[-2]))
