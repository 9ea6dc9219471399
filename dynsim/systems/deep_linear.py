"""Supervised deep linear network, per mode: L balanced layers, white inputs, the product u follows

    u' = L u^(2 − 2/L)(s − u),

s a singular value of the input–output correlation. L = 2: u' = 2u(s − u), u(t) = s/(1 + (s/u₀ − 1)e^{−2st}):
stage-wise learning, the strong modes first, without any self-supervision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynsim.errors import bad
from dynsim.symbolic.exact import Exact, Limit
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.rules import Descend
from dynsim.systems.catalogue import System
from dynsim.systems.laws import logistic
from dynsim.systems.laws import power_logistic
from dynsim.systems.building import as_powers, rewritten
from dynsim.systems.building import count

DEFAULTS = {"u": 0.01, "s": 1.0}


def build(branch: str, variant: str | None, L: int = 2) -> Flow:
    """Flow of u: a product of L balanced layers moves L·u^(2 − 2/L) times as fast as a free weight would."""
    L = count("L", L)
    flow = Flow.of({"u": Descend("(s - u)^2/2", rate=f"{L}*u^(2 - 2/{L})")}, roles={"encoder": "u"})
    return rewritten(flow, as_powers, positive="u").describe(
        defaults=dict(DEFAULTS),
        ranges={"u": (0.0, 2.0), "s": (0.1, 3.0)},
        view={"u": (0.0, 1.5)},
        observables={"loss": "(s - u)^2/2"},
        exact=Exact(limit=_limit(L), solution=_solution(L), defaults=dict(DEFAULTS)),
    )


def _limit(L: int) -> Any:
    def limit(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
        u, s = initial["u"], parameters["s"]
        if L > 1 and u == 0:
            return Limit({"u": u}, True, "u(0) = 0 never moves")
        if L > 1 and (u < 0 or s < 0):
            return None
        return Limit({"u": s + 0 * u}, bool(s == 0), "u → s")

    return limit


def _solution(L: int) -> Any:
    def solution(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
        u, s = np.asarray(initial["u"], dtype=float), np.asarray(parameters["s"], dtype=float)
        if L == 1:
            return {"u": s + (u - s) * np.exp(-np.asarray(t, dtype=float))}
        if L == 2:
            return {"u": logistic(t, u, 2 * s, s)}
        if np.any(s <= 0):
            raise bad("s", parameters["s"], "s > 0, for which the closed form holds")
        power = 2 - 2 / L
        return {"u": s * power_logistic(t, np.where(u < 0, np.nan, u / s), L * s**power, power)}

    return solution


SYSTEMS = (
    System(
        "deep-linear",
        "deep linear",
        "one mode of a supervised deep linear network: sigmoidal, stage-wise learning",
        "Saxe, McClelland & Ganguli, arXiv:1312.6120 (2014)",
        build,
        branches=("stop",),
        structure=("L",),
    ),
)
