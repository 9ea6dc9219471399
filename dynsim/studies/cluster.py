"""An existing Dask cluster as an executor."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from dynsim.errors import bad, missing_extra

__all__ = ["cluster"]

_PATIENCE = "10s"


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Connect to a scheduler such as ``tcp://host:8786``; its workers need the package and the store.

    Raises
    ------
    InvalidValue
        No scheduler answers there.
    MissingExtra
        Without dask[distributed].
    """
    try:
        from distributed import Client
    except ImportError:
        raise missing_extra("dask[distributed]", "sweeps", "sweeps on a cluster") from None
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise bad("scheduler", address, "the address of a running Dask scheduler", str(error)) from None
    with client:
        yield client.get_executor(pure=False)
