"""Shift by up to `strength` pixels along each axis, uniformly and not only by whole pixels."""

from __future__ import annotations

import torch
from torch import Tensor

UNIFORMS = 2


def move(turn: Tensor, shift: Tensor, uniforms: list[Tensor], strength: float) -> tuple[Tensor, Tensor]:
    """Move the plane."""
    return turn, shift + strength * torch.complex(uniforms[0], uniforms[1])
