"""The engines of `ensemble` by name, and which of them "auto" takes."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any, NamedTuple

from dynsim.errors import bad, missing_extra
from dynsim.integrate.closed_form import by_closed_form
from dynsim.integrate.concatenated import by_scipy
from dynsim.integrate.members import Engine
from dynsim.symbolic.flow import Flow

__all__ = ["METHODS", "Choice", "choose"]

METHODS = ("auto", "compiled", "scipy", "exact")

_ABSENT = "llvmlite is not installed"


class Choice(NamedTuple):
    """An engine, the name under which results record it, and why "auto" took it, where that needs saying."""

    name: str
    engine: Engine
    reason: str = ""


def choose(method: str, flow: Any, forever: bool) -> Choice:
    """Engine for a method.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    flow : Flow or Field
    forever : bool
        Whether the time t = ∞ is asked for, which only closed forms reach.

    Raises
    ------
    InvalidValue
        An unknown method, or one that cannot do this flow.
    """
    if method not in METHODS:
        raise bad("method", method, f"one of {', '.join(METHODS)}")
    if forever and method not in ("auto", "exact"):
        raise bad("t_end", float("inf"), "a finite time", f"method '{method}' integrates; use method='exact'")
    if forever or method == "exact":
        return _closed_form(flow, forever)
    if method == "scipy":
        return Choice("scipy", by_scipy)
    reason = _obstacle(flow)
    if method == "compiled":
        if reason == _ABSENT:
            raise missing_extra("llvmlite", "fast", "compiled ensembles")
        if reason:
            raise bad("method", method, "a flow that can be compiled", f"{reason}; use method='scipy'")
        from dynsim.integrate.engine.compiled import by_compiled

        return Choice("compiled", by_compiled)
    if reason:
        return Choice("scipy", by_scipy, reason)
    from dynsim.integrate.engine.compiled import by_compiled_or_radau

    return Choice("compiled", by_compiled_or_radau)


def _closed_form(flow: Any, forever: bool) -> Choice:
    if isinstance(flow, Flow) and flow.exact is not None and flow.exact.solution is not None:
        return Choice("exact", by_closed_form)
    argument, received = ("t_end", math.inf) if forever else ("method", "exact")
    raise bad(argument, received, "a flow with a closed form in time", "integrate to a finite time instead")


def _obstacle(flow: Any) -> str:
    """Why the compiled engine cannot do a flow, or the empty text."""
    if not isinstance(flow, Flow):
        return "a Field has no equations to compile"
    if find_spec("llvmlite") is None:
        return _ABSENT
    from dynsim.integrate.engine.compiled import obstacle

    return obstacle(flow)
