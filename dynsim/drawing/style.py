"""One look for every figure: colour-blind safe, readable in greyscale print, the same bytes every time."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import matplotlib
from cycler import cycler

__all__ = ["BRANCH_STYLE", "COLOURS", "ENCODER", "PREDICTOR", "SEQUENCE", "TEACHER", "styled"]

# Okabe & Ito (2008): eight colours that people with any common colour vision tell apart.
COLOURS = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "orange": "#E69F00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "yellow": "#F0E442",
    "black": "#000000",
    "grey": "#6B6B6B",
}

# Line styles differ too, so that greyscale print loses nothing.
BRANCH_STYLE = {
    "stop": {"color": COLOURS["blue"], "linestyle": "-"},
    "full": {"color": COLOURS["vermilion"], "linestyle": "--"},
    "target": {"color": COLOURS["green"], "linestyle": "-."},
}
ENCODER = {"color": COLOURS["blue"], "linestyle": "-", "linewidth": 2.0}
PREDICTOR = {"color": COLOURS["vermilion"], "linestyle": "--", "linewidth": 2.0}
TEACHER = {"color": COLOURS["green"], "linestyle": "-.", "linewidth": 2.0}
SEQUENCE = "viridis"  # perceptually uniform, monotone in lightness

_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "mathtext.fontset": "dejavusans",
    "svg.fonttype": "path",
    "svg.hashsalt": "dynsim",
    "pdf.fonttype": 42,
    "axes.prop_cycle": cycler(
        color=[COLOURS[name] for name in ("blue", "vermilion", "green", "purple", "orange", "sky", "black")]
    ),
}


def styled() -> AbstractContextManager[None]:
    """Return the context in which figures are drawn and saved, whatever the user's own settings are."""
    settings: dict[Any, Any] = {**matplotlib.rcParamsDefault, "backend": matplotlib.rcParams["backend"], **_RC}
    return matplotlib.rc_context(settings)
