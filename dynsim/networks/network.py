"""Encoder, predictor and objective of an experiment, as functions of the weights of many seeds at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dynsim.errors import bad
from dynsim.networks.encoders import ENCODERS
from dynsim.networks.experiment import Experiment
from dynsim.networks.initialisations import draw
from dynsim.networks.layers import Layout, Normaliser, by_batch
from dynsim.networks.modules import encoder_part, predictor_part
from dynsim.networks.objectives import OBJECTIVES, two_branches
from dynsim.networks.predictors import PREDICTORS
from dynsim.networks.schedules import at_step
from dynsim.networks.seeds import generator

__all__ = ["Batch", "Network", "Weights", "named_parameters", "teacher_name"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Views (seeds, views, batch, channels, height, width) and labels (seeds, batch)."""

    views: Tensor
    labels: Tensor | None = None


@dataclass(eq=False)
class Weights:
    """Rows (seeds, size) of predictor and encoder, and of the teacher if it is not the encoder itself."""

    predictor: Tensor
    encoder: Tensor
    teacher: Tensor | None = None

    def clone(self) -> Weights:
        """Copy without gradient history."""
        teacher = None if self.teacher is None else self.teacher.detach().clone()
        return Weights(self.predictor.detach().clone(), self.encoder.detach().clone(), teacher)


class Network:
    """The parts of an experiment, built for images of one shape.

    Parameters
    ----------
    experiment : Experiment
    shape : tuple
        Channels, height, width.
    classes : int
        Of the labels; the supervised objective predicts them.
    """

    def __init__(self, experiment: Experiment, shape: tuple[int, int, int], classes: int = 0) -> None:
        self.plan = experiment
        self.experiment: Any = at_step(experiment, 0)  # with the numbers of the present step
        self.objective = OBJECTIVES[experiment.objective]
        own = experiment.encoder
        self.encoder = encoder_part(own, shape) if callable(own) else ENCODERS[own](experiment, shape)
        outputs = classes if self.objective.slots == "labels" else self.encoder.features
        if outputs == 0:
            raise bad("objective", experiment.objective, "one without labels, for data that have none")
        head, features = experiment.predictor, self.encoder.features
        if callable(head):
            self.predictor = predictor_part(head, features, outputs)
        else:
            self.predictor = PREDICTORS[head](experiment, features, outputs)
        self.encoder_layout = Layout(self.encoder.shapes)
        self.predictor_layout = Layout(self.predictor.shapes)
        self.averages = isinstance(experiment.teacher, str) or experiment.teacher > 0
        self.has_teacher = self.averages or experiment.objective == "alternating"

    def initial(self, seeds: Sequence[int]) -> Weights:
        """Initial weights, one row per seed, in the experiment's dtype, on the CPU."""
        e = self.experiment
        dtype = getattr(torch, e.dtype)
        streams = {p: [generator(seed, p) for seed in seeds] for p in ("predictor", "encoder", "teacher")}
        encoder = draw(self.encoder, e.init, e.init_scale, streams["encoder"])
        predictor = draw(self.predictor, e.predictor_init, e.predictor_scale, streams["predictor"])
        teacher = None
        if self.has_teacher:
            teacher = {
                "copy": encoder.clone,
                "zero": lambda: torch.zeros_like(encoder),
                "random": lambda: draw(self.encoder, e.init, e.init_scale, streams["teacher"]),
            }[e.teacher_init]().to(dtype)
        return Weights(predictor.to(dtype), encoder.to(dtype), teacher)

    def decaying(self, predictor: Tensor, encoder: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Masks (size,) of the predictor's and the encoder's entries that decay, like their rows; None: all do."""
        if self.experiment.decay_biases:
            return None, None
        return self.predictor_layout.matrices.to(predictor), self.encoder_layout.matrices.to(encoder)

    def decay(self, weights: Weights) -> tuple[Tensor, Tensor]:
        """What weight decay subtracts from the velocities of predictor and encoder."""
        rates = (self.experiment.eta_p, self.experiment.eta_s)
        rows = (weights.predictor, weights.encoder)
        masks = self.decaying(*rows)
        first, second = (
            rate * (row if mask is None else row * mask) for rate, row, mask in zip(rates, rows, masks, strict=True)
        )
        return first, second

    def encode(self, rows: Tensor, images: Tensor, normalise: Normaliser = by_batch) -> Tensor:
        """Features (seeds, dim, views, batch) of images (seeds, views, batch, channels, height, width)."""
        return self.encoder.apply(self.encoder_layout.split(rows), images, normalise)

    def predict(
        self, rows: Tensor, features: Tensor, targets: Tensor | None = None, normalise: Normaliser = by_batch
    ) -> Tensor:
        """Predictions, shaped like the features; only the optimal predictor looks at the targets."""
        return self.predictor.apply(self.predictor_layout.split(rows), features, targets, normalise)

    def loss(
        self,
        weights: Weights,
        batch: Batch,
        *,
        branch: str | None = None,
        held: Tensor | None = None,
        predict: Callable[..., Tensor] | None = None,
    ) -> Tensor:
        """Loss of every seed, with gradients as the branch wants them.

        Parameters
        ----------
        weights : Weights
        batch : Batch
        branch : str, optional
            Instead of the experiment's.
        held : Tensor, optional
            Encoder rows that stand in for the branch that is held; by default the encoder's own, detached.
            Given as a function of other variables, they keep their derivative: that is how a Jacobian of the
            resolved field is taken.
        predict : callable, optional
            Instead of the network's predictor.
        """
        live = self.encode(weights.encoder, batch.views)
        if weights.teacher is not None:
            first, second = live, self.encode(weights.teacher, batch.views)
        else:
            constant = live.detach() if held is None else self.encode(held, batch.views)
            first, second = two_branches(branch or self.experiment.branch, live, constant)

        if predict is None:
            predict = partial(self.predict, weights.predictor)
        return self.objective.loss(self.experiment, predict, first, second, batch.labels)


def named_parameters(network: Network, weights: Weights) -> dict[str, Tensor]:
    """Weights as ``{name: (seeds, *shape)}``: P…, W… and, of a moving-average teacher, V…."""
    parts = network.predictor_layout.split(weights.predictor) | network.encoder_layout.split(weights.encoder)
    if weights.teacher is not None and network.averages:
        teacher = network.encoder_layout.split(weights.teacher)
        parts |= {teacher_name(name): value for name, value in teacher.items()}
    return parts


def teacher_name(name: str) -> str:
    """Name of the teacher's parameter that follows the encoder's of this name: V for W, V2_bias for W2_bias."""
    if name.startswith("encoder."):
        return "teacher." + name.removeprefix("encoder.")
    return "V" + name.removeprefix("W")
