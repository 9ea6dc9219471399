"""The deep image prior: networks that are fitted to one picture each, from random weights and fixed noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dynsim.arguments import a_number, a_whole, a_word
from dynsim.errors import InvalidType, bad
from dynsim.networks.experiment import Experiment
from dynsim.networks.initialisations import INITIALISATIONS, draw
from dynsim.networks.layers import EPSILON, Layout, Part
from dynsim.networks.measures.arrays import array_of
from dynsim.networks.optimisers import Block, adam
from dynsim.networks.seeds import generator, seed_list
from dynsim.progress import Progress

__all__ = ["Hourglass", "deep_image_prior"]

_INPUTS = 8  # channels of noise
_LEAK = 0.2
_WIDEST, _DEEPEST = 4096, 12


def deep_image_prior(
    pictures: Any,
    known: Any = None,
    *,
    seeds: int | Iterable[int] = 3,
    moments: Sequence[int] = (0, 100, 200),
    lr: float = 0.01,
    channels: int = 24,
    skip: int = 4,
    levels: int = 3,
    init: str = "default",
    progress: Progress | None = None,
) -> np.ndarray:
    """Fit one randomly initialised convolutional network to each picture, by Adam on the squared error.

    Parameters
    ----------
    pictures : array-like
        (tasks, seeds, channels, height, width) in [0, 1] or, with noise, somewhat beyond; sides are multiples of
        2^`levels`.
    known : array-like, optional
        The same shape, or one that broadcasts to it: 1 where a pixel counts in the error, 0 where it is missing.
    seeds : int or iterable of int
        Of weights and input noise, the same for every task.
    moments : sequence of int
        Steps at which the networks' pictures are returned, rising; the last one ends the run.
    lr : float
    channels, skip, levels : int
        Of the `Hourglass`.
    init : str
        As of an `Experiment`.
    progress : callable, optional
        ``progress(step, steps, what)`` at every moment.

    Returns
    -------
    numpy.ndarray
        (moments, tasks, seeds, channels, height, width), float32: what the networks show.

    Raises
    ------
    InvalidValue
        For another shape, or moments that do not rise.

    See Also
    --------
    photograph : a picture for it.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import deep_image_prior
    >>> stripes = np.tile([[0.2, 0.2, 0.8, 0.8]], (16, 4))[None, None, None]
    >>> shown = deep_image_prior(stripes, seeds=1, moments=(0, 60), levels=2)
    >>> errors = ((shown - stripes) ** 2).mean((2, 3, 4, 5))
    >>> shown.shape, bool(errors[1, 0] < errors[0, 0] / 10)
    ((2, 1, 1, 1, 16, 16), True)
    """
    numbers = seed_list(seeds)
    target = _pixels("pictures", pictures)
    channels, skip = a_whole("channels", channels, 1, _WIDEST), a_whole("skip", skip, 1, _WIDEST)
    levels, lr = a_whole("levels", levels, 1, _DEEPEST), a_number("lr", lr, above=0)
    init = a_word("init", init, INITIALISATIONS)
    side = 2**levels
    if target.ndim != 5 or target.shape[1] != len(numbers) or target.shape[3] % side or target.shape[4] % side:
        expected = f"(tasks, {len(numbers)} seeds, channels, height, width) with sides that are multiples of {side}"
        raise bad("pictures", f"shape {tuple(target.shape)}", expected)
    if not isinstance(moments, Sequence | np.ndarray) or isinstance(moments, str | bytes):
        raise bad("moments", moments, "rising steps from 0", kind=InvalidType)
    steps = [a_whole("moments", step, 0, 10**9, "rising steps from 0") for step in moments]
    if not steps or steps != sorted(set(steps)):
        raise bad("moments", steps, "rising steps from 0")
    shape = target.shape
    weight = torch.ones(()) if known is None else _pixels("known", known)
    try:
        weight = weight.expand(shape).flatten(0, 1)
    except RuntimeError:
        expected = f"the shape of the pictures, {tuple(shape)}, or one that broadcasts to it"
        raise bad("known", f"shape {tuple(weight.shape)}", expected) from None
    net = Hourglass(inputs=_INPUTS, channels=channels, skip=skip, outputs=shape[2], levels=levels)
    part = Part(net.shapes, net, shape[2])
    rows = draw(part, init, 1.0, [generator(seed, "encoder") for seed in numbers]).float()
    noise = torch.stack([torch.rand(_INPUTS, *shape[3:], generator=generator(seed, "input")) for seed in numbers])
    block = Block(rows.repeat(shape[0], 1).requires_grad_())
    shown = _fit(net, block, noise.repeat(shape[0], 1, 1, 1), target.flatten(0, 1), weight, steps, lr, progress)
    return np.stack(shown).reshape(len(steps), *shape)


def _pixels(name: str, value: Any) -> Tensor:
    array = array_of(value, name, "an array of pixels", 0)
    if not np.isfinite(array).all():
        raise bad(name, "NaN or infinite numbers", "finite pixels")
    return torch.as_tensor(array, dtype=torch.float32)


def _fit(
    net: Hourglass,
    block: Block,
    noise: Tensor,
    target: Tensor,
    weight: Tensor,
    moments: list[int],
    lr: float,
    progress: Progress | None,
) -> list[np.ndarray]:
    rule = Experiment(optimiser="adam", momentum=0.9)
    share = weight / weight.sum((1, 2, 3), keepdim=True)
    shown = []
    for step in range(moments[-1] + 1):
        picture = net(block.weights, noise)
        if step in moments:
            shown.append(picture.detach().numpy())
            if progress is not None:
                progress(step, moments[-1], "fitting pictures")
        if step < moments[-1]:
            loss = ((picture - target).square() * share).sum()
            (block.gradient,) = torch.autograd.grad(loss, block.weights)
            with torch.no_grad():
                adam([block], lr, rule)
    return shown


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
    >>> from dynsim.networks.image_prior import Hourglass
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
