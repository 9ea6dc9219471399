"""Who does the tasks: a pool of processes of our own, or an executor that was given."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import connection, get_context, parent_process
from time import monotonic
from typing import Any, Protocol

from dynsim.errors import InvalidType, bad
from dynsim.studies.task import run_task

__all__ = ["GivenExecutor", "ProcessPool", "TaskRunner", "task_runner"]


_STILLBORN = (
    "its workers die as they start; a script calls run_study under if __name__ == '__main__':, and is a file, as they "
    "import it"
)
_LOOK = 5.0  # seconds between looks at how many workers a cluster has


class TaskRunner(Protocol):
    """Workers to which tasks are handed."""

    @property
    def width(self) -> int:
        """How many tasks they can do at once."""

    def submit(self, url: str, digest: str, index: int) -> Future[Any]:
        """Hand out a task."""

    def replace(self) -> bool:
        """Make new workers for those that died; False where that is not ours to do.

        Raises
        ------
        BrokenExecutor
            New workers would die as well.
        """

    def close(self) -> None:
        """Let go of the workers; what they have not committed is dropped."""


class ProcessPool:
    """Processes on this machine, one per core unless `width` says otherwise.

    Workers ignore Ctrl-C, which is the driver's to handle, and die with the driver, however it dies.
    """

    def __init__(self, width: int | None = None) -> None:
        self._width = _cores() if width is None else width
        self._began = False
        self._executor = self._made()

    @property
    def width(self) -> int:
        """How many tasks they can do at once."""
        return self._width

    def _made(self) -> ProcessPoolExecutor:
        # Spawned, not forked: the caller may hold threads of torch or of the compiled engine.
        return ProcessPoolExecutor(self._width, mp_context=get_context("spawn"), initializer=_begin)

    def submit(self, url: str, digest: str, index: int) -> Future[Any]:
        """Hand out a task."""
        return self._executor.submit(run_task, url, digest, index)

    def replace(self) -> bool:
        """Start again after a worker died, which breaks the whole pool.

        Raises
        ------
        BrokenExecutor
            No worker has ever come up, and none does now.
        """
        self.close()
        self._executor = self._made()
        if not self._began:
            try:
                self._executor.submit(int).result()
            except BrokenExecutor:
                raise BrokenExecutor(_STILLBORN) from None
            self._began = True
        return True

    def close(self) -> None:
        """Stop the processes without waiting for their tasks, and wait until they are gone."""
        for process in list((getattr(self._executor, "_processes", None) or {}).values()):
            process.terminate()
        self._executor.shutdown(wait=True, cancel_futures=True)


class GivenExecutor:
    """Any `concurrent.futures.Executor`; it stays open."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._handed: set[Future[Any]] = set()
        self._width, self._looked = _width(executor), monotonic()

    @property
    def width(self) -> int:
        """How many tasks they can do at once; workers may join a cluster, or leave it, at any time."""
        if monotonic() - self._looked > _LOOK:
            self._looked = monotonic()
            with suppress(OSError):  # a scheduler that is gone shows in its tasks
                self._width = _width(self._executor)
        return self._width

    def submit(self, url: str, digest: str, index: int) -> Future[Any]:
        """Hand out a task."""
        future = self._executor.submit(run_task, url, digest, index)
        self._handed.add(future)
        future.add_done_callback(self._handed.discard)
        return future

    def replace(self) -> bool:
        """Nothing: the executor is not ours."""
        return False

    def close(self) -> None:
        """Take back what has not begun; what has begun commits, or does not, by itself."""
        for future in list(self._handed):
            future.cancel()


def task_runner(executor: Any, workers: int | None = None) -> TaskRunner:
    """ProcessPool of our own, or the executor that is given.

    Raises
    ------
    InvalidType, InvalidValue
        Something that is no executor; a number of workers that cannot be.
    """
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise bad("workers", workers, "a whole number ≥ 1")
    if executor is None:
        return ProcessPool(workers)
    if not callable(getattr(executor, "submit", None)):
        advice = "of a Dask client take client.get_executor()"
        raise bad("executor", executor, "a concurrent.futures.Executor", advice, kind=InvalidType)
    return GivenExecutor(executor)


def _width(executor: Any) -> int:
    client = getattr(executor, "_client", None)  # of Dask
    if client is not None:
        return max(1, sum(client.nthreads().values()))
    return int(getattr(executor, "_max_workers", None) or _cores())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin() -> None:
    """Make a worker process one that only the driver ends, and that ends with the driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    driver = parent_process()
    if driver is None:
        return

    def watch() -> None:
        connection.wait([driver.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="dynsim-driver-watch").start()
