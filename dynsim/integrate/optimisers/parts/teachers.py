"""Teachers under a discrete optimiser: an exponential moving average, whatever moves the student."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dynsim.errors import bad
from dynsim.integrate.optimisers.parts.problem import Problem
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.rules import Track

__all__ = ["teacher_update"]

Update = Callable[[np.ndarray, np.ndarray], None]
"""``update(before, after)`` writes the teachers into `after`, whose other states have moved."""


def teacher_update(problem: Problem, coefficient: Any, pace: float) -> Update:
    """Update of the teacher states.

    Parameters
    ----------
    coefficient : array or None
        EMA coefficient m per step, v ← m·v + (1 − m)·w with the new student w. None: the flow's own rate, one Euler
        step of the flow time that the optimiser advances.
    pace : float
        Flow time per step in units of the step size.

    Raises
    ------
    InvalidValue
        A coefficient for a flow without a teacher.
    """
    field = problem.field
    teachers = field.roles.get("teacher", ())
    if not teachers:
        if coefficient is not None:
            raise bad("teacher", coefficient, "none: this flow has no teacher state", "see the system 'byol'")
        return lambda before, after: None
    rows = problem.rows_of(teachers)
    if coefficient is None:

        def follow(before: np.ndarray, after: np.ndarray) -> None:
            after[rows] = before[rows] + pace * problem.lr * np.asarray(field.f(0.0, before))[rows]

        return follow
    sources = problem.rows_of(tuple(_source(problem, name, i) for i, name in enumerate(teachers)))

    def average(before: np.ndarray, after: np.ndarray) -> None:
        after[rows] = coefficient * before[rows] + (1 - coefficient) * after[sources]

    return average


def _source(problem: Problem, teacher: str, index: int) -> str:
    """The state a teacher follows: by its rule, in a plain field the encoder at the same place."""
    if problem.flow is not None:
        rule = problem.flow.rules.get(teacher)
        if isinstance(rule, Track):
            return name_of("source", rule.source)
    encoders = problem.field.roles.get("encoder", ())
    if index >= len(encoders) or problem.field.shape(encoders[index]) != problem.field.shape(teacher):
        raise bad("teacher", teacher, "a teacher that tracks an encoder state of its own shape")
    return encoders[index]
