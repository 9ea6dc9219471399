"""What every engine of `ensemble` takes and fills: a batch of members, arrays over them, a grid in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np

from dynsim.field import Dynamics, Field
from dynsim.integrate.events import REST_RATE
from dynsim.integrate.stepping import why_it_stopped
from dynsim.status import Status

__all__ = [
    "MOST_STEPS",
    "ROUNDING",
    "SCALED",
    "STIFF",
    "STRUGGLE",
    "TINY",
    "Engine",
    "EnsembleArrays",
    "GridBlock",
    "Members",
    "block_shape",
    "blocks",
]

MOST_STEPS = 100_000  # of an explicit method
SCALED = 1e-13  # absolute tolerance in units of the start, where rounding is not watched
TINY = 1e-290  # where it is: keeps the error norm of a state that is exactly zero defined, and that of its rounding
ROUNDING = 30.0  # units of rounding error in a step that no estimate of its error can see below
STRUGGLE = 20_000  # steps after which the tolerance stops following states towards zero
STIFF = 100  # among engines only: needs too many explicit steps, for stability and not for accuracy


@dataclass(frozen=True)
class Members:
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

    flow: Dynamics
    y0: np.ndarray
    values: Mapping[str, Any]
    times: np.ndarray
    rtol: float
    atol: float
    workers: int = 1

    @cached_property
    def field(self) -> Field:
        """The right-hand side, over the last axis of the state."""
        return self.flow.field_over(self.values)

    def select(self, index: Any) -> Members:
        """The batch of some of the members."""
        values = {name: value[index] if np.ndim(value) else value for name, value in self.values.items()}
        return replace(self, y0=self.y0[:, index], values=values)


@dataclass(frozen=True)
class EnsembleArrays:
    """Arrays over members that an engine fills.

    Attributes
    ----------
    states : array of shape ``(size, members, times)``
    observed : array of shape ``(observables, members, times)``
        Both are parts of `outputs`.
    status : int8 array of shape ``(members,)``
    steps : int32 array of shape ``(members,)``
        Accepted steps.
    """

    outputs: np.ndarray
    size: int
    status: np.ndarray
    steps: np.ndarray

    @classmethod
    def empty(cls, field: Field, members: int, times: int) -> EnsembleArrays:
        """Memory for a run; an engine clears what it does not write, where it needs it next."""
        return cls(
            np.empty((field.size + len(field.observables), members, times)),
            field.size,
            np.full(members, -1, np.int8),  # not run
            np.zeros(members, np.int32),
        )

    @property
    def states(self) -> np.ndarray:
        """States of all members."""
        return self.outputs[: self.size]

    @property
    def observed(self) -> np.ndarray:
        """Observables of all members, in the order of the field's."""
        return self.outputs[self.size :]

    def clear(self) -> None:
        """Nothing computed yet: every state and observable NaN, every member well so far."""
        self.status.fill(Status.OK)
        self.outputs.fill(np.nan)

    def part(self, start: int, stop: int) -> EnsembleArrays:
        """Views of members `start` … `stop` − 1."""
        if start == 0 and stop >= len(self.status):
            return self
        return EnsembleArrays(self.outputs[:, start:stop], self.size, self.status[start:stop], self.steps[start:stop])

    @property
    def gravest(self) -> int:
        """The largest status of all members, as a plain number."""
        return int(self.status.max(initial=0))

    def put(self, index: np.ndarray, other: EnsembleArrays) -> None:
        """Copy the members of `other` to the places `index`."""
        self.outputs[:, index], self.status[index], self.steps[index] = other.outputs, other.status, other.steps

    def observe(self, batch: Members) -> None:
        """Fill the observables from the states."""
        states = self.states.swapaxes(1, 2)  # parameters that vary do so along the last axis
        for row, name in zip(self.observed, batch.field.observables, strict=True):
            row[:] = batch.field.observe(name, batch.times[:, None], states).T

    def explain(
        self, batch: Members, members: np.ndarray, t: np.ndarray, y: np.ndarray, only: Status | None = None
    ) -> None:
        """Give members whose solver got stuck at times `t` in states `y` the status that fits, or `only` that one."""
        if members.size:
            size = np.abs(batch.y0[:, members]).max(axis=0)
            field = batch.select(members).field
            found = why_it_stopped(field.f, t[members], y[:, members], size, may_jump=field.may_jump)
            changed = slice(None) if only is None else found == only
            self.status[members[changed]] = found[changed]

    def mark_rest(self, batch: Members) -> None:
        """Where a run is ok and its last state moves no faster than rest allows, say so."""
        last = self.states[:, :, -1]
        moving = np.abs(batch.field.f(batch.times[-1], last)) > REST_RATE * np.abs(last) + batch.atol
        self.status[(self.status == Status.OK) & ~moving.any(axis=0)] = Status.AT_REST


Engine = Callable[[Members, EnsembleArrays], int]
"""``engine(batch, run)`` fills `run`, made by `EnsembleArrays.empty`; returns how many members were stiff."""


class GridBlock(NamedTuple):
    """Members `start` … `stop` − 1, which fill the box `region` of the grid."""

    start: int
    stop: int
    region: tuple[slice, ...]


def block_shape(shape: tuple[int, ...], limit: int) -> tuple[int, ...]:
    """Largest box of at most `limit` members whose members are consecutive.

    Examples
    --------
    >>> from dynsim.integrate.batch import block_shape
    >>> block_shape((100, 40, 10), 1000), block_shape((100, 40, 10), 25)
    ((2, 40, 10), (1, 2, 10))
    """
    box: list[int] = []
    for axis in reversed(range(len(shape))):
        full = prod(shape[axis + 1 :])
        box.insert(0, max(1, min(shape[axis], limit // max(full, 1))) if full <= limit else 1)
    return tuple(box)


def blocks(shape: tuple[int, ...], limit: int) -> Iterator[GridBlock]:
    """All blocks of a grid, in the order of the members."""
    if not shape:
        yield GridBlock(0, 1, ())
        return
    size = prod(shape)
    box = block_shape(shape, limit)
    start = 0
    while start < size:
        region, rest = [], start
        for axis, length in enumerate(box):
            index, rest = divmod(rest, prod(shape[axis + 1 :]))
            region.append(slice(index, min(index + length, shape[axis])))
        stop = start + prod(part.stop - part.start for part in region)
        yield GridBlock(start, stop, tuple(region))
        start = stop
