"""Spectral contrastive loss: −2E z₁·z₂ + E(z·z̃)² over independent images. w′ = 4w(λ_d − λ_s²w²) − η_s w."""

from __future__ import annotations

import numpy as np
import sympy

from dynsim.methods.fact import Fact
from dynsim.methods.method import Method
from dynsim.methods.setting import MethodSetting
from dynsim.symbolic.flow import Flow

__all__ = ["Spectral"]

_D, _S, _ETA = sympy.symbols("lambda_d lambda_s eta_s")


class Spectral(Method):
    """Contrast of second order."""

    name = "spectral"
    summary = "positive pairs aligned, the squared product of independent images small"
    reference = "HaoChen, Wei, Gaidon & Ma, arXiv:2106.04156 (2021)"
    code = "github.com/jhaochenz96/spectral_contrastive_learning"
    loss = "-2*E(dot(z1, z2)) + sum(offdiag(gram(z1, z2))^2)/(batch*(batch - 1))"
    mode = "-2*E(w*(x + n1)*w*(x + n2)) + E((w*(x + n1)*w*(x3 + n3))^2)"
    survives_if = "λ_d > η_s/4, that is λ_d > 0 without decay"
    ends_at = "v = r"
    killed_by = "fewer rows than features"
    drawn = (  # x3 and n3 belong to another image
        "x ~ normal(0, lambda_d), n1 ~ normal(0, lambda_s - lambda_d), n2 ~ normal(0, lambda_s - lambda_d),"
        " x3 ~ normal(0, lambda_d), n3 ~ normal(0, lambda_s - lambda_d)"
    )

    def _survives(self, at: MethodSetting) -> Fact:
        alive = 4 * at.lambda_d > at.eta_s
        if at.start("w") is not None:
            alive = alive & (at.start("w") != 0)
        return Fact(alive, sympy.Gt(4 * _D, _ETA), reason="w′ = 4w(λ_d − λ_s²w²) − η_s w: a pitchfork")

    def _amplitude(self, at: MethodSetting) -> Fact:
        with np.errstate(divide="ignore", invalid="ignore"):
            value = at.reliability - at.eta_s / (4 * at.lambda_s)
        return Fact(value, (_D - _ETA / 4) / _S, reason="v = r − η_s/(4λ_s)")

    def _origin_rate(self, at: MethodSetting) -> Fact:
        return Fact(4 * at.lambda_d - at.eta_s, 4 * _D - _ETA)

    def _flow(self, modes: int) -> Flow:
        return self._mode_flow(modes)
