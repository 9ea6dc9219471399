"""Sliders: a round step, a hint, and the truth even where a number lies off their grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import ipywidgets as widgets

from dynsim.explorer.setting import Setting
from dynsim.explorer.steps import slider_step
from dynsim.explorer.subject import Subject, subject
from dynsim.symbolic.printing import unicode_name

__all__ = ["choice", "digits", "new_slider", "put", "round_numbers"]

_MEANING = {
    "alpha": "learning rate of the predictor over that of the encoder",
    "beta": "rate at which the teacher follows the encoder",
    "sigma2": "variance of the augmentation noise",
    "eta": "weight decay of predictor and encoder",
    "eta_p": "weight decay of the predictor",
    "eta_s": "weight decay of the encoder",
}


def digits(value: float) -> str:
    """Return as many digits of a number as a slider tells.

    Examples
    --------
    >>> from dynsim.explorer.sliders import digits
    >>> digits(0.24000000000000002)
    '0.24'
    """
    return f"{value:.6g}"


def new_slider(setting: Setting, name: str, kind: str, value: float) -> Any:
    """Round numbers to choose from for a range of positive numbers over two decades or more, else a linear slider."""
    low, high = subject(setting).ranges[name]
    label = f"{unicode_name(name)}(0)" if kind == "initial" else unicode_name(name)
    tip = _tip(subject(setting), name, kind)
    if low > 0 and high / low >= 100:
        return choice(label, round_numbers(low, high, (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)), value, tip)
    step = slider_step(low, high)
    return widgets.FloatSlider(
        value=value, min=min(low, value), max=max(high, value), step=step, description=label,
        readout_format=_format(step), layout=widgets.Layout(width="auto"), tooltip=tip,
    )  # fmt: skip


def _format(step: float) -> str:
    return f".{max(0, -round(math.log10(step)))}f"


def _tip(about: Subject, name: str, kind: str) -> str:
    if kind == "parameters":
        return _MEANING.get(name, f"parameter {unicode_name(name)}")
    role = next((role for role, names in about.flow.roles.items() if name in names), "state")
    return f"where the {role} {unicode_name(name)} starts"


def choice(label: str, numbers: list[float], value: float, tip: str) -> widgets.SelectionSlider:
    """Return a slider over these numbers and the value."""
    options = [(f"{number:g}", number) for number in sorted({*numbers, value})]
    return widgets.SelectionSlider(
        options=options, value=value, description=label, layout=widgets.Layout(width="auto"), tooltip=tip
    )


def round_numbers(low: float, high: float, leading: Sequence[float]) -> list[float]:
    """Return the numbers between two positive ones that begin with these digits.

    Examples
    --------
    >>> from dynsim.explorer.sliders import round_numbers
    >>> round_numbers(0.5, 20.0, (1, 2, 5))
    [0.5, 1.0, 2.0, 5.0, 10.0, 20.0]
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    numbers = [float(f"{digit}e{power}") for power in powers for digit in leading]
    return [number for number in numbers if low <= number <= high]


def put(slider: Any, value: float) -> None:
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
        slider.step, slider.readout_format = step, _format(step)
    slider.value = value
