"""Settings of torch for the time of a run, and torch as it was before afterwards; the devices there are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from dynsim.errors import bad

__all__ = ["deterministic", "device_of", "one_thread"]


@contextmanager
def deterministic(wanted: bool, device: torch.device) -> Iterator[None]:
    """Ask torch for deterministic algorithms within the block, if wanted.

    On CUDA, cuBLAS also needs a fixed workspace, which it reads from the environment when it starts. Memory that is
    new is not filled: nothing here reads it before writing.
    """
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic  # a module whose one attribute is a property, unknown to type checkers
    filled = memory.fill_uninitialized_memory
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        memory.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread, and as before afterwards."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def device_of(device: str | torch.device) -> torch.device:
    """A device that exists.

    Raises
    ------
    InvalidValue
        Saying what there is.
    """
    known = ["cpu", *(["cuda"] if torch.cuda.is_available() else []), *(["mps"] if _has_mps() else [])]
    try:
        place = torch.device(device)
    except (RuntimeError, TypeError, ValueError, OverflowError):
        raise bad("device", device, f"one of {', '.join(known)}") from None
    if place.type not in known or (place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count()):
        raise bad("device", str(device), f"one of {', '.join(known)}", "this machine has no other")
    return place


def _has_mps() -> bool:
    return torch.backends.mps.is_available()
