"""Barlow Twins (Zbontar et al. 2021, arXiv:2103.03230): the cross-correlation of two views becomes the identity.

The predictor is the projection head.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dynsim.networks.batch_norm import by_batch

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment

SLOTS = "pair"


def loss(
    experiment: Experiment, predict: Callable[..., Tensor], first: Tensor, second: Tensor, labels: Tensor | None
) -> Tensor:
    """Σ(1 − C_ii)² + redundancy·Σ_{i≠j} C_ij²."""
    z = by_batch("barlow", predict(first))
    correlation = z[:, :, 0] @ z[:, :, 1].mT / z.shape[3]
    own = torch.eye(z.shape[1], dtype=torch.bool, device=z.device)
    terms = torch.where(own, (1 - correlation).square(), experiment.redundancy * correlation.square())
    return terms.sum((1, 2))
