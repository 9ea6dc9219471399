"""Named parameters of a part of a network, for many seeds at once, as rows of one matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor

__all__ = ["Layout"]


@dataclass(frozen=True, eq=False)
class Layout:
    """Where each named parameter lies in a row of length `size`.

    One row per seed: optimisers, speeds, checkpoints and flows see a matrix (seeds × size), the layers see
    ``{name: tensor (seeds, *shape)}``.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks.layout import Layout
    >>> layout = Layout({"W": (2, 3), "W_bias": (2,)})
    >>> parts = layout.split(torch.arange(8.0)[None])
    >>> parts["W"].shape, parts["W_bias"]
    (torch.Size([1, 2, 3]), tensor([[6., 7.]]))
    """

    shapes: Mapping[str, tuple[int, ...]]

    @cached_property
    def sizes(self) -> list[int]:
        """Number of entries of each parameter."""
        return [prod(shape) for shape in self.shapes.values()]

    @cached_property
    def size(self) -> int:
        """Number of entries of all parameters of one seed."""
        return sum(self.sizes)

    def split(self, rows: Tensor) -> dict[str, Tensor]:
        """Rows (seeds, size) as views ``{name: (seeds, *shape)}``; one split keeps the gradient one copy, or none."""
        if not self.shapes:
            return {}
        pieces = rows.split(self.sizes, dim=1) if len(self.shapes) > 1 else (rows,)
        return {
            name: piece if len(shape) == 1 else piece.unflatten(1, shape)
            for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)
        }

    def join(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Inverse of `split`, a copy."""
        return torch.cat([parts[name].flatten(1) for name in self.shapes], dim=1)
