"""No predictor: predictions are the features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from dynsim.errors import bad
from dynsim.networks.batch_norm import Normaliser
from dynsim.networks.part import Part

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment


def build(experiment: Experiment, features: int, outputs: int) -> Part:
    """Identity; raises InvalidValue where the objective wants another number of outputs."""
    if features != outputs:
        raise bad("dim", features, f"{outputs}, the number of classes, with predictor 'none'", "or take 'linear'")

    def apply(parameters: dict[str, Tensor], x: Tensor, targets: Tensor | None, normalise: Normaliser) -> Tensor:
        return x

    return Part({}, apply, features, exactly_linear=True, trained=False)
