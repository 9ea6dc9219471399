"""Draw whatever Dataset a public function returned, from what the Dataset says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from dynsim.arguments import a_word
from dynsim.drawing import branches, measures, planes, runs
from dynsim.drawing.canvas import Canvas
from dynsim.drawing.style import SIZES, Size, check_size, styled
from dynsim.errors import InvalidType, InvalidValue, bad
from dynsim.storage import open_dataset

__all__ = ["KINDS", "Kind", "draw", "kind_of", "missing"]


@dataclass(frozen=True)
class Kind:
    """One kind of Dataset: how it is drawn, and what it must have.

    Parameters
    ----------
    draw : callable
        ``draw(data, axes)``.
    needs : sequence of str
        Variables, coordinates or dimensions without which it is not of this kind; ``a|b`` is either, ``a_*`` any
        that begins so.
    panels : callable, optional
        ``panels(data)``: what each panel of a figure of its own shows, passed on as the third argument of `draw`.
    """

    draw: Callable[..., None]
    needs: tuple[str, ...]
    panels: Callable[[xr.Dataset], list[str]] | None = None


# From the most particular to the most general: a Dataset without a kind is the first that it has everything for.
KINDS: dict[str, Kind] = {
    "portrait": Kind(planes.draw_portrait, ("x", "y", "velocity_x", "velocity_y")),
    "basins": Kind(planes.draw_basins, ("attractor",)),
    "separatrices": Kind(planes.draw_separatrix_set, ("separatrix", "manifold")),
    "hopf-curve": Kind(branches.draw_hopf_curve, ("attribute:pair", "along", "hopf_frequency")),
    "fold-curve": Kind(branches.draw_fold_curve, ("attribute:pair", "along")),
    "branches": Kind(branches.draw_branches, ("attribute:parameter", "branch", "stable"), branches.branch_panels),
    "timescales": Kind(measures.draw_timescales, ("time", "relative_speed_ratio|absolute_speed_ratio|time90_*")),
    "conservation": Kind(measures.draw_conservation, ("time", "drift")),
    "collapse-fraction": Kind(branches.draw_collapse_fraction, ("collapse_fraction",)),
    "resilience": Kind(planes.draw_resilience, ("fatal_shock",)),
    "features": Kind(measures.draw_features, ("survives", "reliability|lambda_d")),
    "cycles": Kind(planes.draw_cycles, ("cycle|phase", "period")),
    "equilibria": Kind(planes.draw_equilibria, ("equilibrium|point", "kind")),
    "noise": Kind(runs.draw_noise, ("seed", "time|escape_time", "attribute:flow")),
    "training": Kind(
        measures.draw_training,
        ("step", "spread|norm_ratio|rankme|knn|loss", "seed|attribute:experiment|attribute:every"),
        measures.training_panels,
    ),
    "study": Kind(measures.draw_study, ("attribute:study",)),
    "optimise": Kind(runs.draw_optimise, ("step", "attribute:flow")),
    "ensemble": Kind(runs.draw_ensemble, ("status", "attribute:flow", "attribute:initial")),
    "run": Kind(runs.draw_run, ("time",)),
}


def draw(data: Any, *, kind: str | None = None, ax: Any = None, figure: Any = None, size: Size = "column") -> Any:
    """Draw a result of dynsim: whatever Dataset a public function returned, fresh or from a file.

    Parameters
    ----------
    data : xarray.Dataset, path or result
        A Dataset of `solve`, `ensemble`, `optimise`, `portrait`, `basins`, `separatrices`, `timescales`,
        `conservation`, `fold_curve`, `hopf_curve`, ``networks.train``, a study, …; the path of a netCDF file or Zarr
        folder; or a result that has a ``dataset``, as those of `equilibria` and `continuation` do.
    kind : str, optional
        One of ``run ensemble optimise portrait basins equilibria separatrices branches fold-curve hopf-curve
        timescales conservation training features study noise cycles resilience collapse-fraction``; by default what
        the attribute `kind` says, and without it what the variables say.
    ax : matplotlib Axes, optional
        Where to draw, in the style that is current. What would have several panels shows its first there.
    figure : matplotlib Figure or SubFigure, optional
        Where to draw; by default a new figure, which needs no pyplot and shows itself in a notebook.
    size : {"column", "text", "slide"}
        Of a new figure: 3.5 or 7 inches wide with text of at least 7 points, or for a slide.

    Returns
    -------
    matplotlib.figure.Figure
        That was drawn on.

    Raises
    ------
    InvalidValue
        The Dataset lacks variables of its kind, which are named, or is of no kind that can be drawn.
    InvalidType
        Neither a Dataset nor a path nor a result.
    UnknownName
        No such kind or size.

    See Also
    --------
    plot : a named figure of the gallery.

    Examples
    --------
    >>> import dynsim
    >>> run = dynsim.solve(dynsim.system("toy"), {"phi": 0.6, "theta": 0.1}, 30.0)
    >>> figure = dynsim.draw(run)
    >>> figure.axes[0].get_xlabel()
    'flow time t'
    """
    check_size(size)
    if ax is not None and not isinstance(ax, Axes):
        raise bad("ax", ax, "a matplotlib Axes", kind=InvalidType)
    if figure is not None and not hasattr(figure, "subplots"):
        raise bad("figure", figure, "a matplotlib Figure or SubFigure", kind=InvalidType)
    if ax is not None and figure is not None:
        raise bad("figure", figure, "no figure beside ax=", "give one of the two")
    dataset = _dataset(data)
    found = kind_of(dataset, kind)
    if ax is not None:
        _draw_on(found, dataset, ax)
        return ax.figure
    with styled(size):
        wanted = KINDS[found].panels
        panels = wanted(dataset) if wanted else []
        count = max(1, len(panels))
        if figure is None:
            figure = Canvas(figsize=_own_size(size, count), layout="constrained")
        rows, columns = (count, 1) if size == "column" else (1, count)
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for index, axes in enumerate(grid):
            _draw_on(found, dataset, axes, *panels[index : index + 1])
    return figure


def kind_of(data: xr.Dataset, kind: str | None = None) -> str:
    """Kind of a Dataset: the one given, the one it says, or the first that it has everything for.

    Raises
    ------
    UnknownName, InvalidValue

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.drawing.dispatch import kind_of
    >>> kind_of(dynsim.portrait(dynsim.system("toy")))
    'portrait'
    """
    said = data.attrs.get("kind") if kind is None else kind
    if said is not None:
        said = a_word("kind", said, tuple(KINDS))
        lacks = missing(data, said)
        if lacks:
            raise bad("data", _what(data), f"a Dataset of kind '{said}'", f"it has no {', no '.join(lacks)}")
        return said
    for name in KINDS:
        if missing(data, name) or (name == "run" and not runs.states_of(data)):
            continue
        # A run has a status as an ensemble has, but nothing beside the time to tell its members apart.
        return "run" if name == "ensemble" and set(data.dims) == {"time"} and not data["status"].dims else name
    nearest = min(KINDS, key=lambda name: len(missing(data, name)) / len(KINDS[name].needs))
    lacks = missing(data, nearest) or ["states over time"]
    advice = f"for the nearest kind, '{nearest}', it has no {', no '.join(lacks)}"
    raise bad("data", _what(data), "what a public function of dynsim returned", advice)


def missing(data: xr.Dataset, kind: str) -> list[str]:
    """What a Dataset lacks to be of a kind."""
    return [_spoken(need) for need in KINDS[kind].needs if not any(_has(data, one) for one in need.split("|"))]


def _has(data: xr.Dataset, need: str) -> bool:
    if need.startswith("attribute:"):
        return need.removeprefix("attribute:") in data.attrs
    if need.endswith("*"):
        return any(str(name).startswith(need[:-1]) for name in data.variables)
    return need in data.variables or need in data.dims


def _spoken(need: str) -> str:
    return " or ".join(
        f"attribute '{one.removeprefix('attribute:')}'" if one.startswith("attribute:") else f"'{one}'"
        for one in need.split("|")
    )


def _what(data: xr.Dataset) -> str:
    names = [str(name) for name in (*data.data_vars, *data.coords)]
    more = f", … ({len(names)} in all)" if len(names) > 6 else ""
    return f"a Dataset with {', '.join(names[:6]) or 'no variables'}{more}"


def _dataset(data: Any) -> xr.Dataset:
    if isinstance(data, xr.Dataset):
        complex_ones = [str(name) for name, one in data.variables.items() if one.dtype.kind == "c"]
        if complex_ones:
            raise bad("data", f"complex numbers in {complex_ones[0]}", "a Dataset of real numbers")
        return data
    if isinstance(data, str | Path):
        return open_dataset(data)
    inner = getattr(data, "dataset", None)
    if isinstance(inner, xr.Dataset):
        return inner
    raise bad("data", data, "an xarray.Dataset, the path of one or a result that has a dataset", kind=InvalidType)


def _draw_on(kind: str, data: xr.Dataset, axes: Any, *panel: str) -> None:
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # as in Canvas.draw
            KINDS[kind].draw(data, axes, *panel)
    except (KeyError, IndexError, StopIteration, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, InvalidValue):
            raise
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise bad("data", _what(data), f"a whole Dataset of kind '{kind}'", f"damaged or cut: {reason}") from error


def _own_size(size: str, panels: int) -> tuple[float, float]:
    width = SIZES[size][0]
    if size == "column":
        return width, 2.3 * panels + 0.2
    return width, 0.42 * width if panels > 1 else 0.55 * width
