"""Who plays which part: predictor, encoder, teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy

from dynsim.errors import unknown
from dynsim.symbolic.derivation import stopped_states
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.rules import Rule, Track

__all__ = ["default_roles", "roles_of"]

ROLES = ("predictor", "encoder", "teacher")


def default_roles(loss: sympy.Expr, states: Sequence[str], rules: Mapping[str, Rule]) -> dict[str, tuple[str, ...]]:
    """Roles that a loss suggests.

    The teachers are the states that track another, the encoder is every other state inside a stop-gradient or followed
    by a teacher, the predictor is the rest.

    Examples
    --------
    >>> from dynsim import parse
    >>> from dynsim.symbolic.roles import default_roles
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
