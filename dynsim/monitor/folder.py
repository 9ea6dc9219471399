"""A monitor's records as a Zarr folder, replaced as a whole with every record."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dynsim.errors import InvalidType, bad, missing_extra
from dynsim.records import as_json
from dynsim.storage import looked_at, open_dataset

__all__ = ["RecordFolder"]


class RecordFolder:
    """A Zarr folder that is written beside itself and renamed; a kill leaves the old one or the new one.

    Parameters
    ----------
    out : path
        The folder, in an existing one.
    """

    def __init__(self, out: Any) -> None:
        from importlib.util import find_spec

        if find_spec("zarr") is None:
            raise missing_extra("zarr", "zarr", "records on disk")
        if not isinstance(out, str | os.PathLike):
            raise bad("out", out, "the path of a Zarr folder", kind=InvalidType)
        self.place = looked_at("out", Path(out), "the path of a Zarr folder").absolute()
        if not self.place.parent.is_dir():
            raise bad("out", str(out), "a folder in an existing folder")
        if self.place.exists() and not self.place.is_dir():
            raise bad("out", str(out), "a Zarr folder, or a name that is not taken")
        self._old = self.place.with_name(f".{self.place.name}.old")

    def read(self) -> xr.Dataset | None:
        """What is there already."""
        if not self.place.exists() and self._old.exists():
            os.rename(self._old, self.place)  # killed between the two renames
        return open_dataset(self.place) if self.place.exists() else None

    def write(self, dataset: xr.Dataset) -> None:
        """Replace the folder."""
        new = self.place.with_name(f".{self.place.name}.{os.getpid()}.tmp")
        try:
            shutil.rmtree(new, ignore_errors=True)
            for name, content in _files(dataset):
                path = new / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            shutil.rmtree(self._old, ignore_errors=True)
            if self.place.exists():
                os.rename(self.place, self._old)
            os.rename(new, self.place)
        except OSError as error:
            raise bad("out", str(self.place), "a place that can be written", str(error)) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)
            if self.place.exists():
                shutil.rmtree(self._old, ignore_errors=True)


def _files(dataset: xr.Dataset) -> Iterator[tuple[str, bytes]]:
    """The files of a Zarr group (version 2), arrays in one chunk each, and the metadata once more in one file.

    Written by hand, for a record must cost little: the zarr package takes a tenth of a second for so many arrays.
    """
    metadata: dict[str, Any] = {".zgroup": {"zarr_format": 2}, ".zattrs": dict(dataset.attrs)}
    for key, variable in dataset.variables.items():
        values = np.ascontiguousarray(variable.values).astype(variable.dtype.newbyteorder("<"))
        metadata[f"{key}/.zarray"] = {
            "chunks": [max(size, 1) for size in variable.shape], "shape": list(variable.shape), "order": "C",
            "dtype": values.dtype.str, "fill_value": "NaN" if values.dtype.kind == "f" else None, "filters": None,
            "compressor": None, "zarr_format": 2,
        }  # fmt: skip
        metadata[f"{key}/.zattrs"] = {"_ARRAY_DIMENSIONS": list(variable.dims), **variable.attrs}
        yield f"{key}/{'.'.join('0' * max(variable.ndim, 1))}", values.tobytes()
    metadata = json.loads(as_json(metadata))
    for name, content in metadata.items():
        yield name, json.dumps(content).encode()
    yield ".zmetadata", json.dumps({"metadata": metadata, "zarr_consolidated_format": 1}).encode()
