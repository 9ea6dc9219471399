"""Multilayer perceptron with tanh: as `mlp`, but a smooth function of the image, for what ReLU's kinks disturb."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dynsim.networks.encoders import mlp
from dynsim.networks.part import Part

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment


def build(experiment: Experiment, image_shape: tuple[int, ...]) -> Part:
    """Encoder for images of shape (channels, height, width)."""
    return mlp.with_activation(torch.tanh_, experiment, image_shape)
