"""From a loss with samples in it to the stochastic differential equation that minibatch descent follows.

The force of one sample is −gradient of its own loss. Its mean is the flow, its covariance the noise. Written as a sum
over what is random, force = Σ c_k(states)·m_k(sample), the covariance is C·Cov(m)·Cᵀ: a matrix of parameters between
polynomials of the states, so that no matrix root of a matrix that moves is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import sympy
from sympy import Expr, Matrix, S, Symbol

from dynsim.choices import Branch
from dynsim.errors import InvalidType, bad
from dynsim.names import TIME
from dynsim.symbolic.averaging import averaged
from dynsim.symbolic.distributions import Discrete, Random, names_in, random_text, read_random
from dynsim.symbolic.expectation import Average, random_names
from dynsim.symbolic.expressions import expression, names_of, plain
from dynsim.symbolic.flow import Flow, gradient_flow
from dynsim.symbolic.monomials import monomials
from dynsim.symbolic.parser import read
from dynsim.symbolic.printing import text

__all__ = ["NoisyFlow", "noisy_flow", "step_correction"]

MOST_OUTCOMES = 64


@dataclass(frozen=True, eq=False, repr=False)
class NoisyFlow:
    """The equation dy = drift·dt + diffusion·dW of minibatch gradient descent; made by `noisy_flow`.

    Attributes
    ----------
    flow : Flow
        Its mean: the gradient flow of the averaged loss.
    sample : Flow
        The force of one sample, in which the random symbols are parameters.
    random : dict
        Random symbols and what they are drawn from.
    lr, batch : Expr
        The length of a step and the number of samples in it.
    order : int
        Powers of `lr` kept in the drift.
    directions, spread : Matrix
        Covariance of the noise per unit of flow time = directions · spread · directionsᵀ; `spread` is 1 × 1 where one
        Wiener process serves.

    See Also
    --------
    noisy_flow, ensemble, escape_time

    Examples
    --------
    >>> from dynsim import noisy_flow
    >>> noisy = noisy_flow("E((w - x)^2)/2", "w", random="x ~ normal(0, v)", order=0)
    >>> noisy.drift, noisy.covariance, noisy.diffusion
    (Matrix([[-w]]), Matrix([[v]]), Matrix([[sqrt(v)*sqrt(h/B)]]))
    """

    flow: Flow
    sample: Flow
    random: Random
    lr: Expr
    batch: Expr
    order: int
    directions: Matrix
    spread: Matrix

    @property
    def states(self) -> tuple[str, ...]:
        """Names of what moves."""
        return self.flow.states

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of what needs a value, the step and the batch among them."""
        return self.equations.parameters

    @cached_property
    def drift(self) -> Matrix:
        """The velocity f, with order 1 the velocity f − (h/2)(f′f + ∂f/∂t)."""
        return self.drift_of(self.flow, self.lr)

    def drift_of(self, flow: Flow, lr: Expr) -> Matrix:
        """Return the drift of a mean flow in which parameters may have become functions of the time."""
        return flow.rhs + lr * step_correction(flow) if self.order else flow.rhs

    @cached_property
    def covariance(self) -> Matrix:
        """Covariance of the gradient of one sample."""
        scale = self.lr / self.batch
        return (self.directions * (self.spread / scale) * self.directions.T).applyfunc(lambda item: item.expand())

    @cached_property
    def diffusion(self) -> Matrix:
        """One column per Wiener process.

        With several columns these processes are correlated: dW has the covariance `correlation`·dt.
        """
        if self.spread.shape != (1, 1):
            return self.directions
        return self.directions * sympy.sqrt(self.spread[0] / (self.lr / self.batch)) * sympy.sqrt(self.lr / self.batch)

    @property
    def correlation(self) -> Matrix:
        """Covariance of the Wiener processes per unit of flow time; it holds parameters, and states only where the
        random symbols stand inside functions of the states.
        """
        return sympy.eye(1) if self.spread.shape == (1, 1) else self.spread

    @cached_property
    def equations(self) -> Flow:
        """The mean flow that carries everything else along as observables, so that parameters reach all of it."""
        laws = [symbol for law in self.random.values() for symbol in sorted(law.free_symbols, key=str)]
        more = {"[lr]": self.lr, "[batch]": self.batch}
        for name, parts in (("direction", self.directions), ("spread", self.spread), ("law", laws)):
            more |= {f"[{name} {index}]": sympy.sympify(part) for index, part in enumerate(parts)}
        symbols = {symbol.name: symbol for part in more.values() for symbol in part.free_symbols}
        return Flow(
            self.states,
            self.flow.rhs,
            {**symbols, **self.flow.symbols},
            observables=more,
            roles=self.flow.roles,
        )

    def about(self) -> dict[str, Any]:
        """Plain description for a Dataset's provenance."""
        return dict(self._about)

    @cached_property
    def _about(self) -> dict[str, Any]:
        return {
            **self.flow.about(),
            "random": random_text(self.random),
            "lr": text(self.lr),
            "batch": text(self.batch),
            "order": self.order,
            "noise_covariance": [text(item) for item in self.covariance],
        }

    def __repr__(self) -> str:
        """Print states, drift and covariance of a sample's gradient."""
        lines = [f"{name}: {text(item)}" for name, item in zip(self.states, self.drift, strict=True)]
        count = self.directions.shape[1]
        return f"NoisyFlow(order {self.order}, {count} Wiener process{'es' * (count > 1)}; {'; '.join(lines)})"


def noisy_flow(
    loss: Any,
    states: Any,
    *,
    random: Any,
    batch: Any = "B",
    lr: Any = "h",
    order: int = 1,
    branch: Branch = "stop",
    **options: Any,
) -> NoisyFlow:
    """Derive the stochastic equation that gradient descent on minibatches follows.

    Descent takes steps of length h along the mean force of B samples drawn anew. It is approximated by
    dy = (f − (h/2)f′f)·dt + √(h/B)·Σ^½·dW, f the mean and Σ the covariance of the force of one sample, in the sense
    that averages over paths differ by O(h²) at a fixed time (weak order 2); without the correction by O(h).

    Parameters
    ----------
    loss : expression or str
        As `gradient_flow` takes it, with its random symbols; an average over samples, ``E(…)`` as a whole or a sum of
        such: what couples the samples of a batch, as a variance of the batch does, has no gradient per sample.
    states : sequence of str or Symbol
    random : mapping or str
        What every sample draws: ``"x ~ normal(0, 1), n1 ~ normal(0, sigma2)"``.
    batch, lr : str, Symbol, expression or number
        Names of the batch size and of the step, or their values.
    order : {0, 1}
        Powers of `lr` kept in the drift: 0 weak order 1, 1 weak order 2.
    branch : {"stop", "full", "target"}
    **options
        What else `gradient_flow` takes: `rates`, `decay`, `track`, `roles`. Decay and teachers are not random.

    Returns
    -------
    NoisyFlow
        `drift`, `diffusion`, `covariance` are symbolic; averages are exact where they have a closed form.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName, ParseError
        As `gradient_flow`; no random symbol; a loss without a gradient per sample; an order that is not derived; the
        name of the step or of the batch taken by something in the loss.

    References
    ----------
    Li, Tai & E, "Stochastic modified equations and adaptive stochastic gradient algorithms", ICML 2017.

    See Also
    --------
    gradient_flow, ensemble, escape_time

    Examples
    --------
    Two views of one feature, noise of variance σ²; one Wiener process serves:

    >>> from dynsim import noisy_flow
    >>> loss = "E((phi*theta*(x + n1) - sg(theta*(x + n2)))^2)/2"
    >>> views = "x ~ normal(0, 1), n1 ~ normal(0, sigma2), n2 ~ normal(0, sigma2)"
    >>> noisy = noisy_flow(loss, "phi, theta", random=views, rates={"phi": "alpha"})
    >>> noisy.directions.T, noisy.spread.shape
    (Matrix([[alpha*theta**2, phi*theta]]), (1, 1))
    >>> noisy.covariance.subs({"sigma2": 0, "alpha": 1})[0].factor()
    2*theta**4*(phi - 1)**2
    """
    names = names_of("states", states)
    drawn = read_random(random)
    if not drawn:
        raise bad("random", random, "at least one random symbol", "without samples there is no noise: gradient_flow")
    if isinstance(order, bool) or not isinstance(order, int):
        raise bad("order", order, "0 or 1", kind=InvalidType)
    if order not in (0, 1):
        raise bad("order", order, "0 (weak order 1) or 1 (weak order 2)", "higher powers of the step are not derived")
    written = read(loss, names_in(drawn)).expression if isinstance(loss, str) else expression("loss", loss)
    mean = gradient_flow(loss, names, random=drawn, branch=branch, **options)
    sample = gradient_flow(_of_one_sample(written, drawn), names, branch=branch, **options)
    step, size = _setting("lr", lr, mean, drawn), _setting("batch", batch, mean, drawn)
    if step.free_symbols & size.free_symbols:
        raise bad("batch", batch, "another name than that of lr")
    directions, spread = _factors(list(sample.rhs), drawn, names)
    return NoisyFlow(mean, sample, drawn, step, size, order, directions, spread * step / size)


def step_correction(flow: Flow) -> Matrix:
    """−½(f′f + ∂f/∂t): what one step of length h adds to the velocity, per h.

    Examples
    --------
    >>> from dynsim import gradient_flow
    >>> from dynsim.integrate.noise.derivation import step_correction
    >>> step_correction(gradient_flow("a*w^2/2", "w"))
    Matrix([[-a**2*w/2]])
    """
    time = flow.symbols.get(TIME, Symbol(TIME))
    return -(flow.jacobian * flow.rhs + flow.rhs.diff(time)) / 2


def _setting(argument: str, value: Any, flow: Flow, drawn: Random) -> Expr:
    """Return the step or the batch as an expression; a name of its own, or a value."""
    result = plain(argument, value)
    if result.is_Symbol:
        laws = {symbol.name for law in drawn.values() for symbol in law.free_symbols}
        if result.name in {*flow.states, *flow.parameters, *names_in(drawn), *laws, TIME}:
            advice = f"{argument}= takes another name, or a number"
            raise bad(argument, result.name, "a name that the loss does not use", advice)
        return result
    if result.is_number and not (result.is_real and result > 0):
        raise bad(argument, value, "a positive number or a name")
    taken = {symbol.name for symbol in result.free_symbols} & {*flow.states, *names_in(drawn)}
    if taken:
        raise bad(argument, value, "an expression in parameters", f"{', '.join(sorted(taken))} is no parameter")
    return result


def _of_one_sample(written: Expr, drawn: Random) -> Expr:
    """Return the loss of one sample: every average of it left out, where the loss is a sum of averages."""
    averages: dict[Expr, Symbol] = {}

    def outermost(part: Any) -> Any:
        if isinstance(part, Average):
            return averages.setdefault(part, sympy.Dummy())
        return part.func(*map(outermost, part.args)) if part.args else part

    names = names_in(drawn)
    outside = outermost(written)
    for average, place in averages.items():
        inside, *over = average.args
        weight = outside.diff(place)
        why = ""
        if inside.has(Average):
            why = "an average stands inside another"
        elif over and random_names(inside, names) - {symbol.name for symbol in over}:
            why = "it averages over some of its random symbols only"
        elif weight.free_symbols & {*averages.values()} or random_names(weight, names):
            why = "it enters by more than a sum"
        if why:
            advice = f"{why}: the samples of a batch are coupled, and the gradient of one of them does not exist"
            raise bad("loss", f"E({text(inside)})", "a sum of averages over samples", advice)
    return outside.xreplace({place: average.args[0] for average, place in averages.items()})


def _factors(force: Sequence[Expr], drawn: Random, states: Sequence[str]) -> tuple[Matrix, Matrix]:
    """Return D and R with Cov(force) = D·R·Dᵀ, R as free of the states as can be."""
    over = frozenset(symbol for part in force for symbol in part.free_symbols if symbol.name in names_in(drawn))
    moving = set(states)
    expanded = [monomials(part, over) for part in force]
    terms = sorted({term for part in expanded for term in part or {} if term}, key=str)
    if not over or (not terms and None not in expanded):
        return sympy.zeros(len(force), 1), sympy.zeros(1, 1)
    noises = [
        part if found is None else part - found.get(frozenset(), S.Zero)
        for part, found in zip(force, expanded, strict=True)
    ]

    def covariance(parts: Sequence[Expr]) -> Matrix:
        means = [averaged(part, drawn, states) for part in parts]

        def entry(i: int, j: int) -> Expr:
            i, j = min(i, j), max(i, j)
            return (averaged(sympy.expand(parts[i] * parts[j]), drawn, states) - means[i] * means[j]).expand()

        return Matrix(len(parts), len(parts), entry)

    one = _one_direction(noises, over)
    if one is not None:
        direction, scalar = one
        return _lightened(direction, covariance([scalar])[0])
    outcomes = prod(len(law.values) if isinstance(law, Discrete) else MOST_OUTCOMES + 1 for law in drawn.values())
    split = None not in expanded and not any(
        symbol.name in moving for term in terms for base, _ in term for symbol in base.free_symbols
    )
    if split:
        basis = [sympy.Mul(*(base**power for base, power in sorted(term, key=str))) for term in terms]
        columns = Matrix([[(found or {}).get(term, S.Zero) for term in terms] for found in expanded])
        return columns, covariance(basis)
    if outcomes <= MOST_OUTCOMES:
        return _by_outcome(noises, drawn, states)
    return sympy.eye(len(force)), covariance(noises)


def _one_direction(noises: Sequence[Expr], over: frozenset[Symbol]) -> tuple[Matrix, Expr] | None:
    """Direction and random factor, if the noise of every state is one random number times something that is not."""
    first = next(part for part in noises if part.free_symbols & over)
    ratios = [sympy.cancel(part / first) if part.free_symbols & over else S.Zero for part in noises]
    if any(ratio.free_symbols & over for ratio in ratios):
        return None
    below = S.One
    for ratio in ratios:
        below = sympy.lcm(below, sympy.denom(ratio))
    return Matrix([sympy.cancel(ratio * below) for ratio in ratios]), sympy.cancel(first / below)


def _lightened(direction: Matrix, variance: Expr) -> tuple[Matrix, Matrix]:
    """Move whatever is a square in the variance into the direction, where it keeps its sign."""
    constant, factors = sympy.factor_list(variance) if variance.is_polynomial() else (S.One, [(variance, 1)])
    root = sympy.Mul(*(base ** (power // 2) for base, power in factors))
    rest = constant * sympy.Mul(*(base ** (power % 2) for base, power in factors))
    return (direction * root).applyfunc(sympy.cancel), Matrix([[sympy.expand(rest)]])


def _by_outcome(noises: Sequence[Expr], drawn: Random, states: Sequence[str]) -> tuple[Matrix, Matrix]:
    """One direction per outcome, force − mean, and the probabilities as a diagonal matrix."""
    laws = [(key if isinstance(key, tuple) else (key,), law) for key, law in drawn.items()]
    symbols = {symbol.name: symbol for part in noises for symbol in part.free_symbols}
    means = Matrix([averaged(part, drawn, states) for part in noises])
    columns, shares = [], []
    for outcome in product(*(list(zip(law.values, law.probabilities, strict=True)) for _, law in laws)):  # type: ignore[union-attr]
        at = {
            symbols[name]: value
            for (key, _), (row, _) in zip(laws, outcome, strict=True)
            for name, value in zip(key, row, strict=True)
            if name in symbols
        }
        columns.append(Matrix([part.subs(at, simultaneous=True) for part in noises]) - means)
        shares.append(sympy.Mul(*(share for _, share in outcome)))
    return Matrix.hstack(*columns), sympy.diag(*shares)
