"""DirectSet: the predictor is not learned but set to (WWᵀ)^a, which in one mode is p = s^a, s = w².

s′ = 2s[s^a(λ_d − s^a λ_s) − η_s],      s∓ = ((λ_d ∓ √(λ_d² − 4η_sλ_s))/(2λ_s))^{1/a}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
import sympy

from dynsim.methods.fact import ALIGNED, Fact
from dynsim.methods.method import Method
from dynsim.methods.setting import Knob, MethodSetting
from dynsim.symbolic.flow import Flow

__all__ = ["DirectSet"]

_D, _S, _ETA, _A = sympy.symbols("lambda_d lambda_s eta_s a")


class DirectSet(Method):
    """A predictor in closed form: a power of the encoder's correlation matrix."""

    name = "direct-set"
    summary = "SimSiam whose predictor is set to a power of WWᵀ: DirectPred ½, DirectCopy 1"
    reference = "Wang, Chen, Du & Tian, arXiv:2110.04947 (2021)"
    code = "github.com/facebookresearch/luckmatters/tree/main/ssl"
    loss = "sq(p1 - sg(z2))/2"
    mode = "(sg((w^2)^a)*w*(x + n1) - sg(w*(x + n2)))^2/2"
    survives_if = "η_s ≤ λ_d²/(4λ_s), and s₀ = w₀² > s₋"
    ends_at = "s₊, the upper root of s^a(λ_d − λ_s s^a) = η_s"
    directions = "predictor"
    timed = False
    killed_by = "weight decay, a small start"
    budget = "lambda_d"
    KNOBS: ClassVar[Mapping[str, Knob]] = {"a": Knob(1.0, 0.05, 4.0, "power of WWᵀ")}
    more_assumptions = (
        ALIGNED,
        "the predictor is held at (WWᵀ)^a while the encoder is differentiated",
    )

    def _powers(self, at: MethodSetting) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):
            root = np.sqrt(at.lambda_d**2 - 4 * at.eta_s * at.lambda_s)
            lower, upper = ((at.lambda_d + sign * root) / (2 * at.lambda_s) for sign in (-1, 1))
            return np.maximum(lower, 0) ** (1 / self["a"]), np.maximum(upper, 0) ** (1 / self["a"])

    def _half_times(self, at: MethodSetting, size: np.ndarray) -> np.ndarray:
        """Without decay a small start leaves after a time in proportion to 1/λ_d; with it a small start dies."""
        with np.errstate(divide="ignore"):
            return 1 / np.abs(at.lambda_d)

    def _survives(self, at: MethodSetting) -> Fact:
        alive = (at.lambda_d > 0) & (at.lambda_d**2 >= 4 * at.eta_s * at.lambda_s)
        found = Fact(alive, sympy.Le(_ETA, _D**2 / (4 * _S)), reason="η_s ≤ λ_d²/(4λ_s): s₊ exists, for every a")
        w = at.start("w")
        if w is None:
            return found
        ends = (w**2 >= self._powers(at)[0] * (1 - 1e-14)) & (w != 0)
        return replace(found, value=alive & ends, reason="it lives iff w₀² ≥ s₋")

    def _amplitude(self, at: MethodSetting) -> Fact:
        form = _S * ((_D + sympy.sqrt(_D**2 - 4 * _ETA * _S)) / (2 * _S)) ** (1 / _A)
        return Fact(at.lambda_s * self._powers(at)[1], form, reason="w² = s₊")

    def _origin_rate(self, at: MethodSetting) -> Fact:
        reason = "s^a vanishes at 0: only the decay is left" + ("" if at.eta_s else "; growth is algebraic")
        return Fact(np.full(at.lambda_s.shape, 0.0 - at.eta_s), -_ETA, reason=reason)

    def _flow(self, modes: int) -> Flow:
        return self._mode_flow(modes)
