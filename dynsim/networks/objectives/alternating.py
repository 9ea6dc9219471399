"""Alternating optimisation, SimSiam's own reading: E‖F_θ(T x) − η_x‖² with η_x = E_T[F_θ(T x)] held for k steps.

The targets average `views` − 1 views under the encoder of `alternating_steps` steps ago at most (Chen & He 2021,
arXiv:2011.10566, section 5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from dynsim.networks.distances import distance

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment

SLOTS = "views"


def loss(
    experiment: Experiment, predict: Callable[..., Tensor], first: Tensor, second: Tensor, labels: Tensor | None
) -> Tensor:
    """Distance of h(F(T x)) from η_x."""
    source, target = first[:, :, :1], second[:, :, 1:].mean(2, keepdim=True)
    return distance(experiment.distance, predict(source, target), target)


def quadratic(experiment: Experiment) -> bool:
    """Whether a linear network sees the data by their second moments only."""
    return experiment.distance == "squared"
