"""Flows of aligned modes from the loss of one, with what is usually told of a flow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from dynsim.field import Field
from dynsim.methods.setting import Knob
from dynsim.symbolic.flow import Flow, gradient_flow
from dynsim.symbolic.functions import release

__all__ = ["described", "growth_time", "legendre", "mode_flow"]

# Default, and range, of the parameters that are no knobs.
_PARAMETERS = {
    "alpha": (1.0, 0.1, 100.0),
    "beta": (1.0, 0.0, 10.0),
    "eta_p": (0.0, 0.0, 0.5),
    "eta_s": (0.0, 0.0, 0.5),
    "dim": (1.0, 1.0, 1024.0),
    "batch": (256.0, 2.0, 4096.0),
    "kappa": (0.75, 0.1, 2.0),
    "r": (0.7, 0.0, 1.0),
}
_ROLES = {"predictor": "p", "encoder": "w", "teacher": "v"}
_STARTS = {"w": 0.1, "p": 0.6, "v": 0.1, "a": 0.01, "b": 0.01}


def mode_flow(loss: str, modes: int, states: tuple[str, ...], decays: bool, drawn: str = "") -> Flow:
    """Flow of the sum of one loss per mode; states, moments and random symbols are numbered if there are several.

    Examples
    --------
    >>> from dynsim.methods.mode_flow import mode_flow
    >>> mode_flow("(1 - E(w*x*w*x))^2", 2, ("w",), False, "x ~ normal(0, lambda_d)").parameters
    ('lambda_d1', 'lambda_d2')
    """
    numbers = [str(i) if modes > 1 else "" for i in range(1, modes + 1)]
    own = (*states, "lambda_d", "lambda_s", *re.findall(r"(\w+) ~", drawn))
    losses, laws = ([_numbered(text, number, own) for number in numbers] for text in (loss, drawn))
    names = [(f"{name}{number}", name) for name in states for number in numbers]
    return gradient_flow(
        " + ".join(losses),
        [new for new, _ in names],
        random=", ".join(law for law in laws if law) or None,
        rates={new: "alpha" for new, old in names if old == "p"},
        decay={new: {"w": "eta_s", "p": "eta_p"}[old] for new, old in names if old in "wp" and decays},
        track={new: (new.replace("v", "w"), "beta") for new, old in names if old == "v"},
        roles={role: [new for new, old in names if old == letter] for role, letter in _ROLES.items()},
    )


def _numbered(text: str, number: str, names: tuple[str, ...]) -> str:
    return re.sub(rf"\b({'|'.join(names)})\b", rf"\g<1>{number}", text)


def described(flow: Flow, knobs: Mapping[str, Knob], values: Mapping[str, Any]) -> Flow:
    """The same flow with defaults, ranges and view; knobs are parameters whose default is the method's value."""
    defaults: dict[str, Any] = {name: _STARTS.get(name[0], 0.0) for name in flow.states}
    ranges: dict[str, tuple[float, float]] = dict.fromkeys(flow.states, (-2.0, 2.0))
    for name in flow.parameters:
        if name.startswith(("lambda_d", "lambda_s")):
            defaults[name] = 0.5 ** (int(name[8:] or 1) - 1) + (0.1 if name.startswith("lambda_s") else 0.0)
            ranges[name] = (0.01, 2.0)
        elif name in _PARAMETERS:
            defaults[name], low, high = _PARAMETERS[name]
            ranges[name] = (low, high)
        elif name in knobs:
            defaults[name], high = values[name], knobs[name].high
            ranges[name] = (knobs[name].low, high if np.isfinite(high) else max(10 * values[name], 1.0))
    return flow.describe(
        defaults=defaults,
        ranges=ranges,
        view=dict.fromkeys(flow.states, (-1.5, 1.5)),
        observables={} if flow.loss is None else {"loss": release(flow.loss)},
    )


@cache
def legendre(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss and Legendre on [−1, 1], made once.

    Examples
    --------
    >>> from dynsim.methods.mode_flow import legendre
    >>> [round(float(x), 6) for x in legendre(2)[0]]
    [-0.57735, 0.57735]
    """
    nodes, weights = np.polynomial.legendre.leggauss(number)
    return nodes, weights


def growth_time(field: Field, start: float, end: float) -> float:
    """Time in which the weight of a flow of one state grows from `start` to `end`: ∫ d ln w/(ln w)′.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.methods.mode_flow import growth_time
    >>> round(growth_time(dynsim.gradient_flow("-w^2", "w").field(), 1.0, 2.0), 9)  # w′ = 2w: ½ ln 2
    0.34657359
    """
    nodes, weights = legendre(200)
    low, high = np.log(start), np.log(end)
    w = np.exp((high + low) / 2 + (high - low) / 2 * nodes)
    rate = field.f(0.0, w[None])[0] / w
    return float((high - low) / 2 * np.sum(weights / rate)) if (rate > 0).all() else np.inf
