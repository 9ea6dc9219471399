"""Erasing: a square of side `strength` pixels, anywhere within the image, set to zero.

Pixels that the square covers in part lose that part, so the effect goes to zero with the side.
"""

from __future__ import annotations

import torch
from torch import Tensor

UNIFORMS = 2


def change(pixels: Tensor, uniforms: list[Tensor], strength: float) -> Tensor:
    """Erase one square from each image."""
    height, width = pixels.shape[-2:]
    rows, columns = _coverage(uniforms[0], height, strength), _coverage(uniforms[1], width, strength)
    erased = rows.unsqueeze(-1) * columns.unsqueeze(-2)
    return torch.addcmul(pixels, pixels, erased.unsqueeze(3), value=-1)


def _coverage(uniform: Tensor, size: int, side: float) -> Tensor:
    """How much of each pixel along one axis the square covers, (seeds, views, batch, size)."""
    side = min(side, float(size))
    centre = torch.add(size / 2 - 0.5, uniform, alpha=(size - side) / 2).unsqueeze(-1)  # in numbers of pixels
    pixel = torch.arange(size, dtype=uniform.dtype, device=uniform.device)
    return ((side + 1) / 2 - (pixel - centre).abs_()).clamp_(0.0, min(1.0, side))
