r"""The scalar toy of Su Jianlin's article: encoder θ, predictor φ, loss ½(φθ − sg(θ))²."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import sympy

from dynsim.choices import Branch
from dynsim.symbolic.exact import Exact, Limit
from dynsim.symbolic.flow import Flow, gradient_flow
from dynsim.systems.catalogue import System
from dynsim.systems.toy_solution import SOLUTIONS

__all__ = ["LIMITS", "collapse_boundary", "square_root", "stop_limit", "toy_limit"]


def square_root(value: Any) -> Any:
    """Root of a number of either kind; a float that rounding made negative counts as zero."""
    if isinstance(value, sympy.Basic):
        return sympy.sqrt(sympy.nsimplify(value) if value.is_Rational else value)
    if hasattr(value, "square_root"):  # what a rule is read as an expression with
        return value.square_root()
    return math.sqrt(max(value, 0.0))


def _at_least(left: Any, right: Any) -> bool:
    """``left >= right``, decided exactly for SymPy numbers."""
    difference = left - right
    if isinstance(difference, sympy.Basic):
        sign = sympy.simplify(difference).is_nonnegative
        return bool(sympy.N(difference, 50) >= 0) if sign is None else bool(sign)
    return bool(difference >= 0)


def _sign(value: Any) -> int:
    return 1 if value > 0 else -1


def _stays(phi: Any, theta: Any) -> Limit:
    return Limit({"phi": phi, "theta": theta}, True, "θ(0) = 0 never moves")


def stop_limit(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit:
    """θ² − φ²/α is conserved; φ moves monotonically towards m, unless θ vanishes on the way."""
    phi, theta, alpha = initial["phi"], initial["theta"], parameters["alpha"]
    noise = parameters.get("sigma2", 0)
    line = 1 / (1 + noise) if noise != 0 else 1
    if theta == 0:
        return _stays(phi, theta)
    at_zero = phi**2 - alpha * theta**2
    name = "1" if noise == 0 else "1/(1+σ²)²"
    if phi > 0 and _at_least(at_zero, line**2):
        reason = f"φ₀ > 0 and φ₀² − αθ₀² ≥ {name}: φ → √(φ₀² − αθ₀²), θ → 0"
        return Limit({"phi": square_root(at_zero), "theta": 0 * theta}, True, reason)
    if not phi > 0 and _at_least(at_zero, 0):
        reason = "φ₀ ≤ 0 and αθ₀² ≤ φ₀²: φ → −√(φ₀² − αθ₀²), θ → 0"
        return Limit({"phi": -square_root(at_zero), "theta": 0 * theta}, True, reason)
    end = _sign(theta) * square_root(theta**2 + (line**2 - phi**2) / alpha)
    square = "θ₀² + (1 − φ₀²)/α" if noise == 0 else "θ₀² + (1/(1+σ²)² − φ₀²)/α"
    where = "1" if noise == 0 else "1/(1+σ²)"
    return Limit({"phi": _like(line, phi), "theta": end}, False, f"θ² − φ²/α is conserved: φ → {where}, θ² → {square}")


def _full(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit:
    """(1−φ)² − αθ² is conserved."""
    phi, theta, alpha = initial["phi"], initial["theta"], parameters["alpha"]
    if theta == 0:
        return _stays(phi, theta)
    gap = 1 - phi
    kappa = gap**2 - alpha * theta**2
    if _at_least(kappa, 0):
        reason = "αθ₀² ≤ (1−φ₀)²: θ → 0, 1−φ → sign(1−φ₀)·√((1−φ₀)² − αθ₀²)"
        return Limit({"phi": 1 - _sign(gap) * square_root(kappa), "theta": 0 * theta}, True, reason)
    end = _sign(theta) * square_root(theta**2 - gap**2 / alpha)
    reason = "(1−φ)² − αθ² is conserved and αθ₀² > (1−φ₀)²: φ → 1, θ² → θ₀² − (1−φ₀)²/α"
    return Limit({"phi": _like(1, phi), "theta": end}, False, reason)


def _target(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit:
    """(1−φ) − αθ²/2 is conserved."""
    phi, theta, alpha = initial["phi"], initial["theta"], parameters["alpha"]
    if theta == 0:
        return _stays(phi, theta)
    gap = 1 - phi
    if gap > 0 and _at_least(2 * gap, alpha * theta**2):
        reason = "φ₀ < 1 and αθ₀² ≤ 2(1−φ₀): θ → 0, φ → φ₀ + αθ₀²/2"
        return Limit({"phi": phi + alpha * theta**2 / 2, "theta": 0 * theta}, True, reason)
    end = _sign(theta) * square_root(theta**2 - 2 * gap / alpha)
    reason = "(1−φ) − αθ²/2 is conserved: φ → 1, θ² → θ₀² − 2(1−φ₀)/α"
    return Limit({"phi": _like(1, phi), "theta": end}, False, reason)


def _like(value: Any, other: Any) -> Any:
    """Give `value` the number type of `other`: a SymPy number or a float."""
    return sympy.sympify(value) if isinstance(other, sympy.Basic) else value + 0.0


LIMITS = {"stop": stop_limit, "full": _full, "target": _target}


def toy_limit(branch: Branch) -> Any:
    """Rule for the noiseless toy; None for α ≤ 0, where the predictor climbs and nothing here holds."""
    return partial(_toy_limit, branch)


def _toy_limit(branch: Branch, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    return LIMITS[branch](initial, parameters) if parameters["alpha"] > 0 else None


Curves = dict[str, Callable[[Any], dict[str, Any]]]


def collapse_boundary(branch: Branch, parameters: Mapping[str, Any]) -> Curves | None:
    """Where the starts that collapse end, by `toy_limit`; with noise, where that leaves the rule as it is."""
    alpha, noise = float(parameters["alpha"]), float(parameters.get("sigma2", 0))
    if not alpha > 0:
        return None
    root = math.sqrt(alpha)
    if branch == "stop":
        line = 1 / (1 + noise)
        name = "φ² − αθ² = 1, φ > 0" if noise == 0 else "φ² − αθ² = 1/(1+σ²)², φ > 0"
        return {
            name: lambda s: {"phi": np.sqrt(line**2 + alpha * np.square(s)), "theta": s},
            "φ² = αθ², φ ≤ 0": lambda s: {"phi": -np.abs(s), "theta": s / root},
        }
    if noise != 0:
        return {}  # everything collapses
    if branch == "full":
        return {
            "φ − 1 = √α·θ": lambda s: {"phi": 1 + s, "theta": s / root},
            "1 − φ = √α·θ": lambda s: {"phi": 1 - s, "theta": s / root},
        }
    return {"2(1 − φ) = αθ²": lambda s: {"phi": 1 - alpha * np.square(s) / 2, "theta": s}}


LOSS = "(phi*theta - sg(theta))^2/2"
REFERENCE = "Su Jianlin, kexue.fm/archives/7980 (2020)"


def build(branch: Branch, variant: str | None) -> Flow:
    """Flow of the toy: φ' = α(1−φ)θ² in every branch, θ' by branch."""
    flow = gradient_flow(LOSS, ("phi", "theta"), branch=branch, rates={"phi": "alpha"})
    return flow.describe(
        defaults={"phi": 0.6, "theta": 0.1, "alpha": 1.0},
        ranges={"phi": (-1.5, 1.5), "theta": (-1.5, 1.5), "alpha": (0.1, 100.0)},
        view={"phi": (-1.5, 1.75), "theta": (-1.5, 1.5)},
        observables={"loss": "(phi*theta - theta)^2/2", "predictor_gap": "abs(1 - phi)"},
        exact=Exact(
            limit=toy_limit(branch),
            solution=SOLUTIONS[branch],
            boundary=partial(collapse_boundary, branch),
            defaults={"alpha": 1.0},
        ),
    )


TOY = System(
    "toy",
    "scalar",
    "encoder θ and predictor φ on one noiseless sample: the article's own system",
    REFERENCE,
    build,
)
