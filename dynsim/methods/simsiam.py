"""SimSiam: a predictor and a stop-gradient. One aligned mode, with the squared error ½‖p₁ − sg(z₂)‖²:

    p′ = αw(λ_d w − λ_s pw) − η_p p,      w′ = p(λ_d w − λ_s pw) − η_s w.

With equal decays αw² − p² fades like e^{−2ηt}, and p± = (λ_d ± √(λ_d² − 4ηλ_s))/(2λ_s) meet at η_c = λ_d²/(4λ_s).
The upper one is stable for every α, the lower one a saddle. λ_d < 0 is the mirror image, with p < 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import sympy

from dynsim.errors import bad
from dynsim.methods.fact import Fact
from dynsim.methods.method import Method
from dynsim.methods.reached import reached
from dynsim.methods.setting import Knob, MethodSetting
from dynsim.symbolic.flow import Flow

__all__ = ["SimSiam"]

_D, _S, _ETA, _ALPHA = sympy.symbols("lambda_d lambda_s eta_s alpha")


class SimSiam(Method):
    """Predictor and stop-gradient, no negatives."""

    name = "simsiam"
    summary = "a learned predictor of one view from the other, whose target is not differentiated"
    reference = "Chen & He, arXiv:2011.10566 (2021); Tian, Chen & Ganguli, arXiv:2102.06810 (2021)"
    code = "github.com/facebookresearch/simsiam (its cosine replaced by the squared error of BYOL)"
    loss = "sq(p1 - sg(z2))/2"
    mode = "(p*w*(x + n1) - sg(w*(x + n2)))^2/2"
    survives_if = "η_s ≤ λ_d²/(4λ_s), and the start lies on the upper side of the saddle"
    ends_at = "v = λ_s p₊²/α, p₊ = (λ_d + √(λ_d² − 4ηλ_s))/(2λ_s)"
    directions = "predictor"
    timed = False
    learned_first = "large λ_d"
    killed_by = "weight decay, a small or cold start, a sudden drop of α"
    budget = "lambda_d"
    KNOBS: ClassVar[Mapping[str, Knob]] = {}
    states: ClassVar[tuple[str, ...]] = ("p", "w")

    def _half_times(self, at: MethodSetting, size: np.ndarray) -> np.ndarray:
        """Without decay a small balanced start leaves after the time 1/(√α·|λ_d|·w₀); with it a small start dies."""
        with np.errstate(divide="ignore"):
            return 1 / np.abs(at.lambda_d)

    def _survives(self, at: MethodSetting) -> Fact:
        threshold = sympy.Le(_ETA, _D**2 / (4 * _S))
        signal = at.lambda_d != 0
        if at.eta_p == 0 < at.eta_s:
            return Fact(
                np.zeros_like(signal), sympy.false, reason="η_p = 0 < η_s: no equilibrium has w ≠ 0, and w → 0"
            )
        if at.eta_s == 0:
            kind = "no decay: it depends on the start" if at.eta_p == 0 else "η_s = 0 < η_p: w grows without bound"
            found = Fact(signal, threshold, reason=kind)
        else:
            alive = signal & (at.lambda_d**2 >= 4 * at.eta_s * at.lambda_s)
            found = Fact(
                alive, threshold, reason="η_s ≤ λ_d²/(4λ_s): p₊ exists and is stable, for every α and teacher"
            )
        return found if at.initial is None else self._from(at, found)

    def _predictor(self, at: MethodSetting, sign: float = 1.0) -> np.ndarray:
        """|p±| of each feature, NaN where there is none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            root = np.sqrt(at.lambda_d**2 - 4 * at.eta_s * at.lambda_s)
            return (np.abs(at.lambda_d) + sign * root) / (2 * at.lambda_s)

    def _amplitude(self, at: MethodSetting) -> Fact:
        upper = self._predictor(at)
        p = (sympy.Abs(_D) + sympy.sqrt(_D**2 - 4 * _ETA * _S)) / (2 * _S)
        if at.eta_s == 0 and at.eta_p > 0:
            return Fact(np.full_like(upper, np.inf), sympy.oo, reason="η_s = 0 < η_p: w grows like √t")
        if at.eta_s == 0:
            return self._undecayed(at, upper)
        ratio = at.eta_p / at.eta_s
        eta_p = sympy.Symbol("eta_p")
        value = at.lambda_s * upper**2 * ratio / at.alpha
        return Fact(value, _S * p**2 * eta_p / (_ALPHA * _ETA), reason="w² = (η_p/η_s)·p₊²/α")

    def _undecayed(self, at: MethodSetting, upper: np.ndarray) -> Fact:
        """Without decay p ends at r, and w² − p²/α keeps its value."""
        if at.initial is None:
            reason = "no decay: the end depends on the start; given is the one from a small start, w² = r²/α"
            return Fact(at.lambda_s * upper**2 / at.alpha, _D**2 / (_ALPHA * _S), reason=reason)
        p, w, v = self._start(at)
        if v is not None:
            return Fact(
                None, exact=False, reason="a teacher moves the conserved quantity: integrate `flow` from the start"
            )
        return Fact(at.lambda_s * (w**2 + (upper**2 - p**2) / at.alpha), reason="w² = w₀² + (r² − p₀²)/α")

    def _origin_rate(self, at: MethodSetting) -> Fact:
        reason = "at p = w = 0 only the decay is left"
        if at.eta_s == 0:
            reason = "no decay: |w| grows only algebraically, in the time 1/(√α·λ_d·w₀)"
        return Fact(np.full(at.lambda_s.shape, 0.0 - at.eta_s), -_ETA, reason=reason)

    def _flow(self, modes: int) -> Flow:
        return self._mode_flow(modes, self.states)

    # From a start.

    def _start(self, at: MethodSetting) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """p, w and, if there is a teacher, v; a predictor that is not given starts balanced, p = √α|w|."""
        w = at.start("w")
        if w is None:
            raise bad("initial", at.initial, "a number, the weight w, or a mapping with a value for w")
        side = np.where(at.lambda_d < 0, -1.0, 1.0)
        p = at.start("p")
        p = side * np.sqrt(at.alpha) * np.abs(w) if p is None else p
        v = at.start("v", w) if "v" in self.states and at.beta is not None else None
        return p, w, v

    def _from(self, at: MethodSetting, found: Fact) -> Fact:
        p, w, v = self._start(at)
        p = p * np.where(at.lambda_d < 0, -1.0, 1.0)
        still = v is None or np.array_equal(v, w)
        if at.eta_s == at.eta_p == 0 and v is None:
            ends = np.where(p > 0, p**2 - at.alpha * w**2 < at.reliability**2, at.alpha * w**2 > p**2)
            reason = "αw² − p² is conserved: from p₀ > 0 it collapses iff p₀² − αw₀² ≥ r², else iff αw₀² ≤ p₀²"
            return replace(found, value=found.value & ends & (w != 0), reason=reason)
        balanced = np.isclose(at.alpha * w**2, p**2, rtol=1e-12, atol=0) & still
        if at.eta_s == at.eta_p > 0 and balanced.all():
            ends = p >= self._predictor(at, -1.0) * (1 - 1e-14)
            return replace(found, value=found.value & ends, reason="αw² = p² stays so: it lives iff p₀ ≥ p₋")
        if at.eta_s == 0:
            return Fact(None, exact=False, reason="no rule for this start without decay: integrate `flow` from it")
        ends = np.array([found.value[i] and self._run(at, i, p, w, v) for i in range(len(w))])
        if any(end is None for end in ends):
            return Fact(None, exact=False, reason="a start too close to the boundary between survival and collapse")
        return replace(found, value=ends.astype(bool), exact=False, reason="by integration from the start")

    def _run(self, at: MethodSetting, i: int, p: Any, w: Any, v: Any) -> bool | None:
        signal, view, alpha = abs(at.lambda_d[i]), at.lambda_s[i], at.alpha
        upper = self._predictor(at)[i]
        weight = np.sqrt(at.eta_p / at.eta_s / alpha) * upper

        def field(y: np.ndarray) -> np.ndarray:
            target = y[2] if v is not None else y[1]
            error = signal * target - view * y[0] * y[1]
            rates = [alpha * y[1] * error - at.eta_p * y[0], y[0] * error - at.eta_s * y[1]]
            return np.array(rates if v is None else [*rates, at.beta * (y[1] - y[2])])

        sides = 1.0 if w[i] >= 0 else -1.0
        start = [p[i], sides * w[i], *([] if v is None else [sides * v[i]])]
        alive = [upper, weight, *([] if v is None else [weight])]
        return reached(field, np.array(start), np.array(alive), 1, at.eta_s)
