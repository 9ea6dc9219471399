"""Linear predictor without bias: one matrix P."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from dynsim.networks.batch_norm import Normaliser
from dynsim.networks.part import Part
from dynsim.networks.perceptron import dense

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment


def build(experiment: Experiment, features: int, outputs: int) -> Part:
    """P of shape (outputs, features)."""

    def apply(parameters: dict[str, Tensor], x: Tensor, targets: Tensor | None, normalise: Normaliser) -> Tensor:
        return dense(x, parameters["P"])

    return Part({"P": (outputs, features)}, apply, outputs, exactly_linear=True)
