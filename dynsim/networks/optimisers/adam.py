"""Adam (Kingma & Ba 2015, arXiv:1412.6980) as in torch.optim.Adam; β1 is `momentum`, β2 = 0.999, ε = 1e-8.

Its steps do not scale with the gradient, so lr·step is a time only by analogy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from dynsim.networks.block import Block

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment

_BETA2, _EPSILON = 0.999, 1e-8


def step(blocks: Sequence[Block], lr: float, experiment: Experiment) -> None:
    """One step of every block."""
    beta1 = experiment.momentum
    for block in blocks:
        gradient = block.decayed_gradient()
        state = block.state
        if not state:
            state |= {"steps": 0, "mean": torch.zeros_like(gradient), "square": torch.zeros_like(gradient)}
        state["steps"] += 1
        state["mean"].lerp_(gradient, 1 - beta1)
        state["square"].mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
        size = (state["square"].sqrt() / (1 - _BETA2 ** state["steps"]) ** 0.5).add_(_EPSILON)
        block.weights.addcdiv_(state["mean"], size, value=-lr * block.rate / (1 - beta1 ** state["steps"]))
