"""The scalar toy at any time, in closed form, for every start and every α > 0.

With u = 1 − φ and a conserved quantity per branch, `full` and `target` are solved by elementary functions;
for `stop` time is an elementary function of φ, which `toy_passage` inverts. All forms here keep their digits
where κ, c → 0, near the separatrices and after any time, infinity included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dynsim.errors import bad
from dynsim.systems.toy_solution import passage

__all__ = ["SOLUTIONS"]

_TINY = 1e-120

Solution = Callable[[Any, Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]


def _full(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Conserve κ = u² − αθ²: u² = v₀/(1 + αθ₀²·(1 − e^{−2κt})/κ) with v₀ = u₀²."""
    t, phi, theta, alpha = _arrays(t, initial, parameters)
    u, pull = 1 - phi, alpha * theta**2
    root = np.sqrt(alpha) * theta
    kappa = (u - root) * (u + root)
    fade, gain = _fade_and_gain(2 * np.abs(kappa), t)
    collapses = kappa >= 0
    below = np.sqrt(np.where(collapses, 1 + _times(2 * pull, gain), fade + _times(2 * pull, gain)))
    fade = np.sqrt(fade)
    return {
        "phi": phi + u * (1 - np.where(collapses, 1.0, fade) / below),
        "theta": theta * np.where(collapses, fade, 1.0) / below,
    }


def _target(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Conserve c = αθ² − 2u: u = u₀/(1 + αθ₀²·(e^{ct} − 1)/c), 1/θ² = e^{−ct}/θ₀² + α(1 − e^{−ct})/c."""
    t, phi, theta, alpha = _arrays(t, initial, parameters)
    u, pull = 1 - phi, alpha * theta**2
    c = pull - 2 * u
    fade, gain = _fade_and_gain(np.abs(c), t)
    collapses = (c <= 0) | (theta == 0)
    with np.errstate(all="ignore"):
        below = np.where(collapses, 1.0, fade) + _times(pull, gain)
        u_ratio = np.where(collapses, 1.0, fade) / below
        theta_t = theta * np.sqrt(np.where(collapses, fade, 1.0) / below)
        if (low := ~collapses & (np.abs(theta) < _TINY)).any():  # θ₀² is no normal number
            grown = np.log(np.abs(theta)) + np.where(low, c * t, 0.0) / 2
            size = np.where(grown < -600, np.exp(grown), 1 / np.hypot(np.exp(-grown), np.sqrt(alpha * gain)))
            u_ratio = np.where(low, np.where(grown < -600, 1.0, (np.exp(-grown) * size) ** 2), u_ratio)
            theta_t = np.where(low, np.copysign(size, theta), theta_t)
    return {"phi": phi + u * (1 - u_ratio), "theta": theta_t}


def _stop(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Conserve c = αθ² − φ²: φ' = (1 − φ)(φ² + c)."""
    t, phi, theta, alpha = np.broadcast_arrays(*_arrays(t, initial, parameters))
    phi_t, gain, ratio = passage(t, phi, np.sqrt(alpha) * np.abs(theta))
    return {"phi": phi_t, "theta": theta * gain * ratio}


def _fade_and_gain(rate: Any, t: Any) -> tuple[Any, Any]:
    """e^{−rate·t}, and (1 − e^{−rate·t})/rate, which is t where the rate vanishes."""
    with np.errstate(all="ignore"):
        turned = np.where(rate == 0, 0.0, rate * t)  # 0·∞ is 0 here: nothing fades
        gain = np.where(rate == 0, t, -np.expm1(-turned) / rate)
    return np.exp(-turned), gain


def _times(pull: Any, gain: Any) -> Any:
    """Product in which nothing times an infinite time is nothing."""
    with np.errstate(invalid="ignore"):
        return np.where(pull == 0, 0.0, pull * gain)


def _arrays(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[np.ndarray]:
    values = (t, initial["phi"], initial["theta"], parameters["alpha"])
    t, phi, theta, alpha = (np.asarray(value, dtype=float) for value in values)
    if (alpha <= 0).any():
        raise bad("alpha", parameters["alpha"], "α > 0, for which the closed form holds")
    return [t, phi, theta, alpha]


SOLUTIONS: dict[str, Solution] = {"stop": _stop, "full": _full, "target": _target}
