"""Figures as files: the same data gives the same bytes, and the provenance travels inside."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import xarray as xr

from dynsim.drawing.style import styled
from dynsim.errors import bad
from dynsim.records import as_json, provenance

__all__ = ["FORMATS", "save_figure"]

FORMATS = ("png", "svg", "pdf")


def save_figure(figure: Any, name: str, folder: Any, formats: Iterable[str], data: xr.Dataset) -> list[Path]:
    """Write a figure in every format; each file appears whole or not at all.

    Parameters
    ----------
    figure : matplotlib Figure
    name : str
        Stem of the file names.
    folder : path
        Made if absent.
    formats : iterable of {"png", "svg", "pdf"}
    data : xarray.Dataset
        What was drawn; its provenance goes into the file's metadata.

    Returns
    -------
    list of pathlib.Path
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise bad("out", str(folder), "a folder that can be written", str(error)) from error
    written = []
    for kind in formats:
        if kind not in FORMATS:
            raise bad("format", kind, f"one of {', '.join(FORMATS)}")
        path = folder / f"{name}.{kind}"
        temporary = folder / f".{name}.{os.getpid()}.tmp"
        try:
            with styled():
                figure.savefig(temporary, format=kind, dpi=150, metadata=_metadata(kind, name, data))
            if kind == "svg":
                temporary.write_text(_numbered_clips(temporary.read_text(encoding="utf-8")), encoding="utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        written.append(path)
    return written


def _numbered_clips(svg: str) -> str:
    """Name clip paths by their order, not by a hash of positions whose last bits differ from layout to layout."""
    numbers: dict[str, str] = {}
    return re.sub(
        r'(?<=id=")p[0-9a-f]{10}(?=")|(?<=url\(#)p[0-9a-f]{10}(?=\))',
        lambda found: numbers.setdefault(found[0], f"clip{len(numbers)}"),
        svg,
    )


def _metadata(kind: str, name: str, data: xr.Dataset) -> dict[str, Any]:
    # No dates and no software version of the renderer: the same data must give the same bytes.
    about = as_json(provenance(data))
    if kind == "png":
        return {"Title": f"dynsim {name}", "Description": about, "Software": None}
    if kind == "svg":
        return {"Title": f"dynsim {name}", "Description": about, "Date": None, "Creator": None}
    return {"Title": f"dynsim {name}", "Subject": about, "CreationDate": None, "Producer": None, "Creator": None}
