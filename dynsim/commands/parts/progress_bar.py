"""A bar on a terminal; where the output is none, a line every half minute."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

__all__ = ["progress_bar"]

_CELLS = 30
_QUIET = 30.0  # seconds between lines that go to a file


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int, str], None]]:
    """Yield ``progress(done, total, what)``, which draws on standard error."""
    live, told = sys.stderr.isatty(), monotonic()

    def progress(done: int, total: int, what: str = "") -> None:
        nonlocal told
        if live:
            full = _CELLS * done // max(total, 1)
            bar = "━" * full + "─" * (_CELLS - full)
            print(f"\r\033[K{label} {bar} {done}/{total} {what}", end="", file=sys.stderr, flush=True)
        elif monotonic() - told > _QUIET:
            told = monotonic()
            print(f"{label} {done}/{total} {what}", file=sys.stderr, flush=True)

    try:
        yield progress
    finally:
        if live:
            print(file=sys.stderr, flush=True)
