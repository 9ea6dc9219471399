"""The Zarr store of a study: made once, then filled task by task.

Of every task first the chunks of the variables are written, then, as the last, its chunk of `task_status`: a task
counts when that one is there and all its chunks agree with their checksums. What was not reached is NaN.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import xarray as xr

from dynsim.errors import bad, missing_extra
from dynsim.studies.chunks import ArrayLayout, intact
from dynsim.studies.storage import Storage, storage_of
from dynsim.studies.study import Study
from dynsim.studies.tasks import Tasks, tasks_of

__all__ = ["DONE", "FAILED", "STATUS", "UNFINISHED", "Store", "made_by", "open_results", "opened"]

STATUS = "task_status"
UNFINISHED, DONE, FAILED = 0, 1, 2


@dataclass(frozen=True)
class Store:
    """A store that exists."""

    storage: Storage
    study: Study

    @cached_property
    def tasks(self) -> Tasks:
        """How the study is cut."""
        return tasks_of(self.study)

    @cached_property
    def layouts(self) -> dict[str, ArrayLayout]:
        """The arrays that tasks write, by name; `task_status` is the last."""
        described = json.loads(self.storage.read("zarr.json") or b"{}")["consolidated_metadata"]["metadata"]
        arrays = {name: _layout(name, one) for name, one in described.items()}
        dims = self.tasks.dims
        written = {name: one for name, one in arrays.items() if name not in dims and one.dims[: len(dims)] == dims}
        status = written.pop(STATUS)
        return {**written, STATUS: status}

    def encode(self, index: int, data: xr.Dataset) -> dict[str, bytes]:
        """The chunks of a task by key."""
        position = self.tasks.position(index)
        size = [part.stop - part.start for part in self.tasks.region(index).values()]
        found = {}
        for name, layout in self.layouts.items():
            if name in data:
                found[layout.key(position)] = layout.encode(data[name].transpose(*layout.dims).values)
            elif name != STATUS:  # a variable that this cell does not have
                whole = np.full((*size, *layout.chunk[len(size) :]), layout.fill, dtype=layout.dtype)
                found[layout.key(position)] = layout.encode(whole)
        return found

    def commit(self, index: int, chunks: dict[str, bytes], *, durable: bool) -> None:
        """Write the chunks of a task, then count it as done."""
        for key, data in chunks.items():
            self.storage.write(key, data, durable=durable)
        self.storage.remove(self._message(index))
        self._mark(index, DONE, durable)

    def fail(self, index: int, message: str) -> None:
        """Count a task as failed, its variables not written."""
        position = self.tasks.position(index)
        for name, layout in self.layouts.items():
            if name != STATUS:
                self.storage.remove(layout.key(position))
        self.storage.write(self._message(index), json.dumps({"task": index, "message": message}).encode())
        self._mark(index, FAILED, durable=False)

    def status(self, index: int, *, verify: bool = False) -> int:
        """Whether a task is done or has failed; `verify` reads its chunks: if one is bad, it is unfinished."""
        position, mark = self.tasks.position(index), self.layouts[STATUS]
        data = self.storage.read(mark.key(position))
        if data is None or not intact(data):
            return UNFINISHED
        status = int(mark.first(data))
        if verify and status == DONE:
            chunks = (self.storage.read(one.key(position)) for name, one in self.layouts.items() if name != STATUS)
            return DONE if all(map(intact, chunks)) else UNFINISHED
        return status

    def failures(self) -> Iterator[dict[str, Any]]:
        """Failed tasks: ``task``, ``message`` and ``cell``, the values of its axes."""
        for key in sorted(self.storage.keys(f"{STATUS}/messages"), key=lambda key: (len(key), key)):
            kept = json.loads(self.storage.read(key) or b"{}")
            if kept and self.status(kept["task"]) == FAILED:
                yield {**kept, "cell": self.cell(kept["task"])}

    def cell(self, index: int) -> dict[str, Any]:
        """Values of the axes of a task: one value, or the first and the last of several."""
        region, found = self.tasks.region(index), {}
        for item in self.study.dimensions:
            values = item.values[region[item.name]]
            found[item.name] = values[0] if len(values) == 1 else [values[0], values[-1]]
        return found

    def _mark(self, index: int, status: int, durable: bool) -> None:
        layout, region = self.layouts[STATUS], self.tasks.region(index)
        values = np.full([part.stop - part.start for part in region.values()], status, dtype=layout.dtype)
        self.storage.write(layout.key(self.tasks.position(index)), layout.encode(values), durable=durable)

    def _message(self, index: int) -> str:
        return f"{STATUS}/messages/{index}.json"


def _layout(name: str, described: dict[str, Any]) -> ArrayLayout:
    dtype = np.dtype(described["data_type"]) if described["data_type"] != "string" else np.dtype(object)
    chunk = described["chunk_grid"]["configuration"]["chunk_shape"]
    fill = np.nan if described["fill_value"] == "NaN" else described["fill_value"]
    return ArrayLayout(name, tuple(described.get("dimension_names") or ()), tuple(chunk), dtype, fill)


@lru_cache(maxsize=8)
def opened(url: str, digest: str) -> Store:
    """Store that a worker writes to, read once per process.

    Raises
    ------
    InvalidValue
        There is no store of this study, or this worker has another version of the package.
    """
    from dynsim import __version__

    storage = storage_of(url)
    study, version = read_study(storage), made_by(storage)
    if study is None or study.digest != digest:
        raise bad("store", url, "the store that the driver made", f"does {platform.node()} share its disk?")
    if version != __version__:
        advice = f"install the same version on {platform.node()}"
        raise bad("store", url, f"one made by dynsim {__version__}, not {version}", advice)
    return Store(storage, study)


def made_by(storage: Storage) -> str | None:
    """Version of dynsim that made a store, None if there is no store."""
    data = storage.read("zarr.json")
    return None if data is None else json.loads(data).get("attributes", {}).get("dynsim_version")


def read_study(storage: Storage) -> Study | None:
    """Study of a store, None if there is no store."""
    data = storage.read("zarr.json")
    if data is None:
        return None
    try:
        return Study.from_dict(json.loads(json.loads(data)["attributes"]["study"]))
    except (ValueError, KeyError, TypeError) as error:
        raise bad("store", storage.url, "a store made by dynsim", str(error)) from None


def open_results(out: Any) -> xr.Dataset:
    """Results so far, read from the store as they are looked at.

    Raises
    ------
    InvalidValue
        There is no store.
    MissingExtra
        Without zarr.
    """
    url = storage_of(out).url
    try:
        import zarr  # noqa: F401 - xarray's message would name no extra
    except ImportError:
        raise missing_extra("zarr", "sweeps", "sweeps") from None
    try:
        return xr.open_dataset(url, engine="zarr", chunks=None, consolidated=True)
    except (FileNotFoundError, ValueError) as error:
        raise bad("store", url, "a store made by dynsim", str(error).split("\n")[0]) from None
