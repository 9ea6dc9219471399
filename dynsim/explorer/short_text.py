"""A setting as one short line that fits into a web address, a message or a notebook, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from dynsim.errors import bad, unknown
from dynsim.explorer.setting import Setting
from dynsim.explorer.sources import equations_text

__all__ = ["from_text", "shared", "to_text"]

LONGEST = 12_000  # a loss may have 10,000 characters


def to_text(setting: Setting) -> str:
    """Return the setting as text; what equals the default is left out.

    Examples
    --------
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.short_text import to_text
    >>> to_text(Setting("toy", branch="full", initial={"phi": 0.6, "theta": 0.1}))
    'show=toy&branch=full&initial=phi:0.6,theta:0.1'
    """
    usual = Setting()
    source, options = shared(setting)
    told = {
        "show": source,
        "states": ",".join(setting.states or ()),
        "branch": setting.branch if setting.branch != usual.branch else "",
        "variant": setting.variant or "",
        "initial": _pairs(setting.initial),
        "set": _pairs(setting.parameters),
        "t_end": f"{setting.t_end:.12g}" if setting.t_end != usual.t_end else "",
        "time": setting.time if setting.time != usual.time else "",
        "plane": ",".join(setting.plane or ()),
        "more": ";".join(":".join(_number(value) for value in start) for start in setting.more),
        "compare": "yes" if setting.compare else "",
        **{name: _option(value) for name, value in options.items()},
    }
    return urlencode({key: value for key, value in told.items() if value}, quote_via=quote, safe=":,;^*()/~")


def from_text(text: str) -> Setting:
    """Return the setting that a text describes; nothing in it is ever run as code.

    Raises
    ------
    InvalidValue, UnknownName, InvalidType
        A text that is too long, an unknown key, a value that is no number.

    Examples
    --------
    >>> from dynsim.explorer.short_text import from_text
    >>> from_text("show=toy&initial=phi:0.6,theta:0.1&time=log").initial
    {'phi': 0.6, 'theta': 0.1}
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        raise bad("restore", text, f"a text of at most {LONGEST} characters, as the explorer gives it")
    try:
        entries = dict(parse_qsl(text.strip().lstrip("?"), strict_parsing=bool(text.strip()), max_num_fields=24))
    except ValueError:
        raise bad("restore", text, "text such as 'show=toy&initial=phi:0.6,theta:0.1'") from None
    readers: dict[str, Any] = {
        "show": ("source", str),
        "states": ("states", _names),
        "branch": ("branch", str),
        "variant": ("variant", str),
        "initial": ("initial", _mapping),
        "set": ("parameters", _values),
        "t_end": ("t_end", _float),
        "time": ("time", str),
        "plane": ("plane", _plane),
        "more": ("more", _starts),
        "compare": ("compare", _yes),
    }
    options = {key: _READ[key](value) for key, value in entries.items() if key in _READ}
    for key in entries:
        if key not in readers and key not in _READ:
            raise unknown("restore", key, (*readers, *_READ))
    shown = {readers[key][0]: readers[key][1](value) for key, value in entries.items() if key in readers}
    structure = options.pop("structure", {})
    return Setting(**shown, options={**options, **structure})


def shared(setting: Setting) -> tuple[str, dict[str, Any]]:
    """Source and options as text: a Flow that was given as it is becomes its equations."""
    if isinstance(setting.source, str):
        named = {key: value for key, value in setting.options.items() if key in _READ}
        structure = {key: value for key, value in setting.options.items() if key not in _READ}
        return setting.source, {**named, **({"structure": structure} if structure else {})}
    flow = setting.source.equations
    equations = None if flow is None else equations_text(flow)
    if equations is None:
        what = "a Field of Python functions" if flow is None else "a quadrature"
        raise bad("state", what, "equations that a text holds", "keep the Python that made it")
    roles = {key: value for key, value in setting.source.roles.items() if value}
    return equations, {"roles": roles} if roles else {}


def _option(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    return ";".join(f"{key}:{':'.join(item) if isinstance(item, tuple) else item}" for key, item in value.items())


def _entries(text: str) -> dict[str, str]:
    parts = [part.partition(":") for part in text.split(";") if part.strip()]
    for name, colon, _ in parts:
        if not (colon and name.strip()):
            raise bad("restore", text, "NAME:TEXT;NAME:TEXT")
    return {name.strip(): value for name, _, value in parts}


def _pair(text: str) -> tuple[str, ...]:
    other, colon, rate = text.partition(":")
    if not colon:
        raise bad("restore: track", text, "STATE:OTHER:RATE")
    return other, rate


def _structure(text: str) -> dict[str, Any]:
    whole = re.compile(r"\d{1,6}")
    return {name: int(value) if whole.fullmatch(value) else value for name, value in _entries(text).items()}


_READ: dict[str, Any] = {
    "random": str,
    "rates": _entries,
    "decay": _entries,
    "track": lambda text: {name: _pair(value) for name, value in _entries(text).items()},
    "roles": lambda text: {role: tuple(names.split(":")) for role, names in _entries(text).items()},
    "structure": _structure,
}


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise bad("restore: compare", text, "yes or no")
    return text == "yes"


def _pairs(values: Mapping[str, Any]) -> str:
    return ",".join(f"{name}:{_number(value)}" for name, value in values.items())


def _number(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.12g}"


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise bad("restore", text, "a number") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _plane(text: str) -> tuple[str, ...]:
    names = _names(text)
    if len(names) not in (1, 2):
        raise bad("restore: plane", text, "one or two states")
    return names


def _mapping(text: str) -> dict[str, float]:
    return {name: _float(value) for name, value in _values(text).items()}


def _values(text: str) -> dict[str, str]:
    """Names and what is written behind them, between commas that stand outside parentheses."""
    result, depth, start = {}, 0, 0
    for index, letter in enumerate(f"{text},"):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth <= 0:
            part, start = text[start:index], index + 1
            name, colon, value = part.partition(":")
            if not colon or not name.strip():
                raise bad("restore", part, "NAME:NUMBER")
            result[name.strip()] = value
    if start <= len(text):
        raise bad("restore", text[start:], "NAME:NUMBER with every parenthesis closed")
    return result


def _starts(text: str) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(_float(value) for value in start.split(":")) for start in text.split(";"))
