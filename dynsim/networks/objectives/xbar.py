"""Distance to the features of the mean view, E l(h(F(T x)), F(x̄)) with x̄ = E[T x]: the article's open question."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from dynsim.networks.distances import distance

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment

SLOTS = "mean"


def loss(
    experiment: Experiment, predict: Callable[..., Tensor], first: Tensor, second: Tensor, labels: Tensor | None
) -> Tensor:
    """Distance of h(F(T x)) from F(x̄); the first view is T x, the last is x̄."""
    source, target = first[:, :, :1], second[:, :, -1:]
    return distance(experiment.distance, predict(source, target), target)


def quadratic(experiment: Experiment) -> bool:
    """Whether a linear network sees the data by their second moments only."""
    return experiment.distance == "squared"
