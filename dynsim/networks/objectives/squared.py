"""Squared error between prediction and target: the toy's loss, on a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from dynsim.networks.branches import pairs
from dynsim.networks.distances import squared

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment

SLOTS = "pair"


def loss(
    experiment: Experiment, predict: Callable[..., Tensor], first: Tensor, second: Tensor, labels: Tensor | None
) -> Tensor:
    """½‖h(f(T1 x)) − f(T2 x)‖²."""
    source, target = pairs(first, second, experiment.symmetric)
    return squared(predict(source, target), target)


def quadratic(experiment: Experiment) -> bool:
    """Whether a linear network sees the data by their second moments only."""
    return True
