"""Draw a figure by name: from what it computes, from its stored run, or from stored data of its own."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import xarray as xr

from dynsim.arguments import a_switch
from dynsim.drawing.canvas import Canvas
from dynsim.drawing.style import Size, check_size, styled
from dynsim.drawing.words import captions, title, typeset
from dynsim.errors import DynsimError, InvalidType, bad, unknown
from dynsim.gallery.catalogue import FIGURES
from dynsim.gallery.figure import Figure
from dynsim.progress import Progress
from dynsim.storage import open_dataset

__all__ = ["data_for", "drawn", "given", "plot", "stored_file"]


def stored_file(name: str) -> Path:
    """Where the stored run of a figure lies."""
    return Path(str(files("dynsim.gallery"))) / "data" / f"{FIGURES[name].run or name}.nc"


def given(figure: Figure, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as the figure takes them: parameters and starts that it has as options of their own become these.

    Raises
    ------
    UnknownName
        The figure has no such option, parameter or state.

    Examples
    --------
    >>> from dynsim.gallery.catalogue import FIGURES
    >>> from dynsim.gallery.plotting import given
    >>> given(FIGURES["basins"], {"parameters": {"alpha": 2.0}})
    {'alpha': 2.0}
    """
    known = figure.options
    found: dict[str, Any] = {}
    for key, value in options.items():
        if key in known:
            found[key] = _several(known[key], value)
        elif key in ("parameters", "initial") and isinstance(value, Mapping):
            single = [name for name, default in known.items() if isinstance(default, int | float | str | tuple | None)]
            for name, one in value.items():
                if name not in single and not figure.takes_more:
                    what = "parameter" if key == "parameters" else "starting value"
                    raise unknown(f"{what} of figure '{figure.name}'", str(name), tuple(single))
                found[name] = _several(known.get(name), one)
        elif figure.takes_more:
            found[key] = value
        else:
            raise unknown(f"option of figure '{figure.name}'", key, tuple(known))
    return found


def _several(default: Any, value: Any) -> Any:
    """One number where a figure takes several is a list of one."""
    return (value,) if isinstance(default, tuple) and isinstance(value, int | float | str) else value


def data_for(
    name: str,
    options: Mapping[str, Any],
    *,
    recompute: bool = False,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Data of a figure: computed, or read from its stored run where it has one and no option is given.

    Raises
    ------
    UnknownName
        No such figure, or an option that it does not take.
    """
    figure = FIGURES[name]
    chosen = given(figure, options)
    stored = stored_file(name)
    if figure.from_store and not chosen and not recompute and stored.exists():
        return open_dataset(stored).assign_attrs(stored_run=1)
    try:
        return figure.compute(progress=progress, **chosen).assign_attrs(figure=name)
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        if isinstance(error, DynsimError) or not chosen:
            raise
        told = ", ".join(f"{key}={value!r}" for key, value in chosen.items())
        reason = " ".join(str(error).split())[:120]
        raise bad(f"options of figure '{name}'", told, "values for which it can be computed", reason) from error


def drawn(
    name: str,
    data: xr.Dataset,
    figure: Any = None,
    *,
    size: Size = "text",
    width: float | None = None,
    full: bool = False,
    caption: bool = True,
) -> Any:
    """Draw the data of a figure, its verdict as the title, on `figure` or on a new one."""
    about = FIGURES[name]
    with styled(size), captions(caption):
        if figure is None:
            figure = Canvas(figsize=about.size(size, full=full, width=width), layout="constrained")
        try:
            headline = about.verdict(data).headline
            (about.draw_full or about.draw if full else about.draw)(data, figure)
        except (KeyError, AttributeError, IndexError, TypeError, ValueError) as error:
            if isinstance(error, DynsimError) or data.attrs.get("figure") == name or data.attrs.get("stored_run"):
                raise
            reason = " ".join(str(error).split())[:120]
            advice = f"it lacks {reason}; dynsim.draw draws any result of dynsim"
            raise bad("data", f"other data than figure '{name}' computes", "its own", advice) from error
        typeset(figure)
        title(figure, headline)
    return figure


def plot(
    name: str,
    *,
    data: Any = None,
    figure: Any = None,
    size: Size = "text",
    width: float | None = None,
    full: bool = False,
    caption: bool = True,
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
        What this figure computed before, or a file of it: skips the computation. For other results, see `draw`.
    figure : matplotlib Figure or SubFigure, optional
        Where to draw; a new figure by default.
    size : {"text", "column", "slide"}
        Of a new figure: 7 or 3.5 inches wide with text of at least 7 points, or for a slide.
    width : float, optional
        Inches, instead of the width of the size.
    full : bool
        All panels instead of the front, and the larger computation where a figure has one.
    caption : bool
        Say under the figure how it is read and with what settings it was made.
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
        No such figure, an option it does not take, data that cannot be read or are not its own.
    MissingExtra
        The figure needs an optional dependency that is not installed.

    See Also
    --------
    draw : any Dataset that dynsim returned.

    Examples
    --------
    >>> import dynsim
    >>> figure = dynsim.plot("article-stop", parameters={"alpha": 10})
    >>> figure.get_suptitle()
    'With stop-gradient: θ → 0.272, the encoder survives'
    """
    about = FIGURES[name]
    check_size(size)
    full, caption, recompute = (
        a_switch(word, value) for word, value in (("full", full), ("caption", caption), ("recompute", recompute))
    )
    if figure is not None and not hasattr(figure, "subplots"):
        raise bad("figure", figure, "a matplotlib Figure or SubFigure", kind=InvalidType)
    if width is not None and not (isinstance(width, int | float) and 1 <= width <= 100):
        raise bad("width", width, "1 to 100 inches")
    if data is None:
        if full and "full" in about.options:
            options["full"] = True
        data = data_for(name, options, recompute=recompute, progress=progress)
    elif options:
        raise bad("options", sorted(options), "none beside data=", "options go to the computation, which is skipped")
    elif isinstance(data, str | Path):
        data = open_dataset(data)
    elif not isinstance(data, xr.Dataset):
        raise bad("data", data, "an xarray.Dataset or the path of a saved one", kind=InvalidType)
    return drawn(name, data, figure, size=size, width=width, full=full, caption=caption)
