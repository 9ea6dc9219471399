"""Random numbers that are a function of where they are used: seed, step, which of the step's numbers.

Philox 4×32 with ten rounds, over arrays. Nothing is carried from step to step, so that a path does not depend on the
paths computed beside it, on their order, or on how many threads share them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["INCREMENTS", "gaussians", "increments", "philox", "signs", "three_points", "uniforms"]

_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85
_SIXTH = 2**32 // 6  # of all words: a probability of 1/6 to within 2.4e-10


def philox(counter: Any, key: Any, rounds: int = 10) -> list[np.ndarray]:
    """Four 32-bit words (as uint64) from a counter of four and a key of two such words, arrays that broadcast.

    References
    ----------
    Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; its known answers are the
    test.

    Examples
    --------
    >>> from dynsim.integrate.noise.random_numbers import philox
    >>> [f"{int(word):08x}" for word in philox([0, 0, 0, 0], [0, 0])]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = (np.asarray(word, dtype=np.uint64) for word in counter)
    k0, k1 = (np.asarray(word, dtype=np.uint64) for word in key)
    for turn in range(rounds):
        one, other = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        here, there = (np.uint64(turn * weyl & 0xFFFFFFFF) for weyl in _WEYL)
        c0 = (other >> _HALF) ^ c1 ^ ((k0 + here) & _LOW)
        c2 = (one >> _HALF) ^ c3 ^ ((k1 + there) & _LOW)
        c1, c3 = other & _LOW, one & _LOW
    return [c0, c1, c2, c3]


def _words(seeds: np.ndarray, step: int, count: int, purpose: int) -> np.ndarray:
    """Return `count` words per seed, of shape ``(count, seeds)``."""
    key = seeds & _LOW, seeds >> _HALF
    blocks = np.arange(-(-count // 4), dtype=np.uint64)[:, None]
    words = philox((step & 0xFFFFFFFF, blocks, step >> 32, purpose), key)
    return np.stack(words, axis=1).reshape(-1, len(seeds))[:count]


def uniforms(seeds: np.ndarray, step: int, count: int, purpose: int = 0) -> np.ndarray:
    """Uniform numbers strictly between 0 and 1, of shape ``(count, seeds)``."""
    high, low = _words(seeds, step, 2 * count, purpose).reshape(count, 2, -1).swapaxes(0, 1)
    bits = ((high << _HALF) | low) >> np.uint64(12)
    return (bits.astype(float) + 0.5) * 2.0**-52


def gaussians(seeds: np.ndarray, step: int, count: int, purpose: int = 0) -> np.ndarray:
    """Standard normal numbers, of shape ``(count, seeds)``, two from two uniform ones (Box and Muller)."""
    pairs = -(-count // 2)
    one, other = uniforms(seeds, step, 2 * pairs, purpose).reshape(pairs, 2, -1).swapaxes(0, 1)
    radius, angle = np.sqrt(-2 * np.log(one)), 2 * np.pi * other
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(2 * pairs, -1)[:count]


def three_points(seeds: np.ndarray, step: int, count: int, purpose: int = 0) -> np.ndarray:
    """−√3, 0, √3 with probabilities 1/6, 2/3, 1/6: the moments of a normal number up to the fifth."""
    words = _words(seeds, step, count, purpose)
    return np.sqrt(3.0) * ((words < _SIXTH).astype(float) - (words >= 2**32 - _SIXTH))


def signs(seeds: np.ndarray, step: int, count: int, purpose: int = 0, first: int = 0) -> np.ndarray:
    """−1 and 1 with equal probabilities: the moments of a normal number up to the third. Every bit of a word is one,
    from the bit `first` on.
    """
    words = _words(seeds, step, -(-(first + count) // 32), purpose)
    place = np.arange(first, first + count)
    bits = words[place // 32] >> (place % 32).astype(np.uint64)[:, None]
    return np.where(bits & np.uint64(1), 1.0, -1.0)


INCREMENTS = {"normal": (gaussians, 2), "three-point": (three_points, 4), "two-point": (signs, 128)}
"""What stands for an increment of the Wiener process, and how many of it one block of random bits makes."""


def increments(kind: str, seeds: np.ndarray, step: int, count: int, purpose: int = 0) -> np.ndarray:
    """Increments of variance 1 for `count` processes, of shape ``(count, seeds)``; successive steps share a block.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.integrate.noise.random_numbers import increments
    >>> increments("two-point", np.arange(4, dtype=np.uint64), step=4, count=1)
    array([[ 1.,  1., -1.,  1.]])
    """
    draw, most = INCREMENTS[kind]
    together = max(1, most // count)  # steps
    block, place = divmod(step, together)
    if kind == "two-point":
        return signs(seeds, block, count, purpose, place * count)
    return draw(seeds, block, count * together, purpose)[place * count : (place + 1) * count]
