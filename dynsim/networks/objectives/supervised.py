"""Cross-entropy of the labels, as a yardstick; the predictor is the classifier's head."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment

SLOTS = "labels"


def loss(
    experiment: Experiment, predict: Callable[..., Tensor], first: Tensor, second: Tensor, labels: Tensor | None
) -> Tensor:
    """Mean cross-entropy."""
    assert labels is not None
    logits = predict(first)[:, :, 0]
    return functional.cross_entropy(logits, labels, reduction="none").mean(1)
