"""What an optimiser sees of a flow: a gradient, its rows of the state, a step size; its options, checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from dynsim.errors import InvalidType, bad
from dynsim.field import Field
from dynsim.symbolic.flow import Flow

__all__ = ["Problem", "fraction", "non_negative"]


@dataclass(frozen=True)
class Problem:
    """A flow at given parameters, to be stepped through by an optimiser.

    Attributes
    ----------
    flow : Flow or None
        The equations; None for a plain field.
    field : Field
        The same as functions, over the last axis of the state.
    values : mapping
        ``{parameter: number or array of shape (members,)}``.
    lr : array of shape (members,) or (1,)
        Step size: one step of plain gradient descent advances flow time by it.
    time : array of shape of `lr`
        Flow time at which the next step begins; whoever steps keeps it up to date.
    """

    flow: Flow | None
    field: Field
    values: Mapping[str, Any]
    lr: np.ndarray
    time: np.ndarray = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", np.zeros(np.shape(self.lr)))

    @cached_property
    def moving(self) -> tuple[str, ...]:
        """Names of the states that an optimiser moves: all but the teachers."""
        teachers = self.field.roles.get("teacher", ())
        return tuple(name for name in self.field.names if name not in teachers)

    @cached_property
    def rows(self) -> np.ndarray:
        """Rows of the state vector that hold the moving states."""
        return self.rows_of(self.moving)

    def rows_of(self, names: tuple[str, ...]) -> np.ndarray:
        """Rows of the state vector that hold the named states."""
        return np.concatenate([np.r_[self.field.slices[name]] for name in names])

    def gradient(self, y: np.ndarray) -> np.ndarray:
        """The negative velocity of the moving states: what gradient descent would call the gradient."""
        return -np.asarray(self.field.f(self.time, y))[self.rows]


def fraction(argument: str, value: Any) -> float:
    """Check a number in [0, 1)."""
    number = _real(argument, value, "a number in [0, 1)")
    if not 0 <= number < 1:
        raise bad(argument, value, "a number in [0, 1)")
    return number


def non_negative(argument: str, value: Any) -> float:
    """Check a finite number ≥ 0."""
    number = _real(argument, value, "a finite number ≥ 0")
    if not 0 <= number < float("inf"):
        raise bad(argument, value, "a finite number ≥ 0")
    return number


def _real(argument: str, value: Any, expected: str) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise bad(argument, value, expected, kind=InvalidType)
    return float(value)
