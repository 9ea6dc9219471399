"""Closed form of a mode that only its noise moves: w(t) = w₀·exp(−(λ_s − λ_d + η_s)t)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynsim.symbolic.exact import Exact, Limit

__all__ = ["DEFAULTS", "RANGES", "noise_decay"]

DEFAULTS = {"w": 1.0, "lambda_d": 1.0, "lambda_s": 1.1, "eta_s": 0.0}
RANGES = {"w": (-1.5, 1.5), "lambda_d": (0.01, 2.0), "lambda_s": (0.01, 2.0), "eta_s": (0.0, 0.5)}


def noise_decay(branch: str) -> Exact:
    """Exact solution and limit; in branch `target` the noise does not act and only weight decay is left."""

    def rate(parameters: Mapping[str, Any]) -> Any:
        noise = 0 if branch == "target" else parameters["lambda_s"] - parameters["lambda_d"]
        return noise + parameters["eta_s"]

    def solution(t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
        speed = np.asarray(rate(parameters), dtype=float)
        with np.errstate(invalid="ignore"):  # 0·∞: a mode that nothing moves
            factor = np.where(speed == 0, 1.0, np.exp(-speed * t))
        return {"w": np.asarray(initial["w"], dtype=float) * factor}

    def limit(initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> Limit | None:
        w, speed = initial["w"], rate(parameters)
        if speed < 0 and w != 0:
            return None
        if speed == 0 or w == 0:
            return Limit({"w": w}, bool(w == 0), "no noise, no decay: nothing moves" if w != 0 else "w(0) = 0 stays")
        return Limit({"w": 0 * w}, True, "w = w₀·exp(−(λ_s − λ_d + η_s)t): noise and decay only shrink it")

    return Exact(limit=limit, solution=solution, defaults=dict(DEFAULTS))
