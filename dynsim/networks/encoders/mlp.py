"""Multilayer perceptron with ReLU: `depth` layers (2), `width` hidden units (128)."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dynsim.networks.batch_norm import Normaliser
from dynsim.networks.part import Part
from dynsim.networks.perceptron import Perceptron

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment


def build(experiment: Experiment, image_shape: tuple[int, ...]) -> Part:
    """Encoder for images of shape (channels, height, width)."""
    return with_activation(torch.relu_, experiment, image_shape)


def with_activation(
    activation: Callable[[Tensor], Tensor], experiment: Experiment, image_shape: tuple[int, ...]
) -> Part:
    """The same encoder with another activation between its layers."""
    hidden = [experiment.width or 128] * ((experiment.depth or 2) - 1)
    stack = Perceptron(
        [prod(image_shape), *hidden, experiment.dim],
        "W",
        activation=activation,
        norm=experiment.norm,
        bias=experiment.bias is not False,
    )

    def apply(parameters: dict[str, Tensor], images: Tensor, normalise: Normaliser) -> Tensor:
        return stack(parameters, images.flatten(3).movedim(3, 1), normalise)

    return Part(stack.shapes, apply, experiment.dim, exactly_linear=stack.exactly_linear, adjacent=stack.adjacent)
