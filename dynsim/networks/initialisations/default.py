"""What torch.nn.Linear and Conv2d do: uniform within ±1/√inputs, weights and biases (He et al. 2015, gain 1/√3)."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor


def weight(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Weights of shape (out, in) or (out, in, height, width)."""
    return _uniform(shape, prod(shape[1:]), generator)


def bias(size: int, inputs: int, generator: torch.Generator) -> Tensor:
    """Biases of a layer with so many inputs."""
    return _uniform((size,), inputs, generator)


def _uniform(shape: tuple[int, ...], inputs: int, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(shape, generator=generator, dtype=torch.float64)
    return (2 * drawn - 1) / inputs**0.5
