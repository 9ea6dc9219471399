r"""Where a run of the general scalar system ends, as far as that is known exactly: noise, weight decay, both.

Without decay `stop` keeps the rule of the toy. With decay it is a mode in p = φ, s = θ² (`mode_limits`). The other
branches collapse as soon as there is noise or decay of either side:

    full    (ln |θ|)' = 2φ − (1+σ²)(1 + φ²) − η_s ≤ −σ² − η_s
    target  (ln |θ|)' = φ − (1+σ²) − η_s, and φ falls below max(0, 1/(1+σ²)) in the end

With η_p = σ² = η_s = 0 excepted, θ could stay only where φ does, at an equilibrium that these exclude.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import sympy

from dynsim.symbolic.exact import Limit
from dynsim.systems.toy import LIMITS, square_root, stop_limit

__all__ = [
    "byol_limit",
    "byol_limit_may_know",
    "mode_limit",
    "mode_limit_may_know",
    "scalar_limit",
    "scalar_limit_may_know",
]

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
    if s < 0 or eta_p < 0 or eta_s < 0 or not alpha > 0 or not view > 0:
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


def scalar_limit(branch: str) -> Any:
    """Rule for states phi and theta in a branch; None where no rule is known."""
    return partial(_scalar_limit, branch)


def _scalar_limit(branch: str, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    phi, theta = initial["phi"], initial["theta"]
    eta_p, eta_s, noise = parameters["eta_p"], parameters["eta_s"], parameters["sigma2"]
    if not parameters["alpha"] > 0 or eta_p < 0 or eta_s < 0 or not noise > -1:
        return None
    if theta == 0:
        ends = {"phi": phi if eta_p == 0 else 0 * phi, "theta": theta}
        return Limit(ends, True, "θ(0) = 0 never moves" + ("" if eta_p == 0 else ", and φ decays"))
    if branch == "stop" and (eta_p != 0 or eta_s != 0):
        return _as_mode(initial, parameters)
    if branch == "stop" or (noise == 0 and eta_p == 0 and eta_s == 0):
        return LIMITS[branch](initial, parameters)
    if noise < 0:
        return None
    why = "noise" if noise != 0 else "weight decay"
    reason = f"with {why} the branch '{branch}' always collapses: θ → 0"
    if eta_p != 0:
        return Limit({"phi": 0 * phi, "theta": 0 * theta}, True, f"{reason}, and φ decays")
    # Where φ ends solves a transcendental equation, so only θ is stated.
    return Limit({"theta": 0 * theta}, True, reason)


def scalar_limit_may_know(branch: str) -> Any:
    """Mask over arrays of starts in a branch: elsewhere the rule does not say the whole end."""
    return partial(_scalar_limit_may_know, branch)


def _scalar_limit_may_know(branch: str, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
    theta, decays = initial["theta"], parameters["eta_p"] != 0 or parameters["eta_s"] != 0
    if branch == "stop":
        inside = mode_limit_may_know({"p": initial["phi"], "s": theta**2}, parameters) if decays else True
    else:
        inside = parameters["eta_p"] != 0 or not (decays or parameters["sigma2"] != 0)
    return (theta == 0) | inside


def byol_limit(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    """Rule for states phi, theta and xi; None where no rule is known."""
    return None if initial["theta"] == 0 else _as_mode(initial, parameters)


def byol_limit_may_know(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
    """Mask over arrays of starts: elsewhere `byol_limit` returns None."""
    start = {"p": initial["phi"], "s": initial["theta"] ** 2, "tau": initial["xi"]}
    return mode_limit_may_know(start, parameters)


def _as_mode(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    """The rule of p = φ, s = θ², τ = ξ/θ, back in φ, θ and ξ."""
    theta = initial["theta"]
    start = {"p": initial["phi"], "s": theta**2}
    if "xi" in initial:
        start["tau"] = initial["xi"] / theta
    end = mode_limit(start, parameters)
    if end is None:
        return None
    size = square_root(end.values["s"])
    values = {"theta": size if theta > 0 else -size}
    if "p" in end.values:
        values["phi"] = end.values["p"]
    if "xi" in initial:
        values["xi"] = values["theta"]
    return Limit(values, end.collapsed, f"with p = φ, s = θ²{', τ = ξ/θ' if 'xi' in initial else ''}: {end.reason}")
