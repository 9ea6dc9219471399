"""What made a Dataset: written into its attributes, and read back from them."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from dynsim.errors import InvalidType, bad

if TYPE_CHECKING:
    import xarray

__all__ = ["as_json", "plain_attributes", "provenance", "stamp", "versions"]

_LIBRARIES = ("dynsim", "numpy", "scipy", "sympy", "xarray")


@cache
def _version(library: str) -> str | None:
    if library == "dynsim":
        from dynsim import __version__

        return __version__
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def versions(*more: str) -> dict[str, str]:
    """Versions of Python and of the libraries a result depends on.

    Examples
    --------
    >>> from dynsim.records import versions
    >>> sorted(versions())[:2]
    ['dynsim', 'numpy']
    """
    found = {library: _version(library) for library in (*_LIBRARIES, *more)}
    return {"python": platform.python_version(), **{name: v for name, v in found.items() if v}}


def as_json(value: Any) -> str:
    """JSON text of plain data; NumPy numbers and arrays become numbers and lists, anything else its text."""
    return _ENCODER.encode(value)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


_ENCODER = json.JSONEncoder(sort_keys=True, default=_plain)


def stamp(dataset: xarray.Dataset, *more_libraries: str, **attributes: Any) -> xarray.Dataset:
    """Write provenance into the attributes of a Dataset, in place, and return it.

    Strings, integers and floats are stored as they are; everything else as JSON text. `versions` is added.

    Parameters
    ----------
    dataset : xarray.Dataset
    *more_libraries : str
        Further libraries whose version matters, such as "torch".
    **attributes
        What made the Dataset: flow, parameters, method, …

    Examples
    --------
    >>> import dynsim, xarray
    >>> from dynsim.records import stamp
    >>> dataset = stamp(xarray.Dataset(), method="DOP853", parameters={"alpha": 1.0})
    >>> dataset.attrs["parameters"]
    '{"alpha": 1.0}'
    >>> dynsim.provenance(dataset)["parameters"]
    {'alpha': 1.0}
    """
    dataset.attrs.update(plain_attributes(*more_libraries, **attributes))
    return dataset


def plain_attributes(*more_libraries: str, **attributes: Any) -> dict[str, str | int | float]:
    """Attributes as `stamp` writes them, for a Dataset that is yet to be made."""
    found = {name: v if type(v) in (str, float, int) else _plain_attribute(v) for name, v in attributes.items()}
    return {**found, "versions": _versions_text(more_libraries)}


_ATTRIBUTE = (str, int, float)


def _plain_attribute(value: Any) -> str | int | float:
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, _ATTRIBUTE) else as_json(value)


@cache
def _versions_text(more_libraries: tuple[str, ...]) -> str:
    return as_json(versions(*more_libraries))


def provenance(dataset: xarray.Dataset) -> dict[str, Any]:
    """Read back what made a Dataset; nested attributes, stored as JSON text, are decoded.

    Parameters
    ----------
    dataset : xarray.Dataset
        A result of dynsim, fresh or read from a file.

    Returns
    -------
    dict
        For instance ``flow`` (equations, branch, source), ``parameters``, ``initial``, ``versions``.

    Raises
    ------
    InvalidType
        If it is no Dataset.

    See Also
    --------
    draw : what reads it.

    Examples
    --------
    >>> import dynsim
    >>> run = dynsim.solve(dynsim.system("toy"), {"phi": 0.6, "theta": 0.1}, 1.0)
    >>> dynsim.provenance(run)["initial"]
    {'phi': 0.6, 'theta': 0.1}
    """
    if not hasattr(dataset, "attrs"):
        raise bad("dataset", dataset, "an xarray.Dataset made by dynsim", kind=InvalidType)
    return {name: _decoded(value) for name, value in dataset.attrs.items()}


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in "[{" and value:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
