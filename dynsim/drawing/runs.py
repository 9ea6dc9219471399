"""The states of a run over time, with the exact end of each."""

from __future__ import annotations

from typing import Any

import xarray as xr

from dynsim.drawing.style import COLOURS, ENCODER, PREDICTOR, TEACHER
from dynsim.drawing.words import caption
from dynsim.records import provenance
from dynsim.symbolic.printing import unicode_name

__all__ = ["draw_article_run", "draw_states", "role_style"]

_STYLES = {"encoder": ENCODER, "predictor": PREDICTOR, "teacher": TEACHER}


def role_style(about: dict[str, Any], name: str) -> dict[str, Any]:
    """Line style of a state by its role: the same in every figure."""
    for role, names in about.get("flow", {}).get("roles", {}).items():
        if name in names:
            return dict(_STYLES[role])
    return {"color": COLOURS["black"], "linewidth": 1.8}


def draw_states(data: xr.Dataset, axes: Any) -> None:
    """Draw every state over flow time, its exact limit as a thin line that ends in a label."""
    about = provenance(data)
    for name in about["flow"]["states"]:
        style = role_style(about, name)
        axes.plot(data["time"], data[name], label=f"{unicode_name(name)}(t)", **style)
        if f"limit_{name}" in data:
            limit = float(data[f"limit_{name}"])
            axes.axhline(limit, color=style["color"], linewidth=0.9, linestyle=":", zorder=1)
            axes.annotate(
                f"{limit:.4g}",
                (1.0, limit),
                xycoords=("axes fraction", "data"),
                xytext=(4, 0),
                textcoords="offset points",
                color=style["color"],
                va="center",
                fontsize=9,
            )
    axes.set_xlabel("flow time t")
    axes.set_ylabel("value")
    axes.set_xlim(float(data["time"][0]), float(data["time"][-1]))


def draw_article_run(data: xr.Dataset, figure: Any, condition: str, loss: str) -> None:
    """Draw one run as the article does: φ and θ over time, the title said by the data."""
    axes = figure.subplots()
    draw_states(data, axes)
    axes.legend(loc="center right")
    end = {"yes": "θ → 0, collapse", "no": "θ survives", "undecided": "undecided"}[data.attrs["collapsed"]]
    axes.set_title(f"{condition}: {end}")
    caption(figure, data, f"Scalar toy, {loss}", f"Dotted: limits ({data.attrs['outcome_reason']})")
