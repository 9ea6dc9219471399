"""What a figure says under itself: the parameters, the start, the assumptions, in one voice."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynsim.records import provenance
from dynsim.symbolic.printing import unicode_name

__all__ = ["caption", "settings", "values"]


def values(named: Mapping[str, Any]) -> str:
    """``{"phi": 0.6, "alpha": 1.0}`` as "φ = 0.6, α = 1".

    Examples
    --------
    >>> from dynsim.drawing.words import values
    >>> values({"phi": 0.6, "alpha": 1.0})
    'φ = 0.6, α = 1'
    """
    return ", ".join(f"{unicode_name(name)} = {value:g}" for name, value in named.items())


def settings(data: xr.Dataset) -> str:
    """Start, parameters and source of a run, read from its provenance."""
    about = provenance(data)
    parts = []
    if about.get("initial"):
        parts.append("Start " + values(about["initial"]))
    if about.get("parameters"):
        parts.append(values(about["parameters"]))
    reference = about.get("flow", {}).get("reference") if isinstance(about.get("flow"), dict) else None
    if reference:
        parts.append(f"source: {reference}")
    return "; ".join(parts)


def caption(figure: Any, data: xr.Dataset, *sentences: str) -> None:
    """Write the caption under a figure: the sentences, then start and parameters, then a stored run's notice."""
    told = [sentence.rstrip(".") for sentence in (*sentences, settings(data)) if sentence]
    if data.attrs.get("stored_run"):
        told.append("Drawn from the stored run; --recompute runs it again")
    width = int(figure.bbox.width / figure.dpi * 16.3) if hasattr(figure, "dpi") else 110
    wrapped = "\n".join(textwrap.wrap(". ".join(told) + ".", max(40, width)))
    figure.supxlabel(wrapped, fontsize=8, x=0.01, ha="left", color="#444444")
