"""Contrast: all pixels times a factor uniform within 1 ± strength."""

from __future__ import annotations

from torch import Tensor

UNIFORMS = 1


def change(pixels: Tensor, uniforms: list[Tensor], strength: float) -> None:
    """Scale each image."""
    pixels.mul_((1 + strength * uniforms[0])[..., None, None, None])
