"""Progress: how every long computation reports where it is."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress"]

#: ``progress(done, total, what)``: pieces finished, pieces in all, and what is being done.
Progress = Callable[[int, int, str], None]
