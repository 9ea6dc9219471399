"""InfoNCE with dot products or a Gaussian kernel, for Gaussian features and infinitely many negatives.

    dot:       L = −λ_d w²/τ + v²/(2τ²),                                 v = rτ
    gaussian:  L = νv/τ − ½ln(1 + v/τ) − ½v/(τ + v),                      v = τ(1/q − 1), q² + q = 2ν

In a batch of B images with the positive in the denominator (N = B − 1 negatives) the rate at the origin is multiplied
by N/(N+1), whatever the kernel; the amplitudes are those of infinitely many negatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import sympy

from dynsim.methods.fact import ALIGNED, Fact
from dynsim.methods.method import Method
from dynsim.methods.setting import Knob, MethodSetting
from dynsim.symbolic.flow import Flow

__all__ = ["InfoNce"]

_D, _S, _ETA, _TAU, _NU = sympy.symbols("lambda_d lambda_s eta_s tau nu")


class InfoNce(Method):
    """Find the other view of an image among those of a batch."""

    name = "infonce"
    summary = "cross-entropy of finding an image's other view in the batch, by dot product or Gaussian kernel"
    reference = "van den Oord, Li & Vinyals, arXiv:1807.03748 (2018); Wang & Isola, arXiv:2005.10242 (2020)"
    code = "github.com/RElbers/info-nce-pytorch (without its normalisation)"
    survives_if = "λ_d > 0 (with decay λ_d > η_sτ/2)"
    ends_at = "v = rτ; Gaussian kernel v = τ(1/q − 1), q² + q = 2ν"
    killed_by = "fewer rows than features"
    drawn = (  # x3 and n3 belong to another image
        "x ~ normal(0, lambda_d), n1 ~ normal(0, lambda_s - lambda_d), n2 ~ normal(0, lambda_s - lambda_d),"
        " x3 ~ normal(0, lambda_d), n3 ~ normal(0, lambda_s - lambda_d)"
    )
    moments_only = True
    gaussian = True
    more_assumptions = (ALIGNED, "infinitely many negatives, but for the rate at the origin")
    KNOBS: ClassVar[Mapping[str, Knob]] = {
        "tau": Knob(1.0, 1e-4, 1e4, "temperature"),
        "kernel": Knob("dot", meaning="similarity of two embeddings", choices=("dot", "gaussian")),
    }

    @property
    def loss(self) -> str:
        """The loss in the language of networks."""
        if self["kernel"] == "dot":
            return "-dot(z1, z2)/tau + logsumexp(gram(z1, z2)/tau) - log(batch)"
        return "sq(z1 - z2)/(2*tau) + logsumexp(-distances(z1, z2)/(2*tau)) - log(batch)"

    @property
    def mode(self) -> str:
        """The loss of one mode with infinitely many negatives."""
        if self["kernel"] == "dot":
            return "-E(w*(x + n1)*w*(x + n2))/tau + E(log(E(exp(w*(x + n1)*w*(x3 + n3)/tau), x3, n3)))"
        return "E((w*(n1 - n2))^2)/(2*tau) + E(log(E(exp(-(w*(x + n1 - x3 - n3))^2/(2*tau)), x3, n3)))"

    def _share(self, at: MethodSetting) -> float:
        return 1.0 if at.batch is None else (at.batch - 1) / at.batch

    def _survives(self, at: MethodSetting) -> Fact:
        alive = 2 * at.lambda_d * self._share(at) > at.eta_s * self["tau"]
        if at.start("w") is not None:
            alive = alive & (at.start("w") != 0)
        return Fact(alive, sympy.Gt(2 * _D, _ETA * _TAU), reason="the origin repels iff 2λ_d/τ > η_s: a pitchfork")

    def _amplitude(self, at: MethodSetting) -> Fact:
        tau = self["tau"]
        with np.errstate(divide="ignore", invalid="ignore"):
            decay = at.eta_s * tau / (2 * at.lambda_s)  # counts as noise
            if self["kernel"] == "dot":
                value, form = tau * (at.reliability - decay), _TAU * (_D / _S - _ETA * _TAU / (2 * _S))
                reason = "v = τ(r − η_sτ/(2λ_s))"
            else:
                noise = at.nu + decay
                q = 4 * noise / (1 + np.sqrt(1 + 8 * noise))  # the positive root of q² + q = 2ν, without cancellation
                value = np.where(noise > 0, tau * (1 / q - 1), np.inf)
                form = _TAU * (2 / (sympy.sqrt(1 + 8 * _NU) - 1) - 1)
                reason = "v = τ(1/q − 1), q² + q = 2ν (with decay 2ν + η_sτ/λ_s); for ν = 0 it grows without bound"
        if at.batch is None:
            return Fact(value, form, reason=reason)
        return Fact(value, form, exact=False, reason=f"{reason}; of infinitely many negatives, not of {at.batch - 1}")

    def _origin_rate(self, at: MethodSetting) -> Fact:
        rate = 2 * at.lambda_d / self["tau"] * self._share(at) - at.eta_s
        reason = "" if at.batch is None else f"times N/(N+1) with N = {at.batch - 1} negatives"
        return Fact(rate, 2 * _D / _TAU - _ETA, reason=reason)

    def _flow(self, modes: int) -> Flow:
        if self["kernel"] == "dot":
            return self._mode_flow(modes)
        # What the text's averages come to, in a form that can be read.
        noise = "(lambda_s - lambda_d)*w^2/tau"
        loss = f"{noise} - log(1 + lambda_s*w^2/tau)/2 - lambda_s*w^2/(2*(tau + lambda_s*w^2))"
        return self._mode_flow(modes, loss=loss)
