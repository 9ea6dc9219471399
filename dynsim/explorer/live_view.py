"""The live view: one widget that draws frames in the browser, without a network and without matplotlib."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

__all__ = ["LiveView"]

_FOLDER = Path(__file__).parent / "browser"
_SCRIPTS = ("numbers", "panel", "curves", "legend", "plane", "toolbar", "names", "view")


class LiveView(anywidget.AnyWidget):
    """Phase plane and curves over time as SVG.

    `frame` and `scene` go to the browser; `dragged` comes back while the start is moved by mouse or keyboard, as
    (across, upwards, number of the move), and messages of type "add", "clear", "code", "command", "link", "png",
    "svg" when something is asked for.
    """

    _esm = "\n".join((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)
    _css = (_FOLDER / "view.css").read_text(encoding="utf-8")

    frame = traitlets.Dict().tag(sync=True)
    scene = traitlets.Dict().tag(sync=True)
    dragged: traitlets.List[float] = traitlets.List().tag(sync=True)

    def __repr__(self) -> str:  # the default would print every number
        return f"LiveView(frame {self.frame.get('serial', 0)})"
