"""DINO: prototypes, a centred and sharpened teacher. A model of clusters, not of Gaussian features.

The loss is the cross-entropy of softmax((t − c)/τ_t) and softmax(s/τ_s); the centre follows c′ = m(A − c), the teacher
A′ = β(a − A). Inputs are one-hot clusters, and the two views of an image agree about the cluster with the agreement r.
The state is b, the logit of a cluster's own prototype minus that of the others; its pattern grows from the uniform
state iff τ_t < rτ_s and lives up to the fold τ_f ≥ rτ_s (equal for K = 2). A cold start also needs a centre that is
fast enough to hold the constant mode back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import sympy

from dynsim.errors import bad
from dynsim.methods.fact import Fact
from dynsim.methods.method import Method
from dynsim.methods.prototype_bifurcations import branches, fold, growth_rates, hopf, trained_state_margin
from dynsim.methods.setting import Knob, MethodSetting
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.rules import Descend, Move, Rule

__all__ = ["Dino"]

_R, _TAU_T, _TAU_S, _K = sympy.symbols("r tau_t tau_s prototypes")
CLUSTERS = "one-hot clusters as inputs, logits a matrix, expected gradients; the symmetric state, all clusters alike"


class Dino(Method):
    """Self-distillation with prototypes."""

    name = "dino"
    summary = "cross-entropy to the centred, sharpened assignments of a slow teacher"
    reference = "Caron et al., arXiv:2104.14294 (2021)"
    code = "github.com/facebookresearch/dino/blob/main/main_dino.py"
    loss = "-sum(sg(softmax((t2 - centre)/tau_t))*logsoftmax(s1/tau_s))"
    survives_if = (
        "τ_t < rτ_s; for K ≥ 3 up to the fold τ_f from a warm start; cold, the pattern must outgrow the constant mode"
    )
    ends_at = "v = b₊², r·e_K(b/τ_t) = e_K(b/τ_s)"
    learned_first = "large r"
    timed = False
    directions = "single"
    killed_by = "a hot teacher, a slow centre"
    drawn = "(X, X2) ~ discrete([(1, 1), (1, -1), (-1, 1), (-1, -1)], [(1 + r)/4, (1 - r)/4, (1 - r)/4, (1 + r)/4])"
    KNOBS: ClassVar[Mapping[str, Knob]] = {
        "tau_s": Knob(0.1, 1e-3, 10.0, "temperature of the student"),
        "tau_t": Knob(0.04, 1e-3, 10.0, "temperature of the teacher"),
        "centre_rate": Knob(200.0, 0.0, 1e12, "−ln(centre momentum)/lr; 200 is about 0.9 at lr 5e-4"),
        "prototypes": Knob(65536, 2, 1e7, "number K of prototypes and of clusters", whole=True),
        "agreement": Knob(None, 0.0, 1.0, "r of the two views' clusters; by default λ_d/λ_s"),
    }
    decays = False
    moments_only = False
    more_assumptions: ClassVar[tuple[str, ...]] = (CLUSTERS,)
    cold_needs_centre = True

    @property
    def mode(self) -> str:
        """The loss of two clusters, X and X2 the signs of the views' clusters: one mode says nothing about more."""
        student = "(a + b*X)/tau_s"
        return f"softplus({student}) - sigmoid({self._target})*{student}"

    _teacher = "tau_t"
    _target = "(sg(a + b*X2) - c)/tau_t"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What every fact of the method rests on."""
        more = () if self["agreement"] is not None else ("the agreement of the views' clusters is λ_d/λ_s",)
        return (*self.more_assumptions, *more)

    def _clusters(self, at: MethodSetting) -> np.ndarray:
        if self["agreement"] is not None:
            return np.full(at.lambda_s.shape, self["agreement"])
        return np.clip(at.reliability, 0.0, 1.0)

    def _default_features(self) -> MethodSetting | None:
        agreement = self["agreement"]
        return None if agreement is None else MethodSetting(np.array([agreement]), np.ones(1), scalar=True)

    def _alive(self, at: MethodSetting) -> Fact:
        return self._survives(at)  # clusters have prototypes, not rows

    def _half_times(self, at: MethodSetting, size: np.ndarray) -> np.ndarray:
        """The pattern that grows faster is ahead."""
        return 1 / np.maximum(self._clusters(at), 1e-300)

    def _survives(self, at: MethodSetting) -> Fact:
        tau_s, tau_t, count = self["tau_s"], self[self._teacher], self["prototypes"]
        r = self._clusters(at)
        uniform = tau_t < r * tau_s
        limit = np.array([fold(float(x), tau_s, count)[0] for x in r])
        if at.initial is None:
            reason = "τ_t < rτ_s" if count == 2 else "τ_t < τ_f: the trained state exists, reached at least from warm"
            form = sympy.Lt(_TAU_T, _R * _TAU_S) if count == 2 else None
            return Fact(tau_t < limit, form, reason=reason)
        kind, b0 = _start(at.initial)
        if kind == "warm":
            lower = np.array([branches(float(x), tau_t, tau_s, count)[0] for x in r])
            if b0 is None:
                return Fact(tau_t < limit, reason="from the trained state of a colder teacher: it lives iff τ_t < τ_f")
            ends = (tau_t < limit) & (b0 > np.nan_to_num(lower, nan=np.inf))
            return Fact(ends, reason="it lives iff τ_t < τ_f and b₀ > b₋, the constant mode at rest")
        return self._cold(at, uniform, r)

    def _cold(self, at: MethodSetting, uniform: np.ndarray, r: np.ndarray) -> Fact:
        """From infinitely near the uniform state the pattern must grow, and faster than the constant mode does."""
        form = sympy.Lt(_TAU_T, _R * _TAU_S)
        if not self.cold_needs_centre:
            return Fact(uniform, form, reason="from near the uniform state: τ_t < rτ_s")
        tau_s, tau_t, m, count = self["tau_s"], self[self._teacher], self["centre_rate"], self["prototypes"]
        edge = hopf(tau_s, tau_t, count, at.beta)[0]
        if m >= edge:
            return Fact(uniform, form, reason=f"τ_t < rτ_s, and the centre rate {m:g} ≥ m_H = {edge:.6g}")
        rates = [growth_rates(float(x), tau_s, tau_t, count, m, at.beta) for x in r]
        wins = np.array([pattern > constant for pattern, constant in rates])
        if count == 2 and at.beta is None:
            steady = [u and m > trained_state_margin(float(x), tau_s, tau_t) for x, u in zip(r, uniform, strict=True)]
            wins &= np.array(steady)
        pattern, constant = rates[0]
        reason = (
            f"the centre rate {m:g} < m_H = {edge:.6g}: the constant mode grows at {constant:.4g}, the pattern at "
            f"{pattern:.4g}; the faster wins an infinitely small start, a larger constant mode may win"
        )
        return Fact(uniform & wins, exact=False, reason=reason)

    def _amplitude(self, at: MethodSetting) -> Fact:
        tau_s, tau_t, count = self["tau_s"], self[self._teacher], self["prototypes"]
        b = np.array([branches(float(x), tau_t, tau_s, count)[1] for x in self._clusters(at)])
        return Fact(
            np.nan_to_num(b, posinf=np.inf) ** 2,
            reason="v = b₊², b the logit of a cluster's own prototype minus the others'",
        )

    def _origin_rate(self, at: MethodSetting) -> Fact:
        tau_s, tau_t, count = self["tau_s"], self[self._teacher], self["prototypes"]
        value = (self._clusters(at) / tau_t - 1 / tau_s) / (count**2 * tau_s)
        form = (_R / _TAU_T - 1 / _TAU_S) / (_K**2 * _TAU_S)
        if at.beta is not None:
            rates = [growth_rates(float(x), tau_s, tau_t, count, 0.0, at.beta)[0] for x in self._clusters(at)]
            return Fact(np.array(rates), reason="of pattern and teacher together")
        return Fact(value, form, reason="of the pattern, the teacher without lag")

    def _flow(self, modes: int) -> Flow:
        """K = 2: constant mode a, pattern b, centre. K ≥ 3: the pattern of the symmetric state."""
        if modes > 1:
            raise bad("modes", modes, "1", "clusters compete for prototypes; the symmetric state has one pattern b")
        teacher = self._teacher
        if self["prototypes"] > 2:
            share = "(exp(b/{0}) - 1)/(exp(b/{0}) + prototypes - 1)"
            rise = f"(r*{share.format(teacher)} - {share.format('tau_s')})/(prototypes*tau_s)"
            return self._described(Flow.of({"b": Move(rise)})).describe(view={"b": (0.0, 1.0)})
        rules: dict[str, Rule] = {"a": Descend(self.mode), "b": Descend(self.mode)}
        if self.cold_needs_centre:
            rules["c"] = Move("centre_rate*(a - c)")
        return self._described(Flow.of(rules, random=self.drawn))


def _start(initial: Any) -> tuple[str, np.ndarray | None]:
    if isinstance(initial, str) and initial in ("cold", "warm"):
        return initial, None
    value = initial.get("b", initial.get("w")) if isinstance(initial, Mapping) else initial
    if isinstance(value, str) or value is None:
        raise bad("initial", initial, '"cold", "warm", the pattern b, or {"b": …}')
    return "warm", np.asarray(value, dtype=float)
