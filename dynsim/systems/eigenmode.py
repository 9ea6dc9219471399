"""One eigenmode of the linear network: predictor p, squared encoder s, relative teacher τ.

These are the coordinates p = φ, s = θ², τ = ξ/θ of the general scalar system, from which the equations are
derived:

    p' = αs[τ − (1+σ²)p] − η_p p      s' = 2ps[τ − (1+σ²)p] − 2η_s s      τ' = β(1−τ) − τ s'/(2s)

Variant ``byol`` has a teacher that follows at rate β, ``simsiam`` is τ ≡ 1. With η_p = η_s = η the quantity
s − p²/α decays like e^{−2ηt}; where it is zero the outcome is known exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from dynsim.symbolic.exact import Exact, Limit
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.rules import Move
from dynsim.systems.catalogue import System
from dynsim.systems.parts.mode_solution import mode_at
from dynsim.systems.parts.toy_limits import noisy_limit
from dynsim.systems.scalar import build_byol, build_scalar

DEFAULTS = {
    "p": 0.5,
    "s": 0.25,
    "tau": 1.0,
    "alpha": 1.0,
    "beta": 1.0,
    "sigma2": 0.1,
    "eta_p": 0.1,
    "eta_s": 0.1,
}
RANGES = {
    "p": (-1.5, 1.5),
    "s": (0.0, 1.5),
    "tau": (0.0, 2.0),
    "alpha": (0.1, 100.0),
    "beta": (0.0, 10.0),
    "sigma2": (0.0, 1.0),
    "eta_p": (0.0, 0.5),
    "eta_s": (0.0, 0.5),
}
VIEW = {"p": (-0.5, 1.25), "s": (0.0, 1.0), "tau": (0.0, 1.5)}
ROLES = {"predictor": "p", "encoder": "s", "teacher": "tau"}


def build(branch: str, variant: str | None) -> Flow:
    """Flow in p, s and, with a teacher, τ."""
    teacher = variant == "byol"
    original = build_byol("stop", None) if teacher else build_scalar("stop", None)
    p, s, tau = sympy.symbols("p s tau")
    root = sympy.sqrt(s)
    places = {"phi": p, "theta": root, "xi": tau * root}
    velocity = dict(zip(original.states, original.rhs, strict=True))
    turned = {
        "p": velocity["phi"],
        "s": 2 * root * velocity["theta"],
        **({"tau": (velocity["xi"] - tau * velocity["theta"]) / root} if teacher else {}),
    }
    table = {original.symbols[name]: places[name] for name in original.states}
    rules = {name: Move(sympy.expand(sympy.expand(v).subs(table))) for name, v in turned.items()}
    loss = original.observables["loss"].subs(table)
    flow = Flow.of(rules, roles={role: name for role, name in ROLES.items() if name in rules})
    return flow.describe(
        defaults={name: DEFAULTS[name] for name in (*flow.states, *flow.parameters)},
        ranges={name: RANGES[name] for name in (*flow.states, *flow.parameters)},
        view={name: VIEW[name] for name in flow.states},
        observables={"loss": sympy.expand(loss), "balance": "s - p^2/alpha"},
        exact=Exact(limit=_limit, solution=None if teacher else _solution, defaults=dict(DEFAULTS)),
    )


def _solution(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Without decay the toy in other units, see `mode_at`; NaN where s₀ < 0."""
    with np.errstate(invalid="ignore"):
        root = np.sqrt(np.asarray(initial["s"], dtype=float))
    p, w = mode_at("stop", t, (initial["p"], root), parameters, "sigma2")
    return {"p": p, "s": w**2}


def _limit(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    p, s, tau = initial["p"], initial["s"], initial.get("tau", 1)
    eta_p, eta_s, view = parameters["eta_p"], parameters["eta_s"], 1 + parameters["sigma2"]
    teacher = "tau" in initial
    if s < 0 or eta_p < 0 or eta_s < 0:
        return None
    if s == 0:
        ends = {"p": p if eta_p == 0 else 0 * p, "s": 0 * s}
        return Limit(ends, True, "s(0) = 0 never moves" + ("" if eta_p == 0 else ", and p decays"))
    if eta_p == eta_s and eta_p > 0 and _zero(parameters["alpha"] * s - p**2, s):
        return _balanced(p, tau, parameters, view) if not teacher or parameters["beta"] > 0 else None
    if teacher:
        return None
    if eta_p == 0 and eta_s == 0:
        start = {"phi": p, "theta": s ** sympy.Rational(1, 2) if isinstance(s, sympy.Basic) else s**0.5}
        end = noisy_limit("stop")(start, parameters)
        values = {"p": end.values["phi"], "s": end.values["theta"] ** 2}
        return Limit(values, end.collapsed, f"with φ = p, θ² = s: {end.reason}")
    if eta_p == 0:
        return Limit({"s": 0 * s}, True, "η_p = 0 < η_s: no equilibrium has s > 0, and s → 0")
    if 4 * eta_s * view > 1:
        return Limit({"p": 0 * p, "s": 0 * s}, True, "η_s > 1/(4(1+σ²)): (ln s)' = 2p[1 − (1+σ²)p] − 2η_s < 0 always")
    return None


def _balanced(p: Any, tau: Any, parameters: Mapping[str, Any], view: Any) -> Limit | None:
    """The rule on s = p²/α, where p' = pg and τ' = β(1−τ) − τg with g = p[τ − (1+σ²)p] − η.

    The regions {g ≥ 0, τ ≤ 1} and {g ≤ 0, τ ≥ 1} are never left for p > 0: where g = 0 it moves with τ' = β(1−τ),
    and where τ = 1, τ' = −g. In the first p rises to p₊, in the second it falls to the next equilibrium.
    """
    eta, alpha = parameters["eta_p"], parameters["alpha"]
    gone = {"p": 0 * p, "s": 0 * p}
    if p < 0 and tau >= 0:
        return Limit(gone, True, "s = p²/α and p < 0: p' = p(p[τ − (1+σ²)p] − η) > 0, p rises to 0")
    growth = p * (tau - view * p) - eta
    discriminant = 1 - 4 * eta * view
    if discriminant < 0:
        known = growth <= 0 and tau >= 1
        return Limit(gone, True, "s = p²/α and η > η_c = 1/(4(1+σ²)): p falls to 0") if known else None
    root = sympy.sqrt(discriminant) if isinstance(discriminant, sympy.Basic) else discriminant**0.5
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


def _zero(value: Any, scale: Any) -> bool:
    """Exactly zero; of floats, zero up to rounding."""
    if isinstance(value, sympy.Basic):
        return bool(sympy.simplify(value) == 0)
    return bool(abs(value) <= 4e-16 * abs(scale))


SYSTEMS = (
    System(
        "eigenmode",
        "scalar",
        "one eigenmode: predictor p, squared encoder s, relative teacher τ",
        "Tian, Chen & Ganguli, arXiv:2102.06810 (2021)",
        build,
        branches=("stop",),
        variants=("byol", "simsiam"),
    ),
)
