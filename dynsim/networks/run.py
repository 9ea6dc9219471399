"""A training run in progress: what one step does, and the state it goes on from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dynsim.networks.experiment import Experiment
from dynsim.networks.images import Images
from dynsim.networks.network import Network, Weights
from dynsim.networks.optimisers import OPTIMISERS, Block
from dynsim.networks.outputs import PROTOTYPES, scores
from dynsim.networks.schedules import at_step, learning_rate
from dynsim.networks.seeds import common_generator
from dynsim.networks.text_objective import check_size
from dynsim.networks.views import FixedBatch, MiniBatches, Source, full_batch

__all__ = ["Run"]


class Run:
    """All seeds of an experiment, `step` steps after their start.

    Parameters
    ----------
    experiment : Experiment
    images : Images
    seeds : sequence of int
    device : torch.device
    """

    def __init__(self, experiment: Experiment, images: Images, seeds: Sequence[int], device: torch.device) -> None:
        self.experiment = experiment
        self.device = device
        self.step = 0
        self.network = Network(experiment, images.shape, images.classes)
        self.source = Source(experiment, images, device)
        self.batches: FixedBatch | MiniBatches
        if experiment.batch == "full":
            self.batches = FixedBatch(full_batch(experiment, self.network, self.source), seeds)
        else:
            self.batches = MiniBatches(experiment, self.source, seeds)
        initial = self.network.initial(seeds)
        predictor, encoder = initial.predictor.to(device), initial.encoder.to(device)
        masks = self.network.decaying(predictor, encoder)
        now = self.network.experiment
        self._predictor = Block(predictor, now.alpha, now.eta_p, masks[0])
        self._encoder = Block(encoder, 1.0, now.eta_s, masks[1])
        self._moving = [self._encoder]
        if self.network.predictor.trained:
            self._moving.append(self._predictor)
        for block in self._moving:
            block.weights.requires_grad_()
        self._teacher = None if initial.teacher is None else initial.teacher.to(device)
        self._centre = None if initial.centre is None else initial.centre.to(device)
        rows = self.source.number * experiment.fixed_views if experiment.batch == "full" else int(experiment.batch)
        wide = max(self.network.encoder.features, self.network.prototypes)
        check_size(self.network.objective.matrices, len(encoder), rows, wide)
        self._optimise = OPTIMISERS[experiment.optimiser]

    @property
    def weights(self) -> Weights:
        """The current weights, not a copy."""
        return Weights(self._predictor.weights, self._encoder.weights, self._teacher, self._centre)

    def advance(self) -> Tensor:
        """Do one step of every seed; return the losses (seeds,) before it, on its own batch."""
        e = self.network.experiment = at_step(self.experiment, self.step)
        self._predictor.rate, self._predictor.decay, self._encoder.decay = e.alpha, e.eta_p, e.eta_s
        if e.objective == "alternating" and self.step % e.alternating_steps == 0 and self._teacher is not None:
            self._teacher.copy_(self._encoder.weights.detach())
        if self._centre is None:
            losses = self.network.loss(self.weights, self.batches.next(), step=self.step)
        else:
            losses, mean = self.network.loss_and_centre(self.weights, self.batches.next(), self.step)
        blocks = [block.weights for block in self._moving]
        gradients = torch.autograd.grad(losses.sum(), blocks, materialize_grads=True)
        with torch.no_grad():
            for block, gradient in zip(self._moving, gradients, strict=True):
                block.gradient = gradient
            self._optimise(self._moving, learning_rate(self.experiment, self.step), e)
            if self._teacher is not None and e.objective != "alternating" and e.teacher < 1:
                self._teacher.lerp_(self._encoder.weights, 1 - e.teacher)
            if self._centre is not None:
                self._centre.lerp_(mean, 1 - (0.9 if e.centre_momentum is None else e.centre_momentum))
        self.step += 1
        return losses.detach()

    def encoder_parameters(self) -> dict[str, np.ndarray]:
        """Current weights of the encoder, ``{name: (seeds, *shape)}``."""
        parts = self.network.encoder_layout.split(self._encoder.weights.detach())
        return {name: np.asarray(value.cpu()) for name, value in parts.items()}

    def pairs(self, number: int) -> Tensor:
        """Two views of each of the first `number` training images, always the same, (1, 2, number, …)."""
        rows = torch.arange(min(number, self.source.number), device=self.device)[None]
        return self.source.batch(rows, [common_generator(0, self.device)]).views[:, :2]

    def prototype_scores(self, pairs: Tensor) -> np.ndarray:
        """Scores of the encoder's prototypes on such pairs, (views, seeds, samples, prototypes), in float64."""
        rows = self._encoder.weights.detach()
        with torch.no_grad():
            features = self.network.encode(rows, pairs.expand(len(rows), *pairs.shape[1:]))
            found = scores(features, self.network.encoder_layout.split(rows)[PROTOTYPES])
        return np.asarray(found.permute(2, 0, 3, 1).double().cpu())

    def state(self) -> dict[str, Any]:
        """A copy of all that is needed to go on from here, bit by bit."""
        return {
            "step": self.step,
            "device": self.device.type,
            "predictor": self._predictor.weights.detach().clone(),
            "encoder": self._encoder.weights.detach().clone(),
            "teacher": None if self._teacher is None else self._teacher.clone(),
            "centre": None if self._centre is None else self._centre.clone(),
            "optimiser": [_copied(block.state) for block in self._moving],
            "batches": self.batches.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.step = state["step"]
        with torch.no_grad():
            self._predictor.weights.copy_(state["predictor"])
            self._encoder.weights.copy_(state["encoder"])
            if self._teacher is not None:
                self._teacher.copy_(state["teacher"])
            if self._centre is not None:
                self._centre.copy_(state["centre"])
        for block, kept in zip(self._moving, state["optimiser"], strict=True):
            block.state = _copied(kept, self.device)
        self.batches.restore(state["batches"])


def _copied(value: Any, device: torch.device | None = None) -> Any:
    """Copy of nested dicts and lists of tensors and numbers, onto a device."""
    if isinstance(value, Tensor):
        return value.detach().clone() if device is None else value.to(device, copy=True)
    if isinstance(value, dict):
        return {key: _copied(item, device) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item, device) for item in value]
    return value
