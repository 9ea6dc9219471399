"""Closed forms of predictor and encoder in one or several modes: each is the toy in other units.

With view variance λ_s beside the signal λ_d, v = λ_s/λ_d (scalar system: λ_d = 1, v = 1 + σ²), `stop` without decay is

    p' = αλ_d w²(1 − vp),   w' = λ_d p(1 − vp)w,

which is the toy's flow for φ = vp, θ = w with the predictor's rate αv² and the clock λ_d t/v. The other two branches
have noise in them that this does not take away: they are the toy only for v = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dynsim.errors import bad
from dynsim.symbolic.exact import Exact, Limit
from dynsim.systems.scalar_limits import scalar_limit
from dynsim.systems.toy_solution import SOLUTIONS

__all__ = ["Mode", "exact_modes", "mode_at"]


class Mode(NamedTuple):
    """Names of predictor, encoder, signal and view variance of one mode."""

    predictor: str
    encoder: str
    signal: str
    view: str
    label: str = ""


def exact_modes(branch: str, modes: Sequence[Mode], defaults: Mapping[str, Any]) -> Exact:
    """Closed forms of all modes together."""
    return Exact(limit=_limit(branch, modes), solution=_solution(branch, modes), defaults=dict(defaults))


def mode_at(
    branch: str, t: Any, start: tuple[Any, Any], parameters: Mapping[str, Any], noise: str, signal: str = ""
) -> tuple[Any, Any]:
    """Predictor and encoder at time t; `noise` names σ², or λ_s where `signal` names λ_d.

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
    v = np.asarray(parameters[noise], dtype=float) / power if signal else 1 + np.asarray(parameters[noise], float)
    if np.any(v <= 0):
        raise bad(noise, parameters[noise], "a positive view variance, for which the closed form holds", advice)
    if branch != "stop" and np.any(v != 1):
        raise bad(noise, parameters[noise], f"no noise, for a closed form in time in branch '{branch}'", advice)
    p, w = (np.asarray(x, dtype=float) for x in start)
    told = SOLUTIONS[branch](power * t / v, {"phi": v * p, "theta": w}, {"alpha": parameters["alpha"] * v**2})
    return told["phi"] / v, told["theta"]


def _solution(branch: str, modes: Sequence[Mode]) -> Callable[..., dict[str, Any]]:
    def solution(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for mode in modes:
            start = initial[mode.predictor], initial[mode.encoder]
            now = mode_at(branch, t, start, parameters, mode.view, mode.signal)
            values[mode.predictor], values[mode.encoder] = now
        return values

    return solution


def _limit(branch: str, modes: Sequence[Mode]) -> Callable[..., Limit | None]:
    one = scalar_limit(branch)

    def limit(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
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

    return limit
