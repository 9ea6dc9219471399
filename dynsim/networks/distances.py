"""Squared error and negative cosine between predictions and targets, one value per seed."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["cosine", "distance", "squared"]


def squared(predictions: Tensor, targets: Tensor) -> Tensor:
    """½‖p − t‖², averaged over views and batch; features are (seeds, dim, views, batch)."""
    return functional.mse_loss(predictions, targets, reduction="none").sum((1, 2, 3)) * (0.5 * _weight(predictions))


def cosine(predictions: Tensor, targets: Tensor) -> Tensor:
    """−cos(p, t), averaged over views and batch; 0 where a vector is zero."""
    inner = (predictions * targets).sum(1)
    return -(inner * _inverse_norm(predictions) * _inverse_norm(targets)).sum((1, 2)) * _weight(predictions)


def _inverse_norm(x: Tensor) -> Tensor:
    """1/‖x‖ over features; the largest that torch.nn.functional.normalize allows where x is (nearly) zero."""
    return x.square().sum(1).clamp(min=1e-24).rsqrt()


def distance(name: str, predictions: Tensor, targets: Tensor) -> Tensor:
    """The distance of that name."""
    return squared(predictions, targets) if name == "squared" else cosine(predictions, targets)


def _weight(x: Tensor) -> float:
    return 1.0 / (x.shape[2] * x.shape[3])
