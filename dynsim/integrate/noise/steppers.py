"""What moves a block of paths by one step: a scheme for the stochastic equation, or descent on minibatches itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import comb
from typing import Any

import numpy as np
import sympy

from dynsim.arguments import a_word
from dynsim.errors import bad
from dynsim.integrate.grid import Grid
from dynsim.integrate.noise.derivation import NoisyFlow
from dynsim.integrate.noise.random_numbers import INCREMENTS, gaussians, increments, uniforms
from dynsim.integrate.noise.schemes import euler_maruyama, weak_second_order
from dynsim.names import TIME
from dynsim.symbolic.distributions import Discrete, Normal, names_in, substituted
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.numeric import VectorFunction

__all__ = ["METHODS", "Minibatches", "Stepper", "Stochastic", "stepper_of"]

METHODS = ("auto", "euler-maruyama", "weak-2", "minibatch")
_INDEFINITE = 1e-9  # of the largest eigenvalue: what rounding leaves of a covariance
SAMPLES = 32  # of a batch at a time
_PAIRS = 1  # the second stream of random numbers of a step

Stepper = Callable[[int, float, float, np.ndarray, np.ndarray, Mapping[str, Any]], np.ndarray]
"""``stepper(step, t, dt, y, seeds, values)`` returns the states one step later; `values` are numbers or over paths."""


def stepper_of(noisy: NoisyFlow, grid: Grid, method: str, kind: str | None) -> tuple[str, Stepper]:
    """Return the name of the method that "auto" stands for, and its step.

    Raises
    ------
    InvalidValue
        An unknown method or kind of increment, or two that do not fit.
    """
    a_word("method", method, METHODS, f"one of {', '.join(METHODS)} for a noisy flow")
    if method == "auto":
        method = "weak-2" if noisy.order else "euler-maruyama"
    if kind is not None:
        a_word("increments", kind, INCREMENTS, f"one of {', '.join(INCREMENTS)}")
    if method == "minibatch":
        if kind is not None:
            raise bad("increments", kind, "none for method 'minibatch'", "it draws samples")
        return method, Minibatches(noisy, grid)
    if kind == "two-point" and method == "weak-2":
        advice = "three points have the moments that weak order 2 needs; two serve euler-maruyama"
        raise bad("increments", kind, "'normal' or 'three-point' with method 'weak-2'", advice)
    return method, _stochastic(noisy, grid.flow, method == "weak-2", kind or "normal")


@lru_cache(maxsize=64)
def _stochastic(noisy: NoisyFlow, bound: Flow, second: bool, kind: str) -> Stochastic:
    """Return the same scheme for the same flow: its compiled functions are made once."""
    return Stochastic(noisy, bound, second, kind)


class Stochastic:
    """A scheme for dy = drift·dt + diffusion·dW, with expressions in the time where parameters depend on it."""

    def __init__(self, noisy: NoisyFlow, bound: Flow, second: bool, kind: str) -> None:
        observed = bound.observables
        self.states, self.parameters = bound.states, bound.parameters
        self.second = second
        self.kind = kind
        columns, size = noisy.directions.shape[1], noisy.spread.shape[0]
        directions = [observed[f"[direction {i}]"] for i in range(len(noisy.directions))]
        spread = [observed[f"[spread {i}]"] for i in range(len(noisy.spread))]
        self.drift = bound.compiled.function(list(noisy.drift_of(bound, observed["[lr]"])))
        self.directions = bound.compiled.function(sympy.Matrix(noisy.flow.size, columns, directions))
        self.spread = bound.compiled.function(sympy.Matrix(size, size, spread))
        free = {symbol.name for part in spread for symbol in part.free_symbols}
        self.moves = bool(free & {*bound.states, TIME})
        self.processes = columns
        terms = sympy.Add.make_args(sympy.sympify(spread[0]))
        self.magnitude = bound.compiled.function([sympy.Add(*map(sympy.Abs, terms))])

    def check(self, t: float, y: np.ndarray, values: Mapping[str, Any]) -> None:
        """Refuse a covariance that is none at these states."""
        spread = self.spread(t, y, self._values(values))
        known = np.moveaxis(spread, -1, 0)
        known = known[np.isfinite(known).all(axis=(1, 2))]
        lowest = np.linalg.eigvalsh(known)[:, 0] if len(known) else np.zeros(0)
        scale = np.abs(known).max(axis=(1, 2)) if len(known) else np.zeros(0)
        wrong = np.flatnonzero(lowest < -_INDEFINITE * scale)
        if wrong.size:
            advice = "the variances or probabilities of the random symbols are out of range at these parameters"
            received = f"a matrix with the eigenvalue {lowest[wrong[0]]:.3g}"
            raise bad("diffusion", received, "a covariance, with no eigenvalue below 0", advice)

    def _values(self, values: Mapping[str, Any]) -> list[Any]:
        return [values[name] for name in self.parameters]

    def root(self, t: float, y: np.ndarray, values: Mapping[str, Any]) -> np.ndarray:
        """Root of the spread; of shape ``(processes, processes, 1)`` where all paths share it."""
        numbers = self._values(values)
        y = y if self.moves or not _shared(numbers) else y[:, :1]
        magnitude = self.magnitude(t, y, numbers)[0] if self.processes == 1 else None
        return matrix_root(self.spread(t, y, numbers), magnitude)

    def __call__(
        self, step: int, t: float, dt: float, y: np.ndarray, seeds: np.ndarray, values: Mapping[str, Any]
    ) -> np.ndarray:
        """Return the states after one step of the scheme."""
        numbers = self._values(values)
        fixed = None if self.moves else self.root(t, y, values)

        def drift(t: float, y: np.ndarray) -> np.ndarray:
            return self.drift(t, y, numbers)

        def diffusion(t: float, y: np.ndarray) -> np.ndarray:
            root = self.root(t, y, values) if fixed is None else fixed
            directions = self.directions(t, y, numbers)
            if self.processes == 1:
                return directions * root
            columns = [
                sum(directions[:, k] * root[k, j] for k in range(self.processes)) for j in range(self.processes)
            ]
            return np.stack(columns, axis=1)

        dw = np.sqrt(dt) * increments(self.kind, seeds, step, self.processes)
        if not self.second:
            return euler_maruyama(drift, diffusion, t, y, dt, dw)
        pairs = increments("two-point", seeds, step, comb(self.processes, 2), _PAIRS) if self.processes > 1 else ()
        return weak_second_order(drift, diffusion, t, y, dt, dw, pairs)


def _shared(numbers: list[Any]) -> bool:
    return not any(np.ndim(number) for number in numbers)


def matrix_root(spread: np.ndarray, magnitude: np.ndarray | None = None) -> np.ndarray:
    """Root R of symmetric matrices over the last axis, spread = R·Rᵀ; NaN where an eigenvalue is negative.

    Rounding is none: a negative eigenvalue counts as 0 while it is small beside the largest one. A single entry has
    nothing beside it but the terms whose sum it is: `magnitude` is the sum of their absolute values.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.integrate.noise.steppers import matrix_root
    >>> root = matrix_root(np.array([[2.0, 1.0], [1.0, 2.0]])[..., None])[..., 0]
    >>> np.allclose(root @ root.T, [[2, 1], [1, 2]])
    True
    """
    if len(spread) == 1:
        low = -_INDEFINITE * np.abs(spread if magnitude is None else magnitude)
        return np.where(spread < low, np.nan, np.sqrt(np.maximum(spread, 0.0)))
    matrices = np.moveaxis(spread, -1, 0)
    fine = np.isfinite(matrices).all(axis=(1, 2))
    values, vectors = np.linalg.eigh(np.where(fine[:, None, None], matrices, 0.0))
    low = -_INDEFINITE * np.abs(values).max(axis=1)
    fine &= values[:, 0] >= low
    roots = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ vectors.swapaxes(1, 2)
    return np.moveaxis(np.where(fine[:, None, None], roots, np.nan), 0, -1)


class Minibatches:
    """Gradient descent on samples drawn anew at every step: the process itself."""

    def __init__(self, noisy: NoisyFlow, grid: Grid) -> None:
        drawn = names_in(noisy.random)
        held = {name: text for name, text in grid.schedules.items() if name in noisy.sample.parameters}
        given: dict[str, Any] = dict.fromkeys(noisy.sample.parameters, 0.0)
        sample = noisy.sample.with_parameters(given | held).flow
        self.drawn = drawn
        self.sample = sample
        self.names = sample.parameters
        self.force = sample.compiled.velocity
        observed = grid.flow.observables
        symbols = [grid.flow.symbols.get(name, sympy.Symbol(name)) for name in grid.flow.parameters]
        self.parameters = grid.flow.parameters
        self.settings = VectorFunction([observed["[batch]"]], [], symbols)
        self.laws = []
        bound = {name: sympy.sympify(form) for name, form in _schedules(noisy, grid).items()}
        for key, law in noisy.random.items():
            law = substituted(law, bound) if bound else law
            parts = (
                [law.mean, law.variance]
                if isinstance(law, Normal)
                else [*law.probabilities, *(value for row in law.values for value in row)]
                if isinstance(law, Discrete)
                else [law.low, law.high]
            )
            self.laws.append((key if isinstance(key, tuple) else (key,), law, VectorFunction(parts, [], symbols)))

    def batch(self, values: Mapping[str, Any], paths: int) -> np.ndarray:
        """Return the number of samples per step of every path, checked."""
        size = self.settings(0.0, np.zeros((0, paths)), [values[name] for name in self.parameters])[0]
        if not (np.isfinite(size).all() and (size >= 1).all() and (size == np.round(size)).all()):
            raise bad("batch", size.min(initial=1), "a whole number of samples", "method 'minibatch' draws them")
        return np.asarray(size)

    def __call__(
        self, step: int, t: float, dt: float, y: np.ndarray, seeds: np.ndarray, values: Mapping[str, Any]
    ) -> np.ndarray:
        """Return the states after one step of descent."""
        numbers = [values[name] for name in self.parameters]
        size = self.batch(values, y.shape[1])
        laws = [(names, law, parts(t, np.zeros((0, y.shape[1])), numbers)) for names, law, parts in self.laws]
        total, most = np.zeros_like(y), int(np.max(size))
        for first in range(0, most, SAMPLES):
            count = min(SAMPLES, most - first)
            sample = dict(values)
            for place, (names, law, parts) in enumerate(laws):
                stream = (first // SAMPLES) * len(laws) + place
                sample |= _draw(names, law, parts, seeds, step, count, stream)
            spread = np.broadcast_to(y[:, None], (len(y), count, y.shape[1]))
            force = self.force(t, spread, [sample[name] for name in self.names])
            drawn = np.arange(first, first + count)[:, None] < size
            total += np.where(drawn, force, 0.0).sum(axis=1)
        return np.asarray(y + dt * total / size)


def _draw(
    names: tuple[str, ...], law: Any, parts: np.ndarray, seeds: np.ndarray, step: int, samples: int, stream: int
) -> dict[str, np.ndarray]:
    """Values of jointly distributed symbols, ``(samples, paths)``; `parts` are the parameters of the distribution."""
    if isinstance(law, Normal):
        return {names[0]: parts[0] + np.sqrt(parts[1]) * gaussians(seeds, step, samples, stream)}
    u = uniforms(seeds, step, samples, stream)
    if not isinstance(law, Discrete):
        return {names[0]: parts[0] + (parts[1] - parts[0]) * u}
    count = len(law.probabilities)
    outcome = np.minimum((u >= np.cumsum(parts[:count], axis=0)[:, None]).sum(axis=0), count - 1)
    rows = parts[count:].reshape(count, len(names), -1)
    return {name: np.take_along_axis(rows[:, i], outcome, axis=0) for i, name in enumerate(names)}


def _schedules(noisy: NoisyFlow, grid: Grid) -> dict[str, Any]:
    """Expressions that took the place of parameters of the distributions."""
    own = [symbol for law in noisy.random.values() for symbol in sorted(law.free_symbols, key=str)]
    return {
        symbol.name: grid.flow.observables[f"[law {index}]"]
        for index, symbol in enumerate(own)
        if symbol.name in grid.schedules
    }
