"""Budgets of time that hold: work that may run long is done in another process, which is ended when it is late.

SymPy looks at no clock, and an exception raised into it from outside may leave its caches half written. A process can
be ended whatever it does, in a thread and in a notebook as well as in a script, without signal handlers. It is started
on first use, serves one call after the other, and ends with the process that started it.
"""

from __future__ import annotations

import atexit
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Any

__all__ = ["OutOfTime", "items_within", "within"]

_SERVE = "import sys; sys.path[:] = {path!r}; from dynsim.budget import _serve; _serve()"
_START = 60.0  # seconds that a process may take to come up, its imports included; they count for no budget


class OutOfTime(Exception):
    """The budget is spent."""


def within(seconds: float, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return ``function(*arguments)`` if that takes at most so many seconds.

    Parameters
    ----------
    seconds : float
    function : callable
        Of a module, so that another process can import it. Arguments and result can be pickled.

    Raises
    ------
    OutOfTime
        If it takes longer; the process that works on it is ended.
    Exception
        Whatever the function raises.

    Examples
    --------
    >>> from math import factorial
    >>> from dynsim.budget import within
    >>> within(10.0, factorial, 5)
    120
    """
    (value,) = items_within(seconds, _once, function, *arguments)
    return value


def _once(function: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
    yield function(*arguments)


def items_within(seconds: float, function: Callable[..., Iterator[Any]], *arguments: Any) -> Iterator[Any]:
    """Yield what ``function(*arguments)`` yields, as it comes, for at most so many seconds.

    What was yielded before `OutOfTime` is raised is there to be kept.

    Parameters
    ----------
    seconds : float
    function : callable
        A generator function of a module.

    Raises
    ------
    OutOfTime, Exception
        As `within`.
    """
    if _serving:
        yield from function(*arguments)  # the budget of the call that brought us here holds
        return
    try:
        request = pickle.dumps((function, arguments))
    except Exception:  # whatever an argument raises that cannot go to another process
        yield from function(*arguments)
        return
    worker = _idle_worker()
    end = monotonic() + seconds
    finished = False
    try:
        worker.ask(request)
        while True:
            kind, value = worker.answer(end - monotonic())
            if kind == "end":
                finished = True
                return
            if kind == "error":
                finished = True
                raise value
            yield value
    finally:
        if finished:
            _idle.append(worker)
        else:
            worker.end()


class _Worker:
    """Another Python process that computes what it is asked."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVE.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.owner = os.getpid()
        self.answers: queue.Queue[tuple[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.answer(_START)  # it is up

    def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            while True:
                self.answers.put(pickle.load(self.process.stdout))
        except Exception as error:  # the process has ended, or an answer cannot be read here
            self.answers.put(("error", error))

    def ask(self, request: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(len(request).to_bytes(8, "big") + request)
        self.process.stdin.flush()

    def answer(self, seconds: float) -> tuple[str, Any]:
        try:
            return self.answers.get(timeout=max(seconds, 0.0))
        except queue.Empty:
            raise OutOfTime("out of time") from None

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


_idle: list[_Worker] = []
_serving = False


def _idle_worker() -> _Worker:
    """A process that waits for work: every thread that needs one at the same time has its own."""
    while _idle:
        worker = _idle.pop()
        if worker.owner == os.getpid() and worker.process.poll() is None:
            return worker
    return _Worker()


@atexit.register
def _end_all() -> None:
    while _idle:
        worker = _idle.pop()
        if worker.owner == os.getpid():
            worker.end()


def _serve() -> None:
    """Answer requests from standard input until it ends."""
    global _serving
    _serving = True
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    sys.stdout = sys.stderr  # nothing that prints gets between the answers

    def send(kind: str, value: Any = None) -> None:
        if kind == "error" and value is None:
            raise TypeError("no exception")
        answers.write(pickle.dumps((kind, value)))
        answers.flush()

    send("up")
    while size := requests.read(8):
        function, arguments = pickle.loads(requests.read(int.from_bytes(size, "big")))
        try:
            for item in function(*arguments):
                send("item", item)
            send("end")
        except Exception as error:
            for kept in (error, _plain(error), RuntimeError(f"{type(error).__name__}: {error}")):
                with suppress(Exception):  # one that cannot be pickled
                    send("error", kept)
                    break


def _plain(error: Exception) -> Exception | None:
    """The same exception with its message alone."""
    with suppress(Exception):
        return type(error)(str(error))
    return None
