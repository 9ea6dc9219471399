"""What a person names in one line: a system of the catalogue, or a loss typed as text."""

from __future__ import annotations

from collections.abc import Sequence

from dynsim.errors import bad
from dynsim.symbolic.branches import gradient_flow
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.parser import parse
from dynsim.symbolic.stop_gradient import release
from dynsim.systems.catalogue import list_systems, system

__all__ = ["named_or_typed", "with_loss"]

_USUAL = ("phi", "theta", "xi")


def named_or_typed(
    what: str, states: str | Sequence[str] | None = None, *, branch: str = "stop", variant: str | None = None
) -> Flow:
    """Return the flow that `what` names: a registered name is a system, anything else a loss.

    Parameters
    ----------
    what : str
        ``"toy"``, or a loss such as ``"(phi*theta - sg(theta))^2/2"``; never run as code.
    states : str or sequence of str, optional
        What moves in a typed loss; default: phi, theta and xi as they occur. A teacher xi beside theta follows
        it at the rate beta.
    branch : {"stop", "full", "target"}
    variant : str, optional
        Of a system.

    Raises
    ------
    ParseError, InvalidValue, UnknownName
        Text that is no loss, a loss without known states, a misspelt system.

    Examples
    --------
    >>> from dynsim.systems.named_or_typed import named_or_typed
    >>> named_or_typed("toy", branch="full").branch
    'full'
    >>> named_or_typed("(a*b - sg(b))^2/2", "a, b").states
    ('a', 'b')
    """
    if what in list_systems()["name"]:
        return system(what, branch=branch, variant=variant)
    loss = parse(what)
    names = sorted(symbol.name for symbol in loss.free_symbols)
    if not states and names == [what]:
        return system(what)  # one word alone is a misspelt system rather than a loss; this names the closest
    chosen = states or ",".join(name for name in _USUAL if name in names)
    if not chosen:
        advice = f"the loss has the symbols {', '.join(names) or '(none)'}"
        raise bad("states", None, "the names of what moves", advice)
    track = {"xi": ("theta", "beta")} if not states and {"xi", "theta"} <= set(names) else None
    return gradient_flow(loss, chosen, branch=branch, track=track)


def with_loss(flow: Flow) -> Flow:
    """Return the flow with the observable `loss` wherever it has a loss and nothing else has that name.

    Examples
    --------
    >>> from dynsim.systems.named_or_typed import named_or_typed, with_loss
    >>> with_loss(named_or_typed("(phi*theta - sg(theta))^2/2")).observables
    {'loss': (phi*theta - theta)**2/2}
    """
    if flow.loss is None or "loss" in {*flow.observables, *flow.states, *flow.parameters}:
        return flow
    held = {symbol: flow.held[symbol.name] for symbol in flow.loss.free_symbols if symbol.name in flow.held}
    return flow.describe(observables={**flow.observables, "loss": release(flow.loss).xreplace(held)})
