"""Whatever names a flow: a Flow, a registered name, a loss or equations typed as text, rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import sympy

from dynsim.choices import Branch
from dynsim.errors import InvalidType, ParseError, bad
from dynsim.field import Dynamics, Field
from dynsim.names import canonical, is_name
from dynsim.registry import registry
from dynsim.symbolic.distributions import names_in, read_random
from dynsim.symbolic.expressions import expression
from dynsim.symbolic.flow import Flow, gradient_flow
from dynsim.symbolic.functions import release
from dynsim.symbolic.rules import Move

__all__ = ["as_field", "as_flow", "equations_of", "with_loss"]

AnyDynamics = TypeVar("AnyDynamics", bound=Dynamics)

USUAL = ("phi", "theta", "xi")
"""States of a loss that is typed without saying what moves: predictor, encoder, teacher."""

_NAME = re.compile(r"[\w.-]+")
_EQUATION = re.compile(r"\s*([^'′=]+?)\s*['′]\s*=(.*)", re.DOTALL)


def as_flow(
    source: Any,
    states: Any = None,
    *,
    branch: Branch | None = None,
    variant: str | None = None,
    **options: Any,
) -> Flow:
    """Return the flow that a person means: every function that needs equations takes this.

    Parameters
    ----------
    source : Flow, str, Expr or mapping
        A Flow comes back as it is. Text is, in this order: the name of a system; equations such as
        ``"x' = y; y' = -sin(x)"``; a loss such as ``"(phi*theta - sg(theta))^2/2"``. It is never run as code. An
        expression is a loss, a mapping the rules of `Flow.of`.
    states : str or sequence, optional
        What moves in a loss. By default phi, theta and xi as they occur in it; a teacher xi beside theta then follows
        it at the rate beta.
    branch : {"stop", "full", "target"}, optional
        Of a system or a loss; "stop" if not given.
    variant : str, optional
        Of a system.
    **options
        Structure of a system (``k=3``), or what else `gradient_flow` takes (``rates=…``, ``decay=…``, ``random=…``).

    Returns
    -------
    Flow
        From text it has the observable `loss` wherever it has a loss.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName, ParseError
        Something that is no flow, a misspelt system, text that cannot be read, a loss without known states.

    See Also
    --------
    as_field : where a velocity is enough.

    Examples
    --------
    >>> from dynsim.symbolic.sources import as_flow
    >>> as_flow("toy", branch="full").name
    'toy'
    >>> as_flow("(φ·θ − sg(θ))²/2").states
    ('phi', 'theta')
    >>> as_flow("x' = y; y' = -sin(x)").rhs.T
    Matrix([[y, -sin(x)]])
    """
    if isinstance(source, Flow):
        if states is not None or variant is not None or options or branch not in (None, source.branch):
            asked = states or variant or branch or options
            raise bad("flow", asked, "a Flow alone", "its states, branch and structure were chosen when it was made")
        return source
    if isinstance(source, Field):
        advice = "make one with gradient_flow(…), Flow.of(…) or system(…)"
        raise bad(
            "flow", source, "a Flow: this needs equations, and a Field only has numbers", advice, kind=InvalidType
        )
    if isinstance(source, Mapping):
        return Flow.of(source, **options)
    if not isinstance(source, str | sympy.Expr):
        expected = "a Flow, a Field where numbers are enough, the name of a system, a loss or equations as text"
        raise bad("flow", source, expected, "make one with gradient_flow(…) or system(…)", kind=InvalidType)
    chosen = "stop" if branch is None else branch
    if isinstance(source, str):
        systems = registry("system")
        word = source.strip()
        # What cannot be a name is not looked for among installed packages: to list those takes longer than the rest.
        if _NAME.fullmatch(word) and (word in systems or (states is None and _is_word(word))):
            if word not in systems and word in registry("method"):
                raise bad("flow", word, "the name of a system", f"its flow is method('{word}').flow()")
            return cast("Flow", systems[word].flow(chosen, variant, **options))
        if "=" in source:
            return equations_of(source, **options)
    loss = expression("loss", source)
    names = sorted(symbol.name for symbol in loss.free_symbols)
    moving = states or [name for name in USUAL if name in names]
    if not moving:
        drawn = names_in(read_random(options.get("random")))
        free = ", ".join(name for name in names if name not in drawn) or "(none)"
        advice = f"the loss has the symbols {free}; gradient_flow(loss, states) takes both, a command --states"
        raise bad("states", None, "the names of what moves in the loss", advice)
    if not states and {"xi", "theta"} <= set(names):
        options.setdefault("track", {"xi": ("theta", "beta")})
    return with_loss(gradient_flow(loss, moving, branch=chosen, **options))


def as_field(
    source: Any, states: Any = None, *, branch: Branch | None = None, variant: str | None = None, **options: Any
) -> Dynamics:
    """Return a Field as it is, and anything else as `as_flow` reads it: for whoever needs a velocity only.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName, ParseError
        As `as_flow`; a Field of which states, a branch or structure are asked.

    Examples
    --------
    >>> from dynsim import Field
    >>> from dynsim.symbolic.sources import as_field
    >>> as_field("toy").field().size, as_field(Field(("x",), lambda t, y: -y)).states
    (2, ('x',))
    """
    if isinstance(source, Field):
        if asked := states or variant or options or (branch not in (None, "stop") and branch):
            raise bad("flow", asked, "a Field alone", "it has no equations to make anything of")
        return source
    return as_flow(source, states, branch=branch, variant=variant, **options)


def equations_of(text: str, **options: Any) -> Flow:
    """Read ``"x' = y; y' = -sin(x)"``: one velocity per state, separated by semicolons or new lines.

    Raises
    ------
    ParseError
        A part that is no equation (with its position), a state with two, a right-hand side that cannot be read.

    Examples
    --------
    >>> from dynsim.symbolic.sources import equations_of
    >>> equations_of("θ' = -θ + a*cos(t)").is_autonomous
    False
    """
    rules: dict[str, Move] = {}
    for part in re.finditer(r"[^;\n]*[^;\n\s][^;\n]*", text):
        match = _EQUATION.fullmatch(part[0])
        name = canonical(match[1]) if match else ""
        if match is None or not is_name(name):
            raise _no_equation(part, "name' = expression; name' = expression", "the dash is d/dt")
        if name in rules:
            raise _no_equation(part, "one equation per state", f"{name}' stands twice")
        rules[name] = Move(match[2])
    return Flow.of(rules, **options)


def _no_equation(part: re.Match[str], expected: str, advice: str) -> ParseError:
    """Say which part of a list of equations is none, and where it begins."""
    position = part.start() + len(part[0]) - len(part[0].lstrip())
    return ParseError(str(bad(f"equations, position {position}", part[0].strip(), expected, advice)), position)


def with_loss(flow: AnyDynamics) -> AnyDynamics:
    """Return the flow with the observable `loss` wherever it has a loss and nothing else has that name.

    Examples
    --------
    >>> from dynsim import gradient_flow
    >>> from dynsim.symbolic.sources import with_loss
    >>> with_loss(gradient_flow("(phi*theta - sg(theta))^2/2", "phi, theta")).observables
    {'loss': (phi*theta - theta)**2/2}
    """
    known = flow.equations
    if known is None or known.loss is None or "loss" in {*flow.observables, *flow.states, *flow.parameters}:
        return flow
    held = {symbol: known.held[symbol.name] for symbol in known.loss.free_symbols if symbol.name in known.held}
    observables = {**flow.observables, "loss": release(known.loss).xreplace(held)}
    return cast("AnyDynamics", known.describe(observables=observables))


def _is_word(text: str) -> bool:
    """Whether text is one word, as names of systems are: a misspelt one rather than a loss."""
    parts = text.split("-")
    return text.isascii() and all(map(is_name, parts)) and (len(parts) == 1 or not set(parts) & set(USUAL))
