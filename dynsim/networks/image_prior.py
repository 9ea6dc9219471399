"""The deep image prior: networks that are fitted to one picture each, from random weights and fixed noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dynsim.errors import bad
from dynsim.networks.block import Block
from dynsim.networks.experiment import Experiment
from dynsim.networks.hourglass import Hourglass
from dynsim.networks.initial_weights import draw
from dynsim.networks.optimisers import adam
from dynsim.networks.part import Part
from dynsim.networks.seeds import generator, seed_list

__all__ = ["deep_image_prior"]

_INPUTS = 8  # channels of noise


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
    progress: Callable[[int, int, str], None] | None = None,
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
    target = torch.as_tensor(pictures, dtype=torch.float32)
    side = 2**levels
    if target.ndim != 5 or target.shape[1] != len(numbers) or target.shape[3] % side or target.shape[4] % side:
        expected = f"(tasks, {len(numbers)} seeds, channels, height, width) with sides that are multiples of {side}"
        raise bad("pictures", f"shape {tuple(target.shape)}", expected)
    steps = list(moments)
    if not steps or steps[0] < 0 or steps != sorted(set(steps)):
        raise bad("moments", steps, "rising steps from 0")
    shape = target.shape
    weight = torch.ones(()) if known is None else torch.as_tensor(known, dtype=torch.float32)
    weight = weight.expand(shape).flatten(0, 1)
    net = Hourglass(inputs=_INPUTS, channels=channels, skip=skip, outputs=shape[2], levels=levels)
    part = Part(net.shapes, net, shape[2])
    rows = draw(part, init, 1.0, [generator(seed, "encoder") for seed in numbers]).float()
    noise = torch.stack([torch.rand(_INPUTS, *shape[3:], generator=generator(seed, "input")) for seed in numbers])
    block = Block(rows.repeat(shape[0], 1).requires_grad_())
    shown = _fit(net, block, noise.repeat(shape[0], 1, 1, 1), target.flatten(0, 1), weight, steps, lr, progress)
    return np.stack(shown).reshape(len(steps), *shape)


def _fit(
    net: Hourglass,
    block: Block,
    noise: Tensor,
    target: Tensor,
    weight: Tensor,
    moments: list[int],
    lr: float,
    progress: Callable[[int, int, str], None] | None,
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
                adam.step([block], lr, rule)
    return shown
