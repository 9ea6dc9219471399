"""Where a mode with weight decay ends: p = φ, s = θ², τ = ξ/θ, with m = 1/(1+σ²).

    p' = αs[τ − p/m] − η_p p      s' = 2ps[τ − p/m] − 2η_s s      τ' = β(1−τ) − τ s'/(2s)      (SimSiam: τ ≡ 1)

Each rule takes SymPy numbers as well as floats, and states only what holds for every start it speaks of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import sympy

from dynsim.symbolic.exact import Limit
from dynsim.systems.toy import square_root, stop_limit

__all__ = ["mode_limit", "mode_limit_may_know"]

_ROUNDING = 4e-16


def mode_limit(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    """Rule for p, s and, with a teacher, tau; None where no rule is known.

    Examples
    --------
    >>> from dynsim.systems.scalar_limits import mode_limit
    >>> values = {"alpha": 1.0, "sigma2": 0.0, "eta_p": 0.1, "eta_s": 0.3}
    >>> mode_limit({"p": 0.5, "s": 0.25}, values).collapsed  # η_s is above 1/4
    True
    """
    p, s, alpha = initial["p"], initial["s"], parameters["alpha"]
    eta_p, eta_s, view = parameters["eta_p"], parameters["eta_s"], 1 + parameters["sigma2"]
    teacher = "tau" in initial
    if s < 0 or eta_p < 0 or eta_s < 0 or not alpha > 0:
        return None
    if s == 0:
        ends = {"p": p if eta_p == 0 else 0 * p, "s": 0 * s}
        return Limit(ends, True, "s(0) = 0 never moves" + ("" if eta_p == 0 else ", and p decays"))
    if eta_p == eta_s and eta_p > 0 and _zero(alpha * s - p**2, s):
        return _balanced(p, initial.get("tau", 1), parameters) if not teacher or parameters["beta"] > 0 else None
    if teacher:
        return None
    if eta_p == 0 and eta_s == 0:
        start = {"phi": p, "theta": square_root(s)}
        end = stop_limit(start, parameters)
        values = {"p": end.values["phi"], "s": end.values["theta"] ** 2}
        return Limit(values, end.collapsed, f"with φ = p, θ² = s: {end.reason}")
    if eta_p == 0:
        return Limit({"s": 0 * s}, True, "η_p = 0 < η_s: no equilibrium has s > 0, and s → 0")
    if eta_s == 0:
        reason = "η_s = 0 < η_p: s grows without bound, like 2η_p·t/(α(1+σ²)²), and p → 1/(1+σ²)"
        return Limit({"p": (1 + 0 * p) / view, "s": _infinity(s)}, False, reason)
    if 4 * eta_s * view > 1:
        return Limit({"p": 0 * p, "s": 0 * s}, True, "η_s > 1/(4(1+σ²)): (ln s)' = 2p[1 − (1+σ²)p] − 2η_s < 0 always")
    return None


def mode_limit_may_know(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
    """Mask over arrays of starts: elsewhere `mode_limit` returns None."""
    p, s, eta_p, eta_s = initial["p"], initial["s"], parameters["eta_p"], parameters["eta_s"]
    fades = 4 * eta_s * (1 + parameters["sigma2"]) > 1
    everywhere = "tau" not in initial and (eta_p == 0 or eta_s == 0 or fades)
    balanced = abs(parameters["alpha"] * s - p**2) <= 2 * _ROUNDING * abs(s)  # the rule rounds on its own
    return (s == 0) | everywhere | (balanced & (eta_p == eta_s))


def _balanced(p: Any, tau: Any, parameters: Mapping[str, Any]) -> Limit | None:
    """The rule on s = p²/α, where p' = pg and τ' = β(1−τ) − τg with g = p[τ − (1+σ²)p] − η.

    The regions {g ≥ 0, τ ≤ 1} and {g ≤ 0, τ ≥ 1} are never left for p > 0: where g = 0 it moves with τ' = β(1−τ),
    and where τ = 1, τ' = −g. In the first p rises to p₊, in the second it falls to the next equilibrium. Where p → 0,
    pτ → 0 as well, because (ln pτ)' = β(1/τ − 1), so that τ' → β − (β − η)τ.
    """
    eta, alpha, view = parameters["eta_p"], parameters["alpha"], 1 + parameters["sigma2"]
    gone = {"p": 0 * p, "s": 0 * p, "tau": _late_teacher(parameters.get("beta"), eta, p)}
    if p < 0 and tau >= 0:
        return Limit(gone, True, "s = p²/α and p < 0: p' = p(p[τ − (1+σ²)p] − η) > 0, p rises to 0")
    growth = p * (tau - view * p) - eta
    discriminant = 1 - 4 * eta * view
    if discriminant < 0:
        known = growth <= 0 and tau >= 1
        return Limit(gone, True, "s = p²/α and η > η_c = 1/(4(1+σ²)): p falls to 0") if known else None
    root = square_root(discriminant)
    lower, upper = (1 - root) / (2 * view), (1 + root) / (2 * view)
    if tau == 1 and p == lower and p != upper:
        return Limit({"p": p, "s": p**2 / alpha, "tau": tau}, False, "the start is the saddle p₋")
    rises, falls = growth >= 0 and tau <= 1, growth <= 0 and tau >= 1
    if (rises and p >= lower) or (falls and p >= upper):
        alive = {"p": upper, "s": upper**2 / alpha, "tau": 1 + 0 * p}
        return Limit(alive, False, "s = p²/α and p(0) > p₋: p → p₊ = (1 + √(1 − 4η(1+σ²)))/(2(1+σ²))")
    if falls and p < lower:
        return Limit(gone, True, "s = p²/α and p(0) < p₋ = (1 − √(1 − 4η(1+σ²)))/(2(1+σ²)): p → 0")
    return None


def _late_teacher(beta: Any, eta: Any, like: Any) -> Any:
    """Where τ' = β − (β − η)τ ends: the encoder decays, and a teacher slower than that is left behind."""
    if beta is None:
        return 1 + 0 * like
    return beta / (beta - eta) if beta > eta else _infinity(like)


def _infinity(like: Any) -> Any:
    return sympy.oo if isinstance(like, sympy.Basic) else math.inf


def _zero(value: Any, scale: Any) -> bool:
    """Exactly zero; of floats, zero up to rounding."""
    if isinstance(value, sympy.Basic):
        return bool(sympy.simplify(value) == 0)
    return bool(abs(value) <= _ROUNDING * abs(scale))
