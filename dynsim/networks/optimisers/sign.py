"""Sign descent: every weight moves by lr·rate against the sign of its gradient (Bernstein et al. 2018,
arXiv:1802.04434); no momentum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dynsim.networks.block import Block

if TYPE_CHECKING:
    from dynsim.networks.experiment import Experiment


def step(blocks: Sequence[Block], lr: float, experiment: Experiment) -> None:
    """One step of every block."""
    for block in blocks:
        block.weights.add_(block.decayed_gradient().sign(), alpha=-lr * block.rate)
