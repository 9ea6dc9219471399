"""The contrastive baseline: spectral contrastive loss of a linear encoder, per mode.

L = −2E[f(x)ᵀf(x⁺)] + E[(f(x)ᵀf(x'))²] is −2λ_d w² + λ_s²w⁴ along one mode, hence w' = 4w(λ_d − λ_s²w²): w = 0 is
unstable for every λ_d > 0, so negatives alone prevent collapse, whatever the start; w*² = λ_d/λ_s².
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from dynsim.symbolic.branches import gradient_flow
from dynsim.symbolic.exact import Exact, Limit
from dynsim.symbolic.flow import Flow
from dynsim.systems.catalogue import System
from dynsim.systems.laws import logistic, signed_root

LOSS = "-2*lambda_d*w^2 + lambda_s^2*w^4"
DEFAULTS = {"w": 0.1, "lambda_d": 1.0, "lambda_s": 1.1}


def build(branch: str, variant: str | None) -> Flow:
    """Flow of one mode."""
    flow = gradient_flow(LOSS, "w", roles={"encoder": "w"})
    return flow.describe(
        defaults=dict(DEFAULTS),
        ranges={"w": (-1.5, 1.5), "lambda_d": (0.01, 2.0), "lambda_s": (0.1, 2.0)},
        view={"w": (-1.5, 1.5)},
        observables={"loss": LOSS},
        exact=Exact(limit=_limit, solution=_solution, defaults=dict(DEFAULTS)),
    )


def _limit(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    w, signal, view = initial["w"], parameters["lambda_d"], parameters["lambda_s"]
    if w == 0:
        return Limit({"w": w}, True, "w(0) = 0 never moves")
    if signal <= 0 or view <= 0:
        return None
    end = (1 if w > 0 else -1) * sympy.sqrt(signal) / view
    return Limit({"w": end if isinstance(w, sympy.Basic) else float(end)}, False, "w → ±√λ_d/λ_s")


def _solution(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    w, signal, view = (np.asarray(x, float) for x in (initial["w"], parameters["lambda_d"], parameters["lambda_s"]))
    return {"w": signed_root(logistic(t, w**2, 8 * signal, signal / view**2), w)}


SYSTEMS = (
    System(
        "spectral-contrastive",
        "contrastive",
        "one mode of a linear encoder with negatives: the baseline that needs no stop-gradient",
        "HaoChen et al., arXiv:2106.04156 (2021)",
        build,
        branches=("stop",),
    ),
)
