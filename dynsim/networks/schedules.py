"""Learning rate over the steps of a run, the flow time they amount to, and the teacher's rate in that time."""

from __future__ import annotations

from math import cos, pi

import numpy as np

from dynsim.networks.experiment import Experiment

__all__ = ["flow_times", "learning_rate", "teacher_rate"]


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
    slowness = _slowness(experiment)
    if experiment.schedule == "constant":
        return np.arange(experiment.steps + 1) * (experiment.lr / slowness)
    rates = [learning_rate(experiment, step) for step in range(experiment.steps)]
    return np.concatenate(([0.0], np.cumsum(rates))) / slowness


def teacher_rate(experiment: Experiment) -> float | None:
    """Rate β of the teacher ξ' = β(θ − ξ) per unit of flow time, None where there is no teacher.

    A step moves the teacher by (1 − m)(θ − ξ) and takes the time that `flow_times` gives it, at the learning rate
    `lr`: β = (1 − m)/lr, with momentum of sgd (1 − m)(1 − momentum)/lr.

    Examples
    --------
    >>> from dynsim.networks.experiment import Experiment
    >>> from dynsim.networks.schedules import teacher_rate
    >>> experiment = Experiment(teacher=0.5, lr=0.1, momentum=0.75)
    >>> teacher_rate(experiment), teacher_rate(experiment.but(optimiser="adam")), teacher_rate(Experiment())
    (1.25, 5.0, None)
    """
    if experiment.teacher == 0:
        return None
    return (1 - experiment.teacher) * _slowness(experiment) / experiment.lr


def _slowness(experiment: Experiment) -> float:
    """Steps times learning rate per unit of flow time: momentum of sgd adds up earlier gradients."""
    return 1 - experiment.momentum if experiment.optimiser == "sgd" else 1.0
