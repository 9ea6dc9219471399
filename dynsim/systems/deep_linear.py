r"""Deep linear networks in one mode: supervised, JEPA and MAE.

Supervised deep linear network, per mode: L balanced layers, white inputs, the product u follows

    u' = L u^(2 − 2/L)(s − u),

s a singular value of the input–output correlation. L = 2: u' = 2u(s − u), u(t) = s/(1 + (s/u₀ − 1)e^{−2st}):
stage-wise learning, the strong modes first, without any self-supervision.

Deep linear JEPA and MAE: L encoder layers and one linear predictor or decoder, all balanced, in one mode.

w is the product of the encoder's layers; λ_d the covariance of the two views along the mode, ρ = λ_d/(input variance).
Balanced layers are w^(1/L) each, and so is the predictor. Then

    JEPA  w' = Lλ_d(w^(3 − 1/L) − w³/ρ),  w* = ρ^L;     MAE  w' = Lλ_d(w^(2 − 1/L) − w³/ρ),  w* = ρ^(L/(L + 1)).

JEPA, which predicts features, learns the modes of large ρ first, the more so the deeper it is; MAE, which predicts the
input, asks for large λ_d. JEPA with L = 1, λ_d = ρ = 1 is the toy with φ = θ.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from dynsim.errors import bad
from dynsim.symbolic.exact import Exact, Limit
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.rules import Descend, Hold
from dynsim.systems.building import as_powers, count, rewritten
from dynsim.systems.catalogue import System
from dynsim.systems.laws import logistic, passage, power_logistic

SUPERVISED_DEFAULTS = {"u": 0.01, "s": 1.0}


def build_supervised(branch: str, variant: str | None, L: int = 2) -> Flow:
    """Flow of u: a product of L balanced layers moves L·u^(2 − 2/L) times as fast as a free weight would."""
    L = count("L", L)
    flow = Flow.of({"u": Descend("(s - u)^2/2", rate=f"{L}*u^(2 - 2/{L})")}, roles={"encoder": "u"})
    return rewritten(flow, as_powers, positive="u").describe(
        defaults=dict(SUPERVISED_DEFAULTS),
        ranges={"u": (0.0, 2.0), "s": (0.1, 3.0)},
        view={"u": (0.0, 1.5)},
        observables={"loss": "(s - u)^2/2"},
        exact=Exact(
            limit=partial(_supervised_limit, L),
            solution=partial(_supervised_solution, L),
            defaults=dict(SUPERVISED_DEFAULTS),
        ),
    )


def _supervised_limit(L: int, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    u, s = initial["u"], parameters["s"]
    if L > 1 and u == 0:
        return Limit({"u": u}, True, "u(0) = 0 never moves")
    if L > 1 and (u < 0 or s < 0):
        return None
    return Limit({"u": s + 0 * u}, bool(s == 0), "u → s")


def _supervised_solution(L: int, t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    u, s = np.asarray(initial["u"], dtype=float), np.asarray(parameters["s"], dtype=float)
    if L == 1:
        return {"u": s + (u - s) * np.exp(-np.asarray(t, dtype=float))}
    if L == 2:
        return {"u": logistic(t, u, 2 * s, 2.0)}
    if np.any(s <= 0):
        raise bad("s", parameters["s"], "s > 0, for which the closed form holds")
    power = 2 - 2 / L
    return {"u": s * power_logistic(t, np.where(u < 0, np.nan, u / s), L * s**power, power)}


DEEP_LINEAR = System(
    "deep-linear",
    "deep linear",
    "one mode of a supervised deep linear network: sigmoidal, stage-wise learning",
    "Saxe, McClelland & Ganguli, arXiv:1312.6120 (2014)",
    build_supervised,
    branches=("stop",),
    structure=("L",),
)


LOSSES = {
    "jepa": "(lambda_d/rho)*(v*w)^2/2 - lambda_d*v*w*sg(w)",
    "mae": "(lambda_d/rho)*(v*w)^2/2 - lambda_d*v*w",
}
DEFAULTS = {"w": 0.1, "lambda_d": 1.0, "rho": 0.8, "L": 2.0}
RANGES = {"w": (0.01, 1.5), "lambda_d": (0.1, 5.0), "rho": (0.1, 1.0), "L": (1.0, 10.0)}


def _build(objective: str, L: Any) -> Flow:
    """Flow of w: a product of L balanced layers moves L·w^(2 − 2/L) times as fast as a free weight would."""
    flow = Flow.of(
        {"w": Descend(LOSSES[objective], rate="L*w^(2 - 2/L)"), "v": Hold("w^(1/L)")}, roles={"encoder": "w"}
    )
    flow = rewritten(flow, as_powers, positive="w").describe(
        defaults=dict(DEFAULTS),
        ranges=dict(RANGES),
        view={"w": (0.01, 1.5)},
        observables={"predictor": "w^(1/L)"},
        exact=Exact(limit=partial(_limit, objective), solution=partial(_solution, objective), defaults=dict(DEFAULTS)),
    )
    return flow if L is None else flow.fix(L=count("L", L))


def _limit(objective: str, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
    w, layers = initial["w"], parameters["L"]
    if w < 0 or not parameters["rho"] > 0 or not parameters["lambda_d"] > 0 or not layers > 0:
        return None
    if w == 0:
        return Limit({"w": w}, True, "w(0) = 0 never moves")
    power, written = (layers, "ρ^L") if objective == "jepa" else (layers / (layers + 1), "ρ^(L/(L + 1))")
    return Limit({"w": parameters["rho"] ** power}, False, f"w → {written}")


def _jepa_scale(rho: Any, layers: Any) -> tuple[Any, Any, Any]:
    """Scales of w = (ρy)^e with y' = λ_d·rate·y^power(1 − y): e, rate and power. Here y = w^(1/L)/ρ."""
    return layers, rho ** (2 * layers - 1), 2 * layers


def _mae_scale(rho: Any, layers: Any) -> tuple[Any, Any, Any]:
    """The same with y = w^((L + 1)/L)/ρ."""
    more = layers + 1
    return layers / more, more * rho ** ((layers - 1) / more), 2 * layers / more


_SCALES = {"jepa": _jepa_scale, "mae": _mae_scale}


def _solution(objective: str, t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """NaN where w₀ < 0, which is no product of balanced layers."""
    signal, rho, layers = _positive(parameters)
    exponent, rate, power = _SCALES[objective](rho, layers)
    w = np.asarray(initial["w"], dtype=float)
    start = np.where(w < 0, np.nan, np.abs(w) ** (1 / exponent) / rho)
    return {"w": (rho * power_logistic(t, start, signal * rate, power)) ** exponent}


def _positive(parameters: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    signal, rho, layers = (np.asarray(parameters[name], dtype=float) for name in ("lambda_d", "rho", "L"))
    for name, fine in (("lambda_d", signal > 0), ("rho", rho > 0), ("L", layers >= 1)):
        if not np.all(fine):
            raise bad(name, parameters[name], "λ_d > 0, ρ > 0 and L ≥ 1, for which the closed form holds")
    return signal, rho, layers


def learning_time(objective: str, start: Any, parameters: Mapping[str, Any], share: float = 0.5) -> Any:
    """Flow time at which a mode reaches `share` of its own end; NaN where it starts beyond. Everything broadcasts.

    Parameters
    ----------
    objective : {"jepa", "mae"}
    start : array
        w₀ > 0.
    parameters : mapping
        λ_d, ρ and L, arrays allowed.
    share : float
        Between 0 and 1.

    Examples
    --------
    >>> from dynsim.systems.deep_linear import learning_time
    >>> noisy, robust = ({"lambda_d": 1.0, "rho": rho, "L": 4.0} for rho in (0.4, 0.9))
    >>> [round(float(learning_time("jepa", 1e-4, noisy) / learning_time("jepa", 1e-4, robust)), 2),
    ...  round(float(learning_time("mae", 1e-4, noisy) / learning_time("mae", 1e-4, robust)), 2)]
    [1.24, 1.0]
    """
    signal, rho, layers = _positive(parameters)
    exponent, rate, power = _SCALES[objective](rho, layers)
    first, last = np.asarray(start, dtype=float) ** (1 / exponent) / rho, share ** (1 / exponent)
    told = passage(np.minimum(first, last), last, power) / (signal * rate)
    return np.where(first < last, told, np.nan)


def build_jepa(branch: str, variant: str | None, L: Any = None) -> Flow:
    """Flow of the encoder that predicts features."""
    return _build("jepa", L)


def build_mae(branch: str, variant: str | None, L: Any = None) -> Flow:
    """Flow of the encoder that predicts the input."""
    return _build("mae", L)


REFERENCE = "Littwin et al., arXiv:2407.03475 (2024)"

JEPA = System(
    "jepa",
    "deep linear",
    "L linear layers and a predictor that predict features: learns by ρ, the noise-robust modes first",
    REFERENCE,
    build_jepa,
    branches=("stop",),
    structure=("L",),
)

MAE = System(
    "mae",
    "deep linear",
    "L linear layers and a decoder that predict the input: learns by λ_d, the large modes first",
    REFERENCE,
    build_mae,
    branches=("stop",),
    structure=("L",),
)
