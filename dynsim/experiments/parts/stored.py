"""Stored runs of the costlier experiments: shipped with the package, made by the same code."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.resources import files
from inspect import Parameter, signature
from pathlib import Path
from types import ModuleType
from typing import Any

import xarray as xr

from dynsim.errors import bad, unknown
from dynsim.registry import find

__all__ = ["STORED_ABOVE", "open_dataset", "result", "save_dataset", "stored_file", "takes"]

# Bare `dynsim plot` computes what costs less than this many seconds and redraws the rest from its stored run.
STORED_ABOVE = 60.0


def stored_file(name: str) -> Path:
    """Where the stored run of an experiment lies."""
    return Path(str(files("dynsim.experiments"))) / "data" / f"{name}.nc"


def open_dataset(path: Any) -> xr.Dataset:
    """Read a Dataset from a netCDF file into memory.

    Raises
    ------
    InvalidValue
        No such file, or no netCDF file.
    """
    try:
        with xr.open_dataset(Path(path), engine="h5netcdf") as dataset:
            return dataset.load()
    except FileNotFoundError:
        raise bad("data", str(path), "an existing netCDF file") from None
    except (OSError, ValueError) as error:
        raise bad("data", str(path), "a netCDF file written by dynsim", str(error).split("\n")[0]) from error


def save_dataset(dataset: xr.Dataset, path: Any, *, compress: bool = False) -> Path:
    """Write a Dataset to netCDF under a temporary name and rename it, so that no half-written file is left."""
    path = Path(path)
    numbers = [name for name, values in dataset.data_vars.items() if values.ndim and values.dtype.kind in "fiub"]
    encoding = {name: {"zlib": True} for name in numbers} if compress else {}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        dataset.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def result(
    name: str,
    options: Mapping[str, Any],
    *,
    recompute: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> xr.Dataset:
    """Result of an experiment: computed, or redrawn from its stored run when it is costly and no option is given.

    Parameters
    ----------
    name : str
        Name of the experiment, as its file is listed.
    options : mapping
        Passed to its ``run``.
    recompute : bool
        Compute even where a stored run would serve.
    progress : callable, optional
        ``progress(done, total, what)``.

    Raises
    ------
    UnknownName
        An option that the experiment does not take.
    """
    module = find("experiment", name, "dynsim.experiments")
    _check(module, name, options)
    stored = stored_file(name)
    if stored.exists() and not recompute and not options and module.COST >= STORED_ABOVE:
        return open_dataset(stored).assign_attrs(stored_run=1)
    return module.run(progress=progress, **options)


def takes(name: str, option: str) -> bool:
    """Whether an experiment has this option by name.

    Examples
    --------
    >>> from dynsim.experiments.parts.stored import takes
    >>> takes("prior", "full"), takes("trajectory", "full")
    (True, False)
    """
    return option in _named(find("experiment", name, "dynsim.experiments"))[0]


def _check(module: ModuleType, name: str, options: Mapping[str, Any]) -> None:
    named, more = _named(module)
    for key in options:
        if key not in named and not more:
            raise unknown(f"option of '{name}'", key, named)


def _named(module: ModuleType) -> tuple[list[str], bool]:
    """Options that an experiment has by name, and whether it takes more: fields of an Experiment, checked there."""
    parameters = signature(module.run).parameters.values()
    named = [each.name for each in parameters if each.kind is not Parameter.VAR_KEYWORD and each.name != "progress"]
    return named, any(each.kind is Parameter.VAR_KEYWORD for each in parameters)
