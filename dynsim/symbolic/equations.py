"""What can be asked of a flow before it has numbers: how it reads, its Jacobian, what is fixed or frozen in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Self

import sympy

from dynsim.choices import Branch
from dynsim.errors import InvalidType, InvalidValue, bad, unknown
from dynsim.names import TIME, check_names
from dynsim.symbolic.distributions import Random, substituted
from dynsim.symbolic.exact import Exact
from dynsim.symbolic.expressions import derivative, name_of, plain, substitute, symbol_table, with_parts
from dynsim.symbolic.functions import has_stop_gradient
from dynsim.symbolic.printing import latex, tidy, unicode_name, unicode_text
from dynsim.symbolic.quadrature import TOLD, Quadrature
from dynsim.symbolic.rules import Descend, Rule
from dynsim.symbolic.zero_test import are_equal, is_symmetric

__all__ = ["Equations"]

WIDTH = 110  # characters in a line of a flow that prints itself
BRANCHES = {"full": ", without stop-gradient", "target": ", second branch only"}


class Equations:
    """The half of a `Flow` that reads and rewrites its equations; its attributes are documented there."""

    states: tuple[str, ...]
    rhs: sympy.Matrix
    symbols: dict[str, sympy.Symbol]
    loss: sympy.Expr | None
    branch: Branch
    defaults: dict[str, Any]
    ranges: dict[str, tuple[float, float]]
    observables: dict[str, sympy.Expr]
    exact: Exact | None
    held: dict[str, sympy.Expr]
    rules: dict[str, Rule]
    name: str
    variant: str | None
    conserved: tuple[sympy.Expr, ...]
    random: Random

    if TYPE_CHECKING:

        @property
        def parameters(self) -> tuple[str, ...]:
            """Of the flow."""

        @property
        def expectation(self) -> Quadrature:
            """Of the flow."""

        @property
        def is_autonomous(self) -> bool:
            """Of the flow."""

    @property
    def equations(self) -> Self:
        """The flow itself: where a Field stands there is None, for it only has numbers."""
        return self

    def __repr__(self) -> str:
        variant = f" ({self.variant})" if self.variant else ""
        loss = f": loss {unicode_text(self.loss)}" if self.loss is not None else ""
        free = ", ".join(map(unicode_name, self.parameters))
        head = f"Flow {self.name}".rstrip() + variant + BRANCHES.get(self.branch, "") + loss
        equations = (f"{unicode_name(name)}' = {unicode_text(tidy(entry))}" for name, entry in self._entries)
        accuracy = f"\n  {self.expectation}" if self.expectation > TOLD else ""
        lines = _shortened(f"{head}; parameters {free}" if free else head), _shortened("; ".join(equations))
        return "\n  ".join(lines) + accuracy

    def _repr_html_(self) -> str:
        title = " ".join(filter(None, [self.name, self.variant and f"({self.variant})", f"branch {self.branch}"]))
        parts = [f"<div><b>Flow</b> {escape(title)}</div>", f"<div>$${self.latex()}$$</div>"]
        if self.loss is not None:
            parts.append(f"<div>loss ${latex(self.loss)}$</div>")
        if self.expectation > TOLD:
            parts.append(f"<div>{self.expectation}</div>")
        if self.conserved:
            parts.append("<div>conserved: " + ", ".join(f"${latex(item)}$" for item in self.conserved) + "</div>")
        return "".join(parts)

    @property
    def _entries(self) -> list[tuple[str, sympy.Expr]]:
        return list(zip(self.states, self.rhs, strict=True))

    @cached_property
    def jacobian(self) -> sympy.Matrix:
        """Jacobian of the resolved field: ∂rhs/∂states, no stop-gradient left inside."""
        rows = [(entry, entry.free_symbols) for entry in self.rhs]
        return sympy.Matrix([[derivative(e, s) if s in held else 0 for s in self._state_symbols] for e, held in rows])

    @cached_property
    def is_gradient(self) -> bool | None:
        """Whether the field is the gradient of any function: the Jacobian is symmetric, literally.

        A Jacobian that is not symmetric is found out at random points; symmetry is proven, by construction (every
        state descends one loss without stop-gradient at one rate) or by algebra within a budget. Beyond that: None.
        """

        def moves(expr: sympy.Expr) -> bool:
            return bool({symbol.name for symbol in expr.free_symbols} & set(self.states))

        rules = [self.rules.get(name) for name in self.states]
        if not self.held and all(isinstance(rule, Descend) and not moves(rule.decay) for rule in rules):
            common = {(rule.loss, rule.rate) for rule in rules if isinstance(rule, Descend)}
            if len(common) == 1 and not any(moves(rate) or has_stop_gradient(loss) for loss, rate in common):
                return True
        return is_symmetric(self.jacobian)

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
        lines = [rf"\dot{{{latex(self.symbols[name])}}} &= {latex(tidy(entry))}" for name, entry in self._entries]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def fix(self, values: Mapping[Any, Any] | None = None, /, **more: Any) -> Self:
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
        given = {name_of("parameter", key): value for key, value in {**(values or {}), **more}.items()}
        for key in given:
            if key not in self.parameters:
                raise unknown("parameter", key, self.parameters)
        bound = {key: substitute(plain(f"value of '{key}'", value), self.symbols) for key, value in given.items()}
        for key, value in bound.items():
            for symbol in value.free_symbols:
                if symbol.name in self.states:
                    raise bad(f"value of '{key}'", given[key], "an expression in parameters", f"'{symbol}' is a state")
            check_names("parameter", {symbol.name for symbol in value.free_symbols} - {TIME})
        return self.substituted(bound)

    def substituted(self, bound: Mapping[str, sympy.Expr]) -> Self:
        """Return the flow in which parameters, or the time, are replaced by expressions; nothing is checked."""

        def inherited(told: Mapping[str, Any]) -> dict[str, Any]:
            # A new name inherits from the first parameter that is tied to it.
            rest = {key: value for key, value in told.items() if key not in bound}
            for key, value in bound.items():
                if isinstance(value, sympy.Symbol) and key in told:
                    rest.setdefault(value.name, told[key])
            return rest

        loss = None if self.loss is None else substitute(self.loss, bound)
        rhs = substitute(self.rhs, bound)
        observables = {name: substitute(item, bound) for name, item in self.observables.items()}
        states = [self.symbols[name] for name in self.states]
        timed = TIME in bound or any(symbol.name == TIME for item in bound.values() for symbol in item.free_symbols)
        defaults = inherited(self.defaults)
        changed: dict[str, Any] = {
            "rhs": rhs,
            "loss": loss,
            "observables": observables,
            "rules": {
                name: with_parts(rule, lambda _, part: substitute(part, bound)) for name, rule in self.rules.items()
            },
            "held": {name: substitute(item, bound) for name, item in self.held.items()},
            "symbols": symbol_table([rhs, *states, *observables.values(), *([] if loss is None else [loss])]),
            "defaults": defaults,
            "ranges": inherited(self.ranges),
            "random": {key: substituted(law, bound) for key, law in self.random.items()},
            "exact": None if self.exact is None or timed else self.exact.bind(bound, defaults),
            "conserved": () if timed else tuple(substitute(item, bound) for item in self.conserved),
        }
        return replace(self, **changed)  # type: ignore[type-var]

    def require_autonomous(self, purpose: str) -> None:
        """Raise if the velocity depends on the time.

        Parameters
        ----------
        purpose : str
            What needs an autonomous flow: "equilibria", "an exact answer".

        Raises
        ------
        InvalidValue
            Naming t and the states whose velocity depends on it.

        Examples
        --------
        >>> from dynsim import gradient_flow
        >>> gradient_flow("(phi - sin(t))^2/2", "phi").require_autonomous("equilibria")
        Traceback (most recent call last):
            ...
        dynsim.errors.InvalidValue: flow: got velocities of phi that depend on the time t, expected an autonomous ...
        """
        moving = [name for name, entry in self._entries if TIME in {symbol.name for symbol in entry.free_symbols}]
        if moving:
            raise InvalidValue(
                f"flow: got velocities of {', '.join(moving)} that depend on the time {TIME}, expected an autonomous "
                f"flow: {purpose} has no meaning while the flow changes; flow.at(0) freezes it at one time"
            )

    def at(self, time: Any) -> Self:
        """Freeze the flow at one time: t replaced by that number wherever it occurs.

        Examples
        --------
        >>> from dynsim import gradient_flow
        >>> gradient_flow("(phi - sin(t))^2/2", "phi").at(0).rhs
        Matrix([[-phi]])
        """
        moment = plain("time", time)
        if moment.free_symbols:
            raise bad("time", time, "a number", kind=InvalidType)
        return self if self.is_autonomous else self.substituted({TIME: moment})

    def conserved_quantity(self, value: Any) -> sympy.Expr:
        """Check that an expression in states, parameters and the time does not change along any run.

        Raises
        ------
        InvalidValue
            It changes, or it stays undecided whether it does.
        """
        expr = substitute(plain("conserved", value), self.symbols)
        time = next((symbol for symbol in expr.free_symbols if symbol.name == TIME), sympy.Symbol(TIME))
        slopes = [expr.diff(self.symbols[name]) * entry for name, entry in self._entries]
        if are_equal(sympy.Add(*slopes), -expr.diff(time)) is not True:
            raise bad("conserved", value, "a quantity that does not change along the flow")
        return expr


def _shortened(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
