r"""Contrastive and decorrelating losses of a linear encoder, per mode: Barlow Twins and spectral contrastive.

Barlow Twins, linear, per mode: s is a singular value of W, γ the eigenvalue of the views' cross-covariance.

The loss ‖WΓWᵀ − I‖_F² gives s' = 4γs(1 − γs²), solved by

    s(t) = e^{4γt}/√(s₀⁻² + γ(e^{8γt} − 1)) → γ^{−1/2}:

every mode with γ > 0 is learned, one after the other, the larger γ the sooner; no stop-gradient is needed.

The contrastive baseline: spectral contrastive loss of a linear encoder, per mode.

L = −2E[f(x)ᵀf(x⁺)] + E[(f(x)ᵀf(x'))²] is −2λ_d w² + λ_s²w⁴ along one mode, hence w' = 4w(λ_d − λ_s²w²): w = 0 is
unstable for every λ_d > 0, so negatives alone prevent collapse, whatever the start; w*² = λ_d/λ_s².
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynsim.symbolic.exact import Exact, Limit
from dynsim.symbolic.flow import Flow, gradient_flow
from dynsim.systems.catalogue import System
from dynsim.systems.laws import logistic, signed_root
from dynsim.systems.toy import square_root

BARLOW_DEFAULTS = {"s": 0.05, "gamma": 1.0}


def build_barlow(branch: str, variant: str | None) -> Flow:
    """Flow of one singular value."""
    flow = gradient_flow("(gamma*s^2 - 1)^2", "s", roles={"encoder": "s"})
    return flow.describe(
        defaults=dict(BARLOW_DEFAULTS),
        ranges={"s": (-2.0, 2.0), "gamma": (0.05, 2.0)},
        view={"s": (-1.5, 1.5)},
        observables={"loss": "(gamma*s^2 - 1)^2"},
        exact=Exact(limit=_barlow_limit, solution=_barlow_solution, defaults=dict(BARLOW_DEFAULTS)),
    )


def _barlow_limit(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    s, gamma = initial["s"], parameters["gamma"]
    if s == 0 or gamma == 0:
        return Limit({"s": s}, bool(s == 0), "s(0) = 0 never moves" if s == 0 else "γ = 0: nothing moves")
    if gamma < 0:
        return Limit({"s": 0 * s}, True, "γ < 0: the mode decays")
    return Limit({"s": (1 if s > 0 else -1) / square_root(gamma)}, False, "s → ±γ^(−1/2)")


def _barlow_solution(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    s, gamma = np.asarray(initial["s"], dtype=float), np.asarray(parameters["gamma"], dtype=float)
    with np.errstate(divide="ignore"):
        return {"s": signed_root(logistic(t, s**2, 8 * gamma, 8 * gamma**2), s)}


BARLOW = System(
    "barlow",
    "contrastive",
    "one singular value of a linear Barlow Twins encoder: decorrelation instead of stop-gradient",
    "Simon et al., arXiv:2303.15438 (2023)",
    build_barlow,
    branches=("stop",),
)


SPECTRAL_LOSS = "-2*lambda_d*w^2 + lambda_s^2*w^4"
SPECTRAL_DEFAULTS = {"w": 0.1, "lambda_d": 1.0, "lambda_s": 1.1}


def build_spectral(branch: str, variant: str | None) -> Flow:
    """Flow of one mode."""
    flow = gradient_flow(SPECTRAL_LOSS, "w", roles={"encoder": "w"})
    return flow.describe(
        defaults=dict(SPECTRAL_DEFAULTS),
        ranges={"w": (-1.5, 1.5), "lambda_d": (0.01, 2.0), "lambda_s": (0.1, 2.0)},
        view={"w": (-1.5, 1.5)},
        observables={"loss": SPECTRAL_LOSS},
        exact=Exact(limit=_spectral_limit, solution=_spectral_solution, defaults=dict(SPECTRAL_DEFAULTS)),
    )


def _spectral_limit(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    w, signal, view = initial["w"], parameters["lambda_d"], parameters["lambda_s"]
    if w == 0:
        return Limit({"w": w}, True, "w(0) = 0 never moves")
    if signal == 0 and view == 0:
        return Limit({"w": w}, False, "no signal, no view: nothing moves")
    if signal <= 0:
        return Limit({"w": 0 * w}, True, "λ_d ≤ 0: w' = 4w(λ_d − λ_s²w²) only shrinks w")
    if view == 0:
        return None
    return Limit({"w": (1 if w > 0 else -1) * square_root(signal) / abs(view)}, False, "w → ±√λ_d/λ_s")


def _spectral_solution(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    w, signal, view = (np.asarray(x, float) for x in (initial["w"], parameters["lambda_d"], parameters["lambda_s"]))
    return {"w": signed_root(logistic(t, w**2, 8 * signal, 8 * view**2), w)}


SPECTRAL_CONTRASTIVE = System(
    "spectral-contrastive",
    "contrastive",
    "one mode of a linear encoder with negatives: the baseline that needs no stop-gradient",
    "HaoChen et al., arXiv:2106.04156 (2021)",
    build_spectral,
    branches=("stop",),
)
