"""The exactly solvable network on real images: linear encoder, linear predictor, additive noise, digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dynsim.networks import Experiment

__all__ = ["NOISE", "digit_moments", "linear_experiment"]

NOISE = 0.3  # standard deviation of the noise; pixels lie in [0, 1]


def linear_experiment(**changes: Any) -> Experiment:
    """Full-batch gradient descent without momentum, in float64, so that the matrix flow is its exact limit."""
    from dynsim.networks import Experiment

    fields = {
        "augmentation": {"noise": NOISE},
        "encoder": "linear",
        "norm": "none",
        "predictor": "linear",
        "objective": "squared",
        "momentum": 0.0,
        "batch": "full",
        "dtype": "float64",
        "measures": (),
    }
    return Experiment(**{**fields, **changes})


def digit_moments() -> tuple[np.ndarray, np.ndarray]:
    """Σ_d = E[x̄x̄ᵀ] of the centred training digits and Σ_s = Σ_d + σ²I of their noisy views, with NumPy alone."""
    from dynsim.networks.data_loading import load_images

    pictures = load_images(linear_experiment()).train
    x = (pictures - pictures.mean(axis=0)).reshape(len(pictures), -1).astype(float)
    signal = x.T @ x / len(x)
    return signal, signal + NOISE**2 * np.eye(x.shape[1])
