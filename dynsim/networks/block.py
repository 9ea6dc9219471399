"""A block of parameters that an optimiser moves as one: the predictor's, or the encoder's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

__all__ = ["Block"]


@dataclass(eq=False)
class Block:
    """Weights of many seeds with what their optimiser keeps.

    Parameters
    ----------
    weights : Tensor
        (seeds, size), moved in place.
    rate : float
        Learning-rate ratio: `alpha` for the predictor, 1 for the encoder.
    decay : float
        Weight decay per unit of flow time; not multiplied by `rate`.
    """

    weights: Tensor
    rate: float = 1.0
    decay: float = 0.0
    gradient: Tensor | None = None
    state: dict[str, Any] = field(default_factory=dict)

    def decayed_gradient(self) -> Tensor:
        """Gradient plus weight decay in the optimiser's units: −1/rate times the block's velocity."""
        assert self.gradient is not None
        if not self.decay:
            return self.gradient
        return torch.add(self.gradient, self.weights, alpha=self.decay / self.rate)
