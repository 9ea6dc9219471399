"""Draw a figure by name: from its experiment, from a stored run, or from the caller's own data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import xarray as xr

from dynsim.errors import InvalidType, bad
from dynsim.experiments.parts.stored import STORED_ABOVE, open_dataset, result
from dynsim.plots.gallery.canvas import Canvas
from dynsim.plots.parts.style import styled
from dynsim.registry import find, listed
from dynsim.table import Table

__all__ = ["data_for", "draw", "list_figures", "plot"]


def list_figures() -> Table:
    """Table of the figures: name, one line, cost in seconds on one core, and whether a stored run serves.

    Examples
    --------
    >>> import dynsim
    >>> "article-stop" in dynsim.list_figures()["name"]
    True
    """
    rows = []
    for name, path in listed("dynsim.plots").items():
        module = import_module(path)
        experiment = find("experiment", module.EXPERIMENT, "dynsim.experiments")
        rows.append(
            {
                "name": name,
                "summary": (module.__doc__ or "").strip().split("\n")[0].rstrip("."),
                "cost": f"{experiment.COST:g} s" + (", stored" if experiment.COST >= STORED_ABOVE else ""),
                "needs": " ".join(getattr(experiment, "NEEDS", ())),
            }
        )
    return Table(rows, ("name", "summary", "cost", "needs"))


def data_for(
    name: str,
    options: Mapping[str, Any],
    *,
    recompute: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> xr.Dataset:
    """Data of a figure: what its experiment gives with the figure's own options and those of the caller."""
    module = find("figure", name, "dynsim.plots")
    return result(module.EXPERIMENT, {**module.OPTIONS, **options}, recompute=recompute, progress=progress)


def draw(name: str, data: xr.Dataset, figure: Any = None) -> Any:
    """Draw the data of a figure on `figure`, or on a new one of the figure's own size."""
    module = find("figure", name, "dynsim.plots")
    with styled():
        if figure is None:
            figure = Canvas(figsize=module.SIZE, layout="constrained")
        module.draw(data, figure)
    return figure


def plot(
    name: str,
    *,
    data: Any = None,
    figure: Any = None,
    recompute: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
    **options: Any,
) -> Any:
    """Draw a figure of the gallery.

    Parameters
    ----------
    name : str
        One of `list_figures`.
    data : xarray.Dataset or path, optional
        Your own result, or a saved one: skips the computation.
    figure : matplotlib Figure or SubFigure, optional
        Where to draw; a new figure by default.
    recompute : bool
        Run the experiment even where a stored run would serve.
    progress : callable, optional
        ``progress(done, total, what)`` during a long computation.
    **options
        Passed to the experiment: ``branch=``, ``initial={…}``, ``parameters={…}``, … as it takes them.

    Returns
    -------
    matplotlib.figure.Figure
        Or the SubFigure that was given.

    Raises
    ------
    UnknownName, InvalidValue, InvalidType
        No such figure, an option its experiment does not take, data that cannot be read.
    MissingExtra
        The figure's experiment needs an optional dependency that is not installed.

    Examples
    --------
    >>> import dynsim
    >>> figure = dynsim.plot("article-stop", parameters={"alpha": 10})
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['value']
    """
    find("figure", name, "dynsim.plots")
    if data is None:
        data = data_for(name, options, recompute=recompute, progress=progress)
    elif options:
        raise bad("options", sorted(options), "none beside data=", "options go to the experiment, which is skipped")
    elif isinstance(data, str | Path):
        data = open_dataset(data)
    elif not isinstance(data, xr.Dataset):
        raise bad("data", data, "an xarray.Dataset or the path of a saved one", kind=InvalidType)
    if figure is not None and not hasattr(figure, "subplots"):
        raise bad("figure", figure, "a matplotlib Figure or SubFigure", kind=InvalidType)
    return draw(name, data, figure)
