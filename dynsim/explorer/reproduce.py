"""The current view as a Python call and as a command that give it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from dynsim.explorer.setting import Setting
from dynsim.explorer.subject import subject

__all__ = ["as_code", "as_command"]


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
    states = () if about.named else about.flow.states
    view = [
        repr(setting.source),
        *([f"states={states!r}"] if setting.states else []),
        f"branch={setting.branch!r}",
        *([f"variant={setting.variant!r}"] if setting.variant else []),
        "initial=initial",
        "parameters=parameters",
        *([f"t_end={setting.t_end!r}"] if setting.t_end != usual.t_end else []),
        *([f"time={setting.time!r}"] if setting.time != usual.time else []),
        *([f"plane={setting.plane!r}"] if setting.plane != about.plane else []),
        *([f"more={setting.more!r}"] if setting.more else []),
    ]
    return "\n".join(
        [
            "import dynsim",
            "",
            f"initial, parameters = {dict(setting.initial)!r}, {dict(setting.parameters)!r}",
            f"flow = {_flow(setting)}",
            f"run = dynsim.solve(flow, initial, {setting.t_end!r}, parameters=parameters)",
            "print(dynsim.outcome(flow, initial, parameters))",
            f"dynsim.explore({', '.join(view)})",
        ]
    )


def _flow(setting: Setting) -> str:
    about = subject(setting)
    if about.named:
        variant = f", variant={setting.variant!r}" if setting.variant else ""
        return f"dynsim.system({setting.source!r}, branch={setting.branch!r}{variant})"
    track = "".join(
        f", track={{{name!r}: {('theta', 'beta')!r}}}" for name in about.flow.roles.get("teacher", ()) if name == "xi"
    )
    return f"dynsim.gradient_flow({setting.source!r}, {about.flow.states!r}, branch={setting.branch!r}{track})"


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
    words = ["dynsim", command]
    dashed = setting.source.startswith("-")  # would be read as an option
    if not dashed:
        words.append(setting.source)
    words += ["--states", ",".join(setting.states)] if setting.states else []
    words += ["--branch", setting.branch]
    words += ["--variant", setting.variant] if setting.variant else []
    words += ["--initial", _pairs(setting.initial)]
    words += ["--set", _pairs(setting.parameters)] if setting.parameters else []
    words += ["--t-end", f"{setting.t_end:.12g}"] if command != "outcome" else []
    if command == "explore":
        words += ["--time", setting.time] if setting.time != usual.time else []
        words += ["--plane", ",".join(setting.plane or ())] if setting.plane != about.plane else []
        more = ";".join(":".join(f"{value:.12g}" for value in start) for start in setting.more)
        words += [f"--more={more}"] if more else []  # with "=", since a start may begin with a minus
    words += ["--", setting.source] if dashed else []
    return shlex.join(words)


def _pairs(values: Mapping[str, float]) -> str:
    return ",".join(f"{name}={value:.12g}" for name, value in values.items())
