"""Run a study into a store, or go on where it was stopped."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import xarray as xr

from dynsim.errors import InvalidType, bad
from dynsim.progress import Progress
from dynsim.studies.catalogue import study_of
from dynsim.studies.creation import made_or_found
from dynsim.studies.driver import Driver, Stopped, TaskCounts
from dynsim.studies.lock import Lock
from dynsim.studies.storage import Folder, storage_of
from dynsim.studies.store import FAILED, Store, open_results
from dynsim.studies.task_runner import TaskRunner, task_runner

__all__ = ["run_study"]

_EVERY = 0.2  # seconds between calls of `progress`


def run_study(
    study: Any,
    out: str | os.PathLike[str] = "study.zarr",
    executor: Any = None,
    progress: Progress | None = None,
    *,
    workers: int | None = None,
    retry_failed: bool = False,
) -> xr.Dataset:
    """Run a study and return its results; a study that was stopped goes on where it was.

    Every task writes its chunks to the store, atomically and with checksums, before it counts. Whatever is killed,
    running the study again redoes what is not finished and ends with the same numbers.

    Parameters
    ----------
    study : Study, mapping, path or str
        A `dynsim.studies.study.Study`, its fields, the path of a ``.toml`` or ``.json`` file, or the name of a study
        that comes with the package.
    out : path or URL
        A Zarr store: a folder, or any URL that fsspec knows. Beside a folder lie ``<out>.log`` and, while it runs,
        ``<out>.lock``; with a URL nothing keeps a second driver away.
    executor : concurrent.futures.Executor, optional
        By default a pool of processes on this machine; of a Dask client take ``client.get_executor()``. Workers need
        the package and the store.
    progress : callable, optional
        ``progress(finished, total, what)`` in tasks; `what` says rate and failures.
    workers : int, optional
        Processes of the default pool: one per core.
    retry_failed : bool
        Run again tasks that failed in an earlier run.

    Returns
    -------
    xarray.Dataset
        The axes as dimensions, then `seed`; read from the store as it is used. `task_status` says 0 unfinished,
        1 done, 2 failed; the values of a failed task are NaN (of counts −1), its message is listed by
        `dynsim.studies.status.sweep_status`.

    Raises
    ------
    InvalidValue, InvalidType, UnknownName
        Something at the door; a store of another study or version; a store on which another driver works.
    Stopped
        The store cannot be written, or the executor is gone.
    MissingExtra
        Without zarr.

    See Also
    --------
    ensemble : many runs of one flow.

    Notes
    -----
    The default pool spawns processes: call this under ``if __name__ == "__main__":`` in a script.

    Examples
    --------
    >>> import dynsim, tempfile
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> study = {"system": "toy", "t_end": 30.0, "axes": {"alpha": {"logspace": [-1, 1, 5]}}}
    >>> with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as executor:
    ...     data = dynsim.run_study(study, f"{folder}/study.zarr", executor).load()
    >>> data.theta.round(3).values
    array([2.532, 1.426, 0.806, 0.461, 0.272])
    """
    chosen, storage = study_of(study), storage_of(out)
    if progress is not None and not callable(progress):
        raise bad("progress", progress, "a function of (finished, total, what)", kind=InvalidType)
    runner = task_runner(executor, workers)
    with ExitStack() as stack:
        stack.callback(runner.close)
        try:
            lock = stack.enter_context(_held(storage)) if isinstance(storage, Folder) else None
            store = made_or_found(storage, chosen)
        except OSError as error:
            raise bad("out", storage.url, "a place that can be written", str(error)) from None
        stack.enter_context(_stopped_by_sigterm())
        log = stack.enter_context(_log(storage))
        _go(store, runner, log, lock, progress, retry_failed)
        if isinstance(storage, Folder):
            os.sync()
    return open_results(out)


def _go(
    store: Store, runner: TaskRunner, log: logging.Logger, lock: Lock | None, progress: Any, retry_failed: bool
) -> None:
    counts, reported = TaskCounts(store.tasks.total), 0.0

    def report(*, last: bool = False) -> None:
        nonlocal reported
        if lock is not None and lock.lost and not last:
            raise Stopped(f"another driver took over {store.storage.url}, as this one was asleep for too long")
        now = perf_counter()
        if progress is not None and (last or now - reported >= _EVERY):
            reported = now
            progress(counts.finished, counts.total, counts.summary())

    def todo() -> Iterator[int]:
        for index in range(counts.total):
            status = store.status(index, verify=True)
            if not status or (status == FAILED and retry_failed):
                yield index
            else:
                counts.add(status, before=True)
                report()

    log.info("start of %s: %d tasks, %d workers", store.study.name or "a study", counts.total, runner.width)
    try:
        Driver(store, runner, counts, report, log).run(todo())
    except OSError as error:
        log.warning("stopped by %s", error)
        if isinstance(error, BrokenPipeError):  # of who watches the progress
            raise
        message = f"the store {store.storage.url} cannot be read or written ({error}); run it again to go on"
        raise Stopped(message) from error
    except BaseException as error:
        log.warning("stopped by %s %s", type(error).__name__, " ".join(str(error).split()))
        raise
    finally:
        ended = (counts.done, counts.failed, counts.total, counts.run, counts.seconds)
        log.info("%d done and %d failed of %d tasks; %d of them in this run of %.1f s", *ended)
        report(last=True)


@contextmanager
def _held(storage: Folder) -> Iterator[Lock]:
    """The lock of a folder, and nothing half-written in it before and after."""
    if storage.path.exists() and not storage.path.is_dir():
        raise bad("out", storage.url, "a folder or a name that is free")
    with Lock(storage.path) as lock:
        storage.clean()
        try:
            yield lock
        finally:
            storage.clean()


@contextmanager
def _log(storage: Any) -> Iterator[logging.Logger]:
    """Log beside the store; a URL has none."""
    log = logging.Logger("dynsim.studies", logging.INFO)  # not the root's child: the user's own set-up stays as it is
    handler: logging.Handler = logging.NullHandler()
    if isinstance(storage, Folder):
        handler = logging.FileHandler(Path(f"{storage.path}.log"), encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.handleError = lambda record: None  # type: ignore[method-assign]  # a full disk shows where the store is written
    log.addHandler(handler)
    try:
        yield log
    finally:
        handler.close()


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C does, so that workers and lock are let go."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not ours:
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
