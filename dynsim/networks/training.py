"""Train many seeds of an experiment at once and return what was measured on the way."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from time import monotonic

import torch
import xarray

from dynsim.errors import InvalidType, bad
from dynsim.networks.checkpoint import load_checkpoint, save_checkpoint
from dynsim.networks.datasets import load_images
from dynsim.networks.experiment import Experiment
from dynsim.networks.experiment_text import as_name
from dynsim.networks.recording import Recorder
from dynsim.networks.run import Run
from dynsim.networks.seeds import seed_list
from dynsim.networks.snapshot import Evaluation
from dynsim.networks.torch_settings import deterministic, device_of
from dynsim.networks.trained import Trained
from dynsim.progress import Progress, check_progress
from dynsim.records import stamp

__all__ = ["fit", "train"]

_SAVE_EVERY = 10.0  # seconds between checkpoints


def train(
    experiment: Experiment,
    seeds: int | Iterable[int] = 3,
    *,
    device: str | torch.device = "cpu",
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
) -> xarray.Dataset:
    """Train all seeds of an experiment as one batch.

    Every seed has its own start, minibatches and augmentations; its numbers do not depend on which other seeds
    run beside it, up to rounding.

    Features are measured on one view of every test image, made by the experiment's own augmentation; kNN and probe
    compare them with clean training images. Batch normalisation then uses the statistics of views of training
    images, as running averages would give, never those of clean ones. Without test images of its own the data is
    split by `Images.of`: every class gives a fifth, drawn with a fixed seed.

    Parameters
    ----------
    experiment : Experiment
        What to train.
    seeds : int or iterable of int
        An int n stands for 0…n−1.
    device : str or torch.device
        ``"cpu"``, ``"cuda"``, …
    checkpoint : path, optional
        A file to which the run is saved every few seconds, when it is interrupted, and at its end. A run that finds
        it goes on from there; on the CPU to bit-identical results.
    progress : callable, optional
        ``progress(step, steps, what)`` at every record.

    Returns
    -------
    xarray.Dataset
        Dimensions `seed` and `step`, with a coordinate `time`, the flow time lr·step/(1 − momentum). `loss`, on a
        fixed pair of views of training images, and a variable per measure. `status` (seed) is `NOT_FINITE`
        for a seed that was lost at `stopped_step`; its values are NaN from there on. When all are lost the run ends.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        For anything that cannot be used, before any work is done.

    See Also
    --------
    fit : keeps the network too.
    Experiment : what defines a run.

    Examples
    --------
    >>> from dynsim.networks import Experiment, train
    >>> run = train(Experiment(steps=20, images=200, measures=["spread"]), seeds=2)
    >>> dict(run.sizes), round(float(run.time[-1]), 9)
    ({'seed': 2, 'step': 3}, 20.0)
    """
    return fit(experiment, seeds, device=device, checkpoint=checkpoint, progress=progress).dataset


def fit(
    experiment: Experiment,
    seeds: int | Iterable[int] = 3,
    *,
    device: str | torch.device = "cpu",
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train like `train` and return the networks as well, for features of other images and one's own measures.

    Parameters
    ----------
    experiment, seeds, device, checkpoint, progress
        As for `train`.

    Returns
    -------
    Trained
        With `dataset`, `images`, ``features(pictures)``, ``views(pictures, number)`` and ``parameters(seed)``.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        For anything that cannot be used, before any work is done.

    See Also
    --------
    train : the same, as a Dataset alone.

    Examples
    --------
    >>> from dynsim.networks import Experiment, fit
    >>> trained = fit(Experiment(steps=2, images=100, measures=[]), seeds=2)
    >>> trained.features(trained.images.test[:7]).shape
    torch.Size([2, 7, 32])
    """
    if not isinstance(experiment, Experiment):
        raise bad("experiment", experiment, "a dynsim.networks.Experiment", kind=InvalidType)
    numbers = seed_list(seeds)
    place = device_of(device)
    check_progress(progress)
    if not isinstance(checkpoint, str | Path | None) or checkpoint == "":
        raise bad("checkpoint", checkpoint, "the path of a file", kind=InvalidType)
    path = None if checkpoint is None else Path(checkpoint)
    images = load_images(experiment)
    kept = None if path is None else load_checkpoint(path, experiment, numbers, place, images.digest)
    with deterministic(experiment.deterministic, place):
        run = Run(experiment, images, numbers, place)
        evaluation = Evaluation(experiment, images, run.source)
        recorder = Recorder(run.network, evaluation, numbers, run.weights)
        if kept is None:
            recorder.record(0, run.weights)
        else:
            run.restore(kept["run"])
            recorder.restore(kept["recorder"])
        _go_on(run, recorder, path, images.digest, progress)
    dataset = stamp(recorder.dataset(), "torch", data=f"{images.name}, sha256 {images.digest}", device=place.type)
    return Trained(dataset, images, recorder.snapshot(run.step, run.weights), run.source)


def _go_on(
    run: Run,
    recorder: Recorder,
    path: Path | None,
    data: str,
    progress: Progress | None,
) -> None:
    """Step to the end, recording; whatever happens, the last recorded moment is saved."""
    e = run.experiment

    def moment() -> dict[str, object]:
        return {"run": run.state(), "recorder": recorder.state(), "device": run.device.type, "data": data}

    latest = moment() if path is not None else None
    saved = monotonic()
    try:
        while run.step < e.steps and not recorder.all_stopped:
            recorder.note(run.advance())
            if run.step % e.every and run.step < e.steps:
                continue
            recorder.record(run.step, run.weights)
            if path is not None:
                latest = moment()
                if monotonic() - saved > _SAVE_EVERY:
                    save_checkpoint(path, e, recorder.seeds, latest)
                    saved = monotonic()
            if progress is not None:
                progress(run.step, e.steps, f"training {as_name(e.encoder)}, {e.branch}")
    finally:
        if path is not None and latest is not None:
            save_checkpoint(path, e, recorder.seeds, latest)
