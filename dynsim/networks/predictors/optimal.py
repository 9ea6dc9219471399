"""Optimal linear predictor, by ridge regression of the targets on the features of the batch, at every step.

The limit α → ∞ of a trained one (Tang et al. 2023, arXiv:2212.03319). No gradient passes through P itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from dynsim.networks.batch_norm import Normaliser
from dynsim.networks.measures.optimality import optimal_predictor
from dynsim.networks.part import Part
from dynsim.networks.perceptron import dense

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment


def build(experiment: Experiment, features: int, outputs: int) -> Part:
    """P of shape (outputs, features), computed and not trained."""

    def apply(parameters: dict[str, Tensor], x: Tensor, targets: Tensor | None, normalise: Normaliser) -> Tensor:
        assert targets is not None
        best = optimal_predictor(x.flatten(2).mT, targets.flatten(2).mT, ridge=experiment.ridge)
        return dense(x, best)

    return Part({}, apply, outputs, exactly_linear=True, trained=False)
