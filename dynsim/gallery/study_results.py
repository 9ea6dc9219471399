"""What a figure draws that is a study: the store of a sweep, or the study run here."""

from __future__ import annotations

from typing import Any

import xarray as xr

from dynsim.errors import bad
from dynsim.progress import Progress
from dynsim.studies.catalogue import study_of
from dynsim.studies.in_memory import results_in_memory
from dynsim.studies.storage import storage_of
from dynsim.studies.store import open_results, read_study

__all__ = ["study_results"]


def study_results(study: Any, store: Any = None, progress: Progress | None = None) -> tuple[Any, xr.Dataset]:
    """Study and its results, in memory.

    Parameters
    ----------
    study : Study, mapping, path or str
        What is run where no store is given; a store must have its axes, of whatever values.
    store : path or URL, optional
        Of a sweep, finished or not: what is unfinished is NaN.
    progress : callable, optional

    Returns
    -------
    Study, xarray.Dataset

    Raises
    ------
    InvalidValue
        There is no such store, or it has other axes.
    """
    wanted = study_of(study)
    if store is None:
        return wanted, results_in_memory(wanted, progress)
    found = read_study(storage_of(store))
    if found is None:
        advice = f"dynsim sweep run {wanted.name} --out {store} makes it"
        raise bad("store", str(store), "the store of a sweep", advice)
    if list(found.sizes) != list(wanted.sizes):
        raise bad("store", str(store), f"one with the axes {', '.join(wanted.sizes)}", f"not {', '.join(found.sizes)}")
    with open_results(store) as data:
        return found, data.load()
