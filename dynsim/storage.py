"""Files: Datasets as netCDF and Zarr, and text; read whole, and written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, filterwarnings

from dynsim.errors import InvalidType, bad

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["looked_at", "open_dataset", "save_dataset", "write_bytes", "write_text"]


def looked_at(argument: str, path: Any, expected: str) -> Path:
    r"""Return a path that is free, a file or a folder: opening a pipe or a device may never end.

    Raises
    ------
    InvalidValue
        A pipe or a device, or a text that names nothing: too long, a loop of links, a null character.
    InvalidType
        If it is no path.

    Examples
    --------
    >>> from dynsim.storage import looked_at
    >>> looked_at("data", "a\0b", "a file")
    Traceback (most recent call last):
        ...
    dynsim.errors.InvalidValue: data: got 'a\x00b', expected a file; embedded null byte
    """
    if not isinstance(path, str | Path):
        raise bad(argument, path, expected, kind=InvalidType)
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return Path(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise bad(argument, str(path), expected, reason) from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise bad(argument, str(path), expected, "this is a pipe or a device")
    return Path(path)


def open_dataset(path: Any) -> xr.Dataset:
    """Read a Dataset from a netCDF file or a Zarr folder into memory.

    Raises
    ------
    InvalidValue
        No such file, or neither netCDF nor Zarr.
    InvalidType
        If it is no path.
    """
    import h5py
    import xarray as xr

    place = looked_at("data", path, "the path of a netCDF file or Zarr folder")
    if not place.exists():
        raise bad("data", str(path), "an existing netCDF file or Zarr folder")
    try:
        if place.is_file():
            with h5py.File(place):  # says what is wrong; h5netcdf stumbles over its own half-opened file
                pass
        with catch_warnings():
            # A Zarr folder without an index of its arrays is read as well; with one their order is known.
            filterwarnings("ignore", message="Failed to open Zarr store with consolidated metadata")
            with xr.open_dataset(place, engine="zarr" if place.is_dir() else "h5netcdf") as dataset:
                return dataset.load()
    except Exception as error:  # a damaged file fails anywhere inside h5py, zarr or their codecs
        reason = " ".join(str(error).split()) or type(error).__name__
        raise bad("data", str(path), "a netCDF file or Zarr folder written by dynsim", reason[:200]) from error


def save_dataset(dataset: xr.Dataset, path: Any, *, compress: bool = False) -> Path:
    """Write a Dataset to netCDF: made in memory, written under a temporary name and renamed.

    No half-written file is left, and a full disk is an error of writing bytes, not a fault inside HDF5.
    """
    numbers = [name for name, values in dataset.data_vars.items() if values.ndim and values.dtype.kind in "fiub"]
    encoding = {name: {"zlib": True} for name in numbers} if compress else {}
    return write_bytes(path, bytes(dataset.to_netcdf(engine="h5netcdf", encoding=encoding)))


def write_bytes(path: Any, content: bytes) -> Path:
    """Write a file whole or not at all: under a temporary name beside it, then renamed; a link keeps its target.

    Raises
    ------
    InvalidValue
        The folder is not there, is full, or cannot be written.
    """
    named = looked_at("path", path, "a file that can be written")
    target = named.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise bad("path", str(path), "a file that can be written", str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)
    return named


def write_text(path: Any, content: str) -> Path:
    """Write text as UTF-8, whole or not at all.

    Raises
    ------
    InvalidValue
        As `write_bytes`.
    """
    return write_bytes(path, content.encode("utf-8"))
