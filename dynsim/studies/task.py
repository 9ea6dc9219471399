"""One task: run a part of the study and commit it. The same function in a process here and on a cluster's worker."""

from __future__ import annotations

from time import perf_counter
from typing import NamedTuple

from dynsim.studies.store import DONE, FAILED, opened
from dynsim.studies.tasks import subject_of

__all__ = ["TaskResult", "run_task"]

# Seconds of work worth waiting for the disk. A cheaper task that a power cut takes from the disk's cache is found by
# its checksum and done again.
_DURABLE = 0.25


class TaskResult(NamedTuple):
    """How a task ended.

    Attributes
    ----------
    status : int
        DONE, FAILED, or −1: the store cannot be written, and no task can count.
    message : str
        Of a failure.
    """

    status: int
    message: str = ""


def run_task(url: str, digest: str, index: int) -> TaskResult:
    """Do a task of the study in a store.

    Parameters
    ----------
    url, digest : str
        Of the store and of its study.
    index : int
        Number of the task.

    Raises
    ------
    ImportError, InvalidValue
        This worker lacks a package, the store, or the store's version of dynsim.
    """
    store = opened(url, digest)
    started = perf_counter()
    try:
        data = subject_of(store.study).run(store.study, store.tasks.region(index))
        chunks = store.encode(index, data)
        message = ""
    except ImportError:  # the worker's fault: the same task may well be done by another
        raise
    except Exception as error:  # whatever a run does, the others go on
        message = _one_line(error)
    try:
        if message:
            store.fail(index, message)
            return TaskResult(FAILED, message)
        store.commit(index, chunks, durable=perf_counter() - started > _DURABLE)
    except OSError as error:
        return TaskResult(-1, _one_line(error))
    return TaskResult(DONE)


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
