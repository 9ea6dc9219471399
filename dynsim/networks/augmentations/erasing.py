"""Erasing: a square of side `strength` pixels, anywhere within the image, set to zero.

Pixels that the square covers in part lose that part, so the effect goes to zero with the side.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

UNIFORMS = 2


@cache
def _numbers(height: int, width: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Number of every pixel down and across the image, row by row."""
    down, across = torch.arange(height, dtype=dtype, device=device), torch.arange(width, dtype=dtype, device=device)
    return down.repeat_interleave(width), across.repeat(height)


def change(pixels: Tensor, uniforms: list[Tensor], strength: float) -> None:
    """Erase one square from each image."""
    height, width = pixels.shape[-2:]
    down, across = _numbers(height, width, pixels.dtype, pixels.device)
    erased = _coverage(uniforms[0], down, height, strength).mul_(_coverage(uniforms[1], across, width, strength))
    pixels.addcmul_(pixels, erased.view(*erased.shape[:3], 1, height, width), value=-1)


def _coverage(uniform: Tensor, pixel: Tensor, size: int, side: float) -> Tensor:
    """Minus the part of each pixel, numbered along one axis, that the square covers, (seeds, views, batch, pixels)."""
    side = min(side, float(size))
    centre = torch.add(size / 2 - 0.5, uniform, alpha=(size - side) / 2).unsqueeze(-1)  # in numbers of pixels
    return (pixel - centre).abs_().sub_((side + 1) / 2).clamp_(-min(1.0, side), 0.0)
