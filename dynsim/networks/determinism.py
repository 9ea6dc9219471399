"""Deterministic algorithms while a run lasts, and torch as it was before afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["deterministic"]


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
