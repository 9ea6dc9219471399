"""Deep linear JEPA and MAE: L encoder layers and one linear predictor or decoder, all balanced, in one mode.

w is the product of the encoder's layers; λ_d the covariance of the two views along the mode, ρ = λ_d/(input variance).
Balanced layers are w^(1/L) each, and so is the predictor. Then

    JEPA  w' = Lλ_d(w^(3 − 1/L) − w³/ρ),  w* = ρ^L;     MAE  w' = Lλ_d(w^(2 − 1/L) − w³/ρ),  w* = ρ^(L/(L + 1)).

JEPA, which predicts features, learns the modes of large ρ first, the more so the deeper it is; MAE, which predicts the
input, asks for large λ_d. JEPA with L = 1, λ_d = ρ = 1 is the toy with φ = θ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynsim.errors import bad
from dynsim.symbolic.exact import Exact, Limit
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.rules import Descend, Hold
from dynsim.systems.catalogue import System
from dynsim.systems.parts.power_logistic import power_logistic
from dynsim.systems.parts.rewritten import as_powers, rewritten
from dynsim.systems.parts.structure import count

LOSSES = {
    "jepa": "(lambda_d/rho)*(v*w)^2/2 - lambda_d*v*w*sg(w)",
    "mae": "(lambda_d/rho)*(v*w)^2/2 - lambda_d*v*w",
}
DEFAULTS = {"w": 0.1, "lambda_d": 1.0, "rho": 0.8, "L": 2.0}
RANGES = {"w": (0.01, 1.5), "lambda_d": (0.1, 5.0), "rho": (0.1, 1.0), "L": (1.0, 10.0)}


def _build(objective: str, L: Any) -> Flow:
    """Flow of w: a product of L balanced layers moves L·w^(2 − 2/L) times as fast as a free weight would."""
    flow = Flow.of(
        {"w": Descend(LOSSES[objective], rate="L*w^(2 - 2/L)"), "v": Hold("w^(1/L)")}, roles={"encoder": "w"}
    )
    flow = rewritten(flow, as_powers, positive="w").describe(
        defaults=dict(DEFAULTS),
        ranges=dict(RANGES),
        view={"w": (0.01, 1.5)},
        observables={"predictor": "w^(1/L)"},
        exact=Exact(limit=_LIMITS[objective], solution=_SOLUTIONS[objective], defaults=dict(DEFAULTS)),
    )
    return flow if L is None else flow.fix(L=count("L", L))


def _limit(power: Any, written: str) -> Any:
    def limit(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
        w, layers = initial["w"], parameters["L"]
        if w < 0 or not parameters["rho"] > 0 or not parameters["lambda_d"] > 0:
            return None
        if w == 0:
            return Limit({"w": w}, True, "w(0) = 0 never moves")
        return Limit({"w": parameters["rho"] ** power(layers)}, False, f"w → {written}")

    return limit


def _given(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[Any, Any, Any, Any]:
    """w₀, λ_d, ρ and L as arrays; NaN where w₀ < 0, which is no product of balanced layers."""
    w = np.asarray(initial["w"], dtype=float)
    signal, rho, layers = (np.asarray(parameters[name], dtype=float) for name in ("lambda_d", "rho", "L"))
    for name, fine in (("lambda_d", signal > 0), ("rho", rho > 0), ("L", layers >= 1)):
        if not np.all(fine):
            raise bad(name, parameters[name], "λ_d > 0, ρ > 0 and L ≥ 1, for which the closed form holds")
    return np.where(w < 0, np.nan, w), signal, rho, layers


def _jepa_solution(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Solve by y = w^(1/L)/ρ, which obeys y' = λ_dρ^(2L − 1)·y^(2L)(1 − y)."""
    w, signal, rho, layers = _given(initial, parameters)
    y = power_logistic(t, w ** (1 / layers) / rho, signal * rho ** (2 * layers - 1), 2 * layers)
    return {"w": (rho * y) ** layers}


def _mae_solution(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Solve by y = w^((L + 1)/L)/ρ, which obeys y' = (L + 1)λ_dρ^((L − 1)/(L + 1))·y^(2L/(L + 1))(1 − y)."""
    w, signal, rho, layers = _given(initial, parameters)
    more = layers + 1
    y = power_logistic(t, w ** (more / layers) / rho, more * signal * rho ** ((layers - 1) / more), 2 * layers / more)
    return {"w": (rho * y) ** (layers / more)}


_LIMITS = {"jepa": _limit(lambda L: L, "ρ^L"), "mae": _limit(lambda L: L / (L + 1), "ρ^(L/(L + 1))")}
_SOLUTIONS = {"jepa": _jepa_solution, "mae": _mae_solution}


def build_jepa(branch: str, variant: str | None, L: Any = None) -> Flow:
    """Flow of the encoder that predicts features."""
    return _build("jepa", L)


def build_mae(branch: str, variant: str | None, L: Any = None) -> Flow:
    """Flow of the encoder that predicts the input."""
    return _build("mae", L)


REFERENCE = "Littwin et al., arXiv:2407.03475 (2024)"

SYSTEMS = (
    System(
        "jepa",
        "deep linear",
        "L linear layers and a predictor that predict features: learns by ρ, the noise-robust modes first",
        REFERENCE,
        build_jepa,
        branches=("stop",),
        structure=("L",),
    ),
    System(
        "mae",
        "deep linear",
        "L linear layers and a decoder that predict the input: learns by λ_d, the large modes first",
        REFERENCE,
        build_mae,
        branches=("stop",),
        structure=("L",),
    ),
)
