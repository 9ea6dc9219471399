"""Philox on lanes: the random numbers of `integrate.noise.random_numbers`, word for word, in machine code."""

from __future__ import annotations

import math
from typing import Any

from dynsim.integrate.engine.functions import log, sine_and_cosine
from dynsim.integrate.engine.lanes import I64, Lanes, Slots

__all__ = ["Draws", "Increments", "pair_of_gaussians", "pair_of_uniforms"]

_LOW, _HALF = 0xFFFFFFFF, 32
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10
_SIXTH = 2**32 // 6
_UNIT = 0x433 << 52  # the bits of 2⁵²: with 52 more of them this is 2⁵² + those bits as an integer


class Draws:
    """Random bits of every lane, as functions of the lane's seed, a step and what they are for.

    Parameters
    ----------
    v : Lanes
    seeds, step : vector of integers
    """

    def __init__(self, v: Lanes, seeds: Any, step: Any) -> None:
        self.v = v
        b = v.builder
        low = v.integers(_LOW)
        self.key = b.and_(seeds, low), b.lshr(seeds, v.integers(_HALF))
        self.step = b.and_(step, low), b.lshr(step, v.integers(_HALF))

    def words(self, block: Any, purpose: Any) -> list[Any]:
        """Four 32-bit words, in 64 bits each; `block` and `purpose` are vectors of integers."""
        v, b = self.v, self.v.builder
        low, half = v.integers(_LOW), v.integers(_HALF)
        c0, c1, c2, c3 = self.step[0], block, self.step[1], purpose
        for turn in range(_ROUNDS):
            one, other = b.mul(v.integers(_MULTIPLIERS[0]), c0), b.mul(v.integers(_MULTIPLIERS[1]), c2)
            k0, k1 = (
                b.and_(b.add(key, v.integers(turn * weyl & _LOW)), low)
                for key, weyl in zip(self.key, _WEYL, strict=True)
            )
            c0, c2 = b.xor(b.xor(b.lshr(other, half), c1), k0), b.xor(b.xor(b.lshr(one, half), c3), k1)
            c1, c3 = b.and_(other, low), b.and_(one, low)
        return [c0, c1, c2, c3]


def pair_of_uniforms(v: Lanes, words: list[Any]) -> list[Any]:
    """Two numbers strictly between 0 and 1, of four words."""
    b = v.builder

    def uniform(high: Any, low: Any) -> Any:
        bits = b.lshr(b.or_(b.shl(high, v.integers(_HALF)), low), v.integers(12))
        number = v.sub(v.from_bits(b.or_(bits, v.integers(_UNIT))), v.const(2.0**52))
        return v.scale(v.add(number, v.const(0.5)), 2.0**-52)

    return [uniform(*words[:2]), uniform(*words[2:])]


def pair_of_gaussians(v: Lanes, words: list[Any]) -> list[Any]:
    """Two standard normal numbers, of four words (Box and Muller)."""
    one, other = pair_of_uniforms(v, words)
    radius = v.sqrt(v.scale(log(v, one), -2.0))
    sine, cosine = sine_and_cosine(v, v.scale(other, 2 * math.pi))
    return [v.mul(radius, cosine), v.mul(radius, sine)]


def _three_points(v: Lanes, words: list[Any]) -> list[Any]:
    """Of every word −√3, 0 or √3 with probabilities 1/6, 2/3, 1/6."""
    b, found = v.builder, []
    for word in words:
        above = b.icmp_unsigned("<", word, v.integers(_SIXTH))
        below = b.icmp_unsigned(">=", word, v.integers(2**32 - _SIXTH))
        low = v.select(below, v.const(-math.sqrt(3.0)), v.const(0.0))
        found.append(v.select(above, v.const(math.sqrt(3.0)), low))
    return found


class Increments:
    """Increments of variance 1 for some processes; the steps that share a block of random bits draw it once.

    Parameters
    ----------
    v : Lanes
    kind : str
        "normal", "three-point" or "two-point".
    count : int
        How many processes.
    purpose : int
    """

    def __init__(self, v: Lanes, kind: str, count: int, purpose: int = 0) -> None:
        self.v, self.kind, self.count, self.purpose = v, kind, count, purpose
        most = {"normal": 2, "three-point": 4, "two-point": 128}[kind]
        self.together = max(1, most // count)
        numbers = count * self.together
        self.blocks = -(-numbers // most)
        kept = 4 * self.blocks if kind == "two-point" else most * self.blocks
        self.kept = Slots(v, kept, kind=v.integer if kind == "two-point" else None)

    def _fresh(self, seeds: Any, block: Any) -> list[Any]:
        """Everything that the blocks of a step hold: numbers, or words whose bits are the signs."""
        v = self.v
        draws, found = Draws(v, seeds, block), []
        for i in range(self.blocks):
            words = draws.words(v.integers(i), v.integers(self.purpose))
            if self.kind == "normal":
                words = pair_of_gaussians(v, words)
            elif self.kind == "three-point":
                words = _three_points(v, words)
            found += words
        return found

    def emit(self, seeds: Any, step: Any) -> list[Any]:
        """Increments of a step; `step` is an integer that all lanes share, or a vector of integers."""
        return self._alike(seeds, step) if step.type == I64 else self._apart(seeds, step)

    def _alike(self, seeds: Any, step: Any) -> list[Any]:
        v, b = self.v, self.v.builder
        together = I64(self.together)
        place = b.urem(step, together)
        with b.if_then(b.icmp_unsigned("==", place, I64(0))):
            self.kept.store_all(self._fresh(seeds, v.splat(b.udiv(step, together))))
        first = b.mul(place, I64(self.count))
        found = []
        for i in range(self.count):
            position = b.add(first, I64(i))
            if self.kind == "two-point":
                word = self.kept.load(b.lshr(position, I64(5)))
                found.append(self._sign(word, v.splat(b.and_(position, I64(31)))))
            else:
                found.append(self.kept.load(position))
        return found

    def _apart(self, seeds: Any, step: Any) -> list[Any]:
        v, b = self.v, self.v.builder
        together = v.integers(self.together)
        fresh = self._fresh(seeds, b.udiv(step, together))
        first = b.mul(b.urem(step, together), v.integers(self.count))
        found = []
        for i in range(self.count):
            position = b.add(first, v.integers(i))
            two = self.kind == "two-point"
            index = b.lshr(position, v.integers(5)) if two else position
            item = fresh[0]
            for number, other in enumerate(fresh[1:], start=1):
                item = b.select(b.icmp_signed("==", index, v.integers(number)), other, item)
            found.append(self._sign(item, b.and_(position, v.integers(31))) if two else item)
        return found

    def _sign(self, word: Any, bit: Any) -> Any:
        v, b = self.v, self.v.builder
        one = b.and_(b.lshr(word, bit), v.integers(1))
        return v.select(b.icmp_signed("!=", one, v.integers(0)), v.const(1.0), v.const(-1.0))
