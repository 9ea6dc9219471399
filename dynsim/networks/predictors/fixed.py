"""Linear predictor that keeps its initial value: a random matrix P, or whatever `predictor_init` says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dynsim.networks.part import Part
from dynsim.networks.predictors import linear

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment


def build(experiment: Experiment, features: int, outputs: int) -> Part:
    """P of shape (outputs, features), not trained."""
    return replace(linear.build(experiment, features, outputs), trained=False)
