"""Closed-form linear predictor under the squared error ½‖Dẑ¹ − ẑ²‖², in the eigenmodes of the representation.

At identical views every mode moves by itself, λ = λ_m = z_m² in the ensemble:

    stop λ(1 − λ)z · IsoLoss (1 − λ)z · full −(1 − λ)²z · target (λ − 1)z · no predictor 0,

so that λ' = 2λ²(1 − λ) under `stop` — small modes are learned last — and 2λ(1 − λ) with IsoLoss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import sympy

from dynsim.symbolic.exact import Exact, Limit
from dynsim.symbolic.flow import Flow
from dynsim.systems.catalogue import System
from dynsim.systems.closed_form_predictor import VARIANTS, closed_form_predictor
from dynsim.systems.laws import log_linear
from dynsim.systems.laws import logistic, signed_root
from dynsim.systems.building import count, only_stop


def build(branch: str, variant: str | None, k: int = 2, spectrum: str = "ensemble") -> Flow:
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
        rate = _RATES[kind]
        exact = Exact(limit=partial(_frozen_limit, rate), solution=partial(_frozen, rate), defaults=flow.defaults)
        return replace(flow, exact=exact)
    law = _LAWS[kind]
    return replace(flow, exact=Exact(limit=partial(_limit, law), solution=partial(_solution, law)))


def _stop(t: Any, variance: Any) -> Any:
    """Solve by u = 1/λ − 1, which obeys u' = −2u/(1 + u)."""
    return 1 / (1 + log_linear(t, 1 / variance - 1, 2.0))


def _full(t: Any, variance: Any) -> Any:
    """Solve by q = λ/(1 − λ), which obeys q' = −2q/(1 + q)."""
    ratio = log_linear(t, variance / (1 - variance), 2.0)
    return np.where(np.isinf(ratio), 1.0, ratio / (1 + ratio))


# Branch or variant → (λ(t), does a mode below λ = 1 survive, does one above it come back to 1)
_LAWS: dict[str, tuple[Callable[[Any, Any], Any], bool, bool | None]] = {
    "stop": (_stop, True, True),
    "isoloss": (lambda t, variance: logistic(t, variance, 2.0, 1.0), True, True),
    "full": (_full, False, True),
    "target": (lambda t, variance: logistic(t, variance, -2.0, 1.0), False, None),
    "no-predictor": (lambda t, variance: variance + 0 * np.where(np.isinf(t), 0, t), True, None),
}


def _solution(law: Any, t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    with np.errstate(all="ignore"):
        return {
            name: signed_root(law[0](t, np.asarray(start, dtype=float) ** 2), start) for name, start in initial.items()
        }


# In a frozen spectrum every mode grows or decays exponentially, at these rates.
_RATES: dict[str, Callable[[Any], Any]] = {
    "stop": lambda variance: variance * (1 - variance),
    "isoloss": lambda variance: 1 - variance,
    "full": lambda variance: -((1 - variance) ** 2),
    "target": lambda variance: variance - 1,
}


def _frozen(rate: Any, t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    values = {}
    for name, start in initial.items():
        speed = rate(np.asarray(parameters[name.replace("z", "lambda")], dtype=float))
        with np.errstate(invalid="ignore", over="ignore"):  # 0·∞: a mode that nothing moves
            turned = np.where(speed == 0, 1.0, np.exp(speed * t))
            values[name] = np.where(np.asarray(start) == 0, 0.0, np.asarray(start, dtype=float) * turned)
    return values


def _frozen_limit(rate: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    values = {}
    for name, z in initial.items():
        speed = rate(parameters[name.replace("z", "lambda")])
        if speed > 0 and z != 0:
            return None
        values[name] = z if speed == 0 else 0 * z
    reason = "λ stands still: z grows or decays as e^(rate·t), and none of the modes grows"
    return Limit(values, all(value == 0 for value in values.values()), reason)


def _limit(law: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    _, survives, returns = law
    if law is _LAWS["no-predictor"]:
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


SYSTEMS = (
    System(
        "euclidean",
        "closed-form predictor",
        "eigenmodes of the representation under the squared error, the predictor set to their covariance",
        "Halvagal, Laborieux & Zenke, arXiv:2212.04858 (2023)",
        build,
        variants=VARIANTS,
        structure=("k", "spectrum"),
    ),
)
