"""One eigenmode of the linear network: predictor p, squared encoder s, relative teacher τ.

These are the coordinates p = φ, s = θ², τ = ξ/θ of the general scalar system, from which the equations are
derived:

    p' = αs[τ − (1+σ²)p] − η_p p      s' = 2ps[τ − (1+σ²)p] − 2η_s s      τ' = β(1−τ) − τ s'/(2s)

The threshold is that of the encoder's decay alone: equilibria with s > 0 exist iff η_p > 0 and
0 < η_s ≤ 1/(4(1+σ²)), at p± with η = η_s and s± = η_p p±²/(αη_s). Encoder decay alone (η_p = 0) always collapses;
predictor decay alone (η_s = 0 < η_p) makes s grow without bound, s ≈ 2η_p t/(α(1+σ²)²), while p → 1/(1+σ²).

Variant ``byol`` has a teacher that follows at rate β, ``simsiam`` is τ ≡ 1. With η_p = η_s = η the quantity
s − p²/α decays like e^{−2ηt}; where it is zero the outcome is known exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf, nan
from typing import Any

import numpy as np
import sympy

from dynsim.field import Field
from dynsim.symbolic.exact import Exact
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.rules import Move
from dynsim.systems.catalogue import System
from dynsim.systems.one_mode import mode_at
from dynsim.systems.scalar import build_byol, build_scalar
from dynsim.systems.scalar_limits import mode_limit, mode_limit_may_know

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
_GONE = 1e-6  # below this an encoder, or a predictor, counts as zero
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
        exact=Exact(
            limit=mode_limit,
            solution=None if teacher else _solution,
            regular=_regular,
            may_know=mode_limit_may_know,
            defaults=dict(DEFAULTS),
        ),
    )


def _solution(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Without decay the toy in other units, see `mode_at`; NaN where s₀ < 0."""
    with np.errstate(invalid="ignore"):
        root = np.sqrt(np.asarray(initial["s"], dtype=float))
    p, w = mode_at("stop", t, (initial["p"], root), parameters, "sigma2", square=initial["s"])
    return {"p": p, "s": w**2}


def _regular(
    initial: Mapping[str, Any], parameters: Mapping[str, Any]
) -> tuple[Field, dict[str, Any], Callable[[Mapping[str, float]], dict[str, float]]] | None:
    """The same run in φ, θ, ξ, which stay bounded where a slow teacher makes τ = ξ/θ grow without end."""
    if "tau" not in initial or not initial["s"] > 0:
        return None
    theta = initial["s"] ** 0.5
    start = {"phi": initial["p"], "theta": theta, "xi": initial["tau"] * theta}
    beta, eta_s = parameters["beta"], parameters["eta_s"]

    def back(end: Mapping[str, float]) -> dict[str, float]:
        p, s = end["phi"], end["theta"] ** 2
        if abs(end["theta"]) > _GONE:
            return {"p": p, "s": s, "tau": end["xi"] / end["theta"]}
        left_behind = beta / (beta - eta_s) if beta > eta_s else inf
        return {"p": p, "s": s, "tau": left_behind if abs(p) <= _GONE else nan}

    byol = build_byol("stop", None)
    return byol.field({name: parameters[name] for name in byol.parameters}), start, back


EIGENMODE = System(
    "eigenmode",
    "scalar",
    "one eigenmode: predictor p, squared encoder s, relative teacher τ",
    "Tian, Chen & Ganguli, arXiv:2102.06810 (2021)",
    build,
    branches=("stop",),
    variants=("byol", "simsiam"),
)
