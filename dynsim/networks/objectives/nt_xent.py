"""NT-Xent, the contrastive loss of SimCLR (Chen et al. 2020, arXiv:2002.05709): negatives, no stop-gradient.

The predictor is the projection head.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment

SLOTS = "pair"


def loss(
    experiment: Experiment, predict: Callable[..., Tensor], first: Tensor, second: Tensor, labels: Tensor | None
) -> Tensor:
    """Cross-entropy of finding the other view of an image among all 2·batch − 1 others."""
    z = functional.normalize(predict(first), dim=1).flatten(2)  # views one after another
    similarity = z.mT @ z / experiment.temperature
    own = torch.eye(z.shape[2], dtype=torch.bool, device=z.device)
    similarity = similarity.masked_fill(own, -torch.inf)
    partner = torch.arange(z.shape[2], device=z.device).roll(z.shape[2] // 2)
    positive = similarity.gather(2, partner.expand(len(z), -1).unsqueeze(-1)).squeeze(-1)
    return (similarity.logsumexp(2) - positive).mean(1)
