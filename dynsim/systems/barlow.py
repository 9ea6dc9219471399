"""Barlow Twins, linear, per mode: s is a singular value of W, γ the eigenvalue of the views' cross-covariance.

The loss ‖WΓWᵀ − I‖_F² gives s' = 4γs(1 − γs²), solved by

    s(t) = e^{4γt}/√(s₀⁻² + γ(e^{8γt} − 1)) → γ^{−1/2}:

every mode with γ > 0 is learned, one after the other, the larger γ the sooner; no stop-gradient is needed.
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

DEFAULTS = {"s": 0.05, "gamma": 1.0}


def build(branch: str, variant: str | None) -> Flow:
    """Flow of one singular value."""
    flow = gradient_flow("(gamma*s^2 - 1)^2", "s", roles={"encoder": "s"})
    return flow.describe(
        defaults=dict(DEFAULTS),
        ranges={"s": (-2.0, 2.0), "gamma": (0.05, 2.0)},
        view={"s": (-1.5, 1.5)},
        observables={"loss": "(gamma*s^2 - 1)^2"},
        exact=Exact(limit=_limit, solution=_solution, defaults=dict(DEFAULTS)),
    )


def _limit(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    s, gamma = initial["s"], parameters["gamma"]
    if s == 0 or gamma == 0:
        return Limit({"s": s}, bool(s == 0), "s(0) = 0 never moves" if s == 0 else "γ = 0: nothing moves")
    if gamma < 0:
        return Limit({"s": 0 * s}, True, "γ < 0: the mode decays")
    end = (1 if s > 0 else -1) / sympy.sqrt(gamma)
    return Limit({"s": end if isinstance(s, sympy.Basic) else float(end)}, False, "s → ±γ^(−1/2)")


def _solution(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    s, gamma = np.asarray(initial["s"], dtype=float), np.asarray(parameters["gamma"], dtype=float)
    with np.errstate(divide="ignore"):
        return {"s": signed_root(logistic(t, s**2, 8 * gamma, 1 / gamma), s)}


SYSTEMS = (
    System(
        "barlow",
        "contrastive",
        "one singular value of a linear Barlow Twins encoder: decorrelation instead of stop-gradient",
        "Simon et al., arXiv:2303.15438 (2023)",
        build,
        branches=("stop",),
    ),
)
