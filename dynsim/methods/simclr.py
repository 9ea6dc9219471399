"""SimCLR: NT-Xent, a contrast of cosines. In many dimensions, water filling.

The norm ‖W‖_F is conserved. For D → ∞ the squared norm of an embedding is its mean and 1/τ is large; then the cosines
of independent images are Gaussian of variance Σx_i², x_i = v_i/Σv, and L = −Σr_ix_i/τ + Σx_i²/(2τ²):

    x_i = τ(r_i − κ)₊,      Σ(r_i − κ)₊ = 1/τ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import sympy

from dynsim.methods.fact import Fact
from dynsim.methods.method import Method
from dynsim.methods.setting import Knob, MethodSetting
from dynsim.symbolic.flow import Flow, gradient_flow
from dynsim.symbolic.rules import Move

__all__ = ["SimClr", "water_filling"]


def water_filling(reliability: np.ndarray, tau: float) -> tuple[np.ndarray, float]:
    """Shares x_i = τ(r_i − κ)₊ that add up to 1, and the level κ.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.methods.simclr import water_filling
    >>> shares, level = water_filling(np.array([0.9, 0.5, 0.1]), 1.0)
    >>> shares.round(6).tolist(), round(level, 6)
    ([0.7, 0.3, 0.0], 0.2)
    """
    r = np.asarray(reliability, dtype=float)
    ordered = np.sort(r)[::-1]
    levels = (np.cumsum(ordered) - 1 / tau) / np.arange(1, len(r) + 1)
    level = float(levels[np.flatnonzero(ordered > levels)[-1]])
    return tau * np.maximum(r - level, 0), level


class SimClr(Method):
    """Normalised contrast."""

    name = "simclr"
    summary = "NT-Xent: find the other view of an image by cosine among all views of the batch"
    reference = "Chen, Kornblith, Norouzi & Hinton, arXiv:2002.05709 (2020)"
    code = "github.com/google-research/simclr/blob/master/objective.py"
    loss = "-cos(z1, z2)/tau + logsumexp(gram(unit(z1), unit(z2))/tau)"
    mode = "-sum_i r_i*x_i/tau + sum_i x_i^2/(2*tau^2), x_i = v_i/sum_j v_j"
    survives_if = "r_i > κ(τ), the water level of Σ(r_i − κ)₊ = 1/τ"
    ends_at = "share τ(r_i − κ)₊"
    timed = False
    directions = "single"
    learned_first = "large r"
    killed_by = "large τ"
    drawn = ""  # one mode alone says nothing: `mode` is the reduced loss, averaged already
    KNOBS: ClassVar[Mapping[str, Knob]] = {"tau": Knob(0.1, 1e-3, 10.0, "temperature")}
    decays = False
    coupled = True
    gaussian = True
    moments_only = False
    more_assumptions = (
        "many embedding coordinates (D → ∞, 1/τ ≫ 1), many negatives; at finite D no closed form is known",
    )

    def _half_times(self, at: MethodSetting, size: np.ndarray) -> np.ndarray:
        """The loss has no scale: the more reliable feature is ahead."""
        return 1 / np.maximum(at.reliability, 1e-300)

    def _shares(self, at: MethodSetting) -> tuple[np.ndarray, float]:
        """Shares and water level of the features that vary at all."""
        varies = at.lambda_s > 0
        shares, level = np.zeros_like(at.lambda_s), np.inf
        if varies.any():
            shares[varies], level = water_filling(at.reliability[varies], self["tau"])
        return shares, level

    def _survives(self, at: MethodSetting) -> Fact:
        x, level = self._shares(at)
        if at.start("w") is not None:
            x = x * (at.start("w") != 0)
        return Fact(x > 0, exact=False, reason=f"r_i > κ = {level:.6g}, for D → ∞")

    def _amplitude(self, at: MethodSetting) -> Fact:
        x, _ = self._shares(at)
        start = at.start("w")
        norm = 1.0 if start is None else float(np.sum(start**2))
        alive = x > 0
        # ‖W‖² = Σv_i/λ_s,i is conserved
        total = norm / np.sum(x[alive] / at.lambda_s[alive]) if alive.any() else 0.0
        said = "1" if start is None else f"{norm:.6g}"
        return Fact(
            x * total, exact=False, reason=f"share x_i = τ(r_i − κ) of Σv, for D → ∞; ‖W‖² = {said} is conserved"
        )

    def _origin_rate(self, at: MethodSetting) -> Fact:
        return Fact(np.zeros_like(at.lambda_s), sympy.Integer(0), reason="scale-free: ‖W‖ is conserved")

    def _flow(self, modes: int) -> Flow:
        """Loss of the shares."""
        if modes == 1:
            return self._described(Flow.of({"w": Move("0")}, roles={"encoder": "w"}))

        tail = [str(i) for i in range(1, modes + 1)]
        total = "(" + " + ".join(f"lambda_s{n}*w{n}^2" for n in tail) + ")"
        terms = [f"-lambda_d{n}*w{n}^2/({total}*tau) + (lambda_s{n}*w{n}^2/{total})^2/(2*tau^2)" for n in tail]
        return self._described(gradient_flow(" + ".join(terms), [f"w{n}" for n in tail]))
