"""W-MSE: the mean squared error of whitened embeddings.

Σ(1 − whitened correlation) is 2(k − tr[(WΣ_sWᵀ)⁻¹WΣ_dWᵀ]): invariant under W → AW, so that WWᵀ is conserved and only
the row space of W turns, to the k features of largest reliability. As many rows as features: W does not move at all.
"""

from __future__ import annotations

import numpy as np
import sympy

from dynsim.methods.fact import Fact
from dynsim.methods.method import Method
from dynsim.methods.setting import MethodSetting
from dynsim.symbolic.flow import Flow, gradient_flow
from dynsim.symbolic.rules import Move

__all__ = ["WMse"]

_S = sympy.Symbol("lambda_s")


class WMse(Method):
    """Views close after whitening."""

    name = "w-mse"
    summary = "mean squared error between two views whose embeddings are whitened"
    reference = "Ermolov, Siarohin, Sangineto & Sebe, arXiv:2007.06346 (2021)"
    code = "github.com/htdt/self-supervised/blob/master/methods/w_mse.py"
    loss = "E(sq(whiten(z1) - whiten(z2)))"
    mode = "2*(1 - sum_i lambda_d_i*w_i^2/sum_i lambda_s_i*w_i^2), one row over all features"
    survives_if = "alone always; else the top k by r, k the rows"
    ends_at = "WWᵀ is kept"
    timed = False
    learned_first = "large λ_s(r_j − r_i)"
    killed_by = "fewer rows than features"
    drawn = ""  # one mode alone says nothing: `mode` is the reduced loss, averaged already
    decays = False
    more_assumptions = (
        "each row of the encoder ends in one feature",
        "whitening with the statistics of large batches",
    )

    def _half_times(self, at: MethodSetting, size: np.ndarray) -> np.ndarray:
        """The loss has no scale: the more reliable feature is ahead."""
        return 1 / np.maximum(at.reliability, 1e-300)

    def _survives(self, at: MethodSetting) -> Fact:
        alive = (at.reliability > 0) & (at.lambda_s > 0)
        if at.start("w") is not None:
            alive = alive & (at.start("w") != 0)
        return Fact(alive, reason="whitening takes away every scale: no feature with signal shrinks")

    def _amplitude(self, at: MethodSetting) -> Fact:
        start = at.start("w")
        norm = np.ones_like(at.lambda_s) if start is None else start**2
        reason = "WWᵀ is conserved: v = w₀²λ_s" + (", rows of norm 1" if start is None else "")
        return Fact(norm * at.lambda_s, sympy.Symbol("w0") ** 2 * _S, reason=reason)

    def _origin_rate(self, at: MethodSetting) -> Fact:
        return Fact(np.zeros_like(at.lambda_s), sympy.Integer(0), reason="WWᵀ is conserved")

    def _flow(self, modes: int) -> Flow:
        """One row over all features."""
        if modes == 1:
            return self._described(Flow.of({"w": Move("0")}, roles={"encoder": "w"}))

        tail = [str(i) for i in range(1, modes + 1)]
        signal, view = (" + ".join(f"lambda_{kind}{n}*w{n}^2" for n in tail) for kind in "ds")
        return self._described(gradient_flow(f"2*(1 - ({signal})/({view}))", [f"w{n}" for n in tail]))
