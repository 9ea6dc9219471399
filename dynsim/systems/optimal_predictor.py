"""One linear feature that reads k modes, with the best linear predictor at every instant (α → ∞).

The feature w ∈ R^k is one row of the encoder; the best predictor is p = Σλ_d w²/Σλ_s w², summed over the modes.
With stop-gradient

    w_i' = p(λ_di − p λ_si) w_i − η_s w_i,

so that Σw² is conserved (decays as e^{−2η_s t}): neither collapse nor growth. Only the direction turns, towards
the mode with the largest λ_d/λ_s, the one that the augmentations disturb least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import sympy

from dynsim.symbolic.branches import gradient_flow
from dynsim.symbolic.exact import Exact, Limit
from dynsim.symbolic.expressions import substitute
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.parser import parse
from dynsim.symbolic.rules import Hold
from dynsim.systems.catalogue import System
from dynsim.systems.one_mode import two_view_loss
from dynsim.systems.building import count, numbered


def build(branch: str, variant: str | None, k: int = 2) -> Flow:
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
        exact=Exact(limit=_limit(k), defaults=defaults) if branch == "stop" else None,
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


def _limit(k: int) -> Any:
    def limit(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
        start = [initial[f"w{i}"] for i in range(1, k + 1)]
        if parameters["eta_s"] > 0:
            values = {f"w{i}": 0 * w for i, w in enumerate(start, 1)}
            return Limit(values, True, "Σw² = Σw₀²·e^(−2η_s t): weight decay is not balanced by anything")
        quality = {i: parameters[f"lambda_d{i}"] / parameters[f"lambda_s{i}"] for i in range(1, k + 1)}
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

    return limit


SYSTEMS = (
    System(
        "optimal-predictor",
        "linear networks",
        "one feature over k modes with the best linear predictor at every instant: turns, never collapses",
        "Tang et al., arXiv:2212.03319 (2022); Su Jianlin, kexue.fm/archives/7980 (2020)",
        build,
        structure=("k",),
    ),
)
