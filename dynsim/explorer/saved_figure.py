"""The present view as a figure file, through the figure that the command line draws too."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dynsim.drawing.files import FORMATS, save_figure
from dynsim.errors import bad
from dynsim.explorer.setting import Setting
from dynsim.explorer.sources import METHOD
from dynsim.explorer.subject import is_steady, subject
from dynsim.gallery.plotting import data_for, drawn

__all__ = ["FIGURE", "figure_bytes", "figure_options", "write_figure"]

FIGURE = "one-run"


def figure_options(setting: Setting) -> dict[str, Any]:
    """Options with which ``dynsim.plot("one-run", …)`` draws a filled setting.

    Examples
    --------
    >>> from dynsim.explorer.saved_figure import figure_options
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import filled
    >>> figure_options(filled(Setting("toy")))["initial"]
    {'phi': 0.6, 'theta': 0.1}
    """
    about = subject(setting)
    if about.equations is None:
        raise bad("explorer", "a Field", "a Flow, a system or a text here", "the figure needs equations")
    if not is_steady(setting):
        raise bad("explorer", setting.schedules or setting.source, "a flow that does not change in time here",
                  "the figure shows limits and equilibria; solve and draw show the run")  # fmt: skip
    plane = setting.plane or about.plane
    plain = about.named and not setting.options and not setting.source.startswith(METHOD)
    return {
        "system": setting.source if plain else about.equations,
        "states": None,
        "branch": setting.branch,
        "variant": setting.variant if plain else None,
        "initial": dict(setting.initial),
        "parameters": dict(setting.parameters),
        "t_end": setting.t_end,
        "time": setting.time,
        "more": setting.more,
        **({"plane": plane, "view": {name: about.view[name] for name in plane}} if len(plane) == 2 else {}),
    }


def write_figure(setting: Setting, path: Any) -> Path:
    """Write the figure of a filled setting to a .png, .svg or .pdf file."""
    target = Path(path)
    kind = target.suffix.lstrip(".")
    if kind not in FORMATS:
        raise bad("path", str(path), f"a name that ends in .{', .'.join(FORMATS)}")
    data = data_for(FIGURE, figure_options(setting))
    return save_figure(drawn(FIGURE, data, full=True), target.stem, target.parent, [kind], data)[0].path


def figure_bytes(setting: Setting, kind: str) -> bytes:
    """Contents of that file."""
    with TemporaryDirectory() as folder:
        return write_figure(setting, Path(folder) / f"view.{kind}").read_bytes()
