"""The identity, cut or padded to shape: each output copies one input; kernels copy their centre. No biases."""

from __future__ import annotations

import torch
from torch import Tensor


def weight(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Weights of shape (out, in) or (out, in, height, width)."""
    kernel = torch.zeros(shape, dtype=torch.float64)
    centre = kernel
    for size in shape[2:]:
        centre = centre[:, :, size // 2]
    centre += torch.eye(shape[0], shape[1], dtype=torch.float64)
    return kernel


def bias(size: int, inputs: int, generator: torch.Generator) -> Tensor:
    """Zero biases."""
    return torch.zeros(size, dtype=torch.float64)
