"""A study small enough to be run here and now: the numbers a store would hold, without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.studies.catalogue import study_of
from dynsim.studies.study import Study
from dynsim.studies.tasks import subject_of, tasks_of

__all__ = ["results_in_memory"]


def results_in_memory(study: Any, progress: Progress | None = None) -> xr.Dataset:
    """Run the tasks of a study one after another in this process.

    Parameters
    ----------
    study : Study, mapping, path or str
        As for `dynsim.run_study`.
    progress : callable, optional
        ``progress(finished, total, what)`` in tasks.

    Returns
    -------
    xarray.Dataset
        The variables that `dynsim.run_study` writes, in memory and without `task_status`.

    Raises
    ------
    DynsimError
        Whatever a task raises: nothing is recorded, and nothing goes on.

    Examples
    --------
    >>> from dynsim.studies.in_memory import results_in_memory
    >>> data = results_in_memory({"system": "toy", "t_end": 30.0, "axes": {"alpha": {"logspace": [-1, 1, 5]}}})
    >>> data.theta.round(3).values
    array([2.532, 1.426, 0.806, 0.461, 0.272])
    """
    chosen = study_of(study)
    tasks = tasks_of(chosen)
    data = xr.Dataset(coords={item.name: list(item.values) for item in chosen.dimensions})
    for index in range(tasks.total):
        region = tasks.region(index)
        part = subject_of(chosen).run(chosen, region)
        for name in chosen.record or list(part.data_vars):
            if name not in data:
                data[name] = _empty(chosen, part[name])
            data[name][region] = part[name].transpose(*data[name].dims).values
        if not index:
            data = data.assign_coords(
                {name: one for name, one in part.coords.items() if not set(one.dims) & set(tasks.dims)}
            )
        if progress is not None:
            progress(index + 1, tasks.total, chosen.name or "a study")
    return stamp(data, study=chosen.to_dict(), digest=chosen.digest)


def _empty(study: Study, like: xr.DataArray) -> xr.DataArray:
    more = [dim for dim in like.dims if dim not in study.sizes]
    shape = (*study.sizes.values(), *(like.sizes[dim] for dim in more))
    kind = like.dtype if like.dtype.kind not in "fc" else float
    return xr.DataArray(np.zeros(shape, dtype=kind), dims=(*study.sizes, *more), attrs=like.attrs)
