"""A study cut into numbered tasks: boxes of its grid, which are the chunks of its store at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from dynsim.studies.study_fields import StudyFields

__all__ = ["Tasks", "subject_of", "tasks_of"]


@dataclass(frozen=True)
class Tasks:
    """Boxes of one shape that tile a grid; those at the far edges are cut.

    Attributes
    ----------
    dims, shape, box : tuple
        Names and lengths of the dimensions, and the length of a box along each.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    box: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Boxes along each dimension."""
        return tuple(-(-length // side) for length, side in zip(self.shape, self.box, strict=True))

    @property
    def total(self) -> int:
        """Number of tasks."""
        return prod(self.counts)

    def position(self, index: int) -> tuple[int, ...]:
        """Position of a task among the boxes, the last dimension fastest.

        Examples
        --------
        >>> from dynsim.studies.tasks import Tasks
        >>> tasks = Tasks(("alpha", "seed"), (3, 10), (1, 4))
        >>> tasks.total, tasks.position(5), tasks.region(5)
        (9, (1, 2), {'alpha': slice(1, 2, None), 'seed': slice(8, 10, None)})
        """
        position: list[int] = []
        for count in reversed(self.counts):
            index, here = divmod(index, count)
            position.insert(0, here)
        return tuple(position)

    def region(self, index: int) -> dict[str, slice]:
        """The part of the grid that a task fills."""
        parts = zip(self.dims, self.shape, self.box, self.position(index), strict=True)
        return {dim: slice(at * side, min((at + 1) * side, length)) for dim, length, side, at in parts}


def subject_of(study: StudyFields) -> Any:
    """The module that knows how to run a study: `flow_runs` or `network_runs`."""
    if study.system is not None:
        from dynsim.studies import flow_runs

        return flow_runs
    from dynsim.studies import network_runs

    return network_runs


def tasks_of(study: StudyFields) -> Tasks:
    """Tasks of a study: one value of every axis that needs a run of its own, as many of the others as a task holds."""
    alone, limit = subject_of(study).batching(study)
    box: list[int] = []
    for dim, length in reversed(study.sizes.items()):
        side = 1 if dim in alone else min(length, limit)
        limit = max(1, limit // side)
        box.insert(0, side)
    return Tasks(tuple(study.sizes), tuple(study.sizes.values()), tuple(box))
