"""What is explored: the flow a setting names, with a value, a range and a place in the picture for every name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from dynsim.errors import bad, unknown
from dynsim.explorer.setting import Setting
from dynsim.symbolic.flow import BRANCHES, Flow
from dynsim.symbolic.functions import has_stop_gradient
from dynsim.symbolic.sources import as_flow, with_loss
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
    flow : Flow
        With observable `loss` wherever there is a loss.
    named : bool
        Whether it is a system of the catalogue.
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

    flow: Flow
    named: bool
    branches: tuple[str, ...]
    variants: tuple[str, ...]
    summary: str
    reference: str
    defaults: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]
    view: Mapping[str, tuple[float, float]]

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
    return _subject(setting.source, setting.states, setting.branch, setting.variant)


@lru_cache(maxsize=32)
def _subject(source: str, states: tuple[str, ...] | None, branch: str, variant: str | None) -> Subject:
    flow = with_loss(as_flow(source, states, branch=branch, variant=variant))
    named = flow.name != ""
    names = (*flow.states, *flow.parameters)
    usual = {name: _STATE_RANGE if name in flow.states else _PARAMETER_RANGE for name in names}
    ranges = {**usual, **{name: _KNOWN_RANGES[name] for name in names if name in _KNOWN_RANGES}, **flow.ranges}
    defaults = {**{name: 0.5 if name in flow.states else 1.0 for name in names}, **_KNOWN_DEFAULTS, **flow.defaults}
    view = {name: flow.view.get(name, ranges[name]) for name in flow.states}
    return Subject(
        flow,
        named,
        *_known(source, named, flow),
        {name: float(defaults[name]) for name in names},
        {name: (float(ranges[name][0]), float(ranges[name][1])) for name in names},
        {name: (float(low), float(high)) for name, (low, high) in view.items()},
    )


def _known(source: str, named: bool, flow: Flow) -> tuple[tuple[str, ...], tuple[str, ...], str, str]:
    """Branches, variants, summary and reference."""
    if named:
        entry = entry_of(source)
        return entry.branches, entry.variants, entry.summary, entry.reference
    stopped = flow.loss is not None and has_stop_gradient(flow.loss)
    return BRANCHES if stopped else ("stop", "full"), (), "", ""


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


def names_of_systems() -> tuple[str, ...]:
    """Names of the systems of the catalogue, those of the article first."""
    first = ("toy", "scalar", "byol")
    names = list_systems()["name"]
    return (*[name for name in first if name in names], *[name for name in names if name not in first])
