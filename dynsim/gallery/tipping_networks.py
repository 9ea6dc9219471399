"""Networks whose weight decay rises slowly: how large their features are, and when they collapse behind the fold."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from scipy.special import ai_zeros

from dynsim.gallery.linear_networks import NOISE, image_moments, linear_experiment
from dynsim.integrate.events import Terminal
from dynsim.integrate.solve import solve
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.rules import Move

OMEGA = -float(ai_zeros(1)[0][0])  # 2.338…: where the solution of the fold's normal form is lost
LAYERS = {"linear": 1, "mlp-tanh": 2}  # of the encoders that are trained, beside one linear predictor
NAMES = {"linear": "linear", "mlp-tanh": "two-layer"}
LR, BATCH, WARM = 0.1, 128, 100.0  # of the networks; flow time before the ramp begins
FIRST = {"linear": 0.045, "mlp-tanh": 0.025}  # decay before the ramp


def networks_under_ramps(speeds: tuple[float, ...], seeds: int, progress: Any, total: int) -> xr.Dataset:
    """Networks under a ramp of their decay: sizes of their features over it, and the step at which they collapse."""
    lambda_d, lambda_s = _leading()
    rows = []
    for encoder, layers in LAYERS.items():
        fold, place, _ = _network_fold(layers, lambda_d, lambda_s)
        level = (place / 2) ** layers * np.sqrt(lambda_d)
        decays = np.linspace(FIRST[encoder], 2.4 * fold, 160)
        for speed in speeds:
            ramp = f"{FIRST[encoder]!r} + {speed!r}*max(0, t - {WARM!r})"
            foretold = _predicted(layers, lambda_d, lambda_s, ramp, speed, FIRST[encoder])
            steps = int(np.ceil((1.25 * (foretold - WARM) + WARM + 20 / fold**0.5) / LR))
            norm, times = _trained(encoder, ramp, steps, seeds)
            lost = np.array([_first_below(times, one, level) for one in norm])
            at = WARM + (decays - FIRST[encoder]) / speed
            sizes = np.array([np.interp(at, times, one, right=np.nan) for one in norm])
            rows.append(
                xr.Dataset(
                    {
                        "network_size": (("seed", "share"), sizes / level),
                        "observed": ("seed", lost / LR),
                        "predicted": ((), foretold / LR),
                        "network_decay": ("share", decays),
                        "network_fold": ((), fold),
                        "asymptotic": ((), (WARM + (fold + _lag(layers, fold, speed) - FIRST[encoder]) / speed) / LR),
                    }
                )
            )
            if progress:
                progress(3 + len(rows), total, f"{encoder} network, ramp {speed:g}")
    many = len(speeds)
    over = xr.DataArray(list(speeds), dims="network_speed", name="network_speed")
    parts = [xr.concat(rows[i * many : (i + 1) * many], over) for i in range(len(LAYERS))]
    return xr.concat(parts, xr.DataArray(list(LAYERS), dims="network", name="network"))


def _leading() -> tuple[float, float]:
    """λ_d and λ_s of the digits' leading direction."""
    lambda_d = float(np.linalg.eigvalsh(image_moments()[0])[-1])
    return lambda_d, lambda_d + NOISE**2


def _network_fold(layers: int, lambda_d: float, lambda_s: float) -> tuple[float, float, float]:
    """Decay at the fold, size p of every layer there, and AB of x' = Ax² + Bεt.

    Balanced layers of a bias-free encoder have the size p of the predictor each: p' = p[p^(2L−1)(λ_d − λ_s·p) − η].
    With one layer that is the aligned mode of the scalar system. What tanh bends is left out: near collapse its
    arguments are small.
    """
    power = 2 * layers - 1
    place = power * lambda_d / ((power + 1) * lambda_s)
    fold = place**power * (lambda_d - lambda_s * place)
    bend = place**power * power * lambda_d / place / 2  # −p·h''/2 of h = p^(2L−1)(λ_d − λ_s·p), at its largest value
    return float(fold), float(place), float(bend * place)


def _lag(layers: int, fold: float, speed: float) -> float:
    """Ω₀(ε²/|AB|)^(1/3), the delay of the normal form."""
    return float(OMEGA * np.cbrt(speed**2 / _network_fold(layers, *_leading())[2]))


def _predicted(layers: int, lambda_d: float, lambda_s: float, ramp: str, speed: float, first: float) -> float:
    """Flow time at which a layer has half its size at the fold, from the equilibrium before the ramp."""
    fold, place, _ = _network_fold(layers, lambda_d, lambda_s)
    power = 2 * layers - 1
    grid = np.linspace(place, lambda_d / lambda_s, 100_001)
    upper = float(grid[np.argmin(np.abs(grid**power * (lambda_d - lambda_s * grid) - first))])
    flow = Flow.of({"p": Move(f"p*(p^{power}*({lambda_d!r} - {lambda_s!r}*p) - eta)")})
    t_end = WARM + (20 * fold + 40 * np.cbrt(speed**2)) / speed
    half = Terminal(f"p - {place / 2!r}")
    run = solve(flow, {"p": upper}, t_end, parameters={"eta": ramp}, events=[half], method="LSODA", max_step=5.0)
    return float(run["event_time"][0])


def _trained(encoder: str, ramp: str, steps: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Root mean square of the features of every seed, and the flow times at which it was taken."""
    from dynsim.networks import train

    every = max(1, steps // 400)
    experiment = linear_experiment(
        encoder=encoder,
        bias=False,
        lr=LR,
        batch=BATCH,
        dtype="float32",
        eta_p=ramp,
        eta_s=ramp,
        steps=steps,
        every=every,
        measures=(feature_size,),
    )
    data = train(experiment, seeds)
    return data["feature_size"].transpose("seed", "step").values, data["step"].values * LR


def feature_size(features: np.ndarray) -> float:
    """Root mean square of the norm of features ``(images, dim)``.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.gallery.tipping_networks import feature_size
    >>> feature_size(np.array([[3.0, 4.0], [0.0, 0.0]]))
    3.5355339059327378
    """
    return float(np.sqrt((np.asarray(features, dtype=float) ** 2).sum(axis=1).mean()))


def _first_below(times: np.ndarray, values: np.ndarray, level: float) -> float:
    """When a curve falls below a level for good, between two records; NaN if it does not."""
    above = np.flatnonzero(values > level)
    if not above.size or above[-1] == len(values) - 1:
        return float("nan")
    i = int(above[-1])
    return float(np.interp(-level, -values[i : i + 2], times[i : i + 2]))
