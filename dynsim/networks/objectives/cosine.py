"""Negative cosine between prediction and target (Chen & He 2021, arXiv:2011.10566; Grill et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from dynsim.networks.branches import pairs
from dynsim.networks.distances import cosine

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment

SLOTS = "pair"


def loss(
    experiment: Experiment, predict: Callable[..., Tensor], first: Tensor, second: Tensor, labels: Tensor | None
) -> Tensor:
    """−cos(h(f(T1 x)), f(T2 x))."""
    source, target = pairs(first, second, experiment.symmetric)
    return cosine(predict(source, target), target)
