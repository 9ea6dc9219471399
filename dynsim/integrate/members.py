"""What every engine of `ensemble` takes and fills: a batch of members, and arrays over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from dynsim.field import Field
from dynsim.integrate.events import REST_RATE
from dynsim.symbolic.flow import Flow

__all__ = [
    "AT_REST",
    "BLOW_UP",
    "INVALID_START",
    "MOST_STEPS",
    "OK",
    "STEP_LIMIT",
    "STIFF",
    "Batch",
    "Engine",
    "Run",
]

OK, AT_REST, BLOW_UP, STEP_LIMIT, INVALID_START = range(5)
MOST_STEPS = 100_000  # of an explicit method
STIFF = 5  # among engines only: needs too many explicit steps, for stability and not for accuracy


@dataclass(frozen=True)
class Batch:
    """Members to be integrated to the same times.

    Attributes
    ----------
    flow : Flow or Field
    y0 : array of shape ``(size, members)``
    values : mapping
        ``{parameter: number or array of shape (members,)}``.
    times : array
        Increasing flow times; the last one is where every run ends.
    """

    flow: Flow | Field
    y0: np.ndarray
    values: Mapping[str, Any]
    times: np.ndarray
    rtol: float
    atol: float
    threads: int = 1

    @cached_property
    def field(self) -> Field:
        """The right-hand side, over the last axis of the state."""
        return self.flow if isinstance(self.flow, Field) else self.flow.compiled.field(self.values)

    def select(self, index: Any) -> Batch:
        """The batch of some of the members."""
        values = {name: value[index] if np.ndim(value) else value for name, value in self.values.items()}
        return replace(self, y0=self.y0[:, index], values=values)


@dataclass(frozen=True)
class Run:
    """Arrays over members that an engine fills.

    Attributes
    ----------
    states : array of shape ``(size, members, times)``
        NaN wherever nothing was written.
    status : int8 array of shape ``(members,)``
    steps : int32 array of shape ``(members,)``
        Accepted steps.
    """

    states: np.ndarray
    status: np.ndarray
    steps: np.ndarray

    @classmethod
    def empty(cls, size: int, members: int, times: int) -> Run:
        """Nothing computed yet: every state NaN."""
        return cls(
            np.full((size, members, times), np.nan),
            np.zeros(members, dtype=np.int8),
            np.zeros(members, dtype=np.int32),
        )

    def part(self, start: int, stop: int) -> Run:
        """Views of members `start` … `stop` − 1."""
        return Run(self.states[:, start:stop], self.status[start:stop], self.steps[start:stop])

    def put(self, index: np.ndarray, other: Run) -> None:
        """Copy the members of `other` to the places `index`."""
        self.states[:, index], self.status[index], self.steps[index] = other.states, other.status, other.steps

    def mark_rest(self, batch: Batch) -> None:
        """Where a run is ok and its last state moves no faster than rest allows, say so."""
        last = self.states[:, :, -1]
        moving = np.abs(batch.field.f(0.0, last)) > REST_RATE * np.abs(last) + batch.atol
        self.status[(self.status == OK) & ~moving.any(axis=0)] = AT_REST


Engine = Callable[[Batch, Run], int]
"""``engine(batch, run)`` fills `run`, whose arrays `Run.empty` prefilled; how many members were stiff."""
