"""The deterministic full batch: what the gradient flow of a network flows in."""

from __future__ import annotations

import torch
from torch import Tensor

from dynsim.networks.experiment import Experiment
from dynsim.networks.network import Batch, Network
from dynsim.networks.seeds import common_generator
from dynsim.networks.view_moments import noise_moments
from dynsim.networks.views import Source

__all__ = ["full_batch", "knows_moments_only"]


def full_batch(experiment: Experiment, network: Network, source: Source) -> Batch:
    """One batch, for one seed, over which the loss is the expected loss.

    Exact where the loss knows the data by second moments only: then a few weighted directions stand for all
    images and all noise. Otherwise `fixed_views` pairs of random views of every training image, always the same.
    """
    if knows_moments_only(experiment, network, source):
        return Batch(_moment_matched(source).to(source.images.dtype))
    numbers = torch.arange(len(source.images), device=source.images.device).repeat(experiment.fixed_views)
    return source.batch(numbers[None], [common_generator(0, source.images.device)])


def knows_moments_only(experiment: Experiment, network: Network, source: Source) -> bool:
    """Whether the network is linear, the loss quadratic and the augmentation Gaussian noise (or nothing)."""
    quadratic = getattr(network.objective, "quadratic", lambda _: False)
    return (
        network.encoder.exactly_linear
        and network.predictor.exactly_linear
        and quadratic(experiment)
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
    return columns.T.unflatten(1, (2, *source.images.shape[1:])).transpose(0, 1)[None]
