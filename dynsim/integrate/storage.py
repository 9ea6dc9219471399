"""Results too large for memory: every block of members goes to a Zarr store as soon as it is done."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import xarray as xr

from dynsim.errors import bad, missing_extra
from dynsim.integrate.batch import EnsembleArrays, GridBlock, block_shape
from dynsim.integrate.results import ATTRIBUTES, Frame
from dynsim.status import Status
from dynsim.storage import looked_at

__all__ = ["Streamed"]


# What a member that never ran reads as, when a run is killed or the disk is full: not as a valid result.
_FILL = {"status": int(Status.NOT_RUN)}


class Streamed:
    """Writes blocks to a zarr store whose chunks are the blocks.

    Parameters
    ----------
    frame : Frame
    out : path
        Must not exist yet.
    limit : int
        Members per block at most.
    attributes : dict
        What made the run, written before it begins.

    Raises
    ------
    MissingExtra
        zarr is not installed.
    InvalidValue
        `out` exists, or cannot be written.
    """

    def __init__(self, frame: Frame, out: Any, limit: int, attributes: dict[str, Any]) -> None:
        if find_spec("zarr") is None:
            raise missing_extra("zarr", "zarr", "results on disk")
        import zarr

        if looked_at("out", out, "a path that does not exist yet").exists():
            raise bad("out", str(out), "a path that does not exist yet", "remove it or choose another")
        self.frame, self.out = frame, out
        unfinished = "this ensemble was not run to its end; members it did not come to have status -1 (not_run)"
        attributes = {**attributes, "unfinished": unfinished}
        try:
            xr.Dataset(coords=frame.coords, attrs=attributes).to_zarr(out, mode="w-", consolidated=False)
        except OSError as error:
            raise bad("out", str(out), "a place that can be written", str(error)) from error
        self.group = zarr.open_group(out, mode="r+")
        self.arrays = {}
        grid, box = frame.grid, block_shape(frame.grid.shape, limit)
        for name, (more, values) in frame.variables(self._empty(0)).items():
            own = values.shape[1:]
            self.arrays[name] = self.group.create_array(
                name,
                shape=(*grid.shape, *own),
                chunks=tuple(max(n, 1) for n in (*box, *own)),
                dtype=values.dtype,
                fill_value=_FILL.get(name, np.nan if values.dtype.kind == "f" else 0),
                dimension_names=(*grid.dims, *more),
                attributes={key: np.asarray(value).tolist() for key, value in ATTRIBUTES.get(name, {}).items()},
            )

    def _empty(self, members: int) -> EnsembleArrays:
        return EnsembleArrays.empty(self.frame.field, members, len(self.frame.times))

    def part(self, block: GridBlock) -> EnsembleArrays:
        """Arrays for the engine to fill."""
        return self._empty(block.stop - block.start)

    def keep(self, block: GridBlock, run: EnsembleArrays) -> None:
        """Write a finished block."""
        box = tuple(part.stop - part.start for part in block.region)
        for name, (_, values) in self.frame.variables(run).items():
            try:
                self.arrays[name][block.region] = values.reshape((*box, *values.shape[1:]))
            except OSError as error:
                raise bad("out", str(self.out), "room for the whole ensemble", str(error)) from error

    def dataset(self, attributes: dict[str, Any]) -> xr.Dataset:
        """The result, read from the store as it is used."""
        self.group.attrs.update(attributes)
        del self.group.attrs["unfinished"]
        return xr.open_dataset(self.out, engine="zarr", consolidated=False)
