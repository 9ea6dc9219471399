"""Batch normalisation of many seeds and views at once, and its population form for evaluation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["EPSILON", "Normaliser", "Population", "by_batch", "scale_and_shift"]

EPSILON = 1e-5  # of torch.nn.BatchNorm1d

Normaliser = Callable[[str, Tensor], Tensor]


def by_batch(name: str, x: Tensor) -> Tensor:
    """Normalise every feature of every view by the mean and variance of its own batch (training).

    `x` is (seeds, features, views, batch). With the batch last this is a layer norm over that axis, which
    torch computes in one pass, forwards and backwards.
    """
    return functional.layer_norm(x, x.shape[-1:], eps=EPSILON)


class Population:
    """Normalise by the statistics of the first set that passes through (evaluation).

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks.batch_norm import Population
    >>> normalise = Population()
    >>> first = normalise("layer", torch.tensor([[[[1.0, 3.0]]]]))
    >>> normalise("layer", torch.tensor([[[[2.0]]]])).abs().item() < 1e-6  # 2 is the mean of the first set
    True
    """

    def __init__(self) -> None:
        self._moments: dict[str, tuple[Tensor, Tensor]] = {}

    def __call__(self, name: str, x: Tensor) -> Tensor:
        """Normalise `x`, shaped as in `by_batch`, for the layer called `name`."""
        if name not in self._moments:
            self._moments[name] = torch.var_mean(x, dim=(2, 3), correction=0, keepdim=True)
        variance, mean = self._moments[name]
        return (x - mean) * torch.rsqrt(variance + EPSILON)


def scale_and_shift(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Affine part of batch normalisation: one scale and one shift per seed and feature."""
    return torch.addcmul(shift[..., None, None], x, scale[..., None, None])
