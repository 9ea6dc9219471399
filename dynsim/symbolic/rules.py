"""How one state moves: down a loss, after another state, held to an expression, or as it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Descend", "Hold", "Move", "Rule", "Track"]


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

    See Also
    --------
    Flow.of : what takes it.
    Track, Hold, Move : the other rules.

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
        Per unit of flow time. An EMA coefficient m per step of size h is rate −ln(m)/h.

    See Also
    --------
    Flow.of : what takes it.
    Descend, Hold, Move : the other rules.

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

    See Also
    --------
    Flow.of : what takes it.
    Descend, Track, Move : the other rules.

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

    See Also
    --------
    Flow.of : what takes it.
    Descend, Track, Hold : the other rules.

    Examples
    --------
    >>> from dynsim import Flow, Move
    >>> Flow.of({"x": Move("x*(1 - x)")}).rhs
    Matrix([[x*(1 - x)]])
    """

    velocity: Any


Rule = Descend | Track | Hold | Move
