r"""Linear networks: aligned modes, one feature with the best predictor, a predictor that is set.

Aligned modes of the matrix flow: k copies of the scalar system, each with its own signal and noise.

If predictor and encoder share their singular vectors with the data, P = U diag(p) Uᵀ and W = U diag(w) Qᵀ with
Q the eigenvectors of Σ_d, they keep them, and every mode obeys

    p' = αw(λ_d v − λ_s pw) − η_p p,   w' = p(λ_d v − λ_s pw) − η_s w,   v' = β(w − v).

With weight decay a mode is learned only if η_s ≤ λ_d²/(4λ_s): the decay chooses the features.

One linear feature that reads k modes, with the best linear predictor at every instant (α → ∞).

The feature w ∈ R^k is one row of the encoder; the best predictor is p = Σλ_d w²/Σλ_s w², summed over the modes.
With stop-gradient

    w_i' = p(λ_di − p λ_si) w_i − η_s w_i,

so that Σw² is conserved (decays as e^{−2η_s t}): neither collapse nor growth. Only the direction turns, towards
the mode with the largest λ_d/λ_s, the one that the augmentations disturb least.

DirectSet: the predictor is not learned but set, to a power of the encoder's own correlation matrix.

With P = (WWᵀ)^a and s an eigenvalue of WWᵀ, a mode's predictor is p = s^a and

    s' = 2s[s^a(λ_d − s^a λ_s) − η_s].

A mode survives iff η_s < λ_d²/(4λ_s) and it starts above the lower equilibrium: the threshold of the learned
predictor, for every a. DirectPred is a = ½, DirectCopy a = 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import sympy

from dynsim.choices import Branch
from dynsim.errors import bad
from dynsim.symbolic.exact import Exact, Limit
from dynsim.symbolic.expressions import substitute
from dynsim.symbolic.flow import Flow, gradient_flow
from dynsim.symbolic.parser import parse
from dynsim.symbolic.rules import Descend, Hold
from dynsim.systems.building import as_powers, count, numbered, only_stop, rewritten
from dynsim.systems.catalogue import System
from dynsim.systems.laws import log_linear
from dynsim.systems.one_mode import Mode, exact_modes, two_view_loss

NOISE = 0.1


def build_modes(branch: Branch, variant: str | None, k: int = 3) -> Flow:
    """Flow of k modes, variance halving from mode to mode, white noise of variance 0.1."""
    modes = range(1, count("k", k) + 1)
    student = variant == "simsiam"
    if not student:
        only_stop(branch, variant, "a teacher is never differentiated")
    predictors, encoders, teachers = (numbered(letter, k) for letter in "pwv")
    losses = (two_view_loss(f"p{i}*w{i}", f"sg(w{i})" if student else f"sg(v{i})", str(i)) for i in modes)
    flow = gradient_flow(
        " + ".join(losses),
        predictors + encoders + (() if student else teachers),
        branch=branch,
        rates=dict.fromkeys(predictors, "alpha"),
        decay={**dict.fromkeys(predictors, "eta_p"), **dict.fromkeys(encoders, "eta_s")},
        track=None if student else {f"v{i}": (f"w{i}", "beta") for i in modes},
    )
    signal = {f"lambda_d{i}": 0.5 ** (i - 1) for i in modes}
    view = {f"lambda_s{i}": 0.5 ** (i - 1) + NOISE for i in modes}
    shared = {"alpha": 1.0, "eta_p": 0.0, "eta_s": 0.0}
    defaults = {**dict.fromkeys(predictors, 0.6), **dict.fromkeys(encoders, 0.1), **shared, **signal, **view}
    ranges = {
        **dict.fromkeys(flow.states, (-1.5, 1.5)),
        "alpha": (0.1, 100.0),
        "eta_p": (0.0, 0.5),
        "eta_s": (0.0, 0.5),
        **dict.fromkeys([*signal, *view], (0.01, 2.0)),
    }
    if not student:
        defaults |= {**dict.fromkeys(teachers, 0.1), "beta": 1.0}
        ranges |= {"beta": (0.0, 10.0)}
    aligned = [Mode(f"p{i}", f"w{i}", f"lambda_d{i}", f"lambda_s{i}", f"mode {i}, ") for i in modes]
    return flow.describe(
        defaults=defaults,
        ranges=ranges,
        view=dict.fromkeys(flow.states, (-1.5, 1.5)),
        observables={"learned_variance": " + ".join(f"w{i}^2" for i in modes)},
        exact=exact_modes(branch, aligned, defaults) if student else None,
    )


MODES = System(
    "modes",
    "linear networks",
    "k aligned modes of a linear encoder and predictor, each with its own signal λ_d and view variance λ_s",
    "Tian, Chen & Ganguli, arXiv:2102.06810 (2021); Tian et al., arXiv:2010.00578 (2020)",
    build_modes,
    variants=("simsiam", "byol"),
    structure=("k",),
)


def build_optimal_predictor(branch: Branch, variant: str | None, k: int = 2) -> Flow:
    """Flow of w₁ … w_k; the modes differ in signal and share a noise of variance 0.2."""
    modes = range(1, count("k", k) + 1)
    encoders = numbered("w", k)
    loss = " + ".join(two_view_loss(f"p*w{i}", f"sg(w{i})", str(i)) for i in modes)
    learned = gradient_flow(loss, ("p", *encoders), branch=branch, decay=dict.fromkeys(encoders, "eta_s"))
    signal, view = (" + ".join(f"lambda_{x}{i}*w{i}^2" for i in modes) for x in "ds")
    best = f"({signal})/({view})"
    flow = _short(Flow.of({**learned.rules, "p": Hold(best)}, roles={"encoder": encoders}), signal, view)
    spectrum = {f"lambda_d{i}": 0.5 ** (i - 1) for i in modes} | {f"lambda_s{i}": 0.5 ** (i - 1) + 0.2 for i in modes}
    defaults = {**{w: 1.0 if w == encoders[-1] else 0.1 for w in encoders}, **spectrum, "eta_s": 0.0}
    return flow.describe(
        loss=learned.loss,
        defaults=defaults,
        ranges={
            **dict.fromkeys(encoders, (-1.5, 1.5)),
            **dict.fromkeys(spectrum, (0.01, 2.0)),
            "eta_s": (0.0, 0.5),
        },
        view=dict.fromkeys(encoders, (-1.5, 1.5)),
        observables={"squared_norm": " + ".join(f"w{i}^2" for i in modes), "predictor": best},
        exact=Exact(limit=partial(_optimal_limit, k), defaults=defaults) if branch == "stop" else None,
    )


def _short(flow: Flow, signal: str, view: str) -> Flow:
    """Return the flow with every velocity as w_i times a polynomial in p, which stays a quotient of two sums."""
    above, below, eta = (substitute(parse(text), flow.symbols) for text in (signal, view, "eta_s"))
    p, whole = sympy.Dummy("p"), sympy.Dummy("whole")

    def entry(velocity: sympy.Expr) -> sympy.Expr:
        if not above.is_Add:  # one mode: p is a number
            return sympy.factor(sympy.simplify(velocity))
        flat = sympy.expand(velocity.xreplace({above: p * whole, below: whole}))
        decay = flat.coeff(eta) * eta
        return (sympy.factor(flat - decay) + decay).xreplace({p: above / below})

    return replace(flow, rhs=flow.rhs.applyfunc(entry))


def _optimal_limit(k: int, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    start = [initial[f"w{i}"] for i in range(1, k + 1)]
    if parameters["eta_s"] > 0:
        values = {f"w{i}": 0 * w for i, w in enumerate(start, 1)}
        return Limit(values, True, "Σw² = Σw₀²·e^(−2η_s t): weight decay is not balanced by anything")
    modes = range(1, k + 1)
    if any(parameters[f"lambda_s{i}"] <= 0 or parameters[f"lambda_d{i}"] < 0 for i in modes):
        return None
    quality = {i: parameters[f"lambda_d{i}"] / parameters[f"lambda_s{i}"] for i in modes}
    alive = {i: quality[i] for i, w in enumerate(start, 1) if w != 0 and quality[i] > 0}
    if not alive or parameters["eta_s"] != 0:
        return None
    best = max(alive, key=lambda i: alive[i])
    if sum(q == alive[best] for q in alive.values()) > 1:
        return None
    length = sympy.sqrt(sum(w**2 for w in start))
    side = 1 if start[best - 1] > 0 else -1
    end = side * (length if isinstance(start[best - 1], sympy.Basic) else float(length))
    values = {f"w{i}": end if i == best else 0 * w for i, w in enumerate(start, 1)}
    return Limit(values, False, f"Σw² is conserved; λ_d/λ_s is largest for mode {best}, which takes everything")


OPTIMAL_PREDICTOR = System(
    "optimal-predictor",
    "linear networks",
    "one feature over k modes with the best linear predictor at every instant: turns, never collapses",
    "Tang et al., arXiv:2212.03319 (2022); Su Jianlin, kexue.fm/archives/7980 (2020)",
    build_optimal_predictor,
    structure=("k",),
)


POWERS = {"direct-copy": "1", "direct-pred": "1/2", "direct-set": "a"}
DIRECT_DEFAULTS = {"s": 0.1, "lambda_d": 1.0, "lambda_s": 1.1, "eta_s": 0.1}
DIRECT_RANGES = {"s": (0.0, 1.5), "lambda_d": (0.01, 2.0), "lambda_s": (0.01, 2.0), "eta_s": (0.0, 0.5)}


def build_direct_set(branch: Branch, variant: str | None) -> Flow:
    """Flow of s = w²: w descends the loss with p held, and s' = 2ww' makes the rate (2w)² = 4s, the decay 2η_s."""
    power = POWERS[str(variant)]
    flow = Flow.of(
        {
            "s": Descend(two_view_loss("p*sqrt(s)", "sg(sqrt(s))"), rate="4*s", decay="2*eta_s"),
            "p": Hold(f"s^({power})"),
        },
        roles={"encoder": "s"},
    )
    flow = rewritten(flow, as_powers, positive="s")
    general = power == "a"
    return flow.describe(
        defaults={**DIRECT_DEFAULTS, **({"a": 1.0} if general else {})},
        ranges={**DIRECT_RANGES, **({"a": (0.25, 2.0)} if general else {})},
        view={"s": (0.0, 1.5)},
        observables={"predictor": f"s^({power})"},
        exact=Exact(
            limit=partial(_direct_limit, power),
            solution=partial(_direct_solution, power),
            defaults={**DIRECT_DEFAULTS, "a": 1.0},
        ),
    )


def _power(parameters: Mapping[str, Any], power: str) -> Any:
    return parameters["a"] if power == "a" else sympy.Rational(power)


def _direct_limit(power: str, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    """The mode ends at s_+ or at 0; the lower equilibrium s_− is the boundary between them."""
    s, signal, view, eta = initial["s"], parameters["lambda_d"], parameters["lambda_s"], parameters["eta_s"]
    a = _power(parameters, power)
    if s < 0 or eta < 0 or view <= 0 or not a > 0:
        return None
    if s == 0:
        return Limit({"s": s}, True, "s(0) = 0 never moves")
    if signal <= 0:
        return Limit({"s": 0 * s}, True, "λ_d ≤ 0: s' = 2s[s^a(λ_d − s^a λ_s) − η_s] < 0 always")
    discriminant = signal**2 - 4 * eta * view
    if discriminant < 0:
        return Limit({"s": 0 * s}, True, "η_s > λ_d²/(4λ_s): no mode survives")
    root = sympy.sqrt(discriminant)
    lower, upper = ((signal + sign * root) / (2 * view) for sign in (-1, 1))
    low, high = ((max(value, 0 * value)) ** (1 / a) for value in (lower, upper))
    if s == low:
        return Limit({"s": s}, False, "the start is the unstable equilibrium s_−")
    if s < low:
        return Limit({"s": 0 * s}, True, "s(0) < s_− = ((λ_d − √(λ_d² − 4η_sλ_s))/(2λ_s))^(1/a)")
    end = high if isinstance(s, sympy.Basic) else float(high)
    return Limit({"s": end}, False, "s(0) > s_−: s → s_+ = ((λ_d + √(λ_d² − 4η_sλ_s))/(2λ_s))^(1/a)")


def _direct_solution(power: str, t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Without decay y = s^a obeys y' = 2ay²(λ_d − λ_s y), and u = λ_d/(λ_s y) − 1 obeys u' = −(2aλ_d²/λ_s)·u/(1 + u).

    Without signal y' = −2aλ_s y³.
    """
    if np.any(np.asarray(parameters["eta_s"], dtype=float) != 0):
        raise bad("eta_s", parameters["eta_s"], "0 for a closed form in time", "integrate with solve instead")
    a = np.asarray(_power(parameters, power), dtype=float)
    signal, view = (np.asarray(parameters[name], dtype=float) for name in ("lambda_d", "lambda_s"))
    if np.any(a <= 0):
        raise bad("a", parameters["a"], "a > 0, for which the closed form holds")
    if np.any(view <= 0):
        raise bad("lambda_s", parameters["lambda_s"], "λ_s > 0, for which the closed form holds")
    s = np.asarray(initial["s"], dtype=float)
    with np.errstate(all="ignore"):
        y = np.where(s < 0, np.nan, s) ** a
        whole = signal / (view * y)
        _, later = log_linear(t, (signal - view * y) / (view * y), whole, 2 * a * signal**2 / view)
        fading = y / np.sqrt(1 + 4 * a * view * np.where(y == 0, 0.0, y**2 * t))
        value = np.where(signal == 0, fading, signal / (view * later))
        value = np.where(np.isinf(later) & (signal < 0), 0.0, value)
        return {"s": np.where((y == 0) | (np.asarray(t) == 0), s, value ** (1 / a))}


DIRECT_SET = System(
    "direct-set",
    "linear networks",
    "one mode s of WWᵀ whose predictor is set to s^a instead of learned",
    "Wang, Chen, Du & Tian, arXiv:2110.04947 (2021); Tian, Chen & Ganguli, arXiv:2102.06810 (2021)",
    build_direct_set,
    branches=("stop",),
    variants=tuple(POWERS),
)
