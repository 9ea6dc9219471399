"""The current view as a Python call and as a command that give it again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from dynsim.explorer.setting import Setting
from dynsim.explorer.short_text import shared
from dynsim.explorer.sources import METHOD
from dynsim.explorer.subject import is_steady, subject

__all__ = ["LOST", "as_code", "as_command"]

LOST = "the equations of the flow that was given: its ranges, observables and closed forms are in no text"
CHARS = " '′"  # around the name of a state on the left of an equation


def as_code(setting: Setting) -> str:
    """Python that opens this view and computes its data.

    Examples
    --------
    >>> from dynsim.explorer.reproduce import as_code
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import filled
    >>> print(as_code(filled(Setting("toy", branch="full"))))
    import dynsim
    <BLANKLINE>
    initial, parameters = {'phi': 0.6, 'theta': 0.1}, {'alpha': 1.0}
    flow = dynsim.system('toy', branch='full')
    run = dynsim.solve(flow, initial, 30.0, parameters=parameters)
    print(dynsim.outcome(flow, initial, parameters))
    dynsim.explore('toy', branch='full', initial=initial, parameters=parameters)
    """
    about, usual = subject(setting), Setting()
    source, options = shared(setting)
    given = options.pop("structure", {}) | options
    states = () if about.named else about.flow.states
    view = [
        repr(source),
        *([f"states={states!r}"] if setting.states else []),
        *([f"branch={setting.branch!r}"] if source == setting.source else []),
        *([f"variant={setting.variant!r}"] if setting.variant else []),
        "initial=initial",
        "parameters=parameters",
        *([f"t_end={setting.t_end!r}"] if setting.t_end != usual.t_end else []),
        *([f"time={setting.time!r}"] if setting.time != usual.time else []),
        *([f"plane={setting.plane!r}"] if setting.plane != about.plane else []),
        *([f"more={setting.more!r}"] if setting.more else []),
        *(["compare=True"] if setting.compare else []),
        *[f"{name}={value!r}" for name, value in given.items()],
    ]
    end = ["print(dynsim.outcome(flow, initial, parameters))"] if is_steady(setting) else []
    return "\n".join(
        [
            "import dynsim",
            "",
            f"initial, parameters = {dict(setting.initial)!r}, {dict(setting.parameters)!r}",
            *([] if source == setting.source else [f"# {LOST}"]),
            f"flow = {_flow(setting, source, given)}",
            f"run = dynsim.solve(flow, initial, {setting.t_end!r}, parameters=parameters)",
            *end,
            f"dynsim.explore({', '.join(view)})",
        ]
    )


def _flow(setting: Setting, source: str, given: Mapping[str, Any]) -> str:
    about = subject(setting)
    more = "".join(f", {name}={value!r}" for name, value in given.items())
    if source.startswith(METHOD):
        return f"dynsim.method({source.removeprefix(METHOD)!r}{more}).flow()"
    if about.named:
        variant = f", variant={setting.variant!r}" if setting.variant else ""
        return f"dynsim.system({source!r}, branch={setting.branch!r}{variant}{more})"
    if about.equations is None or about.equations.loss is None or source != setting.source:
        parts = [part.partition("=") for part in re.split(r"[;\n]", source) if part.strip()]
        rules = ", ".join(f"{left.strip(CHARS)!r}: dynsim.Move({right.strip()!r})" for left, _, right in parts)
        return f"dynsim.Flow.of({{{rules}}}{more})"
    usual = {name: ("theta", "beta") for name in about.flow.roles.get("teacher", ()) if name == "xi"}
    track = f", track={usual!r}" if usual and "track" not in given else ""
    return f"dynsim.gradient_flow({source!r}, {about.flow.states!r}, branch={setting.branch!r}{track}{more})"


def as_command(setting: Setting, command: str = "explore") -> str:
    """Shell command that opens this view, or with "simulate", "outcome" gives its data.

    Examples
    --------
    >>> from dynsim.explorer.reproduce import as_command
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import filled
    >>> print(as_command(filled(Setting("toy", branch="full"))))
    dynsim explore toy --branch full --initial phi=0.6,theta=0.1 --set alpha=1 --t-end 30
    """
    about, usual = subject(setting), Setting()
    source, options = shared(setting)
    words = ["dynsim", command]
    dashed = source.startswith("-")  # would be read as an option
    if not dashed:
        words += ["--field", source] if "=" in source else [source]
    words += ["--states", ",".join(setting.states)] if setting.states else []
    words += ["--branch", setting.branch] if source == setting.source else []
    words += ["--variant", setting.variant] if setting.variant else []
    words += ["--initial", _pairs(setting.initial)]
    words += ["--set", _pairs(setting.parameters)] if setting.parameters else []
    words += ["--t-end", f"{setting.t_end:.12g}"] if command != "outcome" else []
    if command == "explore":
        words += ["--time", setting.time] if setting.time != usual.time else []
        words += ["--plane", ",".join(setting.plane or ())] if setting.plane != about.plane else []
        more = ";".join(":".join(f"{value:.12g}" for value in start) for start in setting.more)
        words += [f"--more={more}"] if more else []  # with "=", since a start may begin with a minus
        words += ["--compare"] if setting.compare else []
    for name, value in options.items():
        words += [f"--{name}={value if isinstance(value, str) else _pairs(value)}"]
    words += ["--", source] if dashed else []
    return shlex.join(words)


def _pairs(values: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={_shown(value)}" for name, value in values.items())


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ":".join(value)
    return str(value) if isinstance(value, str | int) else f"{value:.12g}"
