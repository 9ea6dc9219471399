"""Chunks of arrays as bytes, as Zarr 3 lays them down: little-endian, Zstandard, CRC-32C.

Written by hand because Zarr's own writer costs milliseconds per chunk and does not say when one is on disk. Every
reader of Zarr checks the checksum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["ArrayLayout", "intact"]


@dataclass(frozen=True)
class ArrayLayout:
    """One array of a store.

    Attributes
    ----------
    name : str
    dims, chunk : tuple
        Names of its dimensions, and the length of a chunk along each.
    dtype : numpy dtype
    fill : number
        What stands where nothing was written.
    """

    name: str
    dims: tuple[str, ...]
    chunk: tuple[int, ...]
    dtype: np.dtype
    fill: Any

    def key(self, position: tuple[int, ...]) -> str:
        """Key of the chunk at a position among the tasks; dimensions beyond those of the tasks are not cut."""
        whole = (*position, *(0 for _ in range(len(self.dims) - len(position))))
        return f"{self.name}/c/{'/'.join(map(str, whole))}" if whole else f"{self.name}/c"

    def encode(self, values: np.ndarray) -> bytes:
        """Bytes of a chunk; at the far edges of the array it is filled up.

        Examples
        --------
        >>> import numpy as np
        >>> from dynsim.studies.chunks import ArrayLayout, intact
        >>> data = ArrayLayout("a", ("x",), (4,), np.dtype("f8"), np.nan).encode(np.arange(3.0))
        >>> intact(data), intact(data[:-1])
        (True, False)
        """
        import google_crc32c
        from numcodecs import zstd

        if values.shape != self.chunk:
            whole = np.full(self.chunk, self.fill, dtype=self.dtype)
            whole[tuple(map(slice, values.shape))] = values
            values = whole
        body = zstd.compress(np.ascontiguousarray(values, dtype=self.dtype.newbyteorder("<")).tobytes(), 0)
        return bytes(body) + int(google_crc32c.value(bytes(body))).to_bytes(4, "little")

    def first(self, data: bytes) -> Any:
        """First number of a chunk that is intact."""
        from numcodecs import zstd

        return np.frombuffer(zstd.decompress(data[:-4]), dtype=self.dtype.newbyteorder("<"), count=1)[0]


def intact(data: bytes | None) -> bool:
    """Whether a chunk is there and agrees with its checksum."""
    import google_crc32c

    return data is not None and len(data) > 4 and google_crc32c.value(data[:-4]) == int.from_bytes(data[-4:], "little")
