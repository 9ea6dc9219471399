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
from dynsim.networks.objectives import objective_of, two_branches
from dynsim.networks.outputs import PROTOTYPES, Outputs, both_views, is_symmetric, swapped, with_prototypes
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
    """Rows (seeds, size) of predictor and encoder, and of the teacher if it is not the encoder itself.

    `centre`, (seeds, outputs), is the running mean of the teacher's outputs, for losses that ask for it.
    """

    predictor: Tensor
    encoder: Tensor
    teacher: Tensor | None = None
    centre: Tensor | None = None

    def clone(self) -> Weights:
        """Copy without gradient history."""
        teacher = None if self.teacher is None else self.teacher.detach().clone()
        centre = None if self.centre is None else self.centre.clone()
        return Weights(self.predictor.detach().clone(), self.encoder.detach().clone(), teacher, centre)


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
        self.objective = objective_of(experiment.objective, experiment.knobs)
        own = experiment.encoder
        self.encoder = encoder_part(own, shape) if callable(own) else ENCODERS[own](experiment, shape)
        self.prototypes = 0
        if self.objective.symbols & {"s1", "s2"}:
            self.prototypes = experiment.prototypes or 64
            self.encoder = with_prototypes(self.encoder, self.prototypes)
        outputs = classes if self.objective.slots == "labels" else self.encoder.features
        if outputs == 0:
            raise bad("objective", experiment.objective, "one without labels, for data that have none")
        head, features = experiment.predictor, self.encoder.features
        symbols = self.objective.symbols
        if symbols and not symbols & {"p1", "p2"}:
            head = "none"  # nothing would train it
        if callable(head):
            self.predictor = predictor_part(head, features, outputs)
        else:
            self.predictor = PREDICTORS[head](experiment, features, outputs)
        self.encoder_layout = Layout(self.encoder.shapes)
        self.predictor_layout = Layout(self.predictor.shapes)
        self.averages = isinstance(experiment.teacher, str) or experiment.teacher > 0
        self.has_teacher = self.averages or experiment.objective == "alternating"
        self.swaps = False
        if symbols and experiment.symmetric:
            knobs = {**self.objective.knobs, **self.experiment.knobs}
            self.swaps = not is_symmetric(self.objective, knobs, features, self.prototypes)

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
        centre = None
        if "centre" in self.objective.symbols:
            centre = encoder.new_zeros((len(seeds), self.prototypes or self.encoder.features)).to(dtype)
        return Weights(predictor.to(dtype), encoder.to(dtype), teacher, centre)

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
        held_predictor: Tensor | None = None,
        step: int = 0,
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
        held_predictor : Tensor, optional
            As `held`, for predictions within a stop-gradient.
        step : int
            Number of the step, from which random slices are drawn.
        """
        if self.objective.symbols:
            return self._loss_of_outputs(*self._outputs(weights, batch, branch, held, held_predictor, predict), step)
        live = self.encode(weights.encoder, batch.views)
        if weights.teacher is not None:
            first, second = live, self.encode(weights.teacher, batch.views)
        else:
            constant = live.detach() if held is None else self.encode(held, batch.views)
            first, second = two_branches(branch or self.experiment.branch, live, constant)

        if predict is None:
            predict = partial(self.predict, weights.predictor)
        return self.objective.loss(self.experiment, predict, first, second, batch.labels)

    def loss_and_centre(self, weights: Weights, batch: Batch, step: int) -> tuple[Tensor, Tensor]:
        """Loss of every seed, and the mean of the teacher's outputs (seeds, outputs) that moves the centre."""
        first, second = self._outputs(weights, batch)
        return self._loss_of_outputs(first, second, step), first.teacher_outputs.detach().mean((2, 3))

    def teacher_mean(self, weights: Weights, batch: Batch) -> Tensor:
        """Mean over views and batch of the teacher's outputs, (seeds, outputs), which a running centre follows."""
        rows = weights.encoder if weights.teacher is None else weights.teacher
        encoded = self._encoded(rows, batch)
        return Outputs(encoded, encoded, self.predict, None).teacher_outputs.mean((2, 3))

    def _outputs(
        self,
        weights: Weights,
        batch: Batch,
        branch: str | None = None,
        held: Tensor | None = None,
        held_predictor: Tensor | None = None,
        predict: Callable[..., Tensor] | None = None,
    ) -> tuple[Outputs, Outputs]:
        """What stands outside and inside of stop-gradients; a teacher's outputs never carry a gradient."""
        branch = branch or self.experiment.branch
        live = self._encoded(weights.encoder, batch)
        features, prototypes = live
        still = features.detach(), None if prototypes is None else prototypes.detach()
        constant = still if held is None else self._encoded(held, batch)
        teacher = constant if weights.teacher is None else self._encoded(weights.teacher, batch)
        predict = predict or partial(self.predict, weights.predictor)
        if held_predictor is None:
            held_predictor = weights.predictor.detach()
        outside = Outputs(constant if branch == "target" else live, teacher, predict, weights.centre)
        if branch == "stop":
            return outside, Outputs(constant, teacher, partial(self.predict, held_predictor), weights.centre)
        moving = live if weights.teacher is None else teacher
        return outside, Outputs(live, moving, predict, weights.centre)

    def _encoded(self, rows: Tensor, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Features and, if there are any, prototypes."""
        return self.encode(rows, batch.views), self.encoder_layout.split(rows).get(PROTOTYPES)

    def _loss_of_outputs(self, first: Outputs, second: Outputs, step: int) -> Tensor:
        objective, knobs = self.objective, {**self.objective.knobs, **self.experiment.knobs}
        symbols = both_views(objective.symbols) if self.swaps else objective.symbols
        outside, inside = first.of(symbols), second.of(symbols)
        loss = objective.loss(outside, inside, knobs, step)
        if self.swaps:
            loss = (loss + objective.loss(swapped(outside), swapped(inside), knobs, step)) / 2
        return loss


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
