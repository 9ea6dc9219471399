"""Neither predictor nor negatives: ½‖z₁ − sg(z₂)‖². Any noise of the views makes every mode die.

    w′ = λ_d v − λ_s w − η_s w:     −(νλ_s + η_s)w without a teacher;  v′ = β(w − v) with one.

The determinant β(λ_s + η_s − λ_d) is positive, so that a teacher of any rate β > 0 only slows the collapse down. A
frozen one, β = 0, makes a target that stays: w → λ_d v₀/(λ_s + η_s).
"""

from __future__ import annotations

import numpy as np
import sympy

from dynsim.methods.fact import Fact
from dynsim.methods.method import Method
from dynsim.methods.setting import MethodSetting
from dynsim.symbolic.flow import Flow

__all__ = ["NoPredictor"]

_D, _S, _ETA, _NU = sympy.symbols("lambda_d lambda_s eta_s nu")


class NoPredictor(Method):
    """Stop-gradient without a predictor."""

    name = "no-predictor"
    summary = "one view is pulled to the other, whose gradient is stopped; nothing else"
    reference = "the ablation of Chen & He, arXiv:2011.10566 (2021), section 4.2"
    code = "github.com/facebookresearch/simsiam with the predictor removed"
    loss = "sq(z1 - sg(z2))/2"
    mode = "(w*(x + n1) - sg(w*(x + n2)))^2/2"
    survives_if = "never (a frozen teacher apart)"
    ends_at = "0"
    directions = "linear"
    timed = False
    learned_first = "nothing"
    killed_by = "any noise of the views"

    def _half_times(self, at: MethodSetting, size: np.ndarray) -> np.ndarray:
        return 1 / np.maximum(np.abs(at.lambda_d), 1e-300)

    def _survives(self, at: MethodSetting) -> Fact:
        if at.beta == 0:
            w = at.start("v", None)
            alive = (at.lambda_d != 0) & (True if w is None else w != 0)
            return Fact(alive, reason="β = 0: the teacher is frozen, and w follows it to λ_d v₀/(λ_s + η_s)")
        neutral = (at.nu == 0) & (at.eta_s == 0)
        reason = "w′ = −(νλ_s + η_s)w: every mode with noise or decay dies"
        if neutral.any():
            reason += "; where ν = η_s = 0 nothing moves, no living state is stable"
        return Fact(np.zeros(neutral.shape, dtype=bool), sympy.false, reason=reason)

    def _amplitude(self, at: MethodSetting) -> Fact:
        if at.beta != 0:
            return Fact(np.zeros_like(at.lambda_s), sympy.Integer(0))
        teacher = at.start("v")
        if teacher is None:
            return Fact(None, exact=False, reason="a frozen teacher: give its weight, initial={'v': …}")
        v0 = sympy.Symbol("v0")
        value = at.lambda_s * (at.lambda_d * teacher / (at.lambda_s + at.eta_s)) ** 2
        return Fact(value, _S * (_D * v0 / (_S + _ETA)) ** 2, reason="w → λ_d v₀/(λ_s + η_s)")

    def _origin_rate(self, at: MethodSetting) -> Fact:
        if at.beta is None:
            rate = -(at.lambda_s - at.lambda_d) - at.eta_s
            return Fact(rate, _D - _S - _ETA, reason="without the stop-gradient the noise counts twice: −2νλ_s − η_s")
        a, b = at.lambda_s + at.eta_s, at.beta
        rate = (-(a + b) + np.sqrt((a - b) ** 2 + 4 * b * at.lambda_d)) / 2
        return Fact(rate, reason="the slower eigenvalue of encoder and teacher")

    def _flow(self, modes: int) -> Flow:
        return self._mode_flow(modes)
