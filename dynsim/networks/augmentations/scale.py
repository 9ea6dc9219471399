"""Zoom by a factor uniform within 1 ± strength."""

from __future__ import annotations

from torch import Tensor

UNIFORMS = 1


def warp(x: Tensor, y: Tensor, uniforms: list[Tensor], strength: float, pixel: float) -> tuple[Tensor, Tensor]:
    """Shrink the coordinates to enlarge the picture."""
    zoom = 1 / (1 + strength * uniforms[0])
    return zoom * x, zoom * y
