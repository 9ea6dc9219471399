"""The engines of `ensemble` by name, and which of them "auto" takes."""

from __future__ import annotations

from typing import Any, NamedTuple

from dynsim.errors import bad
from dynsim.integrate.closed_form import by_closed_form
from dynsim.integrate.concatenated import by_scipy
from dynsim.integrate.members import Engine
from dynsim.symbolic.flow import Flow

__all__ = ["METHODS", "Choice", "choose"]

METHODS = ("auto", "scipy", "exact")


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
        if not isinstance(flow, Flow) or flow.exact is None or flow.exact.solution is None:
            raise bad(
                "method" if not forever else "t_end",
                method if not forever else float("inf"),
                "a flow with a closed form in time",
                "integrate to a finite time instead",
            )
        return Choice("exact", by_closed_form)
    return Choice("scipy", by_scipy)
