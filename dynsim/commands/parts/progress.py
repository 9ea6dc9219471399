"""One line of progress on a terminal, nothing where the output is not one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

__all__ = ["bar", "reporter"]

_WIDTH = 20


def bar(share: float) -> str:
    """A bar of 20 characters, filled in part.

    Examples
    --------
    >>> from dynsim.commands.parts.progress import bar
    >>> bar(0.25)
    '█████░░░░░░░░░░░░░░░'
    """
    full = round(_WIDTH * min(max(share, 0.0), 1.0))
    return "█" * full + "░" * (_WIDTH - full)


@contextmanager
def reporter(label: str) -> Iterator[Callable[[int, int, str], None]]:
    """Yield ``progress(done, total, what)``; it rewrites one line on standard error and clears it at the end."""
    live, first = sys.stderr.isatty(), list[tuple[int, float]]()
    started = perf_counter()

    def progress(done: int, total: int, what: str = "") -> None:
        if not live:
            return
        if not first:  # a run that goes on from a checkpoint has done the most of it before
            first.append((done, perf_counter()) if done > 0.02 * total else (0, started))
        steps, since = done - first[0][0], perf_counter() - first[0][1]
        left = f" ({since / steps * (total - done):.0f} s left)" if steps else ""
        share = done / total if total else 1.0
        print(f"\r\033[K{label} {bar(share)} {done}/{total} {what}{left}", end="", file=sys.stderr, flush=True)

    try:
        yield progress
    finally:
        if live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
