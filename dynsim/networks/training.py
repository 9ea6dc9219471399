"""Train many seeds of an experiment at once and return what was measured on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
import xarray

from dynsim.networks.block import Block
from dynsim.networks.data_loading import load_images
from dynsim.networks.experiment import Experiment
from dynsim.networks.network import Network, Weights
from dynsim.networks.recording import Recorder
from dynsim.networks.seeds import seed_list
from dynsim.networks.snapshot import Evaluation
from dynsim.networks.views import MiniBatches, Source
from dynsim.registry import find

__all__ = ["train"]


def train(
    experiment: Experiment,
    seeds: int | Iterable[int] = 3,
    *,
    device: str = "cpu",
    checkpoint: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xarray.Dataset:
    """Train.

    Examples
    --------
    >>> from dynsim.networks import Experiment, train
    >>> run = train(Experiment(steps=20, images=200, measures=["spread"]), seeds=2)
    >>> dict(run.sizes)
    {'seed': 2, 'step': 3}
    """
    numbers = seed_list(seeds)
    images = load_images(experiment)
    place = torch.device(device)
    network = Network(experiment, images.shape, images.classes)
    source = Source(experiment, images, place)
    batches = MiniBatches(experiment, source, numbers)
    weights = network.initial(numbers)
    blocks = {
        "predictor": Block(weights.predictor.to(place).requires_grad_(), experiment.alpha, experiment.eta_p),
        "encoder": Block(weights.encoder.to(place).requires_grad_(), 1.0, experiment.eta_s),
    }
    weights = Weights(blocks["predictor"].weights, blocks["encoder"].weights, weights.teacher)
    moving = [blocks["encoder"], *([blocks["predictor"]] if network.predictor.trained else [])]
    step_all = find("optimiser", experiment.optimiser, "dynsim.networks.optimisers").step
    recorder = Recorder(experiment, network, Evaluation(experiment, images, source), numbers)
    for step in range(experiment.steps + 1):
        if step % experiment.measure_every == 0 or step == experiment.steps:
            recorder.record(step, weights)
            if progress is not None:
                progress(step, experiment.steps)
        if step == experiment.steps:
            break
        values = network.loss(weights, batches.next())
        gradients = torch.autograd.grad(values.sum(), [block.weights for block in moving], materialize_grads=True)
        with torch.no_grad():
            for block, gradient in zip(moving, gradients, strict=True):
                block.gradient = gradient
            step_all(moving, experiment.lr, experiment)
            if weights.teacher is not None:
                weights.teacher.lerp_(weights.encoder, 1 - experiment.teacher)
    return recorder.dataset()
