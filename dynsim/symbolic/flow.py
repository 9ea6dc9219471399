"""Flow: the gradient flow that a loss with stop-gradients generates, and everything that is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import sympy

from dynsim.errors import InvalidType, bad, unknown
from dynsim.field import TIME, Field, check_names
from dynsim.symbolic.averaging import rules_of
from dynsim.symbolic.compiled import CompiledFlow, Parametrised
from dynsim.symbolic.distributions import Random, random_text, read_random
from dynsim.symbolic.equations import Equations
from dynsim.symbolic.exact import Exact
from dynsim.symbolic.expectation import Average, Expectation
from dynsim.symbolic.expressions import (
    default_roles,
    name_of,
    parts_of,
    plain,
    right_hand_side,
    roles_of,
    substitute,
    symbol_table,
)
from dynsim.symbolic.parameters import hidden_parameters, schedules_of
from dynsim.symbolic.printing import text
from dynsim.symbolic.quadrature import EXACT, TOLD, Quadrature, quadrature_of
from dynsim.symbolic.rules import Descend, Hold, Move, Rule, Track

__all__ = ["Flow"]


@dataclass(frozen=True, eq=False, repr=False)
class Flow(Equations):
    """The ordinary differential equation that a loss with stop-gradients generates.

    Make one with `gradient_flow`, `Flow.of` or `system`. Two flows that say the same are equal, and a flow pickles;
    what was compiled for it is made again.

    Attributes
    ----------
    states, parameters : tuple of str
        Names; parameters are sorted.
    symbols : dict
        ``{name: Symbol}`` for states and parameters.
    rhs : sympy.Matrix
        Column of time derivatives, in the order of `states`; per unit of flow time.
    loss : sympy.Expr or None
        The loss as written, stop-gradients included; None for games.
    branch : str
        "stop", "full" or "target".
    roles : dict
        ``{"predictor": names, "encoder": names, "teacher": names}``; empty for games.
    defaults, ranges : dict
        Default value and sensible range of states (initial values) and parameters. Empty for a typed loss.
    view : dict
        ``{state: (low, high)}``, the box in which the system is usually drawn.
    observables : dict
        ``{name: expression}``, recorded along every run.
    reference : str
        The paper and equation it comes from.
    exact : Exact or None
        Closed forms, where the system knows them.
    held : dict
        Eliminated states and what they equal.
    rules : dict
        The rule each state follows: its own loss, rate and decay, what it tracks, what it is held to.
    conserved : tuple of Expr
        What is known not to change along any run.
    random : dict
        Random symbols of the loss and their distributions; `loss`, `rhs` and `rules` are averaged over them.

    See Also
    --------
    dynsim.gradient_flow : from a loss.
    dynsim.system : from the catalogue.
    dynsim.Field : a velocity without symbols.

    Examples
    --------
    >>> from dynsim import gradient_flow
    >>> flow = gradient_flow("(phi*theta - sg(theta))^2/2", ["phi", "theta"])
    >>> flow.rhs.applyfunc(lambda entry: entry.factor())
    Matrix([
    [ -theta**2*(phi - 1)],
    [-phi*theta*(phi - 1)]])
    >>> flow.is_gradient
    False
    """

    states: tuple[str, ...]
    rhs: sympy.Matrix
    symbols: dict[str, sympy.Symbol]
    loss: sympy.Expr | None = None
    branch: str = "stop"
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    view: dict[str, tuple[float, float]] = field(default_factory=dict)
    observables: dict[str, sympy.Expr] = field(default_factory=dict)
    reference: str = ""
    exact: Exact | None = None
    held: dict[str, sympy.Expr] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    name: str = ""
    variant: str | None = None
    conserved: tuple[sympy.Expr, ...] = ()
    random: Random = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        return {part.name: getattr(self, part.name) for part in fields(self)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Flow):
            return NotImplemented
        # The closed forms follow from the equations, and functions cannot be compared.
        told = [part.name for part in fields(self) if part.name != "exact"]
        return self is other or all(getattr(self, name) == getattr(other, name) for name in told)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.states, tuple(self.rhs), self.branch, self.name, self.variant))

    @classmethod
    def of(cls, rules: Mapping[Any, Rule], *, random: Any = None, roles: Mapping[str, Any] | None = None) -> Flow:
        """Make a flow from one rule per state: several losses (games), teachers, held states.

        Parameters
        ----------
        rules : mapping
            ``{state: Descend(…) | Track(…) | Hold(…) | Move(…)}``.
        random : mapping or str, optional
            Random symbols in losses and velocities, and what they are drawn from, as in `gradient_flow`.
        roles : mapping, optional
            As the attribute. By default those that `gradient_flow` gives if all states that descend share one loss;
            a game has none.

        Raises
        ------
        InvalidType, InvalidValue, UnknownName
            An unknown rule, a state that is not in its loss, an unresolved stop-gradient.

        Examples
        --------
        >>> from dynsim import Descend, Flow
        >>> game = Flow.of({"x": Descend("x*y"), "y": Descend("-x*y")})
        >>> game.rhs.T, game.loss, game.is_gradient
        (Matrix([[-y, x]]), None, False)
        """
        if not isinstance(rules, Mapping) or not rules:
            raise bad("rules", rules, "{state: Descend, Track, Hold or Move}", kind=InvalidType)
        drawn = {} if random is None else read_random(random)
        named = {name_of("rules", state): rule for state, rule in rules.items()}
        if drawn or not all(map(_is_read, named.values())):
            named = rules_of(named, drawn)
        check_names("state", named)
        symbols = symbol_table([part for rule in named.values() for part in parts_of(rule).values()], named)
        check_names("parameter", sorted(set(symbols) - {TIME, *named}))
        states, rhs, held = right_hand_side(named, symbols)
        losses = [rule.loss for rule in named.values() if isinstance(rule, Descend)]
        loss = losses[0] if losses and all(item == losses[0] for item in losses) else None
        if roles is None:
            chosen = {} if loss is None else default_roles(loss, states, named)
        else:
            chosen = roles_of(roles, states)
        return cls(states, rhs, symbols, loss, roles=chosen, held=held, rules=named, random=drawn)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the free symbols that are neither states nor the time, sorted."""
        everything = [self.rhs, *self.observables.values(), *([self.loss] if self.loss is not None else [])]
        free = {symbol.name for item in everything for symbol in item.free_symbols}
        return tuple(sorted(free - {TIME, *self.states, *self.held}))

    @property
    def size(self) -> int:
        """Number of states."""
        return len(self.states)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one state: every state of a flow is a scalar."""
        return ()

    @cached_property
    def is_autonomous(self) -> bool:
        """Whether the velocity does not depend on the time t."""
        return TIME not in {symbol.name for symbol in self.rhs.free_symbols}

    def describe(self, **facts: Any) -> Flow:
        """Return the same equations with more told about them: defaults, view, observables, reference, …

        `observables` and `conserved` may be text or expressions in the names of states, parameters and the time.

        Raises
        ------
        InvalidValue
            An observable with a reserved name; something said to be conserved that is not.
        """
        if "observables" in facts:
            facts["observables"] = {
                key: substitute(plain(f"observable '{key}'", item), self.symbols)
                for key, item in facts["observables"].items()
            }
            check_names("observable", facts["observables"])
        if "conserved" in facts:
            facts["conserved"] = tuple(self.conserved_quantity(item) for item in facts["conserved"])
        told = replace(self, **facts)
        expressions = [*told.observables.values(), *([] if told.loss is None else [told.loss])]
        return replace(told, symbols={**symbol_table(expressions), **told.symbols})

    def values(self, parameters: Mapping[Any, Any] | None = None) -> dict[str, Any]:
        """Value of every parameter: those given, else the defaults.

        Raises
        ------
        UnknownName
            A name that is no parameter.
        InvalidValue
            A parameter without a value.

        Examples
        --------
        >>> from dynsim import system
        >>> system("toy").values({"alpha": 2})
        {'alpha': 2}
        """
        given = self._given(parameters)
        numbers, schedules = self._split(given)
        for name in schedules:
            advice = f"it depends on {TIME} or on other parameters, which only an integration takes; fix ties it"
            raise bad(f"parameters['{name}']", given[name], "a number here", advice)
        return self._with_defaults(numbers)

    def _given(self, parameters: Mapping[Any, Any] | None) -> dict[str, Any]:
        if parameters is not None and not isinstance(parameters, Mapping):
            raise bad("parameters", parameters, "a mapping {name: value}", kind=InvalidType)
        given: dict[str, Any] = {}
        for key, value in (parameters or {}).items():
            name = name_of("parameters", key)
            if name not in self.parameters:
                raise unknown("parameter", name, self.parameters)
            if name in given:
                raise bad("parameters", dict(parameters or {}), "every parameter once", f"'{name}' stands twice")
            given[name] = value
        return given

    def _split(self, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, sympy.Expr]]:
        """Numbers, and expressions that are to be read."""
        if not any(isinstance(value, str | sympy.Expr) for value in given.values()):
            return given, {}
        return schedules_of(given, self.parameters)

    def _with_defaults(self, given: Mapping[str, Any], *elsewhere: str) -> dict[str, Any]:
        """The value of every parameter but those given elsewhere."""
        names = [name for name in self.parameters if name not in elsewhere]
        missing = [name for name in names if name not in given and name not in self.defaults]
        if missing:
            told = dict(given)
            raise bad("parameters", told, f"a value for {', '.join(missing)}", "pass parameters={name: value}")
        return {name: given[name] if name in given else self.defaults[name] for name in names}

    def with_parameters(self, parameters: Mapping[Any, Any] | None = None) -> Parametrised:
        """Give every parameter a value, or an expression in the time t and other parameters.

        Parameters
        ----------
        parameters : mapping, optional
            ``{name: number, array, text or expression}``; what is left out takes the system's default. Numbers and
            arrays are passed on as they are.

        Returns
        -------
        Parametrised
            The flow with such expressions put in, and numbers for the parameters that it has then. The numbers inside
            an expression are hidden parameters of that flow: ``"0.2 + 1e-4*t"`` and ``"0.3 + 2e-4*t"`` give equal
            flows with other values, so that nothing is derived or compiled twice.

        Raises
        ------
        UnknownName, InvalidValue, ParseError
            A name that is no parameter, one without a value, an expression that cannot be read or leads to itself.

        Examples
        --------
        >>> from dynsim import gradient_flow
        >>> flow = gradient_flow("eta*w^2/2", "w")
        >>> run = flow.with_parameters({"eta": "0.2 + 1e-4*t"})
        >>> run.flow.rhs, run.values
        (Matrix([[-w*(eta[0] + eta[1]*t)]]), {'eta[0]': 0.2, 'eta[1]': 0.0001})
        >>> run.given, run.flow.is_autonomous
        ({'eta': '0.2 + 1e-4*t'}, False)
        >>> run.flow == flow.with_parameters({"eta": "0.7 - 3e-5*t"}).flow
        True
        """
        given = self._given(parameters)
        numbers, schedules = self._split(given)
        values = self._with_defaults(numbers, *schedules)
        told = {name: values.get(name, given.get(name)) for name in self.parameters}
        if not schedules:
            return Parametrised(self, self, values, told)
        forms = {name: hidden_parameters(name, schedule) for name, schedule in schedules.items()}
        flow = self.substituted({name: form for name, (form, _) in forms.items()})
        for _, hidden in forms.values():
            values |= hidden
        return Parametrised(flow, self, {name: values[name] for name in flow.parameters}, told)

    def field(self, parameters: Mapping[Any, Any] | None = None) -> Field:
        """Compile the flow to a numeric `Field` at the given parameter values.

        Parameters
        ----------
        parameters : mapping, optional
            ``{name: number, or an expression in t}``; what is left out takes the system's default.

        Returns
        -------
        Field
            Vectorised over trailing axes of the state.

        Raises
        ------
        UnknownName, InvalidValue
            A name that is no parameter, a parameter without a value or with one that is no finite number.

        Examples
        --------
        >>> import numpy as np
        >>> from dynsim import system
        >>> system("toy").field().f(0.0, np.array([0.6, 0.1]))
        array([0.004, 0.024])
        """
        return self.with_parameters(parameters).field()

    @cached_property
    def expectation(self) -> Quadrature:
        """Relative error of the averages in the field: a number, 0 where all of them are exact.

        Examples
        --------
        >>> from dynsim import gradient_flow
        >>> flow = gradient_flow("E(tanh(w*x)^2)", ["w"], random="x ~ normal(0, 1)")
        >>> flow.expectation < 1e-6, flow.expectation.nodes
        (True, 160)
        """
        if not self.rhs.has(Expectation):
            return EXACT
        parameters = [self.symbols[name] for name in self.parameters]
        return quadrature_of(list(self.rhs), self._state_symbols, parameters, self.ranges)

    @cached_property
    def compiled(self) -> CompiledFlow:
        """The flow as NumPy functions of states and parameters, compiled on first use."""
        return CompiledFlow(self)

    def about(self) -> dict[str, Any]:
        """Plain description for a Dataset's provenance: equations as text, branch, source, roles."""
        return dict(self._about)

    def origin(self) -> dict[str, Any]:
        """Return the same as `about`, under the name that a Field shares."""
        return self.about()

    @cached_property
    def _about(self) -> dict[str, Any]:
        told = {
            "name": self.name,
            "branch": self.branch,
            "variant": self.variant,
            "states": list(self.states),
            "loss": None if self.loss is None else text(self.loss),
            "rhs": {name: text(entry) for name, entry in zip(self.states, self.rhs, strict=True)},
            "roles": {role: list(names) for role, names in self.roles.items()},
            "random": random_text(self.random) if self.random else "",
            "expectation": str(self.expectation) if self.expectation > TOLD else "",
            "reference": self.reference,
        }
        return {key: value for key, value in told.items() if value}


def _is_read(rule: Rule) -> bool:
    """Whether a rule is made of expressions already, with nothing in them that is to be averaged."""
    if not isinstance(rule, Descend | Track | Hold | Move):
        return False
    return all(isinstance(part, sympy.Expr) and not part.has(Average) for part in parts_of(rule).values())
