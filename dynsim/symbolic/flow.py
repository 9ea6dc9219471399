"""The gradient flow that a loss generates, with stop-gradient, without it, and of the second branch only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import sympy

from dynsim.choices import Branch
from dynsim.errors import InvalidType, bad, unknown
from dynsim.names import TIME, check_names
from dynsim.symbolic.averaging import expected, rules_of
from dynsim.symbolic.compiled import Parametric
from dynsim.symbolic.distributions import Random, random_text, read_random
from dynsim.symbolic.equations import Equations
from dynsim.symbolic.exact import Exact
from dynsim.symbolic.expectation import Average, Expectation
from dynsim.symbolic.expressions import (
    default_roles,
    expression,
    name_of,
    names_of,
    parts_of,
    plain,
    right_hand_side,
    roles_of,
    stopped_states,
    substitute,
    symbol_table,
)
from dynsim.symbolic.functions import has_stop_gradient, release
from dynsim.symbolic.printing import text
from dynsim.symbolic.quadrature import EXACT, TOLD, Quadrature, quadrature_of
from dynsim.symbolic.rules import Descend, Hold, Move, Rule, Track

__all__ = ["BRANCHES", "Flow", "gradient_flow"]


@dataclass(frozen=True, eq=False, repr=False)
class Flow(Equations, Parametric):
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
    branch: Branch = "stop"
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
        if self is other:
            return True
        if not isinstance(other, Flow):
            return NotImplemented
        # The closed forms follow from the equations, and functions cannot be compared.
        told = [part.name for part in fields(self) if part.name != "exact"]
        return all(getattr(self, name) == getattr(other, name) for name in told)

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
        time = [symbol for symbol in self.rhs.free_symbols if symbol.name == TIME]
        parameters = [*(self.symbols[name] for name in self.parameters), *time]
        return quadrature_of(list(self.rhs), self._state_symbols, parameters, self.ranges)

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


BRANCHES: tuple[Branch, ...] = ("stop", "full", "target")


def gradient_flow(
    loss: Any,
    states: Any,
    *,
    random: Any = None,
    branch: Branch = "stop",
    rates: Mapping[Any, Any] | None = None,
    decay: Mapping[Any, Any] | None = None,
    track: Mapping[Any, tuple[Any, Any]] | None = None,
    roles: Mapping[str, Any] | None = None,
) -> Flow:
    """Derive the gradient flow of a loss in one of its three branches.

    Parameters
    ----------
    loss : expression, number or str
        Scalar and real; may contain `stop_gradient`. Text goes through `parse`.
    states : sequence of str or Symbol
        What moves, in this order. Every other symbol is a parameter.
    random : mapping or str, optional
        What is drawn anew for every sample: ``{name: Normal(…) | Uniform(…) | Discrete(…)}``, a tuple of names for a
        joint distribution, or text, ``"x ~ normal(0, lambda_d), n ~ normal(0, sigma2)"``. In the loss, ``E(…)``,
        ``var``, ``std``, ``cov``, ``corr`` average over the random symbols inside, ``E(…, n)`` over those named only,
        and what is left outside is averaged as a whole. A stop-gradient acts on each sample.
    branch : {"stop", "full", "target"}
        As written; stop-gradients removed; or, for every state inside a stop-gradient, the gradient of
        "full" minus that of "stop" (of the encoder's two branches only the second), the others as in "stop".
    rates : mapping, optional
        ``{state: learning-rate ratio}``; multiplies the gradient.
    decay : mapping, optional
        ``{state: weight decay}``, per unit of flow time, not multiplied by the rate.
    track : mapping, optional
        ``{teacher: (source, rate)}``: the teacher follows the source instead of descending.
    roles : mapping, optional
        ``{"predictor": …, "encoder": …, "teacher": …}``. By default the teachers are the keys of `track`, the
        encoder is every state inside a stop-gradient or followed by a teacher, the predictor is the rest.

    Returns
    -------
    Flow

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        A loss that is complex or no scalar, a state that is not in it, a key that is no state, a
        stop-gradient where nothing is differentiated, branch "target" of a loss without stop-gradient, a random
        symbol that is a state or does not occur, an average that does not exist.

    See Also
    --------
    Flow.of, system : from one rule per state; from the catalogue.
    parse : the text alone.

    References
    ----------
    Su Jianlin, kexue.fm/archives/7980 (2020); Chen & He, arXiv:2011.10566.

    Examples
    --------
    >>> from dynsim import gradient_flow
    >>> loss = "(phi*theta - sg(theta))^2/2"
    >>> for branch in ("stop", "full", "target"):
    ...     print(gradient_flow(loss, "phi, theta", branch=branch).rhs[1].factor())
    -phi*theta*(phi - 1)
    -theta*(phi - 1)**2
    theta*(phi - 1)

    Two views with noise of variance σ²:

    >>> loss = "E((phi*theta*(x + n1) - sg(theta*(x + n2)))^2)/2"
    >>> views = "x ~ normal(0, 1), n1 ~ normal(0, sigma2), n2 ~ normal(0, sigma2)"
    >>> gradient_flow(loss, "phi, theta", random=views).rhs[0].expand()
    -phi*sigma2*theta**2 - phi*theta**2 + theta**2
    """
    names = names_of("states", states)
    drawn = {} if random is None else read_random(random)
    written = None if drawn else expression("loss", loss)
    if written is None or written.has(Average):
        written = expected({"loss": loss}, drawn, names)["loss"]
    if not isinstance(branch, str) or branch not in BRANCHES:
        raise bad("branch", branch, "'stop', 'full' or 'target'")
    if branch == "target" and not has_stop_gradient(written):
        raise bad(
            "branch",
            branch,
            "'stop' or 'full'",
            "the loss has no stop_gradient, so there is no second branch",
        )
    rates, decay = _per_state("rates", rates, names), _per_state("decay", decay, names)
    followed = _tracked(track, names)
    for name in set(followed) & (set(rates) | set(decay)):
        raise bad("track", name, "a state with neither rate nor decay", "a teacher does not descend the loss")

    stopped = tuple(name for name in stopped_states(written, names) if name not in followed)
    everything = release(written)
    # The gradient of (everything − written) is what flows through the stop-gradients alone: the second branch.
    losses = {"stop": written, "full": everything, "target": everything - written}
    rules: dict[str, Rule] = {}
    for name in names:
        descended = written if branch == "target" and name not in stopped else losses[branch]
        rules[name] = followed.get(name) or Descend(
            descended, rates.get(name, sympy.S.One), decay.get(name, sympy.S.Zero)
        )
    chosen = roles if roles is not None else default_roles(written, names, rules)
    return Flow.of(rules, roles=chosen).describe(loss=written, branch=branch, random=drawn)


def _per_state(argument: str, values: Mapping[Any, Any] | None, names: tuple[str, ...]) -> dict[str, Any]:
    if values is not None and not isinstance(values, Mapping):
        raise bad(argument, values, "a mapping {state: value}", kind=InvalidType)
    result = {name_of(argument, key): value for key, value in (values or {}).items()}
    for key in result:
        if key not in names:
            raise unknown(f"state in {argument}", key, names)
    return result


def _tracked(track: Mapping[Any, tuple[Any, Any]] | None, names: tuple[str, ...]) -> dict[str, Track]:
    result = {}
    for name, pair in _per_state("track", track, names).items():
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise bad(f"track['{name}']", pair, "a pair (source, rate)", kind=InvalidType)
        result[name] = Track(*pair)
    return result
