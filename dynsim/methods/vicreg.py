"""VICReg: views close, every coordinate's standard deviation at least 1, coordinates uncorrelated.

The code's loss, s·mse + μ·½Σ_views mean relu(1 − √(var + ε)) + c·Σ_{i≠j}C_ij²/D, has means over the D coordinates in
its first two terms. One mode, with v = w²λ_s, in the limit of large batches:

    D·w′ = wλ_s[μ/√(v+ε)·1(v+ε < 1) − 4sν] − Dη_s w.

For ν < μ/(4s) the state √(v+ε) = 1 is reached in finite time and slid along (Filippov); for larger ν the standard
deviation is μ/(4sν) < 1; above ν = μ/(4s√ε) the constant force is a linear one and the mode dies. Weight decay
counts as noise, ν → ν + Dη_s/(4sλ_s). In a batch of N the hinge sees the standard deviation of a sample of N: its mean
over χ² is taken by quadrature.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import sympy

from dynsim.methods.method import GAUSSIAN, Fact, Method
from dynsim.methods.setting import Knob, MethodSetting
from dynsim.symbolic.flow import Flow

__all__ = ["VicReg"]

_NU, _MU, _WEIGHT, _EPS, _S, _D = sympy.symbols("nu mu s epsilon lambda_s D", positive=True)


class VicReg(Method):
    """Variance, invariance, covariance."""

    name = "vicreg"
    summary = "views close, each coordinate's standard deviation held up to 1 by a hinge, coordinates uncorrelated"
    reference = "Bardes, Ponce & LeCun, arXiv:2105.04906 (2022)"
    code = "github.com/facebookresearch/vicreg/blob/main/main_vicreg.py"
    loss = (
        "s*E(mean((z1 - z2)^2))"
        " + mu*(mean(relu(1 - sqrt(var(z1) + epsilon))) + mean(relu(1 - sqrt(var(z2) + epsilon))))/2"
        " + cov*(sum(offdiag(cov(z1))^2) + sum(offdiag(cov(z2))^2))/dim"
    )
    mode = (
        "s*E((w*(x + n1) - w*(x + n2))^2)"
        " + mu*(relu(1 - sqrt(var(w*(x + n1)) + epsilon)) + relu(1 - sqrt(var(w*(x + n2)) + epsilon)))/2"
    )
    survives_if = "ν < μ/(4s√ε), which is 25 at the defaults: always"
    learned_first = "large λ_s"
    killed_by = "nothing at the defaults; the amplitude falls with ν"
    KNOBS: ClassVar[Mapping[str, Knob]] = {
        "s": Knob(25.0, 1e-9, 1e4, "weight of the invariance term"),
        "mu": Knob(25.0, 0.0, 1e4, "weight of the variance term"),
        "cov": Knob(1.0, 0.0, 1e4, "weight of the covariance term"),
        "epsilon": Knob(1e-4, 0.0, 1.0, "added to the variance under the root"),
    }

    def _noise(self, at: MethodSetting) -> np.ndarray:
        """ν, to which weight decay is added in its units."""
        if at.eta_s == 0:
            return at.nu
        with np.errstate(divide="ignore"):
            return at.nu + at.width * at.eta_s / (4 * self["s"] * at.lambda_s)

    def _survives(self, at: MethodSetting) -> Fact:
        noise, eps = self._noise(at), self["epsilon"]
        limit = self["mu"] / (4 * self["s"] * np.sqrt(eps)) if eps > 0 else (np.inf if self["mu"] > 0 else 0.0)
        alive = (noise < limit) & (eps < 1) & (at.lambda_s > 0)
        if at.start("w") is not None:
            alive = alive & (at.start("w") != 0)
        form = sympy.Lt(_NU, _MU / (4 * _WEIGHT * sympy.sqrt(_EPS)))
        reason = "w = 0 attracts iff ν ≥ μ/(4s√ε)" + (" with ν + Dη_s/(4sλ_s) for ν" if at.eta_s else "")
        return Fact(alive, form, reason=reason)

    def _amplitude(self, at: MethodSetting) -> Fact:
        noise = self._noise(at)
        with np.errstate(divide="ignore"):
            smooth = self["mu"] / (4 * self["s"] * noise)
        form = sympy.Min(1, _MU / (4 * _WEIGHT * _NU)) ** 2 - _EPS
        if at.batch is None:
            value = np.maximum(np.minimum(1.0, smooth) ** 2 - self["epsilon"], 0)
            return Fact(value, form, reason="√(v+ε) = min(1, μ/(4sν)), at the kink of the hinge in a sliding state")
        value = np.array([self._in_batches(float(limit), at.batch) for limit in smooth])
        return Fact(
            value,
            assumptions=(GAUSSIAN,),
            reason=f"mean over batches of {at.batch} of the hinge of a sample's standard deviation, by quadrature",
        )

    def _in_batches(self, limit: float, batch: int) -> float:
        """Root v of E[χ̂·1(vχ̂+ε < 1)/√(vχ̂+ε)] = 1/limit, χ̂ the variance of `batch` standard normal numbers."""
        from scipy.optimize import brentq
        from scipy.stats import chi2

        if not np.isfinite(limit):
            return np.inf
        eps, free = self["epsilon"], batch - 1
        x, weights = np.polynomial.legendre.leggauss(80)

        def force(log_v: float) -> float:
            v = np.exp(log_v)
            top = min((1 - eps) / v * free, chi2.ppf(1 - 1e-14, free))
            bottom = min(chi2.ppf(1e-14, free), top)
            chi = bottom + (top - bottom) * (1 + x) / 2
            mean = (
                np.sum(weights * chi / free * chi2.pdf(chi, free) / np.sqrt(v * chi / free + eps)) * (top - bottom) / 2
            )
            return float(np.log(max(mean, 1e-300)) + np.log(limit))

        low, high = np.log(1e-12), np.log(1e6)
        if force(low) <= 0:
            return 0.0
        return float(np.exp(brentq(force, low, high, xtol=1e-13))) if force(high) < 0 else np.inf

    def _origin_rate(self, at: MethodSetting) -> Fact:
        width, eps = at.width, self["epsilon"]
        form = _S * (_MU / sympy.sqrt(_EPS) - 4 * _WEIGHT * _NU) / _D
        reason = f"mean over D = {width} coordinates; beyond v ≈ ε the force is constant, μ√λ_s/D"
        with np.errstate(divide="ignore"):
            push = self["mu"] * (eps < 1) / np.sqrt(eps) if self["mu"] > 0 else 0.0
        return Fact(at.lambda_s * (push - 4 * self["s"] * at.nu) / width - at.eta_s, form, reason=reason)

    def _flow(self, modes: int) -> Flow:
        """The code takes the mean over D coordinates, of which a mode is one."""
        return self._mode_flow(modes, loss=f"({self.mode})/dim")
