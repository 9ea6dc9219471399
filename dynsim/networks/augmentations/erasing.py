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
    rows = _coverage(uniforms[0], height, strength)[..., None, :, None]
    columns = _coverage(uniforms[1], width, strength)[..., None, None, :]
    return pixels * torch.addcmul(rows.new_ones(()), rows, columns, value=-1)


def _coverage(uniform: Tensor, size: int, side: float) -> Tensor:
    """How much of each pixel along one axis the square covers, (seeds, views, batch, size)."""
    side = min(side, float(size))
    start = ((uniform + 1) * ((size - side) / 2)).unsqueeze(-1)
    pixel = torch.arange(size, dtype=uniform.dtype, device=uniform.device)
    return (torch.minimum(pixel + 1, start + side) - torch.maximum(pixel, start)).clamp_(min=0)
