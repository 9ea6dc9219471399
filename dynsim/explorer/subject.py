"""What is explored: the flow a setting names, with a value, a range and a place in the picture for every name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from dynsim.choices import Branch
from dynsim.errors import DynsimError, bad, unknown
from dynsim.explorer.setting import Setting
from dynsim.explorer.sources import METHOD, flow_from, is_listed
from dynsim.field import TIME
from dynsim.methods.catalogue import method
from dynsim.symbolic.flow import BRANCHES, Flow
from dynsim.symbolic.functions import has_stop_gradient
from dynsim.symbolic.parser import parse
from dynsim.systems.catalogue import entry_of, list_systems

__all__ = ["Subject", "filled", "names_of_systems", "subject"]

# A typed loss tells neither values nor ranges; well-known names get those they have in the catalogue.
_KNOWN_DEFAULTS = {"phi": 0.6, "theta": 0.1, "xi": 0.1, "sigma2": 0.1, "eta_p": 0.0, "eta_s": 0.0, "eta": 0.0}
_KNOWN_RANGES = {
    "alpha": (0.1, 100.0),
    "beta": (0.0, 10.0),
    "sigma2": (0.0, 1.0),
    "eta": (0.0, 0.5),
    "eta_p": (0.0, 0.5),
    "eta_s": (0.0, 0.5),
}
_STATE_RANGE, _PARAMETER_RANGE = (-1.5, 1.5), (0.0, 3.0)


@dataclass(frozen=True, eq=False)
class Subject:
    """A flow ready to be explored.

    Attributes
    ----------
    flow : Flow or Field
        With observable `loss` wherever there is a loss.
    named : bool
        Whether it is a system of the catalogue or a method, rather than typed or given.
    branches, variants : tuple of str
        Those that make sense for it; no variants for a typed loss.
    summary, reference : str
        What it is and where it comes from, one line each; empty for a typed loss.
    defaults : dict
        ``{state or parameter: value}``, complete.
    ranges : dict
        ``{state or parameter: (low, high)}``, complete.
    view : dict
        ``{state: (low, high)}``, the box of the phase plane.
    """

    flow: Any
    named: bool
    branches: tuple[Branch, ...]
    variants: tuple[str, ...]
    summary: str
    reference: str
    defaults: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]
    view: Mapping[str, tuple[float, float]]

    @property
    def equations(self) -> Flow | None:
        """The flow where it has equations; None for a Field, which only has numbers."""
        found: Flow | None = self.flow.equations
        return found

    @property
    def plane(self) -> tuple[str, ...]:
        """States that the phase plane shows: a predictor across, an encoder upwards; one for a single state."""
        flow = self.flow
        across = next(iter(flow.roles.get("predictor", ())), flow.states[0])
        upwards = [*flow.roles.get("encoder", ()), *flow.states]
        return (across, *[name for name in upwards if name != across][:1])


def subject(setting: Setting) -> Subject:
    """Return what a setting explores; the same setting gives the same object.

    Raises
    ------
    ParseError, InvalidValue, UnknownName
        Text that is no loss, a loss without known states, a branch that makes no sense.

    Examples
    --------
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import subject
    >>> subject(Setting("(phi*theta - sg(theta))^2/2")).defaults
    {'phi': 0.6, 'theta': 0.1}
    """
    return _subject(setting.source, setting.states, setting.branch, setting.variant, _key(setting.options))


def _key(options: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple((name, _key(value) if isinstance(value, Mapping) else value) for name, value in options.items())


_MAPPINGS = ("rates", "decay", "track", "roles")


@lru_cache(maxsize=32)
def _subject(
    source: Any, states: tuple[str, ...] | None, branch: Branch, variant: str | None, options: tuple[Any, ...]
) -> Subject:
    told = {name: dict(value) if name in _MAPPINGS else value for name, value in options}
    flow = flow_from(source, states, branch, variant, told)
    named = is_listed(source)
    names = (*flow.states, *flow.parameters)
    told_ranges, told_view = ({}, {}) if flow.equations is None else (flow.equations.ranges, flow.equations.view)
    usual = {name: _STATE_RANGE if name in flow.states else _PARAMETER_RANGE for name in names}
    ranges = {**usual, **{name: _KNOWN_RANGES[name] for name in names if name in _KNOWN_RANGES}, **told_ranges}
    defaults = {**{name: 0.5 if name in flow.states else 1.0 for name in names}, **_KNOWN_DEFAULTS, **flow.defaults}
    view = {name: told_view.get(name, ranges[name]) for name in flow.states}
    return Subject(
        flow,
        named,
        *_known(source, named, flow),
        {name: float(defaults[name]) for name in names},
        {name: (float(ranges[name][0]), float(ranges[name][1])) for name in names},
        {name: (float(low), float(high)) for name, (low, high) in view.items()},
    )


def _known(source: Any, named: bool, flow: Any) -> tuple[tuple[Branch, ...], tuple[str, ...], str, str]:
    """Branches, variants, summary and reference."""
    if isinstance(source, str) and source.startswith(METHOD):
        about = method(source.removeprefix(METHOD).strip())
        return ("stop",), (), about.summary, about.reference
    if named:
        entry = entry_of(source)
        return entry.branches, entry.variants, entry.summary, entry.reference
    if not isinstance(source, str):  # a Flow or a Field was made in one branch
        made = flow.equations
        return (("stop" if made is None else made.branch),), (), "", "" if made is None else made.reference
    if flow.loss is None:
        return ("stop",), (), "", ""  # equations
    return BRANCHES if has_stop_gradient(flow.loss) else ("stop", "full"), (), "", ""


def filled(setting: Setting) -> Setting:
    """Return the setting with a value for every state and parameter, and a plane.

    Raises
    ------
    UnknownName
        A value for a name that is no state or parameter.

    Examples
    --------
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import filled
    >>> filled(Setting("toy", initial={"theta": 0.3})).initial
    {'phi': 0.6, 'theta': 0.3}
    """
    about = subject(setting)
    states, parameters = about.flow.states, about.flow.parameters
    for argument, given, known in (
        ("initial", setting.initial, states),
        ("parameters", setting.parameters, parameters),
    ):
        for name in given:
            if name not in known:
                raise unknown(argument, name, known)
    for name in setting.plane or ():
        if name not in states:
            raise unknown("plane", name, states)
    for start in setting.more:
        if len(start) != len(states):
            raise bad("more", start, f"{len(states)} numbers, for {', '.join(states)}")
    plane = setting.plane if setting.plane and len(set(setting.plane)) == len(about.plane) else about.plane
    return replace(
        setting,
        initial={name: setting.initial.get(name, about.defaults[name]) for name in states},
        parameters={name: setting.parameters.get(name, about.defaults[name]) for name in parameters},
        plane=plane,
    )


def analysed(setting: Setting) -> tuple[Any, Mapping[str, float]]:
    """Return flow and numbers for an analysis of a filled setting: what is tied or moves is put into the equations.

    Examples
    --------
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import analysed, filled
    >>> flow, values = analysed(filled(Setting("scalar", parameters={"eta_p": "eta_s/2"})))
    >>> sorted(values)
    ['alpha', 'eta_p[0]', 'eta_s', 'sigma2']
    """
    flow = subject(setting).flow
    if not setting.schedules:
        return flow, setting.parameters
    run = flow.with_parameters(setting.parameters)
    return run.flow, run.values


def is_steady(setting: Setting) -> bool:
    """Whether the flow of a filled setting does not change in time: else nothing in it rests.

    Examples
    --------
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import filled, is_steady
    >>> is_steady(filled(Setting("toy"))), is_steady(filled(Setting("toy", parameters={"alpha": "1 + t"})))
    (True, False)
    """
    return _is_steady(subject(setting), tuple(setting.schedules.items()))


@lru_cache(maxsize=64)
def _is_steady(about: Subject, schedules: tuple[tuple[str, str], ...]) -> bool:
    if any(symbol.name == TIME for _, value in schedules for symbol in parse(value).free_symbols):
        return False
    try:
        about.flow.require_autonomous("a limit")
    except DynsimError:
        return False
    return True


def names_of_systems() -> tuple[str, ...]:
    """Names of the systems of the catalogue, those of the article first."""
    first = ("toy", "scalar", "byol")
    names = list_systems()["name"]
    return (*[name for name in first if name in names], *[name for name in names if name not in first])
