"""One stream of random numbers per seed and purpose, so that more seeds change no earlier one."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from itertools import islice

import torch
from numpy.random import SeedSequence

from dynsim.errors import bad

__all__ = ["common_generator", "generator", "seed_list"]

_MOST = 100_000  # seeds of one run: each has its own weights

_PURPOSES = ("encoder", "predictor", "teacher", "batches", "views", "input")


def generator(seed: int, purpose: str, device: str | torch.device = "cpu") -> torch.Generator:
    """Generator of one seed for one purpose: encoder, predictor, teacher, batches, views or input."""
    sequence = SeedSequence(0, spawn_key=(seed, _PURPOSES.index(purpose)))
    return _seeded(sequence, device)


def common_generator(purpose: int, device: str | torch.device = "cpu") -> torch.Generator:
    """Generator of what all seeds share: the fixed views of full batches and of evaluations."""
    return _seeded(SeedSequence(1, spawn_key=(purpose,)), device)


def _seeded(sequence: SeedSequence, device: str | torch.device) -> torch.Generator:
    return torch.Generator(device=device).manual_seed(int(sequence.generate_state(1, "uint64")[0]))


def seed_list(seeds: int | Iterable[int]) -> list[int]:
    """Seeds as a list: an int n stands for 0…n−1.

    Examples
    --------
    >>> from dynsim.networks.seeds import seed_list
    >>> seed_list(3), seed_list([7, 2])
    ([0, 1, 2], [7, 2])
    """
    expected = "a positive int, or distinct non-negative ints"
    try:
        if isinstance(seeds, bool):
            raise TypeError
        found = (
            [operator.index(seed) for seed in islice(seeds, _MOST + 1)]
            if isinstance(seeds, Iterable)
            else list(range(min(operator.index(seeds), _MOST + 1)))
        )
    except TypeError:
        raise bad("seeds", seeds, expected) from None
    if not found or min(found) < 0 or len(set(found)) < len(found):
        raise bad("seeds", seeds, expected)
    if len(found) > _MOST:
        raise bad("seeds", seeds, f"at most {_MOST} of them")
    return found
