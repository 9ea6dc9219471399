"""How far a store is, while its study runs or afterwards."""

from __future__ import annotations

from itertools import islice
from typing import Any

from dynsim.errors import bad
from dynsim.studies.lock import holder
from dynsim.studies.storage import Folder, storage_of
from dynsim.studies.store import DONE, FAILED, Store, read_study

__all__ = ["sweep_status"]


def sweep_status(out: Any, *, failures: int = 20) -> dict[str, Any]:
    """Tasks of a store by how they ended.

    Parameters
    ----------
    out : path or URL
        Of the store.
    failures : int
        How many failed tasks are listed at most.

    Returns
    -------
    dict
        ``study``, ``sizes`` of the dimensions, ``tasks``, ``done``, ``failed``, ``driver``, the process and host that
        work on it, or None, and ``failures``, each with ``task``, ``cell`` and ``message``.

    Raises
    ------
    InvalidValue
        There is no store.

    Examples
    --------
    >>> import dynsim, tempfile
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from dynsim.studies.status import sweep_status
    >>> study = {"system": "toy", "t_end": 30.0, "axes": {"alpha": [1.0, 2.0]}}
    >>> with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as executor:
    ...     data = dynsim.run_study(study, f"{folder}/study.zarr", executor)
    ...     status = sweep_status(f"{folder}/study.zarr")
    >>> status["tasks"], status["done"], status["failed"], status["driver"]
    (1, 1, 0, None)
    """
    storage = storage_of(out)
    study = read_study(storage)
    if study is None:
        raise bad("store", storage.url, "a store made by dynsim", "there is none")
    store = Store(storage, study)
    counts = {DONE: 0, FAILED: 0}
    for index in range(store.tasks.total):
        status = store.status(index)
        if status in counts:
            counts[status] += 1
    return {
        "study": study.name or study.system or "",
        "store": storage.url,
        "sizes": study.sizes,
        "tasks": store.tasks.total,
        "done": counts[DONE],
        "failed": counts[FAILED],
        "driver": holder(storage.path) if isinstance(storage, Folder) else None,
        "failures": list(islice(store.failures(), failures)),
    }
