"""Where a run of the general scalar system ends, as far as that is known exactly: noise, weight decay, both.

Without decay `stop` keeps the rule of the toy. With decay it is a mode in p = φ, s = θ² (`mode_limits`). The other
branches collapse as soon as there is noise or decay of either side:

    full    (ln |θ|)' = 2φ − (1+σ²)(1 + φ²) − η_s ≤ −σ² − η_s
    target  (ln |θ|)' = φ − (1+σ²) − η_s, and φ falls below max(0, 1/(1+σ²)) in the end

With η_p = σ² = η_s = 0 excepted, θ could stay only where φ does, at an equilibrium that these exclude.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from dynsim.symbolic.exact import Limit
from dynsim.systems.scalar_limits import mode_limit, mode_limit_may_know
from dynsim.systems.toy import LIMITS, square_root

__all__ = ["byol_limit", "byol_limit_may_know", "scalar_limit", "scalar_limit_may_know"]


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
