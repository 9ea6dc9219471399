"""One line of progress on a terminal; where the output is none, a line every half minute."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from dynsim.progress import Progress

__all__ = ["bar", "reporter"]

_WIDTH = 20
_QUIET = 30.0  # seconds between the lines that go to a file


def bar(share: float) -> str:
    """A bar of 20 characters, filled in part.

    Examples
    --------
    >>> from dynsim.cli.progress_line import bar
    >>> bar(0.25)
    '█████░░░░░░░░░░░░░░░'
    """
    full = round(_WIDTH * min(max(share, 0.0), 1.0))
    return "█" * full + "░" * (_WIDTH - full)


@contextmanager
def reporter(label: str) -> Iterator[Progress]:
    """Yield ``progress(done, total, what)``; on a terminal it rewrites one line and clears it at the end."""
    live, first = sys.stderr.isatty(), list[tuple[int, float]]()
    started = last_line = perf_counter()

    def progress(done: int, total: int, what: str = "") -> None:
        nonlocal last_line
        if not live:
            if perf_counter() - last_line > _QUIET:
                last_line = perf_counter()
                print(f"{label} {done}/{total} {what}", file=sys.stderr, flush=True)
            return
        if not first:  # a run that goes on from a checkpoint has done the most of it before
            first.append((done, perf_counter()) if done > 0.02 * total else (0, started))
        steps, since = done - first[0][0], perf_counter() - first[0][1]
        left = f" ({_clock(since / steps * (total - done))} left)" if steps else ""
        share = done / total if total else 1.0
        print(f"\r\033[K{label} {bar(share)} {done}/{total} {what}{left}", end="", file=sys.stderr, flush=True)

    try:
        yield progress
    finally:
        if live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
