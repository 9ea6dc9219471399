"""Learning rate over the steps of a run, the flow time they amount to, and the teacher's rate in that time."""

from __future__ import annotations

from functools import lru_cache
from math import cos, pi
from typing import Any

import numpy as np

from dynsim.errors import bad
from dynsim.integrate.schedules import Schedule
from dynsim.integrate.training_settings import average_rate

__all__ = [
    "SCHEDULED",
    "at_step",
    "centre_rate",
    "flow_times",
    "learning_rate",
    "scheduled",
    "teacher_rate",
    "values_of",
]

# Fields of an Experiment that may be text in step, steps and t.
SCHEDULED = ("lr", "teacher", "alpha", "eta_p", "eta_s", "temperature")


def scheduled(experiment: Any) -> tuple[str, ...]:
    """Names of the fields that change from step to step.

    Examples
    --------
    >>> from dynsim.networks.experiment import Experiment
    >>> from dynsim.networks.schedules import scheduled
    >>> scheduled(Experiment(lr="cosine(0.1, 0)", eta_s="1e-3*warmup(50)"))
    ('lr', 'eta_s')
    """
    return tuple(name for name in SCHEDULED if isinstance(getattr(experiment, name), str))


def values_of(experiment: Any, name: str) -> np.ndarray:
    """A scheduled field at every step, (steps + 1,)."""
    schedule, times = Schedule(getattr(experiment, name)), flow_times(experiment)
    return np.array([schedule.at(step, experiment.steps, float(time)) for step, time in enumerate(times)])


def at_step(experiment: Any, step: int) -> Any:
    """The experiment with the numbers that its schedules have at one step; itself where nothing is scheduled."""
    names, texts = scheduled(experiment), [name for name, value in experiment.knobs.items() if isinstance(value, str)]
    if not names and not texts:
        return experiment
    time = float(flow_times(experiment)[step])
    numbers: dict[str, Any] = {
        name: Schedule(getattr(experiment, name)).at(step, experiment.steps, time) for name in names
    }
    if texts:
        knobs = {name: Schedule(experiment.knobs[name]).at(step, experiment.steps, time) for name in texts}
        numbers["knobs"] = {**experiment.knobs, **knobs}
    now = object.__new__(type(experiment))  # a frozen value, and these numbers were checked when it was made
    now.__dict__.update(experiment.__dict__ | numbers)
    return now


def learning_rate(experiment: Any, step: int) -> float:
    """Learning rate of the step that starts at number `step`.

    Examples
    --------
    >>> from dynsim.networks.experiment import Experiment
    >>> from dynsim.networks.schedules import learning_rate
    >>> [round(learning_rate(Experiment(steps=100, **how), 50), 9) for how in (
    ...     {"lr": "cosine(0.1, 0)"}, {"lr": 0.1, "schedule": "cosine"}, {"lr": 0.1})]
    [0.05, 0.05, 0.1]
    """
    if isinstance(experiment.lr, str):
        return Schedule(experiment.lr).at(step, experiment.steps)
    if experiment.schedule == "constant":
        return float(experiment.lr)
    return float(experiment.lr * (1 + cos(pi * step / experiment.steps)) / 2)


def flow_times(experiment: Any) -> np.ndarray:
    """Flow time at each step, (steps + 1,): lr per step, with momentum m of sgd lr/(1 − m).

    Steps of the other optimisers do not scale with the gradient; for them it is a time by analogy only.
    """
    slowness = _slowness(experiment)
    if experiment.schedule == "constant" and not isinstance(experiment.lr, str):
        return np.arange(experiment.steps + 1) * (experiment.lr / slowness)
    return _summed(experiment.lr, experiment.schedule, experiment.steps) / slowness


@lru_cache(maxsize=16)
def _summed(lr: Any, schedule: str, steps: int) -> np.ndarray:
    """Sum of the learning rates before each step."""
    if isinstance(lr, str):
        text = Schedule(lr)
        rates = [text.at(step, steps) for step in range(steps)]
    else:
        rates = [lr * (1 + cos(pi * step / steps)) / 2 for step in range(steps)]
    total = np.concatenate(([0.0], np.cumsum(rates)))
    total.flags.writeable = False
    return total


def teacher_rate(experiment: Any) -> float | None:
    """Rate β of the teacher ξ' = β(θ − ξ) per unit of flow time, None where there is no teacher.

    A step keeps the share m of the teacher and takes the time that `flow_times` gives it at the learning rate `lr`:
    β = −ln(m)/lr, with momentum of sgd −ln(m)(1 − momentum)/lr, as `training_parameters` has it.

    Examples
    --------
    >>> from dynsim.networks.experiment import Experiment
    >>> from dynsim.networks.schedules import teacher_rate
    >>> experiment = Experiment(teacher=0.996, lr=0.2, momentum=0.75)
    >>> [round(teacher_rate(e), 8) for e in (experiment, experiment.but(optimiser="adam"))], teacher_rate(Experiment())
    ([0.00501003, 0.02004011], None)
    """
    if experiment.teacher == 0:
        return None
    return average_rate(experiment.teacher, experiment.lr / _slowness(experiment))


def centre_rate(experiment: Any) -> float:
    """Rate of the running centre c′ = m(mean − c) per unit of flow time, from its momentum as `teacher_rate` has it.

    Examples
    --------
    >>> from dynsim.networks.experiment import Experiment
    >>> from dynsim.networks.schedules import centre_rate
    >>> round(centre_rate(Experiment(objective="dino", centre_momentum=0.75, lr=0.1, momentum=0.0)), 6)
    2.876821
    """
    kept = 0.9 if experiment.centre_momentum is None else experiment.centre_momentum
    if kept == 0:
        advice = "a flow's centre follows at a finite rate"
        raise bad("centre_momentum", kept, "more than 0", advice)
    return average_rate(kept, experiment.lr / _slowness(experiment))


def _slowness(experiment: Any) -> float:
    """Steps times learning rate per unit of flow time: momentum of sgd adds up earlier gradients."""
    return 1 - experiment.momentum if experiment.optimiser == "sgd" else 1.0
