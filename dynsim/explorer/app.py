"""The explorer as one widget: it keeps the setting, and lets controls and picture follow it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from dynsim.errors import DynsimError, bad
from dynsim.explorer.controls import Controls
from dynsim.explorer.equations import equations
from dynsim.explorer.live_view import LiveView
from dynsim.explorer.message import frame_message, scene_message
from dynsim.explorer.phase_plane import PlaneData, quick_plane, same_plane
from dynsim.explorer.picture import picture
from dynsim.explorer.presets import PRESETS
from dynsim.explorer.reproduce import LOST, as_code, as_command
from dynsim.explorer.saved_figure import figure_bytes, write_figure
from dynsim.explorer.setting import MOST_ORBITS, Setting
from dynsim.explorer.settled import Settled, distance_line, settled
from dynsim.explorer.short_text import from_text, to_text
from dynsim.explorer.sources import is_listed
from dynsim.explorer.subject import filled, subject
from dynsim.registry import registry
from dynsim.symbolic.expectation import Expectation
from dynsim.symbolic.printing import text

__all__ = ["Explorer"]

_FOLLOW = 0.15  # seconds after which the sliders show where the start was dragged to
_REST = 0.2  # seconds without a move after which the slower facts are computed
_worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="dynsim-explorer")


class Explorer(widgets.VBox):
    """Sliders, and a picture that follows them; make one with `dynsim.explore`.

    Attributes
    ----------
    setting : Setting
        What is shown.
    picture : Picture
        The numbers of the present frame.
    controls, view
        The widgets inside.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = filled(setting)
        self._serial, self._heard, self._half_lives = 0, 0, ""
        self._distance: str | None = None
        self._job: asyncio.Task[None] | None = None
        self._following = False
        self.view = LiveView()
        self.controls = Controls(self.setting, self.change)
        self.equations = widgets.HTMLMath()
        self.equations.add_class("dynsim-equations")
        main = widgets.VBox([self.view, self.equations])
        main.add_class("dynsim-main")
        body = widgets.HBox([self.controls, main])
        body.add_class("dynsim-body")
        super().__init__([body])
        self.add_class("dynsim-explorer")
        self.view.observe(self._dragged, "dragged")
        self.view.on_msg(self._asked)
        self._draw()

    def change(self, **what: Any) -> None:
        """Change the setting as a control does; what cannot be shown is said, and the last good picture stays.

        Parameters
        ----------
        **what
            `initial` and `parameters` are merged into the present ones; `source`, `states`, `random`, `branch`,
            `variant`, `t_end`, `time`, `plane`, `more` and `compare` replace them; `schedules` is a text of all
            parameters that change in time; `preset`, `setting` and `restore` replace everything; `defaults` puts
            every number back.
        """
        before = self.setting
        try:
            after = self._changed(before, what)
            self._draw(after)
        except DynsimError as error:
            self.setting = before
            self._complain(str(error))
            if what.keys() & {"source", "states"}:
                self.view.add_class("dynsim-stale")  # the old picture does not belong to the new text
                self.controls.ask_for_states()
            self._send_frame()  # a start that was dragged there goes back
            if not what.keys() & {"source", "states"}:  # what was typed stays, to be corrected
                self.controls.show(before)
            return
        self._complain("")
        self.view.remove_class("dynsim-stale")
        if "dragged" in what:
            self._let_sliders_follow()
        elif not what.keys() & {"initial", "parameters", "more"}:
            self.controls.show(after)

    def _let_sliders_follow(self) -> None:
        """Bring the sliders to the dragged start a few times a second: every message delays the picture."""
        if self._following:
            return
        try:
            asyncio.get_running_loop().call_later(_FOLLOW, self._follow)
            self._following = True
        except RuntimeError:
            self._follow()

    def _follow(self) -> None:
        self._following = False
        self.controls.show_numbers(self.setting)

    def _changed(self, now: Setting, what: Mapping[str, Any]) -> Setting:
        if "preset" in what:
            return filled(replace(PRESETS[what["preset"]], time=now.time))
        if "setting" in what:
            return filled(what["setting"])
        if "restore" in what:
            return filled(from_text(what["restore"]))
        if "defaults" in what:
            return filled(replace(now, initial={}, parameters={}, more=()))
        if "schedules" in what:
            fixed = {name: value for name, value in now.parameters.items() if not isinstance(value, str)}
            return filled(replace(now, parameters={**fixed, **_schedules(what["schedules"])}))
        if "dragged" in what:
            return now.moved(what["dragged"])
        if "initial" in what:
            return now.moved(what["initial"])
        if "parameters" in what:
            return now.tuned(what["parameters"])
        if not what.keys() & {"source", "states", "branch", "variant"}:
            return filled(replace(now, **what))
        flow = subject(now).flow
        if what.get("source", now.source) is None:
            loss = flow.loss
            if loss is None or loss.has(Expectation):
                raise bad("loss", "nothing", "a loss as text", "what is shown has none that a text holds")
            what = {"source": text(loss), "states": flow.states}
        what = dict(what)
        if "source" in what:
            kept = {} if is_listed(what["source"]) or is_listed(now.source) else dict(now.options)
            kept.pop("random", None)
            what["options"] = {**kept, "random": what.pop("random", "")}
        variant = None if what.keys() & {"source", "states"} else now.variant
        other = replace(now, **{"variant": variant, "plane": None, "more": (), **what})
        if "source" in what and other.branch not in subject(replace(other, branch="stop")).branches:
            other = replace(other, branch="stop")
        if "source" in what and what["source"] != now.source and (subject(other).named or subject(now).named):
            turned_into_text = subject(now).named and subject(other).flow.loss == flow.loss
            if not turned_into_text:  # another system has numbers of its own
                return filled(replace(other, initial={}, parameters={}))
        known = subject(other).flow.parameters  # what keeps its name keeps its value
        return filled(
            replace(
                other,
                initial={name: value for name, value in now.initial.items() if name in subject(other).flow.states},
                parameters={name: value for name, value in now.parameters.items() if name in known},
                plane=now.plane if subject(other).flow.states == flow.states else None,
                more=now.more if subject(other).flow.states == flow.states else (),
            )
        )

    def _draw(self, setting: Setting | None = None) -> None:
        """Compute and send one frame; the slower facts follow when nothing has moved for a moment."""
        after, before = setting or self.setting, self.setting
        self._serial += 1
        frame = picture(after)
        with self.view.hold_sync():
            kept = setting is not None and same_plane(before, after)
            if not kept:
                self.scenery, self._half_lives = quick_plane(after), ""
            if not kept or (before.time, before.t_end) != (after.time, after.t_end):
                self._send_scene(after)
            self.setting, self.picture, self._distance = after, frame, None
            self._send_frame()
        if not kept:
            self._tell(())
        self._later()

    def _send_scene(self, setting: Setting) -> None:
        self.view.scene = scene_message(setting, self.scenery, self._serial, self._half_lives)

    def _send_frame(self) -> None:
        self.view.frame = frame_message(self.picture, self._serial, self._heard, self._distance or "")

    def _later(self) -> None:
        """Settle when the sliders rest; at once where no event loop runs, as in a script."""
        if self._job is not None:
            self._job.cancel()
        try:
            self._job = asyncio.get_running_loop().create_task(self._settle())
        except RuntimeError:
            self._show_settled(settled(self.setting, self._reusable()), self._serial)

    async def _settle(self) -> None:
        serial, setting = self._serial, self.setting
        await asyncio.sleep(_REST)
        try:
            loop, scenery = asyncio.get_running_loop(), self._reusable()

            # What waits behind a slow computation is dropped where something has moved since.
            def unless_moved(compute: Callable[..., Any], *given: Any) -> Any:
                return compute(*given) if serial == self._serial else None

            facts = await loop.run_in_executor(_worker, unless_moved, settled, setting, scenery)
            if facts is not None:
                self._show_settled(facts, serial)
            distance = await loop.run_in_executor(_worker, unless_moved, distance_line, setting)
            if distance is not None:
                self._show_distance(distance, serial)
        except DynsimError as error:
            self._complain(str(error))

    def _reusable(self) -> PlaneData | None:
        return self.scenery if self.scenery.settled else None

    def _show_settled(self, facts: Settled, serial: int) -> None:
        if serial != self._serial:
            return  # something has moved since
        self.scenery, self._half_lives = facts.scenery, facts.half_lives
        self.picture = replace(self.picture, verdict=facts.verdict)
        with self.view.hold_sync():
            self._send_scene(self.setting)
            self._send_frame()
        self._tell(facts.integrals, facts.accuracy)

    def _show_distance(self, distance: str, serial: int) -> None:
        if serial == self._serial:
            self._distance = distance
            self._send_frame()

    @property
    def distance(self) -> str:
        """How far the start is from collapse, in words; empty where that is no question."""
        if self._distance is None:
            self._distance = distance_line(self.setting)
        return self._distance

    def _tell(self, integrals: Sequence[str], accuracy: str = "") -> None:
        """Write the equations, in LaTeX, and how exact the averages in them are."""
        lines = [*equations(self.setting), *[rf"{line} \quad\text{{(conserved)}}" for line in integrals]]
        told = "".join(f'<span class="formula">${escape(line)}$</span>' for line in lines)
        told += f'<span class="formula">{escape(accuracy)}</span>' if accuracy else ""
        if told != self.equations.value:
            self.equations.value = told

    def _complain(self, message: str) -> None:
        told = f'<span role="alert">{escape(message)}</span>' if message else ""
        if told != self.controls.error.value:
            self.controls.error.value = told

    def _dragged(self, change: Any) -> None:
        if change["new"]:
            *at, self._heard = change["new"]
            self.change(dragged=self._start_at(at))

    def _start_at(self, at: Sequence[float]) -> dict[str, float]:
        names = self.setting.plane or ()
        return {name: float(value) for name, value in zip(names, at, strict=False)}

    def _asked(self, _: Any, content: Any, __: Any) -> None:
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == "add":
            start = {**self.setting.initial, **self._start_at(content["at"])}
            more = (*self.setting.more, tuple(start[name] for name in subject(self.setting).flow.states))
            self.change(more=more[-MOST_ORBITS:])
        elif kind == "clear":
            self.change(more=())
        elif kind in ("code", "command", "link"):
            try:
                told = {"code": as_code, "command": as_command, "link": to_text}[kind](self.setting)
            except DynsimError as error:
                self._complain(str(error))
                return
            note = "" if isinstance(self.setting.source, str) else f" It holds {LOST}."
            self.view.send({"type": "text", "what": kind, "text": told, "note": note})
        elif kind == "restore":
            self.change(restore=content["text"])
        elif kind in ("png", "svg"):
            mime = {"png": "image/png", "svg": "image/svg+xml"}[kind]
            called = getattr(subject(self.setting).flow, "name", "").replace(" ", "-") or "loss"
            name = f"dynsim-{called}-{self.setting.branch}.{kind}"
            try:
                drawn = figure_bytes(self.setting, kind)
            except DynsimError as error:
                self._complain(str(error))
                return
            self.view.send({"type": "file", "name": name, "mime": mime}, [drawn])

    def save_html(self, path: Any, *, title: str | None = None) -> Path:
        """Write the present view as one HTML file that works without a kernel and without a network.

        Parameters
        ----------
        path : path
            Ends in .html; the file appears whole or not at all.
        title : str, optional
            By default the name of the system, or the loss.

        Returns
        -------
        Path
            Where it was written; open it from disk, mail it, or embed it in a page with an ``<iframe>``.

        Raises
        ------
        InvalidValue
            More than four states, a function that a page cannot compute, a file that cannot be written.

        Examples
        --------
        >>> import dynsim, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     dynsim.explore("toy").save_html(f"{folder}/toy.html").name
        'toy.html'
        """
        return Path(registry("page")["live"](self.setting, path, title=title))

    def save_figure(self, path: Any) -> Path:
        """Write the present view with matplotlib, as the command line does; .png, .svg, .pdf, or .gif, which moves."""
        return write_figure(self.setting, path)

    @property
    def text(self) -> str:
        """The setting as a short text, for ``dynsim.explore(restore=…)`` or a web address."""
        return to_text(self.setting)

    @property
    def code(self) -> str:
        """Python that opens this view again."""
        return as_code(self.setting)

    @property
    def command(self) -> str:
        """Shell command that opens this view again."""
        return as_command(self.setting)

    def __repr__(self) -> str:
        shown = self.text if isinstance(self.setting.source, str) else self.setting.source
        return f"Explorer({shown!r})"


def _schedules(typed: str) -> dict[str, str]:
    """Read ``"eta = 0.2 + 1e-4*t, alpha = cosine(1, 0)"``; commas inside parentheses separate nothing."""
    told: dict[str, str] = {}
    for part in re.split(r",(?=[^,=()]+=)", typed):
        name, equals, value = part.partition("=")
        if part.strip() and not (equals and name.strip() and value.strip()):
            raise bad("In time", part.strip(), "a parameter = an expression in t", "for instance eta = 0.2 + 1e-4*t")
        if part.strip():
            told[name.strip()] = value.strip()
    return told
