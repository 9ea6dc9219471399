"""DirectSet: the predictor is not learned but set, to a power of the encoder's own correlation matrix.

With P = (WWᵀ)^a and s an eigenvalue of WWᵀ, a mode's predictor is p = s^a and

    s' = 2s[s^a(λ_d − s^a λ_s) − η_s].

A mode survives iff η_s < λ_d²/(4λ_s) and it starts above the lower equilibrium: the threshold of the learned
predictor, for every a. DirectPred is a = ½, DirectCopy a = 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from dynsim.errors import bad
from dynsim.symbolic.exact import Exact, Limit
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.rules import Descend, Hold
from dynsim.systems.catalogue import System
from dynsim.systems.laws import log_linear
from dynsim.systems.one_mode import two_view_loss
from dynsim.systems.building import as_powers, rewritten

POWERS = {"direct-copy": "1", "direct-pred": "1/2", "direct-set": "a"}
DEFAULTS = {"s": 0.1, "lambda_d": 1.0, "lambda_s": 1.1, "eta_s": 0.1}
RANGES = {"s": (0.0, 1.5), "lambda_d": (0.01, 2.0), "lambda_s": (0.01, 2.0), "eta_s": (0.0, 0.5)}


def build(branch: str, variant: str | None) -> Flow:
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
        defaults={**DEFAULTS, **({"a": 1.0} if general else {})},
        ranges={**RANGES, **({"a": (0.25, 2.0)} if general else {})},
        view={"s": (0.0, 1.5)},
        observables={"predictor": f"s^({power})"},
        exact=Exact(
            limit=lambda initial, parameters: _limit(initial, parameters, power),
            solution=lambda t, initial, parameters: _solution(t, initial, parameters, power),
            defaults={**DEFAULTS, "a": 1.0},
        ),
    )


def _power(parameters: Mapping[str, Any], power: str) -> Any:
    return parameters["a"] if power == "a" else sympy.Rational(power)


def _limit(initial: Mapping[str, Any], parameters: Mapping[str, Any], power: str) -> Limit | None:
    """The mode ends at s_+ or at 0; the lower equilibrium s_− is the boundary between them."""
    s, signal, view, eta = initial["s"], parameters["lambda_d"], parameters["lambda_s"], parameters["eta_s"]
    a = _power(parameters, power)
    if s < 0 or eta < 0 or view <= 0:
        return None
    discriminant = signal**2 - 4 * eta * view
    if s == 0 or discriminant < 0:
        reason = "s(0) = 0 never moves" if s == 0 else "η_s > λ_d²/(4λ_s): no mode survives"
        return Limit({"s": 0 * s}, True, reason)
    root = sympy.sqrt(discriminant)
    lower, upper = ((signal + sign * root) / (2 * view) for sign in (-1, 1))
    low, high = ((max(value, 0 * value)) ** (1 / a) for value in (lower, upper))
    if s == low:
        return Limit({"s": s}, False, "the start is the unstable equilibrium s_−")
    if s < low:
        return Limit({"s": 0 * s}, True, "s(0) < s_− = ((λ_d − √(λ_d² − 4η_sλ_s))/(2λ_s))^(1/a)")
    end = high if isinstance(s, sympy.Basic) else float(high)
    return Limit({"s": end}, False, "s(0) > s_−: s → s_+ = ((λ_d + √(λ_d² − 4η_sλ_s))/(2λ_s))^(1/a)")


def _solution(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any], power: str) -> dict[str, Any]:
    """Without decay u = λ_d/(λ_s s^a) − 1 obeys u + ln u = u₀ + ln u₀ − 2aλ_d²t/λ_s."""
    if np.any(np.asarray(parameters["eta_s"], dtype=float) != 0):
        raise bad("eta_s", parameters["eta_s"], "0 for a closed form in time", "integrate with solve instead")
    a = np.asarray(_power(parameters, power), dtype=float)
    signal, view = (np.asarray(parameters[name], dtype=float) for name in ("lambda_d", "lambda_s"))
    s = np.asarray(initial["s"], dtype=float)
    with np.errstate(divide="ignore"):
        u = log_linear(t, signal / (view * s**a) - 1, 2 * a * signal**2 / view)
    return {"s": (signal / (view * (1 + u))) ** (1 / a)}


SYSTEMS = (
    System(
        "direct-set",
        "linear networks",
        "one mode s of WWᵀ whose predictor is set to s^a instead of learned",
        "Wang, Chen, Du & Tian, arXiv:2110.04947 (2021); Tian, Chen & Ganguli, arXiv:2102.06810 (2021)",
        build,
        branches=("stop",),
        variants=tuple(POWERS),
    ),
)
