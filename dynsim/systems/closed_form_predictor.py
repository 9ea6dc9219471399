r"""Closed-form linear predictors (Halvagal, Laborieux & Zenke 2023): ẑ ∈ R^k read through D = diag(λ_m).

D is never differentiated; λ_m is the variance of mode m over the data. The state z_m is the amplitude of an ensemble
of samples ẑ_m = ±z_m with independent signs, for which E[ẑ_m ẑ_n] = δ_mn z_m², so λ_m = z_m² exactly; every force here
is odd in each sign, so the ensemble stays what it is. With ``spectrum="frozen"`` the λ_m are parameters: one sample in
a spectrum that stands still.

Closed-form linear predictor under the squared error ½‖Dẑ¹ − ẑ²‖², in the eigenmodes of the representation.

At identical views every mode moves by itself, λ = λ_m = z_m² in the ensemble:

    stop λ(1 − λ)z · IsoLoss (1 − λ)z · full −(1 − λ)²z · target (λ − 1)z · no predictor 0,

so that λ' = 2λ²(1 − λ) under `stop` — small modes are learned last — and 2λ(1 − λ) with IsoLoss.

Closed-form linear predictor under the cosine loss −cos(Dẑ¹, ẑ²), in the eigenmodes of the representation.

At identical views, with λ_m = z_m² in the ensemble,

    stop     λ_m z_m/(‖Dz‖³‖z‖)·Σ_k λ_k(λ_k − λ_m)z_k²      (IsoLoss: without the leading λ_m)
    target   z_m/(‖Dz‖‖z‖³)·Σ_k (λ_m − λ_k)z_k²,              full = stop + target.

`stop`, `full` and `target` conserve ‖z‖: the loss cannot collapse the representation in size, `stop` only equalises
the modes; `target` concentrates them (collapse of the rank, not of the norm). IsoLoss does not conserve ‖z‖.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import sympy

from dynsim.choices import Branch
from dynsim.errors import bad
from dynsim.symbolic.exact import Exact, Limit
from dynsim.symbolic.flow import Flow, gradient_flow
from dynsim.symbolic.rules import Hold, Rule
from dynsim.systems.building import as_fraction, count, numbered, only_stop, rewritten
from dynsim.systems.catalogue import System
from dynsim.systems.laws import log_linear, logistic, signed_root

VARIANTS = ("predictor", "isoloss", "no-predictor")
SPECTRA = ("ensemble", "frozen")


def closed_form_predictor(loss: Any, branch: Branch, variant: str | None, k: Any, spectrum: str) -> Flow:
    """Flow of k amplitudes that descend `loss`, with λ_m held to z_m², to 1 (no predictor), or free."""
    if spectrum not in SPECTRA:
        raise bad("spectrum", spectrum, "'ensemble' or 'frozen'")
    k = count("k", k)
    states = numbered("z", k)
    learned = gradient_flow(loss, states, branch=branch)
    rules: dict[str, Rule] = dict(learned.rules)
    if variant == "no-predictor":
        rules |= {f"lambda{i}": Hold(1) for i in range(1, k + 1)}
    elif spectrum == "ensemble":
        rules |= {f"lambda{i}": Hold(f"z{i}^2") for i in range(1, k + 1)}
    flow = Flow.of(rules, roles={"encoder": states})
    starts = {z: 0.8 * 0.6**i for i, z in enumerate(states)}
    frozen = {f"lambda{i}": 0.5 ** (i - 1) for i in range(1, k + 1) if f"lambda{i}" in flow.parameters}
    return flow.describe(
        defaults={**starts, **frozen},
        ranges={**dict.fromkeys(states, (-1.5, 1.5)), **dict.fromkeys(frozen, (0.01, 2.0))},
        view=dict.fromkeys(states, (0.05, 1.5)),
        observables={"variance": " + ".join(f"{z}^2" for z in states)},
        loss=learned.loss,
        branch=branch,
    )


def build_euclidean(branch: Branch, variant: str | None, k: int = 2, spectrum: str = "ensemble") -> Flow:
    """Flow of z₁ … z_k."""
    modes = range(1, count("k", k) + 1)
    if variant == "isoloss":
        only_stop(branch, variant, "the other branches of its loss are those of the plain one")
        terms = (f"(z{i} - sg(2*z{i} - lambda{i}*z{i}))^2/2" for i in modes)
    else:
        terms = (f"(lambda{i}*z{i} - sg(z{i}))^2/2" for i in modes)
    flow = closed_form_predictor(" + ".join(terms), branch, variant, k, spectrum)
    kind = branch if variant == "predictor" else str(variant)
    if spectrum == "frozen" and variant != "no-predictor":
        exact = Exact(limit=partial(_frozen_limit, kind), solution=partial(_frozen, kind), defaults=flow.defaults)
        return replace(flow, exact=exact)
    return replace(flow, exact=Exact(limit=partial(_limit, kind), solution=partial(_solution, kind)))


def _stop(t: Any, variance: Any) -> Any:
    """Solve by u = 1/λ − 1, which obeys u' = −2u/(1 + u)."""
    return 1 / log_linear(t, 1 / variance - 1, 1 / variance, 2.0)[1]


def _full(t: Any, variance: Any) -> Any:
    """Solve by q = λ/(1 − λ), which obeys q' = −2q/(1 + q)."""
    ratio, whole = log_linear(t, variance / (1 - variance), 1 / (1 - variance), 2.0)
    return np.where(np.isinf(ratio), 1.0, ratio / whole)


# Branch or variant → (λ(t), does a mode below λ = 1 survive, does one above it come back to 1)
_LAWS: dict[str, tuple[Callable[[Any, Any], Any], bool, bool | None]] = {
    "stop": (_stop, True, True),
    "isoloss": (lambda t, variance: logistic(t, variance, 2.0, 2.0), True, True),
    "full": (_full, False, True),
    "target": (lambda t, variance: logistic(t, variance, -2.0, -2.0), False, None),
    "no-predictor": (lambda t, variance: variance + 0 * np.where(np.isinf(t), 0, t), True, None),
}


def _solution(kind: str, t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    with np.errstate(all="ignore"):
        return {
            name: signed_root(_LAWS[kind][0](t, np.asarray(start, dtype=float) ** 2), start)
            for name, start in initial.items()
        }


# In a frozen spectrum every mode grows or decays exponentially, at these rates.
_RATES: dict[str, Callable[[Any], Any]] = {
    "stop": lambda variance: variance * (1 - variance),
    "isoloss": lambda variance: 1 - variance,
    "full": lambda variance: -((1 - variance) ** 2),
    "target": lambda variance: variance - 1,
}


def _frozen(kind: str, t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    values = {}
    for name, start in initial.items():
        speed = _RATES[kind](np.asarray(parameters[name.replace("z", "lambda")], dtype=float))
        with np.errstate(invalid="ignore", over="ignore"):  # 0·∞: a mode that nothing moves
            turned = np.where(speed == 0, 1.0, np.exp(speed * t))
            values[name] = np.where(np.asarray(start) == 0, 0.0, np.asarray(start, dtype=float) * turned)
    return values


def _frozen_limit(kind: str, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    values = {}
    for name, z in initial.items():
        speed = _RATES[kind](parameters[name.replace("z", "lambda")])
        if speed > 0 and z != 0:
            return None
        values[name] = z if speed == 0 else 0 * z
    reason = "λ stands still: z grows or decays as e^(rate·t), and none of the modes grows"
    return Limit(values, all(value == 0 for value in values.values()), reason)


def _limit(kind: str, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    _, survives, returns = _LAWS[kind]
    if kind == "no-predictor":
        return Limit(dict(initial), all(z == 0 for z in initial.values()), "identical views, no predictor: no force")
    values: dict[str, Any] = {}
    for name, z in initial.items():
        if z**2 > 1 and returns is None:
            return None
        lives = z != 0 and (z**2 >= 1 or survives)
        one = sympy.Integer(1) if isinstance(z, sympy.Basic) else 1.0
        values[name] = (one if z > 0 else -one) if lives else 0 * z
    reason = "every mode with λ > 0 goes to λ = 1" if survives else "every mode with λ < 1 goes to 0, λ ≥ 1 to 1"
    return Limit(values, all(value == 0 for value in values.values()), reason)


EUCLIDEAN = System(
    "euclidean",
    "closed-form predictor",
    "eigenmodes of the representation under the squared error, the predictor set to their covariance",
    "Halvagal, Laborieux & Zenke, arXiv:2212.04858 (2023)",
    build_euclidean,
    variants=VARIANTS,
    structure=("k", "spectrum"),
)


FACTORED = 4  # modes up to which SymPy factors the force in no time; beyond, it stays as it is derived


def build_cosine(branch: Branch, variant: str | None, k: int = 2, spectrum: str = "ensemble") -> Flow:
    """Flow of z₁ … z_k; a single mode has nothing to be compared with and does not move."""
    k = count("k", k)
    modes = range(1, k + 1)
    read = [f"lambda{i}*z{i}" for i in modes]
    plain = [f"z{i}" for i in modes]
    inner = " + ".join(f"({a})*({b})" for a, b in zip(read, plain, strict=True))
    lengths = f"({_norm(read)}*{_norm(plain)})"
    if variant == "isoloss":
        only_stop(branch, variant, "the other branches of its loss are those of the plain one")
        loss = " - ".join(
            ["0", *(f"z{i}*sg(z{i}/{lengths} - ({inner})*lambda{i}*z{i}/({lengths}*{_norm(read)}^2))" for i in modes)]
        )
    else:
        stopped = [f"sg({z})" for z in plain]
        overlap = " + ".join(f"({a})*{b}" for a, b in zip(read, stopped, strict=True))
        loss = f"-({overlap})/({_norm(read)}*{_norm(stopped)})"
    flow = closed_form_predictor(loss, branch, variant, k, spectrum)
    if k <= FACTORED:
        flow = rewritten(flow, as_fraction)
    if variant == "predictor" and branch == "stop" and spectrum == "ensemble":
        return replace(flow, exact=Exact(limit=_equalised))
    return flow


def _norm(entries: list[str]) -> str:
    return "sqrt(" + " + ".join(f"({entry})^2" for entry in entries) + ")"


def _equalised(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    """‖z‖ is conserved and the modes that are not zero become equal."""
    alive = {name: z for name, z in initial.items() if z != 0}
    if not alive:
        return None
    size = sympy.sqrt(sum(z**2 for z in alive.values()) / len(alive))
    exact = all(isinstance(z, sympy.Basic) for z in initial.values())
    values = {
        name: (0 * z if z == 0 else (1 if z > 0 else -1) * (size if exact else float(size)))
        for name, z in initial.items()
    }
    return Limit(values, False, "‖z‖ is conserved, all modes with λ > 0 become equal")


COSINE = System(
    "cosine",
    "closed-form predictor",
    "eigenmodes of the representation under the cosine loss: the norm is conserved, the modes equalise",
    "Halvagal, Laborieux & Zenke, arXiv:2212.04858 (2023)",
    build_cosine,
    variants=VARIANTS,
    structure=("k", "spectrum"),
)
