"""The flow that an optimiser of finite step size follows: backward error analysis, to any low order in the step.

A method that moves y by steps follows, up to terms beyond every power of h, the flow of a field f̃ = f₁ + h·f₂ + …;
with L the derivative along it, y(t + h) = e^{hL} y and y(t − h) = e^{−hL} y. Put into the rule of the optimiser, each
power of h gives one more fₖ. Momentum is the three-step rule

    y₊ − y = μ(y − y₋) + h·f(y)                            heavy ball
    y₊ − y = μ(y − y₋) + h[(1 + μ)f(y) − μf(y₋)]           Nesterov's, as in PyTorch

which forgets how it was started like μⁿ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import combinations_with_replacement
from math import factorial, prod
from numbers import Integral
from typing import Any

import sympy
from sympy.polys.domains import QQ
from sympy.polys.rings import PolyElement

from dynsim.choices import FlowOptimiser
from dynsim.errors import InvalidType, bad, unknown
from dynsim.integrate.jets import Jets
from dynsim.integrate.optimisers.catalogue import optimiser_named
from dynsim.names import TIME, check_names
from dynsim.symbolic.expressions import name_of, names_of, plain, substitute
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.rules import Descend, Move, Track
from dynsim.symbolic.sources import as_flow

__all__ = ["modified_flow"]

OPTIONS = {
    "gd": ("decoupled", "teacher"),
    "simultaneous": ("decoupled", "teacher"),
    "momentum": ("momentum", "decoupled", "teacher"),
    "nesterov": ("momentum", "decoupled", "teacher"),
    "alternating": ("blocks", "teacher"),
}
HIGHEST = 3

Vector = list[PolyElement]


def modified_flow(
    flow: Any, optimiser: FlowOptimiser = "gd", *, order: int = 1, lr: Any = "h", **options: Any
) -> Flow:
    """Return the flow that an optimiser with steps of size `lr` follows, to a power of the step size.

    The run of `optimise` at step n is the run of this flow at time lr·n, up to an error of order lr^(order + 1);
    without a correction (order 0) the error is of order lr.

    Parameters
    ----------
    flow : Flow, or what `as_flow` reads
        Any field: a gradient flow, a game, one that depends on the time.
    optimiser : {"gd", "simultaneous", "momentum", "nesterov", "alternating"}
        As in `optimise`.
    order : int
        Highest power of the step size that is kept, 0 to 3.
    lr : str or number
        Step size: the name of a new parameter, or its value.
    momentum : number, name or expression, optional
        μ of "momentum" (the heavy ball) and "nesterov"; 0.9 by default.
    decoupled : bool, optional
        Whether weight decay bypasses the momentum, y ← (1 − lr·η)y + …, as in SGDW; by default it is part of the
        gradient, as in `optimise`.
    teacher : number, name or expression, optional
        EMA coefficient m per step of the teachers, after the student has moved. An expression in ``lr`` that is 1 at
        lr = 0, such as ``"1 - beta*lr"`` or ``"exp(-beta*lr)"``, keeps the teachers as states; a number or parameter
        below 1 leaves them m/(1 − m) steps behind the student, and they are states no longer. By default teachers
        move by Euler steps of their own rate, as in `optimise`.
    blocks : sequence, optional
        For "alternating": the order of states, or of tuples of them; by default predictor, then encoder, or every
        state by itself.

    Returns
    -------
    Flow
        In the time lr·step, which for momentum is (1 − μ) times the time that `optimise` shows: to lowest order its
        velocity is f/(1 − μ). The parameters of the flow are kept; it has neither a loss nor closed forms.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        An optimiser whose modified equation nobody knows (Adam, the sign of the gradient), an order beyond 3, an
        option that the optimiser does not have, a name for the step that is taken.

    See Also
    --------
    dynsim.optimise : the optimiser itself.

    Notes
    -----
    Momentum that starts from rest settles onto this flow within about 1/(1 − μ) steps, displaced by −lr·μf/(1 − μ)²
    (Nesterov −lr·μ²f/(1 − μ)²) + O(lr²). Where a velocity has a kink the corrections hold on either side of it.

    References
    ----------
    Hairer, Lubich & Wanner, "Geometric Numerical Integration" (2006), IX; Barrett & Dherin, arXiv:2009.11162.

    Examples
    --------
    >>> from dynsim import Flow, Move, modified_flow
    >>> decay = Flow.of({"y": Move("-a*y")})
    >>> modified_flow(decay, order=2).rhs[0].expand()  # −ln(1 − ah)/h = −a − a²h/2 − a³h²/3 − …
    -a**3*h**2*y/3 - a**2*h*y/2 - a*y
    >>> modified_flow(decay, "momentum", order=0, momentum="mu").rhs[0]
    -a*y/(1 - mu)
    """
    flow = as_flow(flow)
    optimiser_named(optimiser)
    if optimiser not in OPTIONS:
        raise bad("optimiser", optimiser, f"one of {', '.join(OPTIONS)}", "no modified equation of it is known")
    for key in options:
        if key not in OPTIONS[optimiser]:
            raise unknown(f"option of optimiser '{optimiser}'", key, OPTIONS[optimiser])
    if not isinstance(order, Integral) or isinstance(order, bool) or not 0 <= order <= HIGHEST:
        raise bad("order", order, f"an integer from 0 to {HIGHEST}", "higher powers of the step are not derived")
    scheme = _Scheme(flow, optimiser, int(order), options)
    size = _step_size(flow, lr, scheme)
    for _ in range(int(order) + 1):
        scheme.extend()
    return scheme.result(size)


def _step_size(flow: Flow, lr: Any, scheme: _Scheme) -> sympy.Expr:
    """The step size as a symbol or a number."""
    if isinstance(lr, str | sympy.Symbol):
        name = name_of("lr", lr)
        check_names("lr", [name])
        taken = {*flow.symbols, *scheme.names}
        if name in taken:
            raise bad("lr", name, f"a new name, none of {', '.join(sorted(taken))}", "lr='step_size', say")
        value = plain("lr", name)
        if not isinstance(value, sympy.Symbol):
            raise bad("lr", lr, "one name or a positive number")
        return value
    value = plain("lr", lr)
    if value.free_symbols or not value > 0:
        raise bad("lr", lr, "the name of a parameter or a positive number")
    return value


class _Scheme:
    """An optimiser's rule in powers of hL, and the terms of the modified field found so far."""

    def __init__(self, flow: Flow, optimiser: str, order: int, options: Mapping[str, Any]) -> None:
        self.flow, self.optimiser, self.options = flow, optimiser, options
        self.size = sympy.Dummy("lr")
        mu = self._coefficient("momentum", options.get("momentum", 0.9)) if "momentum" in OPTIONS[optimiser] else 0
        self.teacher = self._coefficient("teacher", options.get("teacher"))
        self.given = [item for item in (mu, self.teacher) if isinstance(item, sympy.Expr)]
        self.teachers = {name: rule for name, rule in flow.rules.items() if isinstance(rule, Track)}
        self.sources = self._followed() if self.teacher is not None else {}
        self.behind = self._is_behind()
        self.states = tuple(name for name in flow.states if not (self.behind and name in self.sources))
        self.symbols = [flow.symbols[name] for name in self.states]
        free = set().union(*(entry.free_symbols for entry in flow.rhs))
        self.time = next((symbol for symbol in free if symbol.name == TIME), sympy.Symbol(TIME))

        self.memory = {"mu": sympy.Dummy("mu"), "pace": sympy.Dummy("pace")} if mu != 0 else {}
        constants: dict[sympy.Symbol, sympy.Expr] = {}
        if self.memory:
            constants = {self.memory["mu"]: mu, self.memory["pace"]: 1 / (1 - mu)}
        self.shares = [sympy.Dummy("share") for _ in range(order + 2)]
        if self.teacher is not None:
            constants |= dict(zip(self.shares, self._teacher_series(order + 2), strict=True))
        variables = [flow.symbols[name] for name in flow.states] + ([self.time] if self.time in free else [])
        self.jets = Jets(variables, self._families(), constants, order)
        ring = self.jets.ring
        self.mu, self.pace = (
            ring(self.memory[key]) if self.memory else ring(n) for key, n in (("mu", 0), ("pace", 1))
        )
        self.terms: list[Vector] = []
        self.known: dict[Any, Vector] = {}
        self.vectors = {key: [family[name] for name in self.states] for key, family in self.jets.families.items()}
        self.vectors["y"] = [ring(symbol) for symbol in self.symbols]

    @property
    def names(self) -> set[str]:
        """Names of the symbols that the options bring in."""
        return {symbol.name for item in self.given for symbol in item.free_symbols - {self.size}}

    def _coefficient(self, argument: str, value: Any) -> Any:
        """A number below 1, or an expression in parameters and lr."""
        if value is None:
            return None
        expr = plain(argument, value)
        moving = {TIME, *self.flow.states} & {symbol.name for symbol in expr.free_symbols}
        if moving:
            raise bad(argument, value, "a number or an expression in parameters", f"'{moving.pop()}' moves")
        if not expr.free_symbols and not 0 <= expr < 1:
            raise bad(argument, value, "a number in [0, 1), or an expression in parameters")
        return substitute(expr, {**self.flow.symbols, "lr": self.size})

    def _followed(self) -> dict[str, str]:
        """Teacher → the state it follows."""
        if not self.teachers:
            raise bad("teacher", self.options["teacher"], "none: this flow has no teacher state", "see track=…")
        return {name: name_of("source", rule.source) for name, rule in self.teachers.items()}

    def _is_behind(self) -> bool:
        """Whether the teachers follow so fast that they are a function of their students."""
        if self.teacher is None or self.teacher.subs(self.size, 0) == 1:
            return False
        given = self.options["teacher"]
        if self.teacher.has(self.size):
            raise bad("teacher", given, "a coefficient that is 1 at lr = 0, or one that does not depend on lr")
        if self.optimiser not in ("gd", "simultaneous", "momentum") or set(self.sources.values()) & set(self.sources):
            raise bad("teacher", given, "one that is 1 at lr = 0, for this optimiser", "'1 - beta*lr', say")
        return True

    def _teacher_series(self, number: int) -> list[sympy.Expr]:
        """Powers of h in 1 − m, or of z in the average (1 − m)/(1 − m·e^{−z}) of a student's past."""
        if not self.behind:
            return [_coefficient_of(1 - self.teacher, self.size, power) for power in range(number)]
        z = sympy.Dummy("z")
        weights = (1 - self.teacher) / (1 - self.teacher * sympy.exp(-z))
        return [sympy.simplify(_coefficient_of(weights, z, power)) for power in range(number)]

    def _families(self) -> dict[str, dict[str, sympy.Expr]]:
        """The velocity, the decay that bypasses the momentum, and the force: what the momentum sums up."""
        flow = self.flow
        # The optimiser reads the flow at its own time, which momentum makes run 1/(1 − μ) times as fast as lr·step.
        later = {self.time: self.time * self.memory["pace"]} if self.memory else {}
        velocity = {name: entry.xreplace(later) for name, entry in zip(flow.states, flow.rhs, strict=True)}
        decay = dict.fromkeys(flow.states, sympy.S.Zero)
        if self.options.get("decoupled", False):
            for name, rule in flow.rules.items():
                if isinstance(rule, Descend):
                    rate = substitute(plain("decay", rule.decay), flow.symbols).xreplace(later)
                    decay[name] = rate * flow.symbols[name]
        force = {name: velocity[name] + decay[name] for name in flow.states}
        return {"velocity": velocity, "decay": decay, "force": force}

    def _along(self, index: int, vector: Vector) -> Vector:
        """Derivative of a vector along term `index` of the modified field; the first one also moves the time."""
        changes = []
        for item in vector:
            total = self.jets.ring.zero
            for name, symbol, slope in zip(self.states, self.symbols, self.terms[index - 1], strict=True):
                if slope:
                    moving = [symbol, *(self.flow.symbols[t] for t in self._slaves if self.sources[t] == name)]
                    total = total + sum(self.jets.slope(item, each) for each in moving) * slope
            if index == 1 and self.time in self.jets.variables:
                total = total + self.jets.slope(item, self.time)
            changes.append(total)
        return changes

    @cached_property
    def _slaves(self) -> list[str]:
        return list(self.sources) if self.behind else []

    def _word(self, key: str, length: int, power: int) -> Vector:
        """Coefficient of h^power in (hL)^length applied to a vector, which is known by its key."""
        vector = self.vectors[key]
        if length == 0:
            return vector if power == 0 else [self.jets.ring.zero] * len(vector)
        if (key, length, power) not in self.known:
            total = [self.jets.ring.zero] * len(vector)
            for index in range(1, power - length + 2):
                inner = self._word(key, length - 1, power - index)
                total = [a + b for a, b in zip(total, self._along(index, inner), strict=True)]
            self.known[key, length, power] = total
        return self.known[key, length, power]

    def _shifted(self, key: str, row: int, power: int, sign: int) -> PolyElement:
        """Coefficient of h^power in e^{±hL} applied to an entry of a vector."""
        words = (
            self._word(key, length, power)[row] * QQ(sign**length, factorial(length)) for length in range(power + 1)
        )
        return sum(words, self.jets.ring.zero)

    def extend(self) -> None:
        """Find the next term of the modified field."""
        k = len(self.terms) + 1
        term = []
        for row, name in enumerate(self.states):
            follows = name in self.teachers
            mu, pace = (self.jets.ring.zero, self.jets.ring.one) if follows else (self.mu, self.pace)
            total = self._teacher_moves(name, k) if follows else self._moves(row, name, k)
            for length in range(2, k + 1):
                weight = (1 + (-1) ** length * mu) * QQ(1, factorial(length))
                total = total - weight * self._word("y", length, k)[row]
            term.append(total * pace)
        self.terms.append(term)

    def _moves(self, row: int, name: str, k: int) -> PolyElement:
        """Coefficient of h^k in what the rule adds to μ(y − y₋)."""
        total = self._force(name, k - 1)
        if self.optimiser == "nesterov":
            total = total * (1 + self.mu) - self.mu * self._shifted("force", row, k - 1, -1)
        if self.vectors["decay"][row]:
            total = total + self.mu * self._shifted("decay", row, k - 1, -1)
            total = total - self.vectors["decay"][row] if k == 1 else total
        return total

    def _teacher_moves(self, name: str, k: int) -> PolyElement:
        """The teacher's step: its own rate by Euler, or (1 − m)(student after its step − teacher)."""
        row = self.states.index(name)
        if name not in self.sources:
            return self.vectors["velocity"][row] * self.pace if k == 1 else self.jets.ring.zero
        source, total = self.states.index(self.sources[name]), self.jets.ring.zero
        for power in range(1, k + 1):
            after = self._shifted("y", source, k - power, 1) - (self.vectors["y"][row] if power == k else 0)
            total = total + self.jets.ring(self.shares[power]) * after
        return total

    def _force(self, name: str, power: int) -> PolyElement:
        """Coefficient of h^power in the force on a state, at what the optimiser reads there."""
        if self.optimiser == "alternating":
            blocks = self._blocks
            before = blocks[: next(place for place, block in enumerate(blocks) if name in block)]
            moved = {
                self.flow.symbols[other]: [self.jets.ring.zero, *(self._force(other, n) for n in range(power))]
                for block in before
                for other in block
            }
        else:
            moved = {self.flow.symbols[teacher]: self._lag(teacher, power) for teacher in self._slaves}
        return self._displaced(self.jets.families["force"][name], moved, power)

    def _lag(self, teacher: str, power: int) -> Vector:
        """Powers of h in teacher − student."""
        row = self.states.index(self.sources[teacher])
        series = [self.jets.ring.zero]
        for h in range(1, power + 1):
            words = (self.jets.ring(self.shares[n]) * self._word("y", n, h)[row] for n in range(1, h + 1))
            series.append(sum(words, self.jets.ring.zero))
        return series

    def _displaced(self, entry: PolyElement, moved: Mapping[sympy.Symbol, Vector], power: int) -> PolyElement:
        """Coefficient of h^power of an entry read at variables that are displaced by series in h."""
        total = entry if power == 0 else self.jets.ring.zero
        for length in range(1, power + 1):
            for index in combinations_with_replacement(moved, length):
                slope, product = entry, [self.jets.ring.one] + [self.jets.ring.zero] * power
                for variable in index:
                    slope, series = self.jets.slope(slope, variable), moved[variable]
                    product = [
                        sum((product[n - m] * series[m] for m in range(1, n + 1)), self.jets.ring.zero)
                        for n in range(power + 1)
                    ]
                repeats = prod(factorial(index.count(variable)) for variable in set(index))
                total = total + slope * product[power] * QQ(1, repeats)
        return total

    @cached_property
    def _blocks(self) -> list[tuple[str, ...]]:
        moving = [name for name in self.states if name not in self.teachers]
        given = self.options.get("blocks")
        if given is None:
            roles = [tuple(self.flow.roles.get(role, ())) for role in ("predictor", "encoder")]
            known = [block for block in roles if block]
            return known if sorted(sum(known, ())) == sorted(moving) else [(name,) for name in moving]
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise bad("blocks", given, "a sequence of states or of tuples of states", kind=InvalidType)
        blocks = [names_of("blocks", block) for block in given]
        if sorted(sum(blocks, ())) != sorted(moving):
            raise bad("blocks", given, f"every one of {', '.join(moving)} once")
        return blocks

    def result(self, size: sympy.Expr) -> Flow:
        """The terms found as a flow."""
        flow = self.flow
        gone = {teacher: flow.symbols[self.sources[teacher]] for teacher in self._slaves}
        terms = [[substitute(self.jets.expression(entry), gone) for entry in term] for term in self.terms]
        rules = {
            name: Move(sympy.Add(*(term[row] * size**power for power, term in enumerate(terms))))
            for row, name in enumerate(self.states)
        }
        roles = {role: tuple(name for name in names if name not in gone) for role, names in flow.roles.items()}
        found = Flow.of(rules, roles=roles)
        known = {*self.states, *found.parameters, *flow.parameters}
        return found.describe(
            name=f"{flow.name}, modified" if flow.name else "",
            variant=flow.variant,
            branch=flow.branch,
            reference=flow.reference,
            defaults={name: value for name, value in flow.defaults.items() if name in known},
            ranges={name: value for name, value in flow.ranges.items() if name in known},
            view={name: value for name, value in flow.view.items() if name in self.states},
            observables={name: substitute(entry, gone) for name, entry in flow.observables.items()},
        )


def _coefficient_of(expr: sympy.Expr, symbol: sympy.Symbol, power: int) -> sympy.Expr:
    """Coefficient of a power in the Taylor series about 0."""
    return expr.diff(symbol, power).subs(symbol, 0) / factorial(power)
