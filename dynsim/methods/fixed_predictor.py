"""A predictor that is a fixed number p: w′ = p(λ_d − pλ_s)w − η_s w. Linear: a mode grows for ever or dies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import sympy

from dynsim.methods.fact import Fact
from dynsim.methods.method import Method
from dynsim.methods.setting import Knob, MethodSetting
from dynsim.symbolic.flow import Flow

__all__ = ["FixedPredictor"]

_D, _S, _ETA, _P = sympy.symbols("lambda_d lambda_s eta_s p")


class FixedPredictor(Method):
    """Stop-gradient with a predictor that is never trained, p times the identity."""

    name = "fixed-predictor"
    summary = "SimSiam whose predictor is a number that is never trained; 1 is no predictor"
    reference = "the ablation of Chen & He, arXiv:2011.10566 (2021), section 4.2"
    code = "github.com/facebookresearch/simsiam with the predictor replaced by p times the identity"
    loss = "sq(p*z1 - sg(z2))/2"
    mode = "(p*w*(x + n1) - sg(w*(x + n2)))^2/2"
    survives_if = "η_s < p(λ_d − pλ_s), that is 0 < p < r without decay; it then grows for ever"
    ends_at = "grows for ever"
    directions = "linear"
    timed = False
    killed_by = "p ≥ r, so also the identity"
    KNOBS: ClassVar[Mapping[str, Knob]] = {"p": Knob(0.5, -10.0, 10.0, "the predictor")}

    def _rate(self, at: MethodSetting) -> np.ndarray:
        return self["p"] * (at.lambda_d - self["p"] * at.lambda_s) - at.eta_s

    def _half_times(self, at: MethodSetting, size: np.ndarray) -> np.ndarray:
        """What grows for ever has no half; the faster is ahead."""
        return 1 / np.maximum(self._rate(at), 1e-300)

    def _survives(self, at: MethodSetting) -> Fact:
        alive = self._rate(at) > 0
        start = at.start("w")
        if start is not None:
            alive = alive & (start != 0)
        return Fact(alive, sympy.Gt(_P * (_D - _P * _S), _ETA), reason="w′ = [p(λ_d − pλ_s) − η_s]w grows for ever")

    def _amplitude(self, at: MethodSetting) -> Fact:
        return Fact(np.full(at.lambda_s.shape, np.inf), sympy.oo, reason="linear: no equilibrium but 0")

    def _origin_rate(self, at: MethodSetting) -> Fact:
        return Fact(self._rate(at), _P * (_D - _P * _S) - _ETA)

    def _flow(self, modes: int) -> Flow:
        return self._mode_flow(modes)
