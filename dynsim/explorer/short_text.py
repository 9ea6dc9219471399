"""A setting as one short line that fits into a web address, a message or a notebook, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from dynsim.errors import bad, unknown
from dynsim.explorer.setting import Setting

__all__ = ["from_text", "to_text"]

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
    told = {
        "show": setting.source,
        "states": ",".join(setting.states or ()),
        "branch": setting.branch if setting.branch != usual.branch else "",
        "variant": setting.variant or "",
        "initial": _pairs(setting.initial),
        "set": _pairs(setting.parameters),
        "t_end": f"{setting.t_end:.12g}" if setting.t_end != usual.t_end else "",
        "time": setting.time if setting.time != usual.time else "",
        "plane": ",".join(setting.plane or ()),
        "more": ";".join(":".join(_number(value) for value in start) for start in setting.more),
    }
    return urlencode({key: value for key, value in told.items() if value}, quote_via=quote, safe=":,;^*()/")


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
        entries = dict(parse_qsl(text.strip().lstrip("?"), strict_parsing=bool(text.strip()), max_num_fields=12))
    except ValueError:
        raise bad("restore", text, "text such as 'show=toy&initial=phi:0.6,theta:0.1'") from None
    readers: dict[str, Any] = {
        "show": ("source", str),
        "states": ("states", _names),
        "branch": ("branch", str),
        "variant": ("variant", str),
        "initial": ("initial", _mapping),
        "set": ("parameters", _mapping),
        "t_end": ("t_end", _float),
        "time": ("time", str),
        "plane": ("plane", _plane),
        "more": ("more", _starts),
    }
    for key in entries:
        if key not in readers:
            raise unknown("restore", key, readers)
    return Setting(**{readers[key][0]: readers[key][1](value) for key, value in entries.items()})


def _pairs(values: Mapping[str, float]) -> str:
    return ",".join(f"{name}:{_number(value)}" for name, value in values.items())


def _number(value: float) -> str:
    return f"{value:.12g}"


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
    result = {}
    for part in text.split(","):
        name, colon, value = part.partition(":")
        if not colon or not name.strip():
            raise bad("restore", part, "NAME:NUMBER")
        result[name.strip()] = _float(value)
    return result


def _starts(text: str) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(_float(value) for value in start.split(":")) for start in text.split(";"))
