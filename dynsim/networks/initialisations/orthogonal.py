"""Orthonormal rows or columns, uniformly random (Saxe, McClelland & Ganguli 2014, arXiv:1312.6120). No biases."""

from __future__ import annotations

import torch
from torch import Tensor


def weight(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Weights of shape (out, in) or (out, in, height, width), whose trailing axes count as inputs."""
    return torch.nn.init.orthogonal_(torch.empty(shape, dtype=torch.float64), generator=generator)


def bias(size: int, inputs: int, generator: torch.Generator) -> Tensor:
    """Zero biases."""
    return torch.zeros(size, dtype=torch.float64)
