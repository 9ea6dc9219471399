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
from dynsim.systems.parts.log_linear import log_linear
from dynsim.systems.parts.logistic import logistic, signed_root
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


def _one_layer(parameters: Mapping[str, Any]) -> tuple[Any, Any]:
    if np.any(np.asarray(parameters["L"], dtype=float) != 1):
        raise bad("L", parameters["L"], "1 for a closed form in time", "integrate with solve instead")
    return np.asarray(parameters["lambda_d"], dtype=float), np.asarray(parameters["rho"], dtype=float)


def _jepa_solution(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Solve by u = ρ/w − 1, which obeys u' = −λ_dρ·u/(1 + u)."""
    signal, rho = _one_layer(parameters)
    with np.errstate(divide="ignore"):
        return {"w": rho / (1 + log_linear(t, rho / np.asarray(initial["w"], dtype=float) - 1, signal * rho))}


def _mae_solution(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Solve by w², which is logistic."""
    signal, rho = _one_layer(parameters)
    w = np.asarray(initial["w"], dtype=float)
    return {"w": signed_root(logistic(t, w**2, 2 * signal, rho), w)}


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
