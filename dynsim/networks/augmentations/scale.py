"""Zoom by a factor uniform within 1 ± strength."""

from __future__ import annotations

from torch import Tensor

UNIFORMS = 1


def move(turn: Tensor, shift: Tensor, uniforms: list[Tensor], strength: float) -> tuple[Tensor, Tensor]:
    """Look at less of the plane to enlarge the picture."""
    zoom = 1 / (1 + strength * uniforms[0])
    return turn * zoom, shift * zoom
