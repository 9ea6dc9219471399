"""Keep a runner fed until every task is done or has failed; remember nothing that the store does not hold."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from dynsim.errors import DynsimError
from dynsim.studies.store import DONE, FAILED, Store
from dynsim.studies.task import TaskResult
from dynsim.studies.task_runner import TaskRunner

__all__ = ["Driver", "Stopped", "TaskCounts"]

ATTEMPTS = 3  # deaths of workers that a task survives


class Stopped(DynsimError, RuntimeError):
    """A sweep that could not go on; what it finished is in the store, and running it again goes on from there."""


@dataclass
class TaskCounts:
    """Tasks by how they ended.

    Attributes
    ----------
    total : int
    done, failed : int
        Finished tasks, those of earlier runs included.
    run : int
        Tasks that this run finished.
    """

    total: int
    done: int = 0
    failed: int = 0
    run: int = 0
    _started: float = field(default_factory=perf_counter)

    def add(self, status: int, *, before: bool = False) -> None:
        """Count a task; `before`: one that was finished when this run began."""
        self.failed += status == FAILED
        self.done += status != FAILED
        self.run += not before

    @property
    def finished(self) -> int:
        """Done or failed."""
        return self.done + self.failed

    @property
    def seconds(self) -> float:
        """Since this run began."""
        return perf_counter() - self._started

    @property
    def rate(self) -> float:
        """Tasks per second of this run."""
        return self.run / max(self.seconds, 1e-9)

    def summary(self) -> str:
        """Rate and failures.

        Examples
        --------
        >>> from dynsim.studies.driver import TaskCounts
        >>> TaskCounts(10).summary()
        '0 failed'
        """
        failed = f"{self.failed} failed"
        return f"{self.rate:.3g} tasks/s, {failed}" if self.run else failed


@dataclass
class Driver:
    """Hands out the tasks of a store.

    The tasks in flight are all that is held, so that memory does not grow with their number. When a worker dies, its
    pool breaks with all tasks in flight. They are then done one at a time, so that the one that kills its workers is
    known; it is given up after three deaths.

    Attributes
    ----------
    store : Store
    runner : TaskRunner
    counts : TaskCounts
    report : callable
        Called without arguments when the counts changed.
    log : logging.Logger
    """

    store: Store
    runner: TaskRunner
    counts: TaskCounts
    report: Callable[[], None]
    log: logging.Logger
    _flying: dict[Future[Any], int] = field(default_factory=dict)
    _suspects: deque[int] = field(default_factory=deque)
    _deaths: dict[int, int] = field(default_factory=dict)

    def run(self, todo: Iterator[int]) -> None:
        """Do the tasks.

        Raises
        ------
        Stopped
            The store cannot be written, or the executor is gone.
        """
        while True:
            self._fill(todo)
            if not self._flying:
                return
            landed, _ = wait(self._flying, return_when=FIRST_COMPLETED)
            broken = [index for future in landed if (index := self._land(future)) is not None]
            if broken:
                self._recover(broken)
            self.report()

    def _fill(self, todo: Iterator[int]) -> None:
        """Two tasks per worker, so that none waits for the driver; one in all while a culprit is looked for."""
        if self._suspects and self._flying:
            return
        while len(self._flying) < (1 if self._suspects else 2 * self.runner.width):
            alone = bool(self._suspects)
            index = self._suspects[0] if alone else next(todo, None)
            if index is None:
                return
            if alone and self.store.status(index):  # it was committed before its worker died
                self._suspects.popleft()
                self._count(index)
                continue
            try:
                self._flying[self.runner.submit(self.store.storage.url, self.store.study.digest, index)] = index
            except (BrokenExecutor, RuntimeError) as error:
                self._recover([index], error)
                continue
            if alone:
                self._suspects.popleft()
                return

    def _land(self, future: Future[Any]) -> int | None:
        """Take a task's outcome; return its index if its worker died."""
        index = self._flying.pop(future)
        try:
            outcome = TaskResult(*future.result())
        except BrokenExecutor:
            return index
        except CancelledError as error:
            raise self._gone("its tasks were cancelled") from error
        except ImportError as error:
            raise self._gone(f"a worker lacks a package ({error})") from error
        except (
            DynsimError
        ) as error:  # the worker has not got the store or the version; a run's own error is an outcome
            raise self._gone(f"a worker cannot take part ({error})") from error
        except Exception as error:  # such as Dask's KilledWorker
            self._blame(index, f"{type(error).__name__}: {error}")
            return None
        if outcome.status not in (DONE, FAILED):
            message = (
                f"the store {self.store.storage.url} cannot be written ({outcome.message}); run it again to go on"
            )
            raise Stopped(message)
        if outcome.status == FAILED:
            self.log.warning("task %d failed: %s", index, outcome.message)
        self.counts.add(outcome.status)
        return None

    def _recover(self, broken: list[int], error: Exception | None = None) -> None:
        """New workers; what was in flight is done again, one at a time."""
        lost = [*broken, *self._flying.values()]
        try:
            replaced = self.runner.replace()
        except BrokenExecutor as why:
            raise self._gone(str(why)) from None
        if not replaced:
            raise self._gone(str(error or "a worker died and it cannot replace it"))
        self._flying.clear()
        self.log.warning("a worker died; doing again tasks %s", lost)
        if len(lost) == 1 and lost[0] not in self._suspects:
            self._blame(lost[0], "its worker died")
        else:
            self._suspects.extend(index for index in lost if index not in self._suspects)

    def _blame(self, index: int, what: str) -> None:
        self._deaths[index] = self._deaths.get(index, 0) + 1
        if self._deaths[index] < ATTEMPTS:
            self._suspects.append(index)
            return
        message = " ".join(f"given up after {ATTEMPTS} attempts: {what} (killed, or out of memory)".split())
        self.store.fail(index, message)
        self.log.warning("task %d failed: %s", index, message)
        self.counts.add(FAILED)

    def _count(self, index: int) -> None:
        self.counts.add(self.store.status(index))

    def _gone(self, why: str) -> Stopped:
        return Stopped(f"the executor is gone: {why}; what is finished is kept, run it again to go on")
