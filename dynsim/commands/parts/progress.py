"""One line of progress on a terminal, nothing where the output is not one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

__all__ = ["reporter"]


@contextmanager
def reporter(label: str) -> Iterator[Callable[[int, int, str], None]]:
    """Yield ``progress(done, total, what)``; it rewrites one line on standard error and clears it at the end."""
    started, live = perf_counter(), sys.stderr.isatty()

    def progress(done: int, total: int, what: str = "") -> None:
        if not live:
            return
        elapsed = perf_counter() - started
        left = elapsed / done * (total - done) if done else float("nan")
        print(f"\r\033[K{label}: {done}/{total} {what} ({left:.0f} s left)", end="", file=sys.stderr, flush=True)

    try:
        yield progress
    finally:
        if live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
