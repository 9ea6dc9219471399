"""L-BFGS (Liu & Nocedal 1989) by torch.optim.LBFGS, one seed after another, one update per step, no line search.

It needs the full batch: its memory compares gradients of one and the same loss. It is given minus the flow's
velocity, which under a stop-gradient is the gradient of no function; what it then does is part of the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from dynsim.networks.block import Block

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment

_MEMORY = 10


def step(blocks: Sequence[Block], lr: float, experiment: Experiment) -> None:
    """One step of every block of every seed."""
    sizes = [block.weights.shape[1] for block in blocks]
    rows = torch.cat([block.weights for block in blocks], dim=1)
    gradients = torch.cat([block.decayed_gradient() * block.rate for block in blocks], dim=1)
    memories = blocks[0].state.setdefault("memories", [{} for _ in rows])
    for seed, memory in enumerate(memories):
        row = torch.nn.Parameter(rows[seed].detach().clone())
        row.grad = gradients[seed].clone()
        optimiser = torch.optim.LBFGS([row], lr=lr, max_iter=1, history_size=_MEMORY)
        optimiser.state[row].update(memory)
        optimiser.step(lambda: 0.0)  # with one update and no line search the loss itself is not looked at
        memories[seed] = dict(optimiser.state[row])
        for block, part in zip(blocks, row.detach().split(sizes), strict=True):
            block.weights[seed] = part
