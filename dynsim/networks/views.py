"""Where the views of a step come from: fresh minibatches, every seed with its own stream, or one fixed batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dynsim.networks.augmentations import Augmenter
from dynsim.networks.experiment import Experiment
from dynsim.networks.images import Images
from dynsim.networks.modules import FunctionAugmenter
from dynsim.networks.network import Batch, Network
from dynsim.networks.objectives import objective_of
from dynsim.networks.seeds import common_generator, generator

__all__ = ["FixedBatch", "MiniBatches", "Source", "full_batch", "knows_moments_only", "noise_moments"]

_AT_ONCE = 4096
_MEAN_VIEWS = 64  # views that estimate x̄ when augmentations are not noise alone


class Source:
    """Training images on their device, how they are augmented and what they are centred by."""

    def __init__(self, experiment: Experiment, images: Images, device: torch.device) -> None:
        self.device, self.dtype = device, getattr(torch, experiment.dtype)
        self.pixels = torch.as_tensor(images.train, device=device)
        if self.pixels.dtype != torch.uint8:  # bytes stay bytes until they are looked at
            self.pixels = self.pixels.to(self.dtype)
        self.number = len(self.pixels)
        self.labels = None if images.train_labels is None else torch.as_tensor(images.train_labels, device=device)
        self.mean = self._mean_image() if experiment.subtract_mean else torch.zeros_like(self.floats(self.pixels[0]))
        own = experiment.augmentation
        self.augmenter = FunctionAugmenter(own) if callable(own) else Augmenter(experiment.strengths, images.shape)
        self.slots = objective_of(experiment.objective, experiment.knobs).slots
        self.views = {"pair": 2, "views": experiment.views}.get(self.slots, 1)
        self._mean_views: Tensor | None = None

    def floats(self, pixels: Tensor) -> Tensor:
        """Pixels in the precision of the experiment, bytes as x/255."""
        return pixels.to(self.dtype) / 255 if pixels.dtype == torch.uint8 else pixels.to(self.dtype)

    @property
    def images(self) -> Tensor:
        """All training images as floats; a copy where they are kept as bytes."""
        return self.floats(self.pixels)

    def _mean_image(self) -> Tensor:
        if self.pixels.dtype != torch.uint8:
            return self.pixels.mean(0)
        total = sum(part.sum(0, dtype=torch.int64) for part in self.pixels.split(_AT_ONCE))
        return (torch.as_tensor(total).double() / (255 * self.number)).to(self.dtype)

    @property
    def mean_views(self) -> Tensor:
        """x̄ = E[view | image] of every image, centred; exact for noise, else the mean of 64 views."""
        if self._mean_views is None:
            if self.augmenter.only_noise:
                mean = self.images
            else:
                images, stream = self.images, [common_generator(2, self.device)]
                mean = torch.zeros_like(images)
                for _ in range(_MEAN_VIEWS):
                    mean += self.augmenter(images[None], stream, 1)[0, 0] / _MEAN_VIEWS
            self._mean_views = mean - self.mean
        return self._mean_views

    def batch(self, rows: Tensor, generators: Sequence[torch.Generator]) -> Batch:
        """Views of the images with these numbers, (seeds, batch), and labels if the objective looks at them."""
        labels = self.labels[rows] if self.slots == "labels" and self.labels is not None else None
        images = self.floats(self.pixels.index_select(0, rows.flatten())).view(*rows.shape, *self.pixels.shape[1:])
        views = self.augmenter(images, generators, self.views) - self.mean
        if self.slots == "mean":
            views = torch.cat((views, self.mean_views[rows].unsqueeze(1)), dim=1)
        return Batch(views, labels)


class FixedBatch:
    """The same batch at every step, for every seed."""

    def __init__(self, batch: Batch, seeds: Sequence[int]) -> None:
        labels = None if batch.labels is None else batch.labels.expand(len(seeds), -1)
        self.batch = Batch(batch.views.expand(len(seeds), *batch.views.shape[1:]), labels)

    def next(self) -> Batch:
        """Views for one step of every seed."""
        return self.batch

    def state(self) -> dict[str, Any]:
        """Nothing: it has no history."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


class MiniBatches:
    """Endless minibatches: every epoch each seed shuffles anew; an incomplete last batch is left out."""

    def __init__(self, experiment: Experiment, source: Source, seeds: Sequence[int]) -> None:
        self.source = source
        self.number = source.number
        self.size = min(int(experiment.batch), self.number)
        self.generators = [generator(seed, "batches", source.device) for seed in seeds]
        self.position = self.number
        self.order = torch.zeros(len(seeds), self.number, dtype=torch.long, device=source.device)

    def next(self) -> Batch:
        """Views for one step of every seed."""
        if self.position + self.size > self.number:
            self.position = 0
            for row, stream in zip(self.order, self.generators, strict=True):
                torch.randperm(self.number, generator=stream, out=row)
        rows = self.order[:, self.position : self.position + self.size]
        self.position += self.size
        return self.source.batch(rows, self.generators)

    def state(self) -> dict[str, Any]:
        """All that is needed to go on from here."""
        return {
            "order": self.order.clone(),
            "position": self.position,
            "generators": [stream.get_state() for stream in self.generators],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.order.copy_(state["order"])
        self.position = int(state["position"])
        for stream, kept in zip(self.generators, state["generators"], strict=True):
            stream.set_state(kept)


def full_batch(experiment: Experiment, network: Network, source: Source) -> Batch:
    """One batch, for one seed, over which the loss is the expected loss.

    Exact where the loss knows the data by second moments only: then a few weighted directions stand for all
    images and all noise. Otherwise `fixed_views` pairs of random views of every training image, always the same.
    """
    if knows_moments_only(experiment, network, source):
        return Batch(_moment_matched(source).to(source.dtype))
    numbers = torch.arange(source.number, device=source.device).repeat(experiment.fixed_views)
    return source.batch(numbers[None], [common_generator(0, source.device)])


def knows_moments_only(experiment: Experiment, network: Network, source: Source) -> bool:
    """Whether the network is linear, the loss quadratic and the augmentation Gaussian noise (or nothing)."""
    return (
        network.encoder.exactly_linear
        and network.predictor.exactly_linear
        and network.objective.quadratic(experiment)
        and source.augmenter.only_noise
    )


def _moment_matched(source: Source) -> Tensor:
    """Pairs of vectors whose joint second moments are E of [view; view] or [view; x̄], exactly.

    The columns of √B·U√λ, where UλUᵀ is that moment matrix; directions that carry nothing are left out.
    """
    signal, view = noise_moments(source)
    second = signal if source.slots == "mean" else view
    joint = torch.cat((torch.cat((view, signal), 1), torch.cat((signal, second), 1)))
    values, vectors = torch.linalg.eigh(joint)
    carrying = values > values[-1] * 1e-16
    carrying[-1] = True  # images that are all alike, without noise, still make a batch
    values, vectors = values[carrying], vectors[:, carrying]
    columns = vectors * (values.clamp(min=0) * len(values)).sqrt()
    return columns.T.unflatten(1, (2, *source.pixels.shape[1:])).transpose(0, 1)[None]


def noise_moments(source: Source) -> tuple[Tensor, Tensor]:
    """Exact Σ_d and Σ_s where the only augmentation is Gaussian noise (or none), in float64 on the source's device."""
    x = (source.images - source.mean).flatten(1).double()
    signal = x.T @ x / len(x)
    return signal, signal + source.augmenter.noise**2 * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
