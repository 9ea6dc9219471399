"""Arrays with names as xarray holds them, made without asking whose arrays they are.

For data of unknown kind xarray looks at what other libraries of arrays there are, and thereby imports Dask wherever
it is installed: a third of a second, in which a command has its figure drawn. What is an array of NumPy's already is
not asked about.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

__all__ = ["coordinates", "variable"]


def variable(dims: Any, values: Any, attributes: Mapping[Any, Any] | None = None) -> xr.Variable:
    """Variable of numbers or text; an array is not copied.

    Examples
    --------
    >>> from dynsim.integrate.variables import variable
    >>> variable("time", [0.0, 0.5]).sizes["time"], float(variable((), 2))
    (2, 2.0)
    """
    return xr.Variable(dims, np.asarray(values), attributes, fastpath=True)


def coordinates(variables: Mapping[Any, xr.Variable]) -> xr.Coordinates:
    """Coordinates of a Dataset, with an index for each that lies along a dimension of its own name.

    Examples
    --------
    >>> import xarray
    >>> from dynsim.integrate.variables import coordinates, variable
    >>> time = variable("time", [0.0, 0.5], {"long_name": "flow time"})
    >>> data = xarray.Dataset({"x": variable("time", [1.0, 0.6])}, coordinates({"time": time}))
    >>> float(data["x"].sel(time=0.5)), data["time"].attrs["long_name"]
    (0.6, 'flow time')
    """
    found: dict[Hashable, xr.Variable] = dict(variables)
    indexes: dict[Hashable, xr.Index] = {}
    for name, item in variables.items():
        if item.dims == (name,):
            labels = item.to_index() if isinstance(item, xr.IndexVariable) else pd.Index(item.values)
            index = indexes[name] = xr.indexes.PandasIndex(labels, name, coord_dtype=item.dtype)
            found |= index.create_variables({name: item})
    return xr.Coordinates(found, indexes=indexes)
