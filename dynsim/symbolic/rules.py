"""How states move: the rule each one follows, and the right-hand side derived from the rules.

The stop-gradient is resolved here, before any Jacobian can be taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import sympy

from dynsim.errors import InvalidType, bad, unknown
from dynsim.symbolic.expressions import almost_everywhere, expression, name_of, substitute
from dynsim.symbolic.stop_gradient import has_stop_gradient, release, stop_gradient

__all__ = [
    "Descend",
    "Hold",
    "Move",
    "Rule",
    "Track",
    "default_roles",
    "gradient",
    "parts_of",
    "plain",
    "right_hand_side",
    "roles_of",
    "rule_of",
    "stopped_states",
    "with_parts",
]


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


def rule_of(name: str, rule: Rule) -> Rule:
    """Return the rule with every text and number in it as an expression."""
    if not isinstance(rule, Descend | Track | Hold | Move):
        raise bad(f"rule of '{name}'", rule, "Descend, Track, Hold or Move", kind=InvalidType)
    return with_parts(rule, lambda part, value: expression(f"{part} of '{name}'", value))


def plain(argument: str, value: object) -> sympy.Expr:
    """Return an expression in which nothing is left to differentiate: a rate, a decay, a held value."""
    result = expression(argument, value)
    if has_stop_gradient(result):
        raise bad(
            argument,
            value,
            "an expression without stop_gradient",
            "it is not differentiated, so the unresolved stop_gradient has no meaning here",
        )
    return result


def gradient(loss: sympy.Expr, state: sympy.Symbol) -> sympy.Expr:
    """∂loss/∂state with the stop-gradients of `loss` obeyed and then resolved.

    The derivative is taken over the reals, so that |x| and its kin differentiate without complex parts.
    """
    real = {s: sympy.Dummy(s.name, real=True) for s in loss.free_symbols if s.is_real is None}
    derivative = loss.xreplace(real).diff(real.get(state, state)) if real else loss.diff(state)
    return almost_everywhere(release(derivative)).xreplace({dummy: s for s, dummy in real.items()})


def stopped_states(loss: sympy.Expr, states: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the states that occur inside a stop-gradient of `loss`."""
    inside = {symbol.name for node in loss.atoms(stop_gradient) for symbol in node.free_symbols}
    return tuple(name for name in states if name in inside)


def right_hand_side(
    rules: Mapping[str, Rule], symbols: Mapping[str, sympy.Symbol]
) -> tuple[tuple[str, ...], sympy.Matrix, dict[str, sympy.Expr]]:
    """Derive the moving states, their right-hand side and the held expressions from one rule per state.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        A rule of an unknown kind, a loss without the state that descends it, a teacher of nothing.
    """
    moving = tuple(name for name, rule in rules.items() if not isinstance(rule, Hold))
    if not moving:
        raise bad("rules", list(rules), "at least one state that moves", "every state is held")
    velocities = [_velocity(name, rules[name], rules, symbols) for name in moving]
    held = {
        name: plain(f"Hold of '{name}'", rule.expression) for name, rule in rules.items() if isinstance(rule, Hold)
    }
    held = _closed(held)
    return moving, sympy.Matrix([substitute(v, held) for v in velocities]), held


def _velocity(name: str, rule: Rule, rules: Mapping[str, Rule], symbols: Mapping[str, sympy.Symbol]) -> sympy.Expr:
    state = symbols[name]
    if isinstance(rule, Descend):
        loss = expression(f"loss of '{name}'", rule.loss)
        if name not in {symbol.name for symbol in loss.free_symbols}:
            raise bad("states", name, "a state that occurs in its loss", f"'{name}' is not in the loss")
        rate = plain(f"rate of '{name}'", rule.rate)
        decay = plain(f"decay of '{name}'", rule.decay)
        return -rate * gradient(loss, state) - decay * state
    if isinstance(rule, Track):
        source = name_of(f"source of teacher '{name}'", rule.source)
        if source not in rules or source == name:
            raise unknown(f"source of teacher '{name}'", source, [s for s in rules if s != name])
        return plain(f"rate of teacher '{name}'", rule.rate) * (symbols[source] - state)
    if isinstance(rule, Move):
        return plain(f"velocity of '{name}'", rule.velocity)
    raise bad(f"rule of '{name}'", rule, "Descend, Track, Hold or Move", kind=InvalidType)


def _closed(held: dict[str, sympy.Expr]) -> dict[str, sympy.Expr]:
    """Resolve held states that mention other held states; a circle among them is an error."""
    for _ in held:
        held = {name: substitute(value, held) for name, value in held.items()}
    for name, value in held.items():
        if {symbol.name for symbol in value.free_symbols} & set(held):
            raise bad(f"Hold of '{name}'", value, "an expression in the moving states", "held states form a circle")
    return held


ROLES = ("predictor", "encoder", "teacher")


def default_roles(loss: sympy.Expr, states: Sequence[str], rules: Mapping[str, Rule]) -> dict[str, tuple[str, ...]]:
    """Roles that a loss suggests.

    The teachers are the states that track another, the encoder is every other state inside a stop-gradient or followed
    by a teacher, the predictor is the rest.

    Examples
    --------
    >>> from dynsim import parse
    >>> from dynsim.symbolic.rules import default_roles
    >>> default_roles(parse("(phi*theta - sg(theta))^2/2"), ("phi", "theta"), {})
    {'predictor': ('phi',), 'encoder': ('theta',), 'teacher': ()}
    """
    followed = {name: rule for name, rule in rules.items() if isinstance(rule, Track)}
    sources = {name_of("track", rule.source) for rule in followed.values()}
    teacher = tuple(name for name in states if name in followed)
    stopped = stopped_states(loss, tuple(states))
    encoder = tuple(name for name in states if name not in teacher and (name in stopped or name in sources))
    predictor = tuple(name for name in states if name not in teacher and name not in encoder)
    return {"predictor": predictor, "encoder": encoder, "teacher": teacher}


def roles_of(roles: Mapping[str, Any], states: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Check roles given as ``{role: name or names}``.

    Raises
    ------
    UnknownName, InvalidType
        A role that is none, a name that is no state.
    """
    result = {}
    for role, names in roles.items():
        if role not in ROLES:
            raise unknown("roles", role, ROLES)
        given = (names,) if isinstance(names, str | sympy.Symbol) else tuple(names)
        result[role] = tuple(name_of(f"roles['{role}']", name) for name in given)
        for name in result[role]:
            if name not in states:
                raise unknown(f"roles['{role}']", name, states)
    return result
