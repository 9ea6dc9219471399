"""Linear encoder, without biases unless asked for: one matrix W (dim × pixels), or a product of `depth` of them."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from torch import Tensor

from dynsim.networks.batch_norm import Normaliser
from dynsim.networks.part import Part
from dynsim.networks.perceptron import Perceptron

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment


def build(experiment: Experiment, image_shape: tuple[int, ...]) -> Part:
    """Linear encoder for images of shape (channels, height, width)."""
    depth = experiment.depth or 1
    hidden = [experiment.width or experiment.dim] * (depth - 1)
    stack = Perceptron(
        [prod(image_shape), *hidden, experiment.dim],
        "W",
        activation=None,
        norm=experiment.norm,
        bias=bool(experiment.bias),
    )

    def apply(parameters: dict[str, Tensor], images: Tensor, normalise: Normaliser) -> Tensor:
        return stack(parameters, images.flatten(3).movedim(3, 1), normalise)

    return Part(stack.shapes, apply, experiment.dim, exactly_linear=stack.exactly_linear, adjacent=stack.adjacent)
