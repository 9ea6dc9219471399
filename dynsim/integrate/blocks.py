"""A grid in blocks: runs of consecutive members that are boxes of the grid at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

__all__ = ["Block", "block_shape", "blocks"]


class Block(NamedTuple):
    """Members `start` … `stop` − 1, which fill the box `region` of the grid."""

    start: int
    stop: int
    region: tuple[slice, ...]


def block_shape(shape: tuple[int, ...], limit: int) -> tuple[int, ...]:
    """Largest box of at most `limit` members whose members are consecutive.

    Examples
    --------
    >>> from dynsim.integrate.blocks import block_shape
    >>> block_shape((100, 40, 10), 1000), block_shape((100, 40, 10), 25)
    ((2, 40, 10), (1, 2, 10))
    """
    box: list[int] = []
    for axis in reversed(range(len(shape))):
        full = prod(shape[axis + 1 :])
        box.insert(0, max(1, min(shape[axis], limit // max(full, 1))) if full <= limit else 1)
    return tuple(box)


def blocks(shape: tuple[int, ...], limit: int) -> Iterator[Block]:
    """All blocks of a grid, in the order of the members."""
    size = prod(shape)
    box = block_shape(shape, limit)
    start = 0
    while start < size:
        region, rest = [], start
        for axis, length in enumerate(box):
            index, rest = divmod(rest, prod(shape[axis + 1 :]))
            region.append(slice(index, min(index + length, shape[axis])))
        stop = start + prod(part.stop - part.start for part in region)
        yield Block(start, stop, tuple(region))
        start = stop
