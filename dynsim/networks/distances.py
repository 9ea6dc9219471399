"""Squared error and negative cosine between predictions and targets, one value per seed."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["cosine", "distance", "squared"]


def squared(predictions: Tensor, targets: Tensor) -> Tensor:
    """½‖p − t‖², averaged over views and batch; features are (seeds, dim, views, batch)."""
    return (predictions - targets).square().sum((1, 2, 3)) * (0.5 * _weight(predictions))


def cosine(predictions: Tensor, targets: Tensor) -> Tensor:
    """−cos(p, t), averaged over views and batch; 0 where a vector is zero."""
    unit_p = functional.normalize(predictions, dim=1)
    unit_t = functional.normalize(targets, dim=1)
    return -(unit_p * unit_t).sum((1, 2, 3)) * _weight(predictions)


def distance(name: str, predictions: Tensor, targets: Tensor) -> Tensor:
    """The distance of that name."""
    return squared(predictions, targets) if name == "squared" else cosine(predictions, targets)


def _weight(x: Tensor) -> float:
    return 1.0 / (x.shape[2] * x.shape[3])
