"""Rotation about the centre by an angle uniform within ±strength degrees."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

UNIFORMS = 1


def move(turn: Tensor, shift: Tensor, uniforms: list[Tensor], strength: float) -> tuple[Tensor, Tensor]:
    """Turn the plane."""
    angle = uniforms[0] * (strength * pi / 180)
    by = torch.complex(angle.cos(), angle.sin())
    return turn * by, shift * by
