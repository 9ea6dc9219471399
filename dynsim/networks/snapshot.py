"""One moment of a run, with everything that measures look at, each computed once and only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from dynsim.networks.experiment import Experiment
from dynsim.networks.images import Images
from dynsim.networks.layers import Population
from dynsim.networks.measures.linear_layers import second_moment
from dynsim.networks.network import Batch, Network, Weights
from dynsim.networks.seeds import common_generator
from dynsim.networks.views import Source

__all__ = ["Evaluation", "Snapshot"]

_PAIRS = 256  # images behind a recorded loss: enough for its direction, and as cheap as a few steps


class Evaluation:
    """Fixed images on which all snapshots of all seeds are measured.

    `clean`: training images as they are. `test`: one view of every test image, made by the experiment's own
    augmentation. `training_views`: two views of training images, whose statistics batch normalisation uses in
    evaluation. `pair`: views of training images as the objective wants them, for losses and velocities: of at most
    256 images. The others have at most `evaluate` images.
    """

    def __init__(self, experiment: Experiment, images: Images, source: Source) -> None:
        most = experiment.evaluate
        device = source.device
        stream = [common_generator(1, device)]
        test = source.floats(torch.as_tensor(images.test[:most], device=device))
        some = source.floats(source.pixels[:most])
        self.clean = (some - source.mean)[None, None]
        self.test = source.augmenter(test[None], stream, 1) - source.mean
        rows = torch.arange(min(most, _PAIRS, source.number), device=device)[None]
        self.pair = source.batch(rows, stream)
        self.training_views = source.augmenter(some[None], stream, 2) - source.mean
        self.labels: tuple[Tensor, Tensor] | None = None
        if source.labels is not None and images.test_labels is not None:
            self.labels = source.labels[:most], torch.as_tensor(images.test_labels[:most], device=device)


class Snapshot:
    """The network at one moment of a run.

    Batch normalisation in evaluation uses the statistics of views of training images, to which running averages
    would have come, and never those of clean images, which the network was not trained on; losses and velocities
    use those of the batch, as training does.
    """

    def __init__(
        self,
        network: Network,
        weights: Weights,
        evaluation: Evaluation,
        *,
        time: float = 0.0,
        initial: Snapshot | None = None,
        after_head: bool = False,
    ) -> None:
        self.network = network
        self.weights = weights.clone()
        self.evaluation = evaluation
        self.time = time
        self.initial = initial or self
        self._after_head = after_head

    @property
    def labels(self) -> tuple[Tensor, Tensor] | None:
        """Labels of the clean training images and of the test images."""
        return self.evaluation.labels

    def features(self, views: Tensor) -> Tensor:
        """Features (seeds, images, dim) of centred views (1 or seeds, 1, images, channels, height, width)."""
        with torch.no_grad():
            return self.encoded(views)[:, :, 0].mT

    def encoded(self, views: Tensor) -> Tensor:
        """Features (seeds, dim, views, images) of any number of centred views, with derivatives by them."""
        return self._through(views, self._population)

    @cached_property
    def behind_head(self) -> Snapshot:
        """The same moment, whose features are the predictor's outputs."""
        start = None if self.initial is self else self.initial.behind_head
        return Snapshot(self.network, self.weights, self.evaluation, time=self.time, initial=start, after_head=True)

    def _through(self, views: Tensor, normalise: Population) -> Tensor:
        features = self.network.encode(self.weights.encoder, self._for_all(views), normalise)
        if self._after_head:
            features = self.network.predict(self.weights.predictor, features, normalise=normalise)
        return features

    @cached_property
    def _population(self) -> Population:
        normalise = Population()
        with torch.no_grad():
            self._through(self.evaluation.training_views, normalise)
        return normalise

    @cached_property
    def clean_features(self) -> Tensor:
        """Features of the clean training images, (seeds, images, dim)."""
        return self.features(self.evaluation.clean)

    @cached_property
    def test_features(self) -> Tensor:
        """Features of the augmented test images, (seeds, images, dim)."""
        return self.features(self.evaluation.test)

    @cached_property
    def pair_features(self) -> tuple[Tensor, Tensor]:
        """Features of two views of training images, (seeds, images, dim) each."""
        with torch.no_grad():
            first, second = self.encoded(self.evaluation.training_views[:, :2]).unbind(2)
        return first.mT, second.mT

    @cached_property
    def pair(self) -> Batch:
        """The fixed pair of views, for all seeds."""
        pair = self.evaluation.pair
        labels = None if pair.labels is None else pair.labels.expand(len(self.weights.encoder), -1)
        return Batch(self._for_all(pair.views), labels)

    @cached_property
    def _loss_and_gradient(self) -> tuple[Tensor, Weights]:
        return self.gradient_of(lambda weights: self.network.loss(weights, self.pair))

    @property
    def loss(self) -> Tensor:
        """Loss on the fixed pair of views; without a gradient unless a measure has asked for one."""
        if "_loss_and_gradient" in self.__dict__:
            return self._loss_and_gradient[0]
        with torch.no_grad():
            return self.network.loss(self.weights, self.pair)

    @cached_property
    def velocity(self) -> Weights:
        """What the gradient flow does here: φ' and θ' per unit of flow time, weight decay included."""
        e, gradient = self.network.experiment, self._loss_and_gradient[1]
        decay = self.network.decay(self.weights)
        predictor = -e.alpha * gradient.predictor - decay[0]
        if not self.network.predictor.trained:
            predictor = torch.zeros_like(predictor)
        return Weights(predictor, -gradient.encoder - decay[1])

    @property
    def linear_predictor(self) -> Tensor | None:
        """P of a linear predictor, (seeds, outputs, dim)."""
        if set(self.network.predictor.shapes) != {"P"}:
            return None
        return self.network.predictor_layout.split(self.weights.predictor)["P"]

    @property
    def square_predictor(self) -> Tensor | None:
        """P of a linear predictor from features to features."""
        p = self.linear_predictor
        return p if p is not None and p.shape[-1] == p.shape[-2] else None

    @cached_property
    def moment(self) -> Tensor:
        """E[zzᵀ] over the fixed pair of views, (seeds, dim, dim)."""
        with torch.no_grad():
            return second_moment(self.network.encode(self.weights.encoder, self.pair.views).flatten(2).mT)

    @cached_property
    def targets(self) -> tuple[Tensor, Tensor] | None:
        """What the predictor gets and what it should say, on the fixed pair: (seeds, samples, dim) each."""
        seen: list[tuple[Tensor, Tensor]] = []

        def note(features: Tensor, targets: Tensor | None = None) -> Tensor:
            if targets is not None:
                seen.append((features.flatten(2).mT, targets.flatten(2).mT))
            return self.network.predict(self.weights.predictor, features, targets)

        with torch.no_grad():
            self.network.loss(self.weights, self.pair, predict=note)
        return seen[0] if seen else None

    def gradient_of(self, loss: Callable[[Weights], Tensor]) -> tuple[Tensor, Weights]:
        """Values (seeds,) of a loss, and its gradient."""
        leaves = [self.weights.predictor.clone().requires_grad_(), self.weights.encoder.clone().requires_grad_()]
        values = loss(Weights(leaves[0], leaves[1], self.weights.teacher, self.weights.centre))
        if not values.requires_grad:
            return values, Weights(torch.zeros_like(leaves[0]), torch.zeros_like(leaves[1]))
        gradients = torch.autograd.grad(values.sum(), leaves, materialize_grads=True)
        return values.detach(), Weights(*gradients)

    def _for_all(self, images: Tensor) -> Tensor:
        return images.expand(len(self.weights.encoder), *images.shape[1:])
