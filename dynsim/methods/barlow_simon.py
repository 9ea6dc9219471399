"""Barlow Twins without normalisation and with equal weights, ‖E z₁z₂ᵀ − I‖²: the form that can be solved in time."""

from __future__ import annotations

import numpy as np
import sympy

from dynsim.methods.fact import Fact
from dynsim.methods.method import Method
from dynsim.methods.setting import MethodSetting
from dynsim.symbolic.flow import Flow

__all__ = ["BarlowSimon"]

_D, _S, _ETA = sympy.symbols("lambda_d lambda_s eta_s")


class BarlowSimon(Method):
    """The cross-covariance of two views becomes the identity."""

    name = "barlow-simon"
    summary = "the cross-covariance matrix of two views, not normalised, is pulled to the identity"
    reference = "Simon et al., arXiv:2303.15438 (2023)"
    code = "no public code was read for it"
    loss = "sum((1 - diag(cov(z1, z2)))^2) + sum(offdiag(cov(z1, z2))^2)"
    mode = "(1 - E(w*(x + n1)*w*(x + n2)))^2"
    survives_if = "λ_d > η_s/4, that is λ_d > 0 without decay"
    ends_at = "v = 1/r"
    killed_by = "fewer rows than features"
    budget = "lambda_d"

    def _survives(self, at: MethodSetting) -> Fact:
        alive = 4 * at.lambda_d > at.eta_s
        if at.start("w") is not None:
            alive = alive & (at.start("w") != 0)
        return Fact(alive, sympy.Gt(4 * _D, _ETA), reason="w′ = 4λ_d w(1 − λ_d w²) − η_s w")

    def _amplitude(self, at: MethodSetting) -> Fact:
        with np.errstate(divide="ignore", invalid="ignore"):
            value = at.lambda_s / at.lambda_d * (1 - at.eta_s / (4 * at.lambda_d))
        return Fact(value, _S / _D * (1 - _ETA / (4 * _D)), reason="w² = 1/λ_d − η_s/(4λ_d²)")

    def _origin_rate(self, at: MethodSetting) -> Fact:
        return Fact(4 * at.lambda_d - at.eta_s, 4 * _D - _ETA)

    def _flow(self, modes: int) -> Flow:
        return self._mode_flow(modes)
