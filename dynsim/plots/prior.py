"""Pixels, random, self-supervised and supervised encoders: nearest neighbours and linear probes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from dynsim.plots.parts.captions import caption
from dynsim.plots.parts.style import COLOURS
from dynsim.records import provenance

EXPERIMENT = "prior"
OPTIONS: dict[str, Any] = {}
SIZE = (12.0, 7.2)

_MEASURES = (
    ("knn", "nearest neighbours", COLOURS["blue"], "o", -0.14),
    ("probe", "linear probe", COLOURS["vermilion"], "s", 0.14),
)


def draw(data: xr.Dataset, figure: Any) -> None:
    """One panel for each choice of test images and labels, one row for each representation."""
    panels = figure.subplots(1, data.sizes["labels"] * data.sizes["test"], sharey=True)
    names = [str(name) for name in data["representation"].values]
    places = [(labels, test) for labels in data["labels"].values for test in data["test"].values]
    for axes, (labels, test) in zip(panels, places, strict=True):
        _draw_panel(data.sel(labels=labels, test=test), names, axes)
        axes.set_title(f"{labels},\n{test} test images", fontsize=10)
        axes.set_xlabel("accuracy")
    panels[0].set_yticks(range(len(names)), names, fontsize=9)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    panels[0].legend(loc="lower left", fontsize=8)
    about = provenance(data)
    shown = about["experiment"]
    caption(
        figure,
        data,
        f"{shown['data']}, features of {shown['dim']} numbers (pixels: all), kNN with 5 neighbours; MLP and CNN with "
        f"batch normalisation by clean training images; trained ones {about['steps']} steps of SGD "
        f"(lr {shown['lr']:g}, momentum {shown['momentum']:g}, batch {shown['batch']}) with all augmentations, which "
        "also make the augmented test images; labelled images are clean",
        f"10 per class: mean of {about['draws']} choices of labelled images; self-supervised encoders have seen all "
        "images without labels, supervised ones the labelled images only",
        f"Mean and standard deviation over {data.sizes['seed']} seeds; dotted: pixels, dashed: chance",
    )


def _draw_panel(data: xr.Dataset, names: list[str], axes: Any) -> None:
    y = np.arange(len(names))
    for name, label, colour, marker, shift in _MEASURES:
        values = data[name]
        axes.errorbar(
            values.mean("seed"), y + shift, xerr=values.std("seed"), fmt=marker, color=colour, ms=4.5, mfc="white",
            elinewidth=1.4, label=label,
        )  # fmt: skip
        axes.axvline(float(values.sel(representation="pixels").mean()), color=colour, linewidth=1, linestyle=":")
    axes.axvline(0.1, color=COLOURS["grey"], linewidth=0.8, linestyle="--")
    axes.set_xlim(0, 1.02)
    for before, (one, other) in enumerate(pairwise(names)):
        trained = [name.split()[-1] in ("SimSiam", "BYOL", "SimCLR", "supervised") for name in (one, other)]
        if one.split()[0] != other.split()[0] or trained[0] != trained[1]:
            axes.axhline(before + 0.5, color="#BBBBBB", linewidth=0.8)
