"""Two dense layers with ReLU between, `predictor_width` hidden units, batch-normalised unless told otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dynsim.networks.batch_norm import Normaliser
from dynsim.networks.part import Part
from dynsim.networks.perceptron import Perceptron

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment


def build(experiment: Experiment, features: int, outputs: int) -> Part:
    """Hidden width: `predictor_width`, or the encoder's `dim`."""
    stack = Perceptron(
        [features, experiment.predictor_width or experiment.dim, outputs],
        "P",
        activation=torch.relu_,
        norm=experiment.predictor_norm,
        bias=experiment.bias is not False,
    )

    def apply(parameters: dict[str, Tensor], x: Tensor, targets: Tensor | None, normalise: Normaliser) -> Tensor:
        return stack(parameters, x, normalise)

    return Part(stack.shapes, apply, outputs)
