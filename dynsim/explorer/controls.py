"""The controls beside the picture: what is explored, its branch, one slider per start and parameter, time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import ipywidgets as widgets

from dynsim.explorer.message import slider_step
from dynsim.explorer.setting import Setting
from dynsim.explorer.subject import names_of_systems, subject
from dynsim.symbolic.printing import unicode_name

__all__ = ["Controls"]

TYPED = "(typed loss)"
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
        ``changed(**what)`` with some of source=, states=, branch=, initial=, parameters=, t_end=, time=, plane=;
        source None asks for the loss of the present system as text.
    """

    def __init__(self, setting: Setting, changed: Callable[..., None]) -> None:
        self._changed, self._silent = changed, False
        self._known: dict[str, str] = {}
        self.system = widgets.Dropdown(options=[*names_of_systems(), TYPED], description="System")
        self.loss = widgets.Text(
            description="Loss",
            continuous_update=False,
            placeholder="(phi*theta - sg(theta))^2/2",
            tooltip="a loss; sg(·) is the stop-gradient; Enter draws it",
        )
        self.states = widgets.Text(description="States", continuous_update=False, placeholder="phi, theta")
        self.branch = widgets.ToggleButtons(options=["stop"], description="Branch")
        self.plane = widgets.Dropdown(options=[""], description="Plane")
        self.t_end = _choice("t end", _round_numbers(1.0, 10000.0, (1, 2, 3, 5)), setting.t_end)
        self.time = widgets.ToggleButtons(options=["linear", "log"], description="Scale")
        self.error = widgets.HTML("")
        self.error.add_class("dynsim-error")
        self.sliders: dict[str, Any] = {}
        super().__init__()
        self.add_class("dynsim-controls")
        for box in (self.system, self.loss, self.states, self.branch, self.plane, self.time):
            box.layout.width = "auto"
            box.style.description_width = "54px"
        for toggle in (self.branch, self.time):
            toggle.style.button_width = "auto"
        self.show(setting)
        self._listen(self.system, lambda value: changed(source=None if value == TYPED else value, states=None))
        self._listen(self.loss, lambda value: changed(source=value.strip(), states=self._states()))
        self._listen(self.states, lambda value: changed(states=self._states()))
        self._listen(self.branch, lambda value: changed(branch=value))
        self._listen(self.plane, lambda value: changed(plane=tuple(value)))
        self._listen(self.t_end, lambda value: changed(t_end=value))
        self._listen(self.time, lambda value: changed(time=value))

    def show(self, setting: Setting) -> None:
        """Bring every control to a filled setting, without reporting a change."""
        about = subject(setting)
        self._silent = True
        try:
            self.system.value = setting.source if about.named else TYPED
            self.loss.value = "" if about.named else setting.source
            self.states.value = "" if about.named else ", ".join(about.flow.states)
            self.states.layout.display = "none" if about.named else ""
            self.branch.options = list(about.branches)
            self.branch.tooltips = [_BRANCH_WORDS[name] for name in about.branches]
            self.branch.value = setting.branch
            planes = [(a, b) for a in about.flow.states for b in about.flow.states if a != b]
            self.plane.options = [(f"{unicode_name(b)} over {unicode_name(a)}", (a, b)) for a, b in planes] or [""]
            self.plane.value = tuple(setting.plane or ()) if planes else ""
            self.plane.layout.display = "" if len(about.flow.states) > 2 else "none"
            _put(self.t_end, setting.t_end)
            self.time.value = setting.time
            self.show_numbers(setting)
        finally:
            self._silent = False

    def show_numbers(self, setting: Setting) -> None:
        """Bring the sliders to a filled setting; they are made anew only where the names differ."""
        before, self._silent = self._silent, True
        try:
            kinds = {**dict.fromkeys(setting.initial, "initial"), **dict.fromkeys(setting.parameters, "parameters")}
            if list(kinds) != list(self.sliders) or self._subject_of_sliders != self._ranges(setting):
                self._make_sliders(setting, kinds)
            values = {**setting.initial, **setting.parameters}
            self._known = {name: _digits(value) for name, value in values.items()}
            for name, slider in self.sliders.items():
                _put(slider, values[name])
        finally:
            self._silent = before

    def _ranges(self, setting: Setting) -> dict[str, tuple[float, float]]:
        return dict(subject(setting).ranges)

    def _make_sliders(self, setting: Setting, kinds: dict[str, str]) -> None:
        self._subject_of_sliders = self._ranges(setting)
        values = {**setting.initial, **setting.parameters}
        for slider in self.sliders.values():
            slider.unobserve_all()
        self.sliders = {name: _slider(setting, name, kind, values[name]) for name, kind in kinds.items()}
        for name, kind in kinds.items():
            self._listen(self.sliders[name], self._reporter(name, kind))
        self.children = [
            self.system, self.loss, self.states, self.error, self.branch, *self.sliders.values(),
            self.plane, self.t_end, self.time,
        ]  # fmt: skip

    def _reporter(self, name: str, kind: str) -> Callable[[float], None]:
        def report(value: float) -> None:
            told = _digits(value)
            if told == self._known.get(name):
                return  # a browser tells back the number it was given, moved to the slider's grid
            self._known[name] = told
            self._changed(**{kind: {name: float(told)}})

        return report

    def _states(self) -> tuple[str, ...] | None:
        return tuple(part for part in self.states.value.replace(",", " ").split()) or None

    def _listen(self, widget: Any, report: Callable[[Any], Any]) -> None:
        def heard(change: Any) -> None:
            if not self._silent and change["new"] not in ("", None):
                report(change["new"])

        widget.observe(heard, "value")


def _digits(value: float) -> str:
    return f"{value:.6g}"


def _slider(setting: Setting, name: str, kind: str, value: float) -> Any:
    """Round numbers to choose from for a range of positive numbers over two decades or more, else a linear slider."""
    low, high = subject(setting).ranges[name]
    label = f"{unicode_name(name)}(0)" if kind == "initial" else unicode_name(name)
    if low > 0 and high / low >= 100:
        return _choice(label, _round_numbers(low, high, (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)), value)
    return widgets.FloatSlider(
        value=value, min=min(low, value), max=max(high, value), step=slider_step(low, high), description=label,
        readout_format=".2f", layout=widgets.Layout(width="auto"),
    )  # fmt: skip


def _choice(label: str, numbers: list[float], value: float) -> widgets.SelectionSlider:
    options = [(f"{number:g}", number) for number in sorted({*numbers, value})]
    return widgets.SelectionSlider(
        options=options, value=value, description=label, layout=widgets.Layout(width="auto")
    )


def _round_numbers(low: float, high: float, digits: Sequence[float]) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    numbers = [float(f"{digit}e{power}") for power in powers for digit in digits]
    return [number for number in numbers if low <= number <= high]


def _put(slider: Any, value: float) -> None:
    """Set a slider; a number off its grid or outside its range refines or widens it, so that it shows the truth."""
    if isinstance(slider, widgets.SelectionSlider):
        if value not in [number for _, number in slider.options]:
            slider.options = [(f"{number:g}", number) for number in sorted([*(n for _, n in slider.options), value])]
        slider.value = value
        return
    slider.min, slider.max = min(slider.min, value), max(slider.max, value)
    decimals = max(0, -int(Decimal(f"{value:.6g}").normalize().as_tuple().exponent))
    step = min(slider_step(slider.min, slider.max), 10.0**-decimals)
    if step != slider.step:
        slider.step, slider.readout_format = step, f".{max(0, -round(math.log10(step)))}f"
    slider.value = value
