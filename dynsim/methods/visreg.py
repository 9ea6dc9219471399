"""VISReg: views close, standard deviation 1, and standardised slices compared with sorted normal quantiles.

    L = (1−λ)inv + λ[a(1 − std)² + b·W₂²(slices of z/sg(std)) + c·mean²],      u = √v:
    D·u′/λ_s = 2λa(1−u) − 2(1−λ)κνu − 2λbδ_N/u.

In a batch of N even a Gaussian sample misses the quantiles by δ_N, and since the division by std is not differentiated
that pulls inward: u < u₋ dies. The codes divide by std + ε₀, so that what dies leaves a remnant of u ≈ ε₀/δ, and
nothing dies if bδ² < 4aε₀.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
import sympy

from dynsim.methods.fact import Fact
from dynsim.methods.method import Method
from dynsim.methods.order_statistics import quantile_defect
from dynsim.methods.setting import Knob, MethodSetting
from dynsim.symbolic.flow import Flow

__all__ = ["VisReg"]

_S, _NU, _LAM, _A, _KAPPA, _DIM = sympy.symbols("lambda_s nu lam variance kappa dim")


class VisReg(Method):
    """Variance, invariance, shape."""

    name = "visreg"
    summary = "views close, standard deviation 1, standardised slices sorted against normal quantiles"
    reference = "arXiv:2606.02572"
    code = "github.com/HaiyuWu/visreg/blob/main/visreg/losses/visreg.py"
    loss = (
        "(1 - lam)*E(mean((z1 - z2)^2))/4"
        " + lam*variance*(mean((1 - std(z1))^2) + mean((1 - std(z2))^2))/2"
        " + lam*shape*(sliced_wasserstein(z1/sg(std(z1) + epsilon)) + sliced_wasserstein(z2/sg(std(z2) + epsilon)))/2"
        " + lam*mean*(mean(E(z1)^2) + mean(E(z2)^2))/2"
    )
    mode = (
        "(1 - lam)*kappa*nu*u^2/dim + lam*(variance*(1 - u)^2 + 2*shape*delta*log(u))/dim, u = sqrt(lambda_s)*abs(w)"
    )
    survives_if = "always in large batches; in small ones from u₀ > u₋ if bδ_N² > 4aε₀"
    ends_at = "√v = λa/(λa + (1−λ)κν) in large batches"
    learned_first = "large λ_s"
    killed_by = "a small batch with a small start"
    drawn = ""  # one mode alone says nothing: `mode` is the reduced loss, averaged already
    KNOBS: ClassVar[Mapping[str, Knob]] = {
        "lam": Knob(0.9, 0.0, 1.0, "weight of the regulariser"),
        "variance": Knob(1.0, 0.0, 1e4, "weight a of (1 − std)²"),
        "shape": Knob(1.0, 0.0, 1e4, "weight b of the sliced Wasserstein distance"),
        "mean": Knob(1.0, 0.0, 1e4, "weight c of the squared mean"),
        "epsilon": Knob(1e-6, 0.0, 0.1, "ε₀, added to the standard deviation in the division; lightly has 1e-4"),
    }
    gaussian = True
    moments_only = True
    decays = False
    default_views = 2

    def _terms(self, at: MethodSetting) -> tuple[float, np.ndarray, float]:
        """λa, λa + (1−λ)κν and λbδ."""
        push = self["lam"] * self["variance"]
        pull = push + (1 - self["lam"]) * at.spread_over_views(self.default_views) * at.nu
        return push, pull, self["lam"] * self["shape"] * self._defect(at)

    def _defect(self, at: MethodSetting) -> float:
        return 0.0 if at.batch is None else quantile_defect(at.batch)

    def _ends(self, at: MethodSetting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Per feature: the upper root u₊, the boundary below it, and the remnant; in U = u + ε₀ a cubic.

        λa(1−u) − (1−λ)κνu − λb(δ/U − ε₀/U²) = 0 is, with u = U − ε₀, −pull·U³ + (push + pull·ε₀)U² − bδ·U + bε₀ = 0.
        """
        push, pull, shape = self._terms(at)
        eps = self["epsilon"]
        upper, lower, rest = (np.full(pull.shape, np.nan) for _ in range(3))
        for i, strength in enumerate(pull):
            if strength == 0:
                continue
            small = self["lam"] * self["shape"] * eps if at.batch is not None else 0.0
            roots = np.roots([-strength, push + strength * eps, -shape, small])
            real = np.sort(roots[np.abs(roots.imag) < 1e-9 * np.abs(roots).max()].real) - eps
            real = real[real > 0]
            if len(real):
                upper[i] = real[-1]
            if len(real) == 3:
                rest[i], lower[i] = real[0], real[1]
            elif len(real) == 2:  # ε₀ = 0: what lies below the boundary goes to 0
                rest[i], lower[i] = 0.0, real[0]
            elif not len(real):
                upper[i] = rest[i] = 0.0
        return upper, lower, rest

    def _survives(self, at: MethodSetting) -> Fact:
        push, _, _ = self._terms(at)
        upper, lower, _ = self._ends(at)
        alive = (push > 0) & (upper > np.sqrt(self["epsilon"]) * (at.batch is not None)) & (at.lambda_s > 0)
        reason = "the force at w = 0 points outward and does not vanish"
        if at.batch is not None:
            reason = (
                f"a batch of {at.batch}: δ_N = {self._defect(at):.6g}; the boundary u₋ and its remnant, from a cubic"
            )
        start = at.start("w")
        if start is None:
            return Fact(alive, sympy.true if at.batch is None else None, reason=reason)
        u = np.abs(start) * np.sqrt(at.lambda_s)
        ends = (u != 0) & (np.isnan(lower) | (u > lower))
        return Fact(alive & ends, reason=f"{reason}: it lives iff u₀ > u₋")

    def _amplitude(self, at: MethodSetting) -> Fact:
        upper, _, _ = self._ends(at)
        form = (_LAM * _A / (_LAM * _A + (1 - _LAM) * _KAPPA * _NU)) ** 2
        return Fact(upper**2, form if at.batch is None else None, reason="the upper root of the expected force")

    def _origin_rate(self, at: MethodSetting) -> Fact:
        push, _, shape = self._terms(at)
        eps = self["epsilon"]
        if at.batch is None or eps == 0:
            inward = at.batch is not None and shape > 0
            value = np.full(at.lambda_s.shape, -np.inf if inward else (np.inf if push > 0 else 0.0))
            return Fact(value, reason="the force at w = 0 does not vanish, 2λa√λ_s/D: a time that is finite")
        force = push - self["lam"] * self["shape"] * (self._defect(at) / eps - 1 / eps)  # at u = 0, U = ε₀
        value = np.full(at.lambda_s.shape, np.inf if force > 0 else -np.inf)
        return Fact(value, reason=f"the force at w = 0 does not vanish: {2 * force:.4g}√λ_s/D, up to the remnant")

    def _flow(self, modes: int) -> Flow:
        """In large batches."""
        u = "sqrt(lambda_s)*abs(w)"
        loss = f"((1 - lam)*kappa*(lambda_s - lambda_d)*w^2 + lam*variance*(1 - {u})^2)/dim"
        flow = self._mode_flow(modes, loss=loss)
        return replace(flow, defaults={**flow.defaults, "kappa": 0.5}) if "kappa" in flow.defaults else flow
