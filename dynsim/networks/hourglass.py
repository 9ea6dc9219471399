"""The hourglass of the deep image prior: convolutions down to a coarse picture and up again, fed with noise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from dynsim.networks.batch_norm import EPSILON
from dynsim.networks.layout import Layout

__all__ = ["Hourglass"]

_LEAK = 0.2


class Hourglass:
    """A smaller relative of the network of Ulyanov, Vedaldi & Lempitsky 2018, arXiv:1711.10925.

    Many networks are groups of one convolution.

    Each of `levels` halves the picture with a strided 3×3 convolution, each then doubles it bilinearly, joins what it
    saw at that size through a 1×1 convolution of `skip` channels, and convolves 3×3. Every channel is normalised
    over its picture (batch normalisation of a batch of one), activations are leaky ReLU, pixels a sigmoid.

    Parameters
    ----------
    inputs, channels, skip, outputs : int
        Channels of the noise, within, past each level, and of the picture.
    levels : int

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks.hourglass import Hourglass
    >>> net = Hourglass(inputs=4, channels=8, skip=2, outputs=3, levels=2)
    >>> rows = torch.randn(5, net.layout.size)  # five networks
    >>> net(rows, torch.rand(5, 4, 16, 16)).shape
    torch.Size([5, 3, 16, 16])
    """

    def __init__(self, *, inputs: int, channels: int, skip: int, outputs: int, levels: int) -> None:
        self.levels = levels
        self.shapes: dict[str, tuple[int, ...]] = {}
        seen = inputs
        for level in range(levels):
            self.shapes[f"skip{level}"] = (skip, seen, 1, 1)
            self.shapes[f"down{level}"] = (channels, seen, 3, 3)
            self.shapes[f"up{level}"] = (channels, channels + skip, 3, 3)
            seen = channels
        self.shapes["pixels"] = (outputs, channels, 1, 1)
        self.shapes["pixels_bias"] = (outputs,)
        self.layout = Layout(self.shapes)

    def __call__(self, rows: Tensor, noise: Tensor) -> Tensor:
        """Pictures (networks, outputs, height, width) of weights (networks, size) and noise (networks, inputs, …)."""
        weights = self.layout.split(rows)
        x, passed = noise, []
        for level in range(self.levels):
            passed.append(_activated(_convolve(x, weights[f"skip{level}"])))
            x = _activated(_convolve(x, weights[f"down{level}"], stride=2))
        for level in reversed(range(self.levels)):
            x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = torch.cat((x, passed[level]), dim=1)
            x = _activated(_convolve(x, weights[f"up{level}"]))
        return (_convolve(x, weights["pixels"]) + weights["pixels_bias"][..., None, None]).sigmoid()


def _activated(x: Tensor) -> Tensor:
    return functional.leaky_relu(functional.layer_norm(x, x.shape[-2:], eps=EPSILON), _LEAK)


def _convolve(x: Tensor, kernels: Tensor, stride: int = 1) -> Tensor:
    """Each network (networks, channels, height, width) with its own kernels; edges are mirrored."""
    networks, edge = len(kernels), kernels.shape[-1] // 2
    groups = x.flatten(0, 1)[None]
    if edge:
        groups = functional.pad(groups, (edge,) * 4, mode="reflect")
    out = functional.conv2d(groups, kernels.flatten(0, 1), stride=stride, groups=networks)
    return out.unflatten(1, (networks, -1))[0]
