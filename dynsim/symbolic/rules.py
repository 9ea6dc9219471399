"""How one state moves: down a loss, after another state, or held to an expression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

__all__ = ["Descend", "Hold", "Move", "Rule", "Track", "parts_of", "with_parts"]


@dataclass(frozen=True)
class Descend:
    """The state follows ``−rate · ∂loss/∂state − decay · state``.

    Parameters
    ----------
    loss : expression or str
        The loss this state descends; a stop-gradient in it counts as written.
    rate : expression, optional
        Learning-rate ratio; multiplies the gradient only.
    decay : expression, optional
        Weight decay per unit of flow time; not multiplied by `rate`.

    Examples
    --------
    >>> from dynsim import Descend, Flow
    >>> Flow.of({"w": Descend("(w - 1)^2/2", decay="eta")}).rhs
    Matrix([[-eta*w - w + 1]])
    """

    loss: Any
    rate: Any = 1
    decay: Any = 0


@dataclass(frozen=True)
class Track:
    """The state is a teacher: it follows ``rate · (source − state)``, an exponential moving average.

    Parameters
    ----------
    source : str or Symbol
        The state it follows.
    rate : expression
        Per unit of flow time. An EMA coefficient m per step of size h is rate (1 − m)/h.

    Examples
    --------
    >>> from dynsim import Descend, Flow, Track
    >>> Flow.of({"w": Descend("w^2/2"), "v": Track("w", "beta")}).rhs
    Matrix([
    [           -w],
    [beta*(-v + w)]])
    """

    source: Any
    rate: Any


@dataclass(frozen=True)
class Hold:
    """The state is eliminated: it equals `expression` at every instant (an optimal predictor, a fixed one).

    The gradients of the other states are taken first, with this state held constant.

    Examples
    --------
    >>> from dynsim import Descend, Flow, Hold
    >>> Flow.of({"w": Descend("(p*w - sg(w))^2/2"), "p": Hold("1/2")}).rhs
    Matrix([[w/4]])
    """

    expression: Any


@dataclass(frozen=True)
class Move:
    """The state follows `velocity`, given as it is: for a source that states an equation and no loss.

    Examples
    --------
    >>> from dynsim import Flow, Move
    >>> Flow.of({"x": Move("x*(1 - x)")}).rhs
    Matrix([[x*(1 - x)]])
    """

    velocity: Any


Rule = Descend | Track | Hold | Move


def parts_of(rule: Rule) -> dict[str, Any]:
    """Every expression a rule is made of, by name; the source of a teacher is a state and no expression.

    Examples
    --------
    >>> from dynsim.symbolic.rules import Descend, parts_of
    >>> parts_of(Descend("w^2", rate="alpha"))
    {'loss': 'w^2', 'rate': 'alpha', 'decay': 0}
    """
    return {part.name: getattr(rule, part.name) for part in fields(rule) if part.name != "source"}


def with_parts(rule: Rule, change: Callable[[str, Any], Any]) -> Rule:
    """Return the rule with every expression in it replaced by ``change(name, expression)``."""
    return replace(rule, **{name: change(name, value) for name, value in parts_of(rule).items()})
