"""What the matrix flow says about a linear network before it is trained: the same measures on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.errors import bad
from dynsim.integrate.solve import solve
from dynsim.systems.matrix_flow import matrix_flow

if TYPE_CHECKING:
    from dynsim.networks import Experiment

__all__ = [
    "MEASURES",
    "NOISE",
    "as_predicted",
    "image_moments",
    "is_linear",
    "linear_experiment",
    "linear_prediction",
    "pixel_knn",
]

NOISE = 0.3  # standard deviation of the noise; pixels lie in [0, 1]


def as_predicted(data: xr.Dataset) -> xr.DataArray:
    """Whether features live or die as predicted: above 1 % of the predicted end, or of the largest where it is 0."""
    lives = data["predicted"] > 0
    least = 0.01 * xr.where(lives, data["predicted"], data["measured"].max("feature"))
    return (data["measured"] > least) == lives


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


def image_moments(data: Any = "digits") -> tuple[np.ndarray, np.ndarray]:
    """Σ_d = E[x̄x̄ᵀ] of the centred training images and Σ_s = Σ_d + σ²I of their noisy views, with NumPy alone."""
    from dynsim.networks.datasets import load_images

    pictures = load_images(linear_experiment(data=data)).train
    x = (pictures - pictures.mean(axis=0)).reshape(len(pictures), -1).astype(float)
    signal = x.T @ x / len(x)
    return signal, signal + NOISE**2 * np.eye(x.shape[1])


MEASURES = ("spread", "rankme", "knn", "norm_ratio")


VIEWS = 64  # of every training image, for the moments of its augmentations


_RTOL, _ATOL = 1e-7, 1e-10


def is_linear(experiment: Experiment) -> bool:
    """Whether the matrix flow is the network's gradient flow, with the moments of its views.

    Examples
    --------
    >>> from dynsim.gallery.linear_networks import is_linear
    >>> from dynsim.networks import Experiment
    >>> linear = Experiment(encoder="linear", norm="none", predictor="linear", objective="squared")
    >>> is_linear(linear), is_linear(linear.but(objective="cosine")), is_linear(Experiment())
    (True, False, False)
    """
    linear = experiment.encoder == "linear" and (experiment.depth or 1) == 1 and not experiment.bias
    simple = experiment.norm != "batch-out" and experiment.predictor in ("none", "linear")
    return linear and simple and experiment.objective == "squared" and experiment.optimiser == "sgd"


def linear_prediction(experiment: Experiment, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Measures of every seed at the end of the run, (seeds,) each, from its own start along the matrix flow.

    The flow takes the second moments Σ_d and Σ_s of the augmented images, predictor and encoder as they start, and
    the flow time of all steps. Of minibatches, momentum and step size it knows nothing.
    """
    from dynsim.networks import initial_state, measures
    from dynsim.networks.schedules import flow_times, teacher_rate

    pictures = _pictures(_alike(experiment))
    learned = experiment.predictor == "linear"
    field = matrix_flow(
        pictures.signal,
        pictures.views,
        experiment.dim,
        branch=experiment.branch,
        alpha=float(experiment.alpha) if learned else 0.0,  # without a predictor P stays the identity
        beta=teacher_rate(experiment),
        eta_p=float(experiment.eta_p) if learned else 0.0,
        eta_s=float(experiment.eta_s),
    )
    times = [0.0, float(flow_times(experiment)[-1])]
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    for seed in seeds:
        start = {"P": np.eye(experiment.dim), **initial_state(experiment, seed)}
        run = solve(field, start, times=times, rtol=_RTOL, atol=_ATOL)
        before, after = (run["W"].isel(time=at).values for at in (0, -1))
        clean, test = pictures.clean @ after.T, pictures.test @ after.T
        found["spread"].append(float(measures.spread(test)))
        found["rankme"].append(float(measures.rankme(test)))
        found["knn"].append(float(measures.knn(clean, pictures.labels[0], test, pictures.labels[1])))
        found["norm_ratio"].append(float(measures.norm_ratio(test, pictures.test @ before.T)))
    return {name: np.array(values) for name, values in found.items()}


def pixel_knn(experiment: Experiment) -> float:
    """Accuracy of kNN on the pixels themselves, on the same augmented test images: what any encoder has to beat."""
    from dynsim.networks import measures

    pictures = _pictures(_alike(experiment))
    return float(measures.knn(pictures.clean, pictures.labels[0], pictures.test, pictures.labels[1]))


@dataclass(frozen=True)
class _Pictures:
    """Rows of pixels on which networks are measured, and the moments of the views on which they are trained."""

    clean: np.ndarray
    test: np.ndarray
    labels: tuple[Any, Any]
    signal: np.ndarray  # Σ_d
    views: np.ndarray  # Σ_s


@lru_cache(maxsize=4)
def _pictures(experiment: Experiment) -> _Pictures:
    from dynsim.networks import fit, second_moments

    evaluation = fit(experiment, [0]).snapshot.evaluation
    if evaluation.labels is None:
        raise bad("data", experiment.data, "images with labels", "kNN accuracy needs them")
    signal, views = second_moments(experiment, VIEWS)
    lowest = np.linalg.eigvalsh(signal)[0]
    signal += max(0.0, -lowest) * np.eye(len(signal))  # an estimate may miss being a moment by its own error
    return _Pictures(_rows(evaluation.clean), _rows(evaluation.test), evaluation.labels, signal, views)


def _rows(images: Any) -> np.ndarray:
    return np.asarray(images, dtype=float).reshape(-1, int(np.prod(images.shape[-3:])))


def _alike(experiment: Experiment) -> Experiment:
    """What decides over the pictures, and nothing else."""
    from dynsim.networks import Experiment

    kept = ("data", "augmentation", "strength", "subtract_mean", "images", "evaluate")
    fields = {name: getattr(experiment, name) for name in kept}
    return Experiment(**fields, encoder="linear", norm="none", predictor="none", steps=0, measures=())
