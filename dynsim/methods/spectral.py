"""Spectral contrastive loss: −2E z₁·z₂ + E(z·z̃)² over independent images. w′ = 4w(λ_d − λ_s²w²) − η_s w."""

from __future__ import annotations

import numpy as np
import sympy

from dynsim.methods.method import Fact, Method
from dynsim.methods.setting import Setting
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
    killed_by = "fewer rows than features"

    @property
    def random(self) -> dict[str, str]:
        """The other image x3 and its noise n3 are independent of the first."""
        noise = "normal(0, lambda_s - lambda_d)"
        image = "normal(0, lambda_d)"
        return {"x": image, "n1": noise, "n2": noise, "x3": image, "n3": noise}

    def _survives(self, at: Setting) -> Fact:
        alive = 4 * at.lambda_d > at.eta_s
        if at.start("w") is not None:
            alive = alive & (at.start("w") != 0)
        return Fact(alive, sympy.Gt(4 * _D, _ETA), reason="w′ = 4w(λ_d − λ_s²w²) − η_s w: a pitchfork")

    def _amplitude(self, at: Setting) -> Fact:
        with np.errstate(divide="ignore", invalid="ignore"):
            value = at.reliability - at.eta_s / (4 * at.lambda_s)
        return Fact(value, (_D - _ETA / 4) / _S, reason="v = r − η_s/(4λ_s)")

    def _origin_rate(self, at: Setting) -> Fact:
        return Fact(4 * at.lambda_d - at.eta_s, 4 * _D - _ETA)

    def _flow(self, modes: int) -> Flow:
        return self._closed_flow("-2*lambda_d*w^2 + (lambda_s*w^2)^2", modes)
