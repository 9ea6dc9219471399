"""Shift by up to `strength` pixels along each axis, uniformly and not only by whole pixels."""

from __future__ import annotations

from torch import Tensor

UNIFORMS = 2


def warp(x: Tensor, y: Tensor, uniforms: list[Tensor], strength: float, pixel: float) -> tuple[Tensor, Tensor]:
    """Move the coordinates."""
    reach = strength * pixel
    return x + reach * uniforms[0], y + reach * uniforms[1]
