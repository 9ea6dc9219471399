"""What the served page runs: the explorer at the setting that the address or the command names."""

from __future__ import annotations

import os
from html import escape
from urllib.parse import parse_qs

import ipywidgets as widgets

from dynsim.errors import DynsimError
from dynsim.explorer.app import Explorer
from dynsim.explorer.setting import Setting
from dynsim.explorer.short_text import from_text, to_text

__all__ = ["START", "page", "requested"]

START = "DYNSIM_EXPLORE"  # environment variable with the setting that the command asked for


def page() -> widgets.Widget:
    """Explorer of this page; a setting that cannot be read is said above the usual one."""
    text = requested(os.environ.get("QUERY_STRING", ""), os.environ.get(START, ""))
    try:
        return Explorer(from_text(text))
    except DynsimError as error:
        told = widgets.HTML(f'<p role="alert">This address names nothing to explore: {escape(str(error))}</p>')
        return widgets.VBox([told, Explorer(Setting())])


def requested(query: str, start: str) -> str:
    """Text of the setting: the address if it names something, else the command's.

    Examples
    --------
    >>> from dynsim.explorer.serving.page import requested
    >>> requested("show=toy&branch=full&theme=dark", "show=byol")
    'show=toy&branch=full'
    >>> requested("theme=dark", "show=byol")
    'show=byol'
    """
    pieces = [piece for piece in query.split("&") if piece and piece.partition("=")[0] not in ("theme", "template")]
    named = parse_qs("&".join(pieces), keep_blank_values=True)
    return "&".join(pieces) if named else start or to_text(Setting())
