"""Convolutional encoder: `depth` − 1 layers of 3×3 kernels (2), channels `width` (16), doubling, then global average
pooling and a dense layer. Each convolution halves pictures that are at least 4 pixels wide (stride 2).

Seeds and views are groups of one grouped convolution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from dynsim.errors import bad
from dynsim.networks.batch_norm import Normaliser, scale_and_shift
from dynsim.networks.part import Part
from dynsim.networks.perceptron import Perceptron

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment


def build(experiment: Experiment, image_shape: tuple[int, ...]) -> Part:
    """Encoder for images of shape (channels, height, width)."""
    if image_shape[1] == 1:
        raise bad("encoder", "cnn", "'linear' or 'mlp' for vectors", "they have no geometry")
    layers = (experiment.depth or 3) - 1
    width = experiment.width or 16
    channels = [image_shape[0], *(width * 2**i for i in range(layers))]
    normalised, biased = experiment.norm != "none", experiment.bias is not False
    names = [f"W{i + 1}" for i in range(layers)]
    shapes: dict[str, tuple[int, ...]] = {}
    for i, name in enumerate(names):
        shapes[name] = (channels[i + 1], channels[i], 3, 3)
        if normalised:
            shapes[f"{name}_scale"] = shapes[f"{name}_shift"] = (channels[i + 1],)
        elif biased:
            shapes[f"{name}_bias"] = (channels[i + 1],)
    head = Perceptron(
        [channels[-1], experiment.dim], f"W{layers + 1}", activation=None, norm=experiment.norm, bias=biased
    )

    def apply(parameters: dict[str, Tensor], images: Tensor, normalise: Normaliser) -> Tensor:
        x = images
        for name in names:
            x = _convolve(x, parameters[name], parameters.get(f"{name}_bias"))
            if normalised:
                columns = normalise(name, x.permute(0, 3, 1, 2, 4, 5).flatten(3))
                columns = scale_and_shift(columns, parameters[f"{name}_scale"], parameters[f"{name}_shift"])
                x = columns.unflatten(3, (x.shape[2], *x.shape[4:])).permute(0, 2, 3, 1, 4, 5)
            x = torch.relu(x)
        return head(parameters, x.mean((-2, -1)).permute(0, 3, 1, 2), normalise)

    return Part({**shapes, **head.shapes}, apply, experiment.dim, adjacent=head.adjacent)


def _convolve(x: Tensor, kernels: Tensor, bias: Tensor | None) -> Tensor:
    """3×3 convolution of (seeds, views, batch, channels, height, width), each seed with its own kernels."""
    seeds, views, batch = x.shape[:3]
    groups = x.permute(1, 2, 0, 3, 4, 5).reshape(views * batch, -1, *x.shape[4:])
    out = functional.conv2d(
        groups,
        kernels.flatten(0, 1),
        None if bias is None else bias.flatten(),
        stride=2 if min(x.shape[-2:]) >= 4 else 1,
        padding=1,
        groups=seeds,
    )
    return out.view(views, batch, seeds, -1, *out.shape[2:]).permute(2, 0, 1, 3, 4, 5)
