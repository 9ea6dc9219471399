"""One look for every figure: colour-blind safe, readable in grey print, the same on every machine."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Literal, get_args

import matplotlib
from cycler import cycler

from dynsim.arguments import a_word

__all__ = [
    "BRANCH_STYLE",
    "COLOURS",
    "ENCODER",
    "NETWORK_STYLE",
    "PREDICTOR",
    "ROLE_STYLE",
    "SEQUENCE",
    "SIZES",
    "TEACHER",
    "Size",
    "check_size",
    "styled",
]

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

# Line styles differ too, so that grey print loses nothing.
BRANCH_STYLE = {
    "stop": {"color": COLOURS["blue"], "linestyle": "-"},
    "full": {"color": COLOURS["vermilion"], "linestyle": "--"},
    "target": {"color": COLOURS["green"], "linestyle": "-."},
}
ENCODER = {"color": COLOURS["blue"], "linestyle": "-", "linewidth": 1.8}
PREDICTOR = {"color": COLOURS["vermilion"], "linestyle": "--", "linewidth": 1.8}
TEACHER = {"color": COLOURS["green"], "linestyle": "-.", "linewidth": 1.8}
ROLE_STYLE = {"encoder": ENCODER, "predictor": PREDICTOR, "teacher": TEACHER}
NETWORK_STYLE = {
    "toy": {"color": COLOURS["black"], "linestyle": "-", "marker": "o"},
    "linear": {"color": COLOURS["sky"], "linestyle": "--", "marker": "s"},
    "mlp": {"color": COLOURS["purple"], "linestyle": "-.", "marker": "^"},
    "cnn": {"color": COLOURS["orange"], "linestyle": ":", "marker": "D"},
}
SEQUENCE = "viridis"  # perceptually uniform, monotone in lightness

Size = Literal["column", "text", "slide"]
# Width in inches, size of usual and of the smallest text in points: a column and the text width of a paper, a slide.
SIZES: dict[str, tuple[float, float, float]] = {
    "column": (3.5, 8.0, 7.0),
    "text": (7.0, 8.0, 7.0),
    "slide": (10.0, 14.0, 12.0),
}

_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "mathtext.fontset": "dejavusans",
    "svg.fonttype": "none",
    "svg.hashsalt": "dynsim",
    "pdf.fonttype": 42,
    "axes.prop_cycle": cycler(
        color=[COLOURS[name] for name in ("blue", "vermilion", "green", "purple", "orange", "sky", "black")]
    ),
}


def check_size(size: str) -> None:
    """Refuse a size that there is not.

    Raises
    ------
    UnknownName
    """
    a_word("size", size, get_args(Size))


def styled(size: str = "text") -> AbstractContextManager[None]:
    """Return the context in which figures are drawn and saved, whatever the user's own settings are.

    Raises
    ------
    UnknownName
        No such size.
    """
    check_size(size)
    _, usual, least = SIZES[size]
    fonts = {
        "font.size": usual,
        "axes.titlesize": usual,
        "axes.labelsize": usual,
        "figure.titlesize": usual + 1,
        "figure.titleweight": "bold",
        "figure.labelsize": usual,
        "xtick.labelsize": least,
        "ytick.labelsize": least,
        "legend.fontsize": least,
        "legend.title_fontsize": least,
        "lines.linewidth": 0.2 * usual,
        "lines.markersize": 0.55 * usual,
    }
    settings: dict[Any, Any] = {**matplotlib.rcParamsDefault, **_RC, **fonts}
    settings.pop("backend")  # stays what it is; to ask what it is would import pyplot
    return matplotlib.rc_context(settings)
