"""data2vec, I-JEPA: a predictor of the teacher's normalised features, in smooth L1 distance.

With the target divided by its own standard deviation, w > 0 and no smoothing,

    p′ = αw(r√λ_s − λ_s pw) − η_p p,      w′ = p(r√λ_s − λ_s pw) − η_s w:

no fold; the origin repels iff η_pη_s < αr²λ_s, and α matters. With smooth L1 of width β both forces are multiplied by
Pr(|error| < β)/β (Stein's identity, Gaussian views, torch's definition): without decay a change of time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
import scipy
import sympy

from dynsim.errors import bad
from dynsim.methods.fact import ALIGNED, GAUSSIAN, LINEAR, Fact
from dynsim.methods.setting import Knob, MethodSetting
from dynsim.methods.simsiam import SimSiam
from dynsim.symbolic.flow import Flow

__all__ = ["Data2Vec"]

_R, _S, _ETA_P, _ETA_S, _ALPHA = sympy.symbols("r lambda_s eta_p eta_s alpha")


class Data2Vec(SimSiam):
    """Latent prediction with normalised targets."""

    name = "data2vec"
    summary = "a predictor of a teacher's normalised features, squared or smooth L1 error"
    reference = "Baevski et al., arXiv:2202.03555 (2022); Assran et al., arXiv:2301.08243 (2023)"
    code = "github.com/facebookresearch/fairseq/tree/main/examples/data2vec; github.com/facebookresearch/ijepa"
    survives_if = "target normalised: η_pη_s < αr²λ_s and p₀ > −√α·w₀; else as byol"
    ends_at = "pw = (r√λ_s − η/√α)/λ_s"
    learned_first = "large λ_d/√λ_s"
    directions = "single"
    killed_by = "weight decay only"
    KNOBS: ClassVar[Mapping[str, Knob]] = {
        "smooth": Knob(0.0, 0.0, 1e6, "width β of smooth L1; 0 is the squared error, I-JEPA has 1"),
        "normalise": Knob(
            True, meaning="whether the target is divided by its standard deviation", choices=(True, False)
        ),
    }
    states: ClassVar[tuple[str, ...]] = ("p", "w", "v")

    @property
    def loss(self) -> str:  # type: ignore[override]
        """The loss in the language of networks."""
        target = "sg(t2/std(t2))" if self["normalise"] else "sg(t2)"
        return f"sum(smooth_l1(p1 - {target}, smooth))" if self["smooth"] else f"sq(p1 - {target})/2"

    @property
    def mode(self) -> str:  # type: ignore[override]
        """The loss of one mode."""
        target = "sg(v*(x + n2)/std(v*(x + n2)))" if self["normalise"] else "sg(v*(x + n2))"
        error = f"p*w*(x + n1) - {target}"
        if not self["smooth"]:
            return f"({error})^2/2"
        return f"min(abs({error}), smooth)^2/(2*smooth) + max(abs({error}) - smooth, 0)"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Smoothing needs Gaussian views; the codes' normalisation over layers couples the features."""
        layer = ("the target is divided by its standard deviation feature by feature, not by a layer's",)
        more = (*(layer if self["normalise"] else ()), *((GAUSSIAN,) if self["smooth"] else ()))
        return (LINEAR, ALIGNED, *more)

    def _half_times(self, at: MethodSetting, size: np.ndarray) -> np.ndarray:
        """What leaves the origin faster is ahead."""
        if not self["normalise"]:
            return super()._half_times(at, size)
        return 1 / np.maximum(at.reliability * np.sqrt(at.lambda_s), 1e-300)

    # Squared error.

    def _survives(self, at: MethodSetting) -> Fact:
        if not self["normalise"]:
            return super()._survives(at) if not self._slowed(at) else self._smooth(at)[0]
        top = self._largest_force(at)
        alive = (np.sqrt(at.eta_p * at.eta_s / at.alpha) < top) & (at.lambda_d > 0)
        if at.eta_p == 0 < at.eta_s or at.eta_s == 0 < at.eta_p:
            only = "η_p = 0 < η_s: w → 0 with pw → r/√λ_s" if at.eta_p == 0 else "η_s = 0 < η_p: w grows without bound"
            alive = alive & (at.eta_p > 0)
            found = Fact(alive, reason=only)
        else:
            form = sympy.Lt(_ETA_P * _ETA_S, _ALPHA * _R**2 * _S) if not self["smooth"] else None
            found = Fact(alive, form, reason="η_pη_s < αr²λ_s: the origin repels, and there is no fold")
        w = at.start("w")
        if w is None:
            return found
        p = at.start("p", np.sqrt(at.alpha) * np.abs(w))
        if at.eta_p != at.eta_s:
            return Fact(None, exact=False, reason="no rule for a start with unequal decays: integrate `flow` from it")
        edge = -np.sqrt(at.alpha) * np.abs(w)  # w stands for its absolute value
        ends = (p > edge) if at.eta_s > 0 else (p >= edge)
        reason = "p²/α − w² keeps its sign: from p₀ ≤ −√α·w₀ it reaches w = 0 and stays"
        return replace(found, value=alive & ends & (w != 0), reason=reason)

    def _amplitude(self, at: MethodSetting) -> Fact:
        if not self["normalise"]:
            return super()._amplitude(at) if not self._slowed(at) else self._smooth(at)[1]
        product = self._product(at)
        if at.eta_s == 0 and at.eta_p > 0:
            return Fact(np.full_like(product, np.inf), sympy.oo, reason="η_s = 0 < η_p: w grows without bound")
        ratio = 1.0 if at.eta_s == 0 else at.eta_p / at.eta_s
        weight = product * np.sqrt(ratio / at.alpha)
        reason = "w² = pw·√(η_p/(αη_s)), λ_s·pw = r√λ_s − √(η_pη_s/α)"
        form = sympy.sqrt(_ETA_P / (_ALPHA * _ETA_S)) * (_R * sympy.sqrt(_S) - sympy.sqrt(_ETA_P * _ETA_S / _ALPHA))
        w = at.start("w")
        if at.eta_s == 0:
            reason = "no decay: pw = r/√λ_s; from a small start w² = pw/√α"
            if w is not None:
                p, w, _ = self._start(at)
                c = p**2 / at.alpha - w**2
                weight = (np.sqrt(c**2 + 4 * product**2 / at.alpha) - c) / 2
                reason = "no decay: pw = r/√λ_s, and p²/α − w² is conserved"
        return Fact(at.lambda_s * weight, form if not self["smooth"] else None, reason=reason)

    def _product(self, at: MethodSetting) -> np.ndarray:
        """Pw at the end: the largest root of Pr·(r√λ_s − λ_s pw) = √(η_pη_s/α)."""
        signal, need = at.reliability * np.sqrt(at.lambda_s), np.sqrt(at.eta_p * at.eta_s / at.alpha)
        with np.errstate(divide="ignore", invalid="ignore"):
            if not self["smooth"] or need == 0:
                return np.maximum(signal - need, 0) / at.lambda_s
        share = np.array([_last_root(lambda x, i=i: self._force(at, i, x) - need) for i in range(len(signal))])
        return share * signal / at.lambda_s

    def _force(self, at: MethodSetting, i: int, share: np.ndarray) -> np.ndarray:
        """Force on the product pw at pw = share·r/√λ_s, the factor of smooth L1 included."""
        r = at.reliability[i]
        plain = r * np.sqrt(at.lambda_s[i]) * (1 - share)
        return plain * self._factor(np.sqrt(1 - r**2 + (r * (1 - share)) ** 2)) if self["smooth"] else plain

    def _factor(self, deviation: np.ndarray) -> np.ndarray:
        width = self["smooth"]
        with np.errstate(divide="ignore"):
            return scipy.special.erf(width / (np.sqrt(2) * deviation)) / width

    def _largest_force(self, at: MethodSetting) -> np.ndarray:
        grid = np.linspace(0, 1, 400)
        return np.array([np.max(self._force(at, i, grid)) for i in range(len(at.lambda_s))])

    # Smooth L1 without normalisation: the factor depends on the size of the error, which depends on the state.

    def _slowed(self, at: MethodSetting) -> bool:
        return bool(self["smooth"] and at.eta_s > 0)

    def _smooth(self, at: MethodSetting) -> tuple[Fact, Fact]:
        if at.initial is not None:
            raise bad("initial", at.initial, "no start with smooth L1 and weight decay", "integrate the flow instead")
        if at.eta_p == 0:
            found = super()._survives(at)
            return found, Fact(np.zeros_like(at.lambda_s))
        ratio = at.eta_p / (at.eta_s * at.alpha)
        p = np.zeros_like(at.lambda_s)
        for i, (signal, view) in enumerate(zip(np.abs(at.lambda_d), at.lambda_s, strict=True)):
            r = signal / view if view > 0 else 0.0

            def force(share: np.ndarray, r: float = r, view: float = view) -> np.ndarray:
                q = share * r
                deviation = np.sqrt(view * ratio * q**2 * np.maximum(q**2 - 2 * r * q + 1, 0))
                return q * (r - q) * view * self._factor(np.maximum(deviation, 1e-300)) - at.eta_s

            p[i] = r * _last_root(force)
        value = at.lambda_s * ratio * p**2
        reason = "upper root of p(λ_d − λ_sp)·Pr(|error| < β)/β = η_s, found numerically"
        return Fact(p > 0, reason=reason), Fact(value, reason=reason)

    def _origin_rate(self, at: MethodSetting) -> Fact:
        if not self["normalise"]:
            return super()._origin_rate(at)
        push = at.reliability * np.sqrt(at.lambda_s) * (self._factor(np.ones(1))[0] if self["smooth"] else 1.0)
        gap = at.eta_p - at.eta_s
        value = (-(at.eta_p + at.eta_s) + np.sqrt(gap**2 + 4 * at.alpha * push**2)) / 2
        form = (sympy.sqrt((_ETA_P - _ETA_S) ** 2 + 4 * _ALPHA * _R**2 * _S) - _ETA_P - _ETA_S) / 2
        return Fact(value, None if self["smooth"] else form, reason="p and w together leave the origin")

    def _flow(self, modes: int) -> Flow:
        """Squared error; with a normalised target for w > 0 and without the teacher's lag."""
        if self["smooth"]:
            raise bad(
                "smooth", self["smooth"], "0 for a closed flow", "smooth L1 depends on the distribution of the error"
            )
        if not self["normalise"]:
            return super()._flow(modes)
        own = self.mode.replace("sg(v*(x + n2)/std(v*(x + n2)))", "sg(w*(x + n2)/sqrt(lambda_s))/sg(w)")
        return self._mode_flow(modes, ("p", "w"), own)


def _last_root(function: object) -> float:
    """Largest root in (0, 1) at which a function that is negative at 1 changes its sign; 0 if there is none."""
    from scipy.optimize import brentq

    grid = np.linspace(0, 1, 801)[1:]
    values = function(grid)  # type: ignore[operator]
    above = np.flatnonzero(values > 0)
    if not len(above):
        return 0.0
    if above[-1] == len(grid) - 1:
        return 1.0
    low, high = grid[above[-1]], grid[above[-1] + 1]
    return float(brentq(lambda x: float(function(np.array(x))), low, high, xtol=1e-15, rtol=1e-14))  # type: ignore[operator]
