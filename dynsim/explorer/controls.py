"""The controls beside the picture: what is explored, its branch, one slider per start and parameter, time."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as widgets

from dynsim.explorer.presets import PRESETS
from dynsim.explorer.setting import Setting
from dynsim.explorer.sliders import choice, digits, new_slider, put, round_numbers
from dynsim.explorer.sources import METHOD
from dynsim.explorer.subject import Subject, filled, names_of_systems, subject
from dynsim.methods.catalogue import list_methods
from dynsim.symbolic.printing import text, unicode_name

__all__ = ["Controls"]

TYPED = "(typed loss)"
GIVEN = "(the flow that was given)"
PRESET = "(none of them)"
_EXAMPLE = "(phi*theta - sg(theta))^2/2"
_BRANCH_WORDS = {
    "stop": "stop-gradient: the second branch of the encoder is removed (SimSiam)",
    "full": "both branches of the encoder's gradient",
    "target": "of the encoder's gradient only the second branch",
}


class Controls(widgets.VBox):
    """Widgets that show a filled setting and report what the user changes.

    Parameters
    ----------
    setting : Setting
    changed : callable
        ``changed(**what)`` with some of source=, states=, random=, branch=, variant=, initial=, parameters=,
        schedules=, t_end=, time=, plane=, compare=, preset=; source None asks for the loss of the present system as
        text.
    """

    def __init__(self, setting: Setting, changed: Callable[..., None]) -> None:
        self._changed, self._silent = changed, False
        self._known: dict[str, str] = {}
        self.system = widgets.Dropdown(
            options=[TYPED],
            description="System",
            tooltip="of the catalogue, a method of the field, or a loss of yours",
        )
        self._given = None if isinstance(setting.source, str) else setting
        methods = [METHOD + name for name in list_methods()["name"]]
        self.system.options = [*names_of_systems(), *methods, TYPED, *([GIVEN] if self._given else [])]
        self.preset = widgets.Dropdown(
            options=[PRESET, *PRESETS], description="Preset", tooltip="views worth opening, one per figure"
        )
        self.loss = widgets.Text(
            description="Loss",
            continuous_update=False,
            placeholder=_EXAMPLE,
            tooltip="a loss; sg(·) is the stop-gradient; Enter draws it",
        )
        self.states = widgets.Text(
            description="States",
            continuous_update=False,
            placeholder="phi, theta",
            tooltip="names of what moves in the loss; every other name is a parameter",
        )
        self.random = widgets.Text(
            description="Random",
            continuous_update=False,
            placeholder="x ~ normal(0, 1)",
            tooltip="what E(·) in the loss averages over: name ~ distribution, …",
        )
        self.about, self.error = widgets.HTML(""), widgets.HTML("")
        self.about.add_class("dynsim-about")
        self.error.add_class("dynsim-error")
        self.branch = widgets.ToggleButtons(options=["stop"], description="Branch", tooltip="parts of the gradient")
        self.variant = widgets.Dropdown(options=[""], description="Variant", tooltip="published variants")
        self.sliders: dict[str, Any] = {}
        self.compare = widgets.ToggleButton(
            value=False, description="all branches at once", tooltip="the runs of every branch from this start"
        )
        self.schedules = widgets.Text(
            description="In time",
            continuous_update=False,
            placeholder="none: a parameter = 0.2 + 1e-4*t",
            tooltip="parameters that change with the flow time t: name = expression, …",
        )
        self.plane = widgets.Dropdown(options=[""], description="Plane", tooltip="states on the axes of the plane")
        self.t_end = choice("t end", round_numbers(1.0, 10000.0, (1, 2, 3, 5)), setting.t_end, "flow time shown")
        self.time = widgets.ToggleButtons(options=["linear", "log"], description="Time", tooltip="scale of time axes")
        for box in (
            self.system,
            self.preset,
            self.loss,
            self.states,
            self.random,
            self.schedules,
            self.branch,
            self.variant,
            self.plane,
            self.time,
        ):
            box.layout.width = "auto"
            box.style.description_width = "54px"
        for toggle in (self.branch, self.time):
            toggle.style.button_width = "auto"
        self.defaults = widgets.Button(description="Defaults", tooltip="every start and parameter as at first")
        self.defaults.on_click(lambda _: changed(defaults=True))
        self._typed: Setting | None = None
        self._moving = widgets.VBox()
        super().__init__(
            [
                widgets.VBox([self.system, self.about, self.preset, self.loss, self.states, self.random, self.error]),
                self._moving,
                widgets.VBox([self.schedules, self.plane, self.t_end, self.time, self.defaults]),
            ]
        )
        self.add_class("dynsim-controls")
        self.show(setting)
        self._listen(self.system, self._chosen)
        self._listen(self.preset, lambda value: changed(preset=value) if value != PRESET else None)
        self._listen(self.loss, self._written)
        self._listen(self.states, lambda value: self._written(self.loss.value) if self.loss.value.strip() else None)
        self._listen(self.random, lambda value: self._written(self.loss.value), empty=True)
        self._listen(self.schedules, lambda value: changed(schedules=value), empty=True)
        self._listen(self.compare, lambda value: changed(compare=value))
        self._listen(self.branch, lambda value: changed(branch=value))
        self._listen(self.variant, lambda value: changed(variant=value))
        self._listen(self.plane, lambda value: changed(plane=tuple(value)))
        self._listen(self.t_end, lambda value: changed(t_end=value))
        self._listen(self.time, lambda value: changed(time=value))

    def _chosen(self, value: str) -> None:
        """Report the system; "typed loss" goes back to what was typed last, or to the present system's loss."""
        if value == GIVEN:
            self._changed(setting=self._given)
        elif value == TYPED and self._typed is not None:
            self._changed(setting=self._typed)
        else:
            self._changed(source=None if value == TYPED else value, states=None)

    def _written(self, value: str) -> None:
        """Report what is typed, its states and what is random in it; equations name their states themselves."""
        equations = "=" in value
        before = self._typed is not None and "=" in self._typed.source
        random = "" if equations and not before else self.random.value  # it was said of a loss
        self._changed(source=value.strip() or None, states=None if equations else self._states(), random=random)

    def ask_for_states(self) -> None:
        """Let the states and the random symbols be typed: a loss with other symbols cannot be drawn without."""
        self.states.layout.display = self.random.layout.display = ""

    def show(self, setting: Setting) -> None:
        """Bring every control to a filled setting, without reporting a change."""
        about = subject(setting)
        self._silent = True
        typed = isinstance(setting.source, str) and not about.named
        loss = None if about.equations is None else about.equations.loss
        if typed:
            self._typed = setting
        try:
            self.system.value = TYPED if typed else setting.source if about.named else GIVEN
            self.preset.value = next((name for name, one in PRESETS.items() if filled(one) == setting), PRESET)
            self.loss.value = setting.source if typed else ""
            self.loss.placeholder = _EXAMPLE if loss is None else text(loss).replace("**", "^")
            self.states.value = ", ".join(about.flow.states) if typed and loss is not None else ""
            self.states.placeholder = ", ".join(about.flow.states)
            self.states.layout.display = "none" if typed and loss is None else ""  # equations name them themselves
            self.random.value = str(setting.options.get("random", "")) if typed else ""
            self.random.layout.display = "" if typed else "none"
            self.schedules.value = ", ".join(f"{name} = {value}" for name, value in setting.schedules.items())
            self.schedules.layout.display = "" if about.flow.parameters else "none"
            self.compare.value = setting.compare
            self.compare.layout.display = "" if len(about.branches) > 1 else "none"
            self.branch.options = list(about.branches)
            self.branch.tooltips = [_BRANCH_WORDS[name] for name in about.branches]
            self.branch.value = setting.branch
            self.branch.layout.display = "" if len(about.branches) > 1 else "none"
            self.variant.options = about.variants or [""]
            self.variant.value = setting.variant or self.variant.options[0]
            self.variant.layout.display = "" if about.variants else "none"
            self.about.value = _about(about)
            planes = [(a, b) for a in about.flow.states for b in about.flow.states if a != b]
            self.plane.options = [(f"{unicode_name(b)} over {unicode_name(a)}", (a, b)) for a, b in planes] or [""]
            self.plane.value = tuple(setting.plane or ()) if planes else ""
            self.plane.layout.display = "" if len(about.flow.states) > 2 else "none"
            put(self.t_end, setting.t_end)
            self.time.value = setting.time
            self.show_numbers(setting)
        finally:
            self._silent = False

    def show_numbers(self, setting: Setting) -> None:
        """Bring the sliders to a filled setting; they are made anew only where the names differ."""
        before, self._silent = self._silent, True
        try:
            fixed = [name for name, value in setting.parameters.items() if not isinstance(value, str)]
            kinds = {**dict.fromkeys(setting.initial, "initial"), **dict.fromkeys(fixed, "parameters")}
            if list(kinds) != list(self.sliders) or self._subject_of_sliders != self._ranges(setting):
                self._make_sliders(setting, kinds)
            values = {**setting.initial, **setting.parameters}
            self._known = {name: digits(values[name]) for name in kinds}
            for name, slider in self.sliders.items():
                put(slider, values[name])
        finally:
            self._silent = before

    def _ranges(self, setting: Setting) -> dict[str, tuple[float, float]]:
        return dict(subject(setting).ranges)

    def _make_sliders(self, setting: Setting, kinds: dict[str, str]) -> None:
        self._subject_of_sliders = self._ranges(setting)
        values = {**setting.initial, **setting.parameters}
        for slider in self.sliders.values():
            slider.unobserve_all()
        self.sliders = {name: new_slider(setting, name, kind, values[name]) for name, kind in kinds.items()}
        for name, kind in kinds.items():
            self._listen(self.sliders[name], self._reporter(name, kind))
        self._moving.children = [self.variant, self.branch, self.compare, *self.sliders.values()]

    def _reporter(self, name: str, kind: str) -> Callable[[float], None]:
        def report(value: float) -> None:
            told = digits(value)
            if told == self._known.get(name):
                return  # a browser tells back the number it was given, moved to the slider's grid
            self._known[name] = told
            self._changed(**{kind: {name: float(told)}})

        return report

    def _states(self) -> tuple[str, ...] | None:
        return tuple(part for part in self.states.value.replace(",", " ").split()) or None

    def _listen(self, widget: Any, report: Callable[[Any], Any], *, empty: bool = False) -> None:
        def heard(change: Any) -> None:
            if not self._silent and (empty or change["new"] not in ("", None)):
                report(change["new"])

        widget.observe(heard, "value")


def _about(about: Subject) -> str:
    return f"{escape(about.summary)}<br><cite>{escape(about.reference)}</cite>" if about.summary else ""
