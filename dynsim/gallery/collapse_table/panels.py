"""How the table is drawn: fates, measures, legend."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.collapse_table.training import (
    COLLAPSED,
    GREW,
    LEFT,
    MEASURES,
    UNSURE,
    confirms,
    fate,
    left,
)
from dynsim.records import provenance

if TYPE_CHECKING:
    pass

_TITLES = {
    "spread": "spread std(z/‖z‖)·√d",
    "rankme": "RankMe",
    "norm_ratio": "‖z‖ over ‖z‖ at the start",
    "knn": "kNN accuracy, %",
}
_FATES = {  # marker, face
    "survived": ("o", COLOURS["black"]),
    "collapsed": ("o", "white"),
    "seeds differ": ("D", "#B0B0B0"),
    "grew without bound": ("^", "white"),
    "in doubt": ("s", "#E0E0E0"),
}
_SHADES = ListedColormap(colormaps["Blues_r"](np.linspace(0.05, 1.0, 128)))


def draw(data: xr.Dataset, figure: Any) -> None:
    """What becomes of every cell in each branch, a panel per predictor."""
    predictors = data["predictor"].values.tolist()
    panels = panel_row(figure, len(predictors))
    rows = _rows(data.sel(predictor=predictors[0]), ("objective", "encoder", "norm"))
    for axes, predictor in zip(panels, predictors, strict=True):
        _draw_fates(axes, data.sel(predictor=predictor), rows)
        axes.set_title(f"predictor {predictor}", pad=26)
    panels[0].set_yticks(range(len(rows)), [" · ".join(row.values()) for row in rows], fontsize=7)
    for name, (marker, face) in _FATES.items():
        panels[-1].plot([], [], marker, color=COLOURS["black"], markerfacecolor=face, label=name)
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    steps = provenance(data)["experiment"]["steps"]
    caption(
        figure,
        data,
        f"Runs of {steps} steps, each judged by spread, RankMe, norm and kNN. ✓: "
        f"stop survives, full and target collapse, in all {data.sizes['seed']} seeds",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """One heat map per measure, columns are branches; on the right what becomes of each branch, per predictor."""
    predictors = data["predictor"].values.tolist()
    shown = data.sel(predictor=predictors[0])
    main, below = _rows(shown, ("objective", "encoder", "norm")), _rows(shown, ("encoder", "norm"))
    has_reference = "reference" in data.dims
    grid = figure.subplots(
        2,
        len(MEASURES) + len(predictors),
        width_ratios=[3.0] * len(MEASURES) + [1.55] * len(predictors),
        height_ratios=[len(main), len(below) + 0.8],
        squeeze=False,
    )
    for axes, name in zip(grid[0], MEASURES, strict=False):
        _heat_map(axes, shown[name], left(shown, name), main, "branch", name)
        axes.set_title(_TITLES[name])
    for axes, predictor in zip(grid[0, len(MEASURES) :], predictors, strict=True):
        _draw_fates(axes, data.sel(predictor=predictor), main)
        axes.set_title(f"predictor {predictor}")
    for axes, name in zip(grid[1], MEASURES, strict=False):
        start = data[f"start_{name}"].expand_dims(reference=["start"])
        values, share = start, xr.ones_like(start)
        if has_reference:
            values = xr.concat([start, data[f"reference_{name}"]], "reference")
            share = xr.concat([share, left(data, name, "reference_")], "reference")
        _heat_map(axes, values, share, below, "reference", name)
    for axes in grid[1, len(MEASURES) :]:
        axes.set_axis_off()
    if has_reference:
        axes = grid[1, len(MEASURES)]
        axes.set_axis_on()
        _mark(axes, fate(data, "reference_"), below, "reference")
    _label_rows(grid[0, 0], main)
    _label_rows(grid[1, 0], below)
    _legend(grid[1, -1])
    about = provenance(data)
    ", ".join(f"{name} {rate:g}" for name, rate in about["learning_rates"].items())
    caption(
        figure,
        data,
        "Numbers: mean ± half the range over seeds, on augmented test images; shade: share of the start "
        "that is left. ✓: stop survives, full and target collapse, in every seed",
    )


def _rows(data: xr.Dataset, dims: tuple[str, ...]) -> list[dict[str, str]]:
    """Labels of every row, the last dimension fastest."""
    shape = [data.sizes[dim] for dim in dims]
    return [
        {dim: str(data[dim].values[i]) for dim, i in zip(dims, index, strict=True)} for index in np.ndindex(*shape)
    ]


def _heat_map(
    axes: Any, values: xr.DataArray, share: xr.DataArray, rows: list[dict[str, str]], columns: str, name: str
) -> None:
    names = values[columns].values.tolist()
    for i, row in enumerate(rows):
        for j, column in enumerate(names):
            cell = {**row, columns: column}
            numbers, kept = values.sel(cell).values, share.sel(cell).values
            finite = np.isfinite(numbers)
            shade = float(np.clip(kept[finite].mean(), 0, 1)) if finite.all() else np.nan
            colour = _SHADES(shade) if finite.all() else "white"
            axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=colour, edgecolor="white", linewidth=0.5))
            lost = finite.all() and (kept < LEFT).all()
            axes.text(
                j, i, _number(numbers, name), ha="center", va="center", fontsize=7 if len(names) < 4 else 5.6,
                color="white" if shade < 0.5 else "black", fontweight="bold" if lost else "normal",
            ).set_in_layout(False)  # fmt: skip
    _frame(axes, rows, names)
    if columns == "branch":
        for label in axes.get_xticklabels():
            label.set_color(BRANCH_STYLE[label.get_text()]["color"])


def _number(numbers: np.ndarray, name: str) -> str:
    if not np.isfinite(numbers).all():
        return "∞"
    factor = 100 if name == "knn" else 1
    mean, half = factor * float(numbers.mean()), factor * float(np.ptp(numbers)) / 2
    digits = 0 if mean >= 20 or name == "knn" else 1 if mean >= 2 else 2
    return f"{mean:.{digits}f} ±{half:.{digits}f}".replace("±0.", "±.")


def _frame(axes: Any, rows: list[dict[str, str]], names: Iterable[str]) -> None:
    names = list(names)
    axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.set_xticks(range(len(names)), names, fontsize=7.5 if len(names) < 4 else 6)
    axes.set_yticks([])
    axes.tick_params(length=0, pad=1)
    axes.xaxis.tick_top()
    axes.grid(False)
    axes.spines[:].set_visible(False)
    for i in range(1, len(rows)):
        changed = [key for key in rows[i] if key != "norm" and rows[i][key] != rows[i - 1][key]]
        if changed:
            axes.axhline(i - 0.5, color="black", linewidth=1.4 if "objective" in changed else 0.5)


def _label_rows(axes: Any, rows: list[dict[str, str]]) -> None:
    """Normalisation at every row, encoder and loss once per group."""
    axes.set_yticks(range(len(rows)), [row["norm"] for row in rows])
    for key, x, size in (("encoder", -0.36, 8.5), ("objective", -0.62, 10)):
        if key not in rows[0]:
            continue
        groups: list[list[int]] = []
        for i, row in enumerate(rows):
            outer = {name: row[name] for name in ("objective", key) if name in row}
            if groups and all(rows[groups[-1][-1]][name] == value for name, value in outer.items()):
                groups[-1].append(i)
            else:
                groups.append([i])
        for group in groups:
            weight = "bold" if key == "objective" else "normal"
            axes.annotate(
                rows[group[0]][key],
                (x, (group[0] + group[-1]) / 2),
                xycoords=("axes fraction", "data"),
                ha="center",
                va="center",
                fontsize=size,
                rotation=90,
                fontweight=weight,
            )


def _draw_fates(axes: Any, data: xr.Dataset, rows: list[dict[str, str]]) -> None:
    fates = fate(data)
    _mark(axes, fates, rows, "branch")
    confirmed = confirms(fates)
    count = data.sizes["branch"]
    axes.set_xlim(-0.5, count + 0.5)
    axes.set_xticks(range(count + 1), [*data["branch"].values, ""], fontsize=7)
    for label in axes.get_xticklabels()[:count]:
        label.set_color(BRANCH_STYLE[label.get_text()]["color"])
        label.set_rotation(40)
    for i, row in enumerate(rows):
        if bool(confirmed.sel(row)):
            axes.text(count, i, "✓", ha="center", va="center", fontweight="bold")


def _mark(axes: Any, fates: xr.DataArray, rows: list[dict[str, str]], columns: str) -> None:
    names = fates[columns].values.tolist()
    for i, row in enumerate(rows):
        for j, column in enumerate(names):
            marker, face = _FATES[_word(fates.sel({**row, columns: column}).values)]
            axes.plot(j, i, marker, color=COLOURS["black"], markerfacecolor=face, markersize=6, markeredgewidth=1)
    _frame(axes, rows, names)
    for label in axes.get_xticklabels():
        label.set_rotation(40)


def _word(fates: np.ndarray) -> str:
    if (fates == GREW).any():
        return "grew without bound"
    if (fates == COLLAPSED).all():
        return "collapsed"
    if (fates == COLLAPSED).any():
        return "seeds differ"
    return "in doubt" if (fates == UNSURE).any() else "survived"


def _legend(axes: Any) -> None:
    for name, (marker, face) in _FATES.items():
        axes.plot([], [], marker, color=COLOURS["black"], markerfacecolor=face, markersize=6, label=name)
    axes.legend(loc="upper left", borderaxespad=0, handletextpad=0.2)
    scale = axes.inset_axes((0.06, 0.12, 0.8, 0.07))
    scale.imshow(np.linspace(0, 1, 128)[None], aspect="auto", cmap=_SHADES, extent=(0, 1, 0, 1))
    scale.axvline(LEFT, color="white", linewidth=1.2)
    scale.set_xticks([0, LEFT, 1], ["0", "⅓", "≥ 1"], fontsize=7)
    scale.set_yticks([])
    scale.grid(False)
    scale.set_title("share left", pad=2)
