"""Everything zero: the one start from which nothing can be learned."""

from __future__ import annotations

import torch
from torch import Tensor


def weight(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Zero weights."""
    return torch.zeros(shape, dtype=torch.float64)


def bias(size: int, inputs: int, generator: torch.Generator) -> Tensor:
    """Zero biases."""
    return torch.zeros(size, dtype=torch.float64)
