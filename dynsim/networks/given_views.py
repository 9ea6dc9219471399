"""Runs on views that are given, not made from images: pairs of states of a chain, Gaussians of known moments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dynsim.networks.datasets import load_images
from dynsim.networks.network import Batch
from dynsim.networks.run import Run
from dynsim.networks.torch_settings import device_of
from dynsim.networks.views import FixedBatch

__all__ = ["embedded", "run_on_gaussians", "run_on_pairs"]


def run_on_pairs(experiment: Any, seeds: Sequence[int], size: int, pairs: Sequence[tuple[int, int]]) -> Run:
    """Return a run before its first step whose every batch holds the given pairs of states, as unit vectors.

    Parameters
    ----------
    experiment : Experiment
        Of data with `size` numbers each.
    seeds : sequence of int
    size : int
        Number of states.
    pairs : sequence of (int, int)
        First and second view; a pair may occur several times, as often as it is likely.
    """
    run = Run(experiment, load_images(experiment), seeds, device_of("cpu"))
    states = torch.eye(size, dtype=run.source.dtype)
    views = torch.stack([states[list(column)] for column in zip(*pairs, strict=True)])
    run.batches = FixedBatch(Batch(views.reshape(1, *views.shape[:2], *run.source.pixels.shape[1:])), seeds)
    return run


def run_on_gaussians(experiment: Any, seeds: Sequence[int], batch: int, noise: np.ndarray, seed: int) -> Run:
    """Return a run before its first step on fresh views √(1 − noise)·x + √noise·n of fresh x at every step.

    Parameters
    ----------
    experiment : Experiment
        Of data with as many numbers each as `noise` has.
    seeds : sequence of int
    batch : int
    noise : array of shape ``(size,)``
        Share of noise of every feature; x and n are independent and standard normal.
    seed : int
        Of the views.
    """
    run = Run(experiment, load_images(experiment), seeds, device_of("cpu"))
    run.batches = _Gaussians(run, len(seeds), batch, noise, seed)  # type: ignore[assignment]
    return run


class _Gaussians:
    def __init__(self, run: Run, seeds: int, batch: int, noise: np.ndarray, seed: int) -> None:
        self.noise = torch.tensor(noise, dtype=run.source.dtype)
        self.shape, self.pixels = (seeds, batch, len(noise)), run.source.pixels.shape[1:]
        self.generator = torch.Generator().manual_seed(seed)

    def next(self) -> Batch:
        """Return a batch with an axis for the seeds."""
        seeds, batch, size = self.shape
        x, n = (torch.randn(seeds, count, batch, size, generator=self.generator) for count in (1, 2))
        views = (1 - self.noise).sqrt() * x + self.noise.sqrt() * n
        return Batch(views.reshape(*views.shape[:3], *self.pixels))


def embedded(run: Run, seeds: int, size: int) -> np.ndarray:
    """Return the embeddings of all states, as unit vectors, of shape ``(seed, embedding, state)``."""
    with torch.no_grad():
        states = torch.eye(size, dtype=run.source.dtype)
        states = states.expand(seeds, 1, -1, -1).reshape(seeds, 1, *run.source.pixels[:size].shape)
        z = run.network.encode(run.weights.encoder, states)
    return np.asarray(z[:, :, 0].mT.double().numpy())
