"""Where stop-gradient does not save the network: four measures, none of which sees all, and what the toy foretold."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.experiments.counter_examples import LEAST_SHARE, SIZES, alarms
from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS
from dynsim.records import provenance

EXPERIMENT = "counter-examples"
OPTIONS: dict[str, Any] = {}
SIZE = (12.0, 8.2)

_PANELS = (
    ("spread", "spread std(z/|z|)·√d", "linear"),
    ("rankme", "RankMe", "linear"),
    ("norm_ratio", "norm of z / norm at start", "log"),
    ("knn", "kNN accuracy (augmented)", "linear"),
)
_SMALLEST = 1e-3  # sizes below are drawn here


def draw(data: xr.Dataset, figure: Any) -> None:
    """One row per setting, one panel per measure; on the left what the toy says."""
    panels = figure.subplots(1, 5, sharey=True, width_ratios=(0.42, 1, 1, 1, 1))
    linear = int((data["network"] == "linear").sum())
    rows = np.arange(data.sizes["setting"]) + 1.2 * (np.arange(data.sizes["setting"]) >= linear)
    alarm = alarms(data)
    failed = alarm.any("measure").values
    _draw_toy(data, panels[0], rows, failed)
    for axes, (name, title, scale) in zip(panels[1:], _PANELS, strict=True):
        _draw_measure(data, axes, rows, name, alarm.sel(measure=name).values)
        axes.set(xscale=scale)
        axes.set_title(title, fontsize=10)
    panels[1].set_xlim(-0.05, 1.05)
    panels[3].set_xlim(_SMALLEST / 1.6, None)
    labels = [str(name).split(": ", 1)[1] for name in data["setting"].values]
    panels[0].set_yticks(rows, labels, fontsize=8.5)
    panels[0].set_ylim(rows[-1] + 0.7, -1.9)
    for row, words in ((-0.95, "linear network"), (linear + 0.35, "hidden layer")):
        panels[0].annotate(words, (-0.03, row), xycoords=("axes fraction", "data"), ha="right", va="center",
                           fontsize=9.5, fontweight="bold", annotation_clip=False)  # fmt: skip
    panels[4].plot([], [], "o", color=COLOURS["grey"], mfc="white", ms=5, label="start")
    panels[4].plot([], [], "o", color=COLOURS["blue"], ms=6, label="end")
    panels[4].plot([], [], "s", color=COLOURS["vermilion"], ms=6, label="end, alarm")
    panels[4].plot([], [], "+", color=COLOURS["black"], ms=8, mew=1.5, label="matrix flow")
    panels[4].plot([], [], "x", color=COLOURS["green"], ms=6, mew=1.5, label="modes one by one")
    panels[4].legend(fontsize=7.5, loc="center right", bbox_to_anchor=(1.0, 0.245))
    about = provenance(data)
    caption(
        figure,
        data,
        "Stop-gradient everywhere. Linear: 32 features, squared error, noise σ² = "
        f"{about['sigma2']:g}, SGD lr 0.01, momentum 0.9, {about['linear_steps']} steps, no decay unless said; "
        "crosses: what the matrix equations, and every direction of the data by its scalar equation alone, make of "
        "the same start. Hidden layer: MLP with batch norm (BN), MLP predictor with BN, cosine loss, "
        f"{about['steps']} steps of lr {about['experiment']['lr']:g} (squared error 0.02), "
        f"{about['experiment']['data']}, every augmentation",
        f"Alarm: spread or RankMe below {LEAST_SHARE:.0%} of the start, norm below 1/{1 / SIZES[0]:.0f} or above "
        f"{SIZES[1]:g}, kNN no better than before training. Lines: range over {data.sizes['seed']} seeds",
    )


def _draw_toy(data: xr.Dataset, axes: Any, rows: np.ndarray, failed: np.ndarray) -> None:
    for row, collapses, usual, bad in zip(
        rows, data["toy_collapses"].values == 1, data["usual"].values, failed, strict=True
    ):
        right = collapses == bad
        axes.annotate(
            ("collapses" if collapses else "lives") + ("" if right else " ≠"), (0.5, row),
            xycoords=("axes fraction", "data"), ha="center", va="center", fontsize=8.5,
            color=COLOURS["black"] if right else COLOURS["vermilion"], fontweight="bold" if usual else "normal",
        )  # fmt: skip
    axes.set_title("the toy\n(≠: the network\ndoes otherwise)", fontsize=9)
    axes.set_xticks([])
    axes.grid(False)
    axes.plot([], [])


def _draw_measure(data: xr.Dataset, axes: Any, rows: np.ndarray, name: str, alarm: np.ndarray) -> None:
    least = _SMALLEST if name == "norm_ratio" else -np.inf
    start = data[name].sel(moment="start").mean("seed")
    axes.plot(start, rows, "o", color=COLOURS["grey"], mfc="white", ms=5, zorder=2)
    end = data[name].sel(moment="end").clip(least)
    low, middle, high = end.min("seed"), end.mean("seed"), end.max("seed")
    for row, a, m, b, bad in zip(rows, low.values, middle.values, high.values, alarm, strict=True):
        colour, marker = (COLOURS["vermilion"], "s") if bad else (COLOURS["blue"], "o")
        axes.plot([a, b], [row, row], color=colour, linewidth=1.6, zorder=3)
        axes.plot(m, row, marker, color=colour, ms=6, zorder=4)
    for prefix, style in (
        ("modes", {"marker": "x", "color": COLOURS["green"], "ms": 6, "mew": 1.5}),
        ("flow", {"marker": "+", "color": COLOURS["black"], "ms": 9, "mew": 1.3}),
    ):
        theory = data[f"{prefix}_{name}"].mean("seed").clip(least)
        axes.plot(theory, rows, linestyle="none", zorder=5, **style)
    axes.set_xlabel("at the end")
