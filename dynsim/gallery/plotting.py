"""Draw a figure by name: from what it computes, from its stored run, or from stored data of its own."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import xarray as xr

from dynsim.drawing.canvas import Canvas
from dynsim.drawing.style import styled
from dynsim.errors import InvalidType, bad, unknown
from dynsim.gallery.catalogue import FIGURES
from dynsim.gallery.figure import STORED_ABOVE
from dynsim.progress import Progress
from dynsim.storage import open_dataset

__all__ = ["data_for", "drawn", "plot", "stored_file"]


def stored_file(name: str) -> Path:
    """Where the stored run of a figure lies."""
    return Path(str(files("dynsim.gallery"))) / "data" / f"{name}.nc"


def data_for(
    name: str,
    options: Mapping[str, Any],
    *,
    recompute: bool = False,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Data of a figure: computed, or read from its stored run where it is costly and no option is given.

    Raises
    ------
    UnknownName
        No such figure, or an option that it does not take.
    """
    figure = FIGURES[name]
    known = figure.options
    for key in options:
        if key not in known and not figure.takes_more:
            raise unknown(f"option of '{name}'", key, tuple(known))
    stored = stored_file(name)
    if figure.cost >= STORED_ABOVE and not options and not recompute and stored.exists():
        return open_dataset(stored).assign_attrs(stored_run=1)
    return figure.compute(progress=progress, **options)


def drawn(name: str, data: xr.Dataset, figure: Any = None) -> Any:
    """Draw the data of a figure on `figure`, or on a new one of the figure's own size."""
    about = FIGURES[name]
    with styled():
        if figure is None:
            figure = Canvas(figsize=about.size, layout="constrained")
        about.draw(data, figure)
    return figure


def plot(
    name: str,
    *,
    data: Any = None,
    figure: Any = None,
    recompute: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Any:
    """Draw a figure of the gallery.

    Parameters
    ----------
    name : str
        One of `list_figures`.
    data : xarray.Dataset or path, optional
        What this figure computed before, or a file of it: skips the computation. For results of your own, see `draw`.
    figure : matplotlib Figure or SubFigure, optional
        Where to draw; a new figure by default.
    recompute : bool
        Compute even where a stored run would serve.
    progress : callable, optional
        ``progress(done, total, what)`` during a long computation.
    **options
        Passed to what the figure computes: ``branch=``, ``initial={…}``, ``parameters={…}``, … as it takes them.

    Returns
    -------
    matplotlib.figure.Figure
        Or the SubFigure that was given.

    Raises
    ------
    UnknownName, InvalidValue, InvalidType
        No such figure, an option it does not take, data that cannot be read.
    MissingExtra
        The figure needs an optional dependency that is not installed.

    Examples
    --------
    >>> import dynsim
    >>> figure = dynsim.plot("article-stop", parameters={"alpha": 10})
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['value']
    """
    FIGURES[name]
    if data is None:
        data = data_for(name, options, recompute=recompute, progress=progress)
    elif options:
        raise bad("options", sorted(options), "none beside data=", "options go to the computation, which is skipped")
    elif isinstance(data, str | Path):
        data = open_dataset(data)
    elif not isinstance(data, xr.Dataset):
        raise bad("data", data, "an xarray.Dataset or the path of a saved one", kind=InvalidType)
    if figure is not None and not hasattr(figure, "subplots"):
        raise bad("figure", figure, "a matplotlib Figure or SubFigure", kind=InvalidType)
    return drawn(name, data, figure)
