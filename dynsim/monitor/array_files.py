"""Arrays from files that may come from anywhere: never unpickled, and no larger than the file itself."""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from dynsim.errors import DynsimError, bad, missing_extra
from dynsim.storage import looked_at

__all__ = ["MOST_NUMBERS", "read_array"]

MOST_NUMBERS = 2**28  # 2 GB in double precision
_HEADER = 2_000  # bytes of text before the numbers of a .npy file


def read_array(option: str, path: str, *, most: int = MOST_NUMBERS) -> np.ndarray:
    """Read an array from .npy, or a tensor from .pt with ``weights_only=True``.

    The header of a .npy file is compared with the size of the file before anything is allocated, a .pt file with what
    its archive claims to hold.

    Parameters
    ----------
    option : str
        What the caller calls the file, for messages.
    path : str
    most : int
        Numbers that it may hold.

    Raises
    ------
    InvalidValue
        No such file, another kind of file, a damaged one, one that claims more than it holds, or no single array.
    MissingExtra
        A .pt file without torch.

    Examples
    --------
    >>> import numpy as np, tempfile, os
    >>> from dynsim.monitor.array_files import read_array
    >>> folder = tempfile.mkdtemp()
    >>> np.save(os.path.join(folder, "z.npy"), np.eye(3))
    >>> read_array("FILE", os.path.join(folder, "z.npy")).shape
    (3, 3)
    """
    place = looked_at(option, path, "an existing file")
    if not place.is_file():
        raise bad(option, path, "an existing file")
    suffix = place.suffix.lower()
    try:
        if suffix == ".npy":
            return _numpy(option, place, most)
        if suffix in (".pt", ".pth"):
            return _torch(option, place, most)
    except OSError as error:
        raise bad(option, path, "a file that can be read", str(error)) from None
    raise bad(option, path, "a .npy file, or a .pt file with one tensor")


def _numpy(option: str, place: Path, most: int) -> np.ndarray:
    expected = "a .npy file with an array of numbers or words"
    with open(place, "rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file, max_header_size=_HEADER)
        except Exception as error:  # NumPy lets errors of Python's tokenizer through
            raise bad(option, str(place), expected, " ".join(str(error).split())[:120]) from None
        if dtype.hasobject or dtype.kind not in "fiubUS":
            raise bad(option, f"{place} of {dtype}", expected, "pickled objects are never read")
        held = place.stat().st_size - file.tell()
        claimed = prod(map(int, shape)) * dtype.itemsize
        if claimed != held or any(size < 0 for size in shape):
            raise bad(option, str(place), expected, f"its header claims {claimed} bytes, it holds {held}")
        if prod(map(int, shape)) > most:
            raise bad(
                option, f"{place} of shape {shape}", f"at most {most} numbers", "some thousand samples are enough"
            )
        file.seek(0)
        return np.asarray(np.load(file, allow_pickle=False, max_header_size=_HEADER))


def _torch(option: str, place: Path, most: int) -> np.ndarray:
    expected = "a .pt file with one tensor, written by torch.save"
    try:
        import torch
    except ImportError:
        raise missing_extra("torch", "networks", "checkpoints") from None
    size = place.stat().st_size
    if not zipfile.is_zipfile(place):
        raise bad(option, str(place), expected)
    try:
        with zipfile.ZipFile(place) as archive:
            claimed = sum(entry.file_size for entry in archive.infolist())
        if claimed > size + 2**20:
            raise bad(option, str(place), expected, f"it claims {claimed} bytes, it holds {size}")
        found: Any = torch.load(place, map_location="cpu", weights_only=True)
    except Exception as error:
        if isinstance(error, DynsimError):
            raise
        reason = str(error).strip().split("\n")[0][:120] or type(error).__name__
        raise bad(option, str(place), expected, reason) from None
    if isinstance(found, dict):
        tensors = [value for value in found.values() if isinstance(value, torch.Tensor)]
        if len(tensors) != 1:
            raise bad(
                option, f"{place} with {len(tensors)} tensors", expected, "encode the samples and save the outputs"
            )
        found = tensors[0]
    if not isinstance(found, torch.Tensor) or found.is_sparse or found.is_complex() or found.is_quantized:
        raise bad(option, f"{place} with {type(found).__name__}", expected)
    if found.numel() > most or found.numel() * found.element_size() > size:
        raise bad(option, f"{place} of shape {tuple(found.shape)}", expected, "it claims more numbers than it holds")
    if found.is_floating_point():
        found = found.float() if found.element_size() < 4 else found
    return np.asarray(found.detach().numpy())
