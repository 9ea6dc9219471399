"""Learning rate over the steps of a run, and the flow time they amount to."""

from __future__ import annotations

from math import cos, pi

import numpy as np

from dynsim.networks.experiment import Experiment

__all__ = ["flow_times", "learning_rate"]


def learning_rate(experiment: Experiment, step: int) -> float:
    """Learning rate of the step that starts at number `step`; ``cosine`` falls to 0 at the end.

    Examples
    --------
    >>> from dynsim.networks.experiment import Experiment
    >>> from dynsim.networks.schedules import learning_rate
    >>> round(learning_rate(Experiment(lr=0.1, steps=100, schedule="cosine"), 50), 9)
    0.05
    """
    if experiment.schedule == "constant":
        return experiment.lr
    return experiment.lr * (1 + cos(pi * step / experiment.steps)) / 2


def flow_times(experiment: Experiment) -> np.ndarray:
    """Flow time at each step, (steps + 1,): lr per step, with momentum m of sgd lr/(1 − m).

    Steps of the other optimisers do not scale with the gradient; for them it is a time by analogy only.
    """
    slowness = 1 - experiment.momentum if experiment.optimiser == "sgd" else 1.0
    if experiment.schedule == "constant":
        return np.arange(experiment.steps + 1) * (experiment.lr / slowness)
    rates = [learning_rate(experiment, step) for step in range(experiment.steps)]
    return np.concatenate(([0.0], np.cumsum(rates))) / slowness
