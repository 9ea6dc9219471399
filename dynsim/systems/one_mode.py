r"""One mode of a linear encoder: its loss as text, and its closed forms, alone and beside others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import sympy

from dynsim.errors import bad
from dynsim.symbolic.exact import Exact, Limit
from dynsim.systems.scalar_limits import scalar_limit
from dynsim.systems.toy_solution import toy_at
from dynsim.systems.twofold import twofold

__all__ = ["DEFAULTS", "RANGES", "Mode", "exact_modes", "mean_view_loss", "mode_at", "noise_decay", "two_view_loss"]


def two_view_loss(reading: str, target: str, number: str = "") -> str:
    """½E(reading·x₁ − target·x₂)² over the two views x₁, x₂ of mode `number`.

    Examples
    --------
    >>> from dynsim.systems.one_mode import two_view_loss
    >>> two_view_loss("p*w", "sg(w)")
    '(lambda_d*(p*w - sg(w))^2 + (lambda_s - lambda_d)*((p*w)^2 + sg(w)^2))/2'
    """
    signal, view = f"lambda_d{number}", f"lambda_s{number}"
    return f"({signal}*({reading} - {target})^2 + ({view} - {signal})*(({reading})^2 + {target}^2))/2"


def mean_view_loss(reading: str, target: str) -> str:
    """½E(reading·x₁ − target·x̄)²: the target sees the mean view, which carries no noise.

    Examples
    --------
    >>> from dynsim.systems.one_mode import mean_view_loss
    >>> mean_view_loss("w", "sg(w)")
    '(lambda_d*(w - sg(w))^2 + (lambda_s - lambda_d)*(w)^2)/2'
    """
    return f"(lambda_d*({reading} - {target})^2 + (lambda_s - lambda_d)*({reading})^2)/2"


DEFAULTS = {"w": 1.0, "lambda_d": 1.0, "lambda_s": 1.1, "eta_s": 0.0}
RANGES = {"w": (-1.5, 1.5), "lambda_d": (0.01, 2.0), "lambda_s": (0.01, 2.0), "eta_s": (0.0, 0.5)}


def noise_decay(branch: str) -> Exact:
    """Exact solution and limit; in branch `target` the noise does not act and only weight decay is left."""
    return Exact(limit=partial(_fading, branch), solution=partial(_faded, branch), defaults=dict(DEFAULTS))


def _fading_rate(branch: str, parameters: Mapping[str, Any]) -> Any:
    terms = [parameters["eta_s"]]
    if branch != "target":
        terms += [parameters["lambda_s"], -parameters["lambda_d"]]
    rate = sum(terms[1:], terms[0])
    if any(isinstance(term, sympy.Basic) for term in terms):
        return rate
    # Terms that cancel leave rounding, whose sign means nothing.
    nothing = abs(rate) <= 4e-16 * sum(map(abs, terms))
    if isinstance(rate, np.ndarray):
        return np.where(nothing, 0.0, rate)
    return 0.0 * rate if nothing else rate


def _faded(branch: str, t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    speed = np.asarray(_fading_rate(branch, parameters), dtype=float)
    with np.errstate(invalid="ignore"):  # 0·∞: a mode that nothing moves
        factor = np.where(speed == 0, 1.0, np.exp(-speed * t))
    return {"w": np.asarray(initial["w"], dtype=float) * factor}


def _fading(branch: str, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    w, speed = initial["w"], _fading_rate(branch, parameters)
    if speed < 0 and w != 0:
        return None
    if speed == 0 or w == 0:
        return Limit({"w": w}, bool(w == 0), "no noise, no decay: nothing moves" if w != 0 else "w(0) = 0 stays")
    return Limit({"w": 0 * w}, True, "w = w₀·exp(−(λ_s − λ_d + η_s)t): noise and decay only shrink it")


class Mode(NamedTuple):
    """Names of predictor, encoder, signal and view variance of one mode."""

    predictor: str
    encoder: str
    signal: str
    view: str
    label: str = ""


def exact_modes(branch: str, modes: Sequence[Mode], defaults: Mapping[str, Any]) -> Exact:
    """Closed forms of all modes together."""
    return Exact(
        limit=partial(_limit, branch, modes), solution=partial(_solution, branch, modes), defaults=dict(defaults)
    )


def mode_at(
    branch: str,
    t: Any,
    start: tuple[Any, Any],
    parameters: Mapping[str, Any],
    noise: str,
    signal: str = "",
    square: Any = None,
) -> tuple[Any, Any]:
    """Predictor and encoder at time t; `noise` names σ², or λ_s where `signal` names λ_d; `square` is w² if given.

    Raises
    ------
    InvalidValue
        Weight decay, noise outside the branch `stop`, or no signal: nothing elementary is known.
    """
    advice = "integrate with solve instead"
    for name in ("eta_p", "eta_s"):
        if np.any(np.asarray(parameters[name], dtype=float) != 0):
            raise bad(name, parameters[name], "0 for a closed form in time", advice)
    power = np.asarray(parameters[signal], dtype=float) if signal else np.asarray(1.0)
    if np.any(power <= 0):
        raise bad(signal, parameters[signal], "λ_d > 0, for which the closed form holds", advice)
    given = np.asarray(parameters[noise], dtype=float)
    v = twofold(given) / power if signal else twofold(given) + 1.0
    if np.any(v.value <= 0):
        raise bad(noise, parameters[noise], "a positive view variance, for which the closed form holds", advice)
    if branch != "stop" and np.any(given != (power if signal else 0.0)):
        raise bad(noise, parameters[noise], f"no noise, for a closed form in time in branch '{branch}'", advice)
    alpha = np.asarray(parameters["alpha"], dtype=float)
    if np.any(alpha <= 0):
        raise bad("alpha", parameters["alpha"], "α > 0, for which the closed form holds", advice)
    p, w = (np.asarray(x, dtype=float) for x in start)
    phi, theta = toy_at(branch, power * t / v.value, v * p, w, v * v * alpha, square)
    return phi / v.value, theta


def _solution(
    branch: str, modes: Sequence[Mode], t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for mode in modes:
        start = initial[mode.predictor], initial[mode.encoder]
        now = mode_at(branch, t, start, parameters, mode.view, mode.signal)
        values[mode.predictor], values[mode.encoder] = now
    return values


def _limit(
    branch: str, modes: Sequence[Mode], initial: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Limit | None:
    one = scalar_limit(branch)
    values: dict[str, Any] = {}
    ends, reasons = [], []
    for mode in modes:
        signal = parameters[mode.signal]
        if not signal > 0:
            return None
        # The clock runs λ_d times as fast, so that decay counts for less.
        decays = {name: parameters[name] / signal for name in ("eta_p", "eta_s")}
        told = {**parameters, "sigma2": parameters[mode.view] / signal - 1, **decays}
        end = one({"phi": initial[mode.predictor], "theta": initial[mode.encoder]}, told)
        if end is None:
            return None
        renamed = {"phi": mode.predictor, "theta": mode.encoder}
        values |= {renamed[name]: value for name, value in end.values.items()}
        ends.append(end.collapsed)
        where = f"{mode.label}φ={mode.predictor}, θ={mode.encoder}, σ²=λ_s/λ_d−1"
        reasons.append(f"{where}: {end.reason}")
    return Limit(values, all(ends), "; ".join(reasons))
