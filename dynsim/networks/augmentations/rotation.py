"""Rotation about the centre by an angle uniform within ±strength degrees."""

from __future__ import annotations

from math import pi

from torch import Tensor

UNIFORMS = 1


def warp(x: Tensor, y: Tensor, uniforms: list[Tensor], strength: float, pixel: float) -> tuple[Tensor, Tensor]:
    """Turn the coordinates."""
    angle = uniforms[0] * (strength * pi / 180)
    cos, sin = angle.cos(), angle.sin()
    return cos * x - sin * y, sin * x + cos * y
