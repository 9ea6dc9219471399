"""Flow: the gradient flow that a loss with stop-gradients generates, and everything that is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from typing import Any

import sympy

from dynsim.errors import InvalidType, InvalidValue, bad, unknown
from dynsim.field import Field
from dynsim.symbolic.exact import Exact
from dynsim.symbolic.expressions import almost_everywhere, name_of, substitute, symbol_table
from dynsim.symbolic.numeric import CompiledFlow
from dynsim.symbolic.printing import latex, text, tidy
from dynsim.symbolic.rules import (
    Descend,
    Rule,
    default_roles,
    parts_of,
    plain,
    right_hand_side,
    roles_of,
    rule_of,
    with_parts,
)

__all__ = ["Flow"]


@dataclass(frozen=True, eq=False)
class Flow:
    """The ordinary differential equation that a loss with stop-gradients generates.

    Make one with `gradient_flow`, `Flow.of` or `system`.

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

    @classmethod
    def of(cls, rules: Mapping[Any, Rule], *, roles: Mapping[str, Any] | None = None) -> Flow:
        """Make a flow from one rule per state: several losses (games), teachers, held states.

        Parameters
        ----------
        rules : mapping
            ``{state: Descend(…) | Track(…) | Hold(…) | Move(…)}``.
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
        named = {name: rule_of(name, rule) for name, rule in ((name_of("rules", s), r) for s, r in rules.items())}
        symbols = symbol_table([part for rule in named.values() for part in parts_of(rule).values()], named)
        states, rhs, held = right_hand_side(named, symbols)
        losses = [rule.loss for rule in named.values() if isinstance(rule, Descend)]
        loss = losses[0] if losses and all(item == losses[0] for item in losses) else None
        if roles is None:
            chosen = {} if loss is None else default_roles(loss, states, named)
        else:
            chosen = roles_of(roles, states)
        return cls(states, rhs, symbols, loss, roles=chosen, held=held, rules=named)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the free symbols that are no states, sorted."""
        everything = [self.rhs, *self.observables.values(), *([self.loss] if self.loss is not None else [])]
        free = {symbol.name for item in everything for symbol in item.free_symbols}
        return tuple(sorted(free - set(self.states) - set(self.held)))

    @cached_property
    def jacobian(self) -> sympy.Matrix:
        """Jacobian of the resolved field: ∂rhs/∂states, no stop-gradient left inside."""
        real = {s: sympy.Dummy(s.name, real=True) for s in self.rhs.free_symbols | set(self._state_symbols)}
        back = {dummy: s for s, dummy in real.items()}
        columns = [real[symbol] for symbol in self._state_symbols]
        return almost_everywhere(self.rhs.xreplace(real).jacobian(columns)).xreplace(back)

    @cached_property
    def is_gradient(self) -> bool:
        """Whether the field is the gradient of any function: the Jacobian is symmetric, literally."""
        curl = self.jacobian - self.jacobian.T
        return all(sympy.simplify(entry) == 0 for entry in curl)

    @property
    def _state_symbols(self) -> list[sympy.Symbol]:
        return [self.symbols[name] for name in self.states]

    def latex(self) -> str:
        r"""Return the equations as one LaTeX ``aligned`` environment.

        Examples
        --------
        >>> from dynsim import gradient_flow
        >>> print(gradient_flow("eta_s*theta^2/2", ["theta"]).latex())
        \begin{aligned}
        \dot{\theta} &= - \eta_s \theta
        \end{aligned}
        """
        lines = [
            rf"\dot{{{latex(self.symbols[name])}}} &= {latex(tidy(entry))}"
            for name, entry in zip(self.states, self.rhs, strict=True)
        ]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def fix(self, values: Mapping[Any, Any] | None = None, /, **more: Any) -> Flow:
        """Fix parameters to numbers or tie them to others.

        Parameters
        ----------
        values : mapping, optional
            ``{parameter: number, name or expression}``; for names that are Python keywords.
        **more
            The same as keywords: ``fix(sigma2=0.1, eta_p="eta", eta_s="eta")``.

        Returns
        -------
        Flow
            Without the fixed parameters; a new name takes default and range of the first tied to it.

        Raises
        ------
        UnknownName
            A key that is no parameter.

        Examples
        --------
        >>> from dynsim import system
        >>> system("scalar").fix(sigma2=0, eta_p="eta", eta_s="eta").parameters
        ('alpha', 'eta')
        """
        return replace(self, **_fixed(self, {**(values or {}), **more}))

    def describe(self, **facts: Any) -> Flow:
        """Return the same equations with more told about them: defaults, view, observables, reference, …

        `observables` may be text or expressions in the names of states and parameters.
        """
        if "observables" in facts:
            facts["observables"] = {
                key: substitute(plain(f"observable '{key}'", item), self.symbols)
                for key, item in facts["observables"].items()
            }
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
        if parameters is not None and not isinstance(parameters, Mapping):
            raise bad("parameters", parameters, "a mapping {name: value}", kind=InvalidType)
        given = {name_of("parameters", key): value for key, value in (parameters or {}).items()}
        for key in given:
            if key not in self.parameters:
                raise unknown("parameter", key, self.parameters)
        merged = {key: self.defaults[key] for key in self.parameters if key in self.defaults} | given
        missing = [key for key in self.parameters if key not in merged]
        if missing:
            raise bad("parameters", given, f"a value for {', '.join(missing)}", "pass parameters={name: value}")
        return {key: merged[key] for key in self.parameters}

    def field(self, parameters: Mapping[Any, Any] | None = None) -> Field:
        """Compile the flow to a numeric `Field` at the given parameter values.

        Parameters
        ----------
        parameters : mapping, optional
            ``{name: number}``; what is left out takes the system's default.

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
        values = {name: _number(name, value) for name, value in self.values(parameters).items()}
        return self.compiled.field(values)

    @cached_property
    def compiled(self) -> CompiledFlow:
        """The flow as NumPy functions of states and parameters, compiled on first use."""
        return CompiledFlow(self)

    def about(self) -> dict[str, Any]:
        """Plain description for a Dataset's provenance: equations as text, branch, source, roles."""
        return dict(self._about)

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
            "reference": self.reference,
        }
        return {key: value for key, value in told.items() if value}


def _number(name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise bad(f"parameter '{name}'", value, "a real number", kind=InvalidType) from None
    if not isfinite(number):
        raise bad(f"parameter '{name}'", value, "a finite number", kind=InvalidValue)
    return number


def _fixed(flow: Flow, values: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes of the flow that remains when parameters take the given numbers, names or expressions."""
    given = {name_of("parameter", key): value for key, value in values.items()}
    for key in given:
        if key not in flow.parameters:
            raise unknown("parameter", key, flow.parameters)
    bound = {key: substitute(plain(f"value of '{key}'", value), flow.symbols) for key, value in given.items()}
    for key, value in bound.items():
        for symbol in value.free_symbols:
            if symbol.name in flow.states:
                raise bad(f"value of '{key}'", given[key], "an expression in parameters", f"'{symbol}' is a state")

    def inherited(told: Mapping[str, Any]) -> dict[str, Any]:
        # A new name inherits from the first parameter that is tied to it.
        rest = {key: value for key, value in told.items() if key not in bound}
        for key, value in bound.items():
            if isinstance(value, sympy.Symbol) and key in told:
                rest.setdefault(value.name, told[key])
        return rest

    loss = None if flow.loss is None else substitute(flow.loss, bound)
    rhs = substitute(flow.rhs, bound)
    observables = {name: substitute(item, bound) for name, item in flow.observables.items()}
    states = [flow.symbols[name] for name in flow.states]
    defaults = inherited(flow.defaults)
    return {
        "rhs": rhs,
        "loss": loss,
        "observables": observables,
        "rules": {
            name: with_parts(rule, lambda _, part: substitute(part, bound)) for name, rule in flow.rules.items()
        },
        "held": {name: substitute(item, bound) for name, item in flow.held.items()},
        "symbols": symbol_table([rhs, *states, *observables.values(), *([] if loss is None else [loss])]),
        "defaults": defaults,
        "ranges": inherited(flow.ranges),
        "exact": None if flow.exact is None else flow.exact.bind(bound, defaults),
    }
