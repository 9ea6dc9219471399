"""Gradient descent, with momentum as in torch.optim.SGD; one unit of flow time takes (1 − momentum)/lr steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from dynsim.networks.block import Block

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment


def step(blocks: Sequence[Block], lr: float, experiment: Experiment) -> None:
    """One step of every block."""
    for block in blocks:
        direction = block.decayed_gradient()
        if experiment.momentum:
            kept = block.state.get("momentum")
            if kept is None:
                block.state["momentum"] = kept = direction.clone()
            else:
                torch.add(direction, kept, alpha=experiment.momentum, out=kept)
            direction = kept
        block.weights.add_(direction, alpha=-lr * block.rate)
