"""Teachers under a discrete optimiser: an exponential moving average, whatever moves the student."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dynsim.errors import bad
from dynsim.integrate.optimisers.problem import Problem
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
            raise bad("teacher", _given(coefficient), "none: this flow has no teacher state", "see the system 'byol'")
        return lambda before, after: None
    rows = problem.rows_of(teachers)
    if coefficient is None:

        def follow(before: np.ndarray, after: np.ndarray) -> None:
            after[rows] = before[rows] + pace * problem.lr * np.asarray(field.f(problem.time, before))[rows]

        return follow
    sources = problem.rows_of(tuple(_source(problem, name, i, coefficient) for i, name in enumerate(teachers)))

    def average(before: np.ndarray, after: np.ndarray) -> None:
        after[rows] = coefficient * before[rows] + (1 - coefficient) * after[sources]

    return average


def _source(problem: Problem, teacher: str, index: int, coefficient: Any) -> str:
    """The state a teacher follows: by its rule, in a plain field the encoder at the same place."""
    expected = f"none: '{teacher}' is no average of a state of this flow"
    if problem.flow is not None:
        rule = problem.flow.rules.get(teacher)
        source = name_of("source", rule.source) if isinstance(rule, Track) else None
        if source not in problem.field.names:
            raise bad("teacher", _given(coefficient), expected, "see the system 'byol'")
        return source
    encoders = problem.field.roles.get("encoder", ())
    if index >= len(encoders) or problem.field.shape(encoders[index]) != problem.field.shape(teacher):
        raise bad("teacher", _given(coefficient), expected, "give the Field an encoder of the teacher's shape")
    return encoders[index]


def _given(coefficient: Any) -> Any:
    """What a user gave, as far as the array shows it."""
    values = np.unique(coefficient)
    return float(values[0]) if values.size == 1 else values
