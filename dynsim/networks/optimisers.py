"""Optimisers of networks: each moves the weights of every block in place and equals torch's of that name.

``step(blocks, lr, experiment)`` is the contract. A block has its own learning-rate ratio and weight decay; in torch's
words ``lr·block.rate`` is the learning rate and ``block.decay / block.rate`` the weight decay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dynsim.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from dynsim.networks.experiment import Experiment

__all__ = ["OPTIMISERS", "Block", "Optimiser"]

_BETA2, _EPSILON = 0.999, 1e-8
_MEMORY = 10


@dataclass(eq=False)
class Block:
    """A block of parameters that an optimiser moves as one: the predictor's, or the encoder's, of many seeds.

    Parameters
    ----------
    weights : Tensor
        (seeds, size), moved in place.
    rate : float
        Learning-rate ratio: `alpha` for the predictor, 1 for the encoder.
    decay : float
        Weight decay per unit of flow time; not multiplied by `rate`.
    decayed : Tensor or None
        (size,), 1 where a parameter decays and 0 where not; None where all do.
    state : dict
        What the optimiser keeps from step to step.
    """

    weights: Tensor
    rate: float = 1.0
    decay: float = 0.0
    decayed: Tensor | None = None
    gradient: Tensor | None = None
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def decaying(self) -> Tensor:
        """The weights, with zeros in place of those that do not decay."""
        return self.weights if self.decayed is None else self.weights * self.decayed

    def decayed_gradient(self) -> Tensor:
        """Gradient plus weight decay in the optimiser's units: −1/rate times the block's velocity."""
        import torch

        assert self.gradient is not None
        if not self.decay:
            return self.gradient
        return torch.add(self.gradient, self.decaying, alpha=self.decay / self.rate)


# The contract of an optimiser, ``step(blocks, lr, experiment)``: one step of every block, in place.
Optimiser = Callable[[Sequence[Block], float, "Experiment"], None]


def sgd(blocks: Sequence[Block], lr: float, experiment: Experiment) -> None:
    """Gradient descent, with momentum as in torch.optim.SGD; one unit of flow time takes (1 − momentum)/lr steps."""
    import torch

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


def adam(blocks: Sequence[Block], lr: float, experiment: Experiment) -> None:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980) as in torch.optim.Adam; β1 is `momentum`, β2 = 0.999, ε = 1e-8.

    Its steps do not scale with the gradient, so lr·step is a time only by analogy.
    """
    for block in blocks:
        _adam_step(block, block.decayed_gradient(), lr, experiment.momentum)


def adamw(blocks: Sequence[Block], lr: float, experiment: Experiment) -> None:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101) as in torch.optim.AdamW.

    Weights shrink by lr·η per step, η the decay per unit of lr·step, whatever the gradient does.
    """
    for block in blocks:
        assert block.gradient is not None
        if block.decay:
            block.weights.sub_(block.decaying, alpha=lr * block.decay)
        _adam_step(block, block.gradient, lr, experiment.momentum)


def _adam_step(block: Block, gradient: Tensor, lr: float, beta1: float) -> None:
    import torch

    state = block.state
    if not state:
        state |= {"steps": 0, "mean": torch.zeros_like(gradient), "square": torch.zeros_like(gradient)}
    state["steps"] += 1
    state["mean"].lerp_(gradient, 1 - beta1)
    state["square"].mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
    size = (state["square"].sqrt() / (1 - _BETA2 ** state["steps"]) ** 0.5).add_(_EPSILON)
    block.weights.addcdiv_(state["mean"], size, value=-lr * block.rate / (1 - beta1 ** state["steps"]))


def sign(blocks: Sequence[Block], lr: float, experiment: Experiment) -> None:
    """Sign descent: every weight moves by lr·rate against the sign of its gradient (Bernstein et al. 2018,
    arXiv:1802.04434); no momentum.
    """
    for block in blocks:
        block.weights.add_(block.decayed_gradient().sign(), alpha=-lr * block.rate)


def lbfgs(blocks: Sequence[Block], lr: float, experiment: Experiment) -> None:
    """L-BFGS (Liu & Nocedal 1989) by torch.optim.LBFGS, one seed after another, one update per step, no line search.

    It needs the full batch: its memory compares gradients of one and the same loss. It is given minus the flow's
    velocity, which under a stop-gradient is the gradient of no function; what it then does is part of the question.
    """
    import torch

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


OPTIMISERS: Registry[Optimiser] = Registry(
    "optimiser",
    {"sgd": sgd, "adam": adam, "adamw": adamw, "sign": sign, "lbfgs": lbfgs},
    group="dynsim.network_optimisers",
)
