"""One step of a noisy flow on lanes: the schemes of `integrate.noise.schemes`, and descent on minibatches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import sympy

from dynsim.integrate.engine.lanes import I64, Lanes, Slots
from dynsim.integrate.engine.lowering import Recipe
from dynsim.integrate.engine.philox import Draws, Increments, pair_of_gaussians, pair_of_uniforms

__all__ = ["Law", "MinibatchStep", "StochasticStep"]

SWEEPS = 8  # of Jacobi's method: it converges quadratically, and twelve dimensions take six
_INDEFINITE = 1e-9
_PAIRS = 1  # the second stream of random numbers of a step
_CHUNK = 32  # samples of a batch that share a stream

Vector = list[Any]


@dataclass(frozen=True)
class StochasticStep:
    """A step of dy = drift·dt + directions·root·dW.

    Attributes
    ----------
    drift : tuple of Expr
    directions : tuple of Expr
        Row by row, one column per process.
    spread : tuple of Expr
        What the root is of, row by row; empty where the root is constant along a path, and given with the path.
    factor, magnitude : Expr
        Of a spread of one entry: what of it depends on parameters only, and is left out of `spread`, so that no step
        need compute it anew; and the size of the terms that are left, by which their rounding is measured.
    arguments : tuple of Symbol
        States, parameters, time.
    processes : int
    second : bool
        Weak order 2, else Euler and Maruyama.
    increments : str
    """

    drift: tuple[sympy.Expr, ...]
    directions: tuple[sympy.Expr, ...]
    spread: tuple[sympy.Expr, ...]
    factor: sympy.Expr
    magnitude: sympy.Expr
    arguments: tuple[sympy.Symbol, ...]
    processes: int
    second: bool
    increments: str

    @property
    def given(self) -> int:
        """How many entries of a constant root come with a path."""
        return 0 if self.spread else self.processes**2

    @property
    def expressions(self) -> list[sympy.Expr]:
        """Everything that is emitted."""
        return [*self.drift, *self.directions, *self.spread, self.factor, self.magnitude]

    def emitter(self, v: Lanes) -> Callable[..., Vector]:
        """Return ``step(seeds, index, t, dt, y, values, root)``.

        The index is an integer that all lanes share, or a vector; what else is given is a vector.
        """
        drift = Recipe(self.drift, self.arguments)
        noise = Recipe([*self.directions, *self.spread, self.factor, self.magnitude], self.arguments)
        n, count = len(self.drift), self.processes
        memory = Slots(v, 2 * count**2) if self.spread and count > 1 else None

        wiener = Increments(v, self.increments, count)
        pairs = Increments(v, "two-point", comb(count, 2), _PAIRS) if count > 1 and self.second else None

        def step(seeds: Any, index: Any, t: Any, dt: Any, y: Vector, values: Vector, root: Vector) -> Vector:
            def a(t: Any, y: Vector) -> Vector:
                return drift.emit(v, [*y, *values, t])

            def b(t: Any, y: Vector) -> list[Vector]:
                found = noise.emit(v, [*y, *values, t])
                rows = [found[i * count : (i + 1) * count] for i in range(n)]
                if not self.spread:
                    inner = [root[i * count : (i + 1) * count] for i in range(count)]
                elif count == 1:
                    inner = [[_root_of_product(v, found[n], found[-2], found[-1])]]
                else:
                    assert memory is not None
                    inner = _root(v, found[n * count : -2], count, memory)
                return [
                    [v.sum([v.mul(row[k], inner[k][j]) for k in range(count)]) for j in range(count)] for row in rows
                ]

            root_dt = v.sqrt(dt)
            dw = [v.mul(root_dt, z) for z in wiener.emit(seeds, index)]
            if not self.second:
                return _euler_maruyama(v, a, b, t, dt, y, dw)
            signs = [] if pairs is None else pairs.emit(seeds, index)
            return _weak_second_order(v, a, b, t, dt, root_dt, y, dw, signs)

        return step


def _noise(v: Lanes, rows: list[Vector], dw: Vector) -> Vector:
    return [v.sum([v.mul(item, increment) for item, increment in zip(row, dw, strict=True)]) for row in rows]


def _euler_maruyama(v: Lanes, a: Any, b: Any, t: Any, dt: Any, y: Vector, dw: Vector) -> Vector:
    return [
        v.add(v.add(value, v.mul(slope, dt)), kick)
        for value, slope, kick in zip(y, a(t, y), _noise(v, b(t, y), dw), strict=True)
    ]


def _weak_second_order(
    v: Lanes, a: Any, b: Any, t: Any, dt: Any, root: Any, y: Vector, dw: Vector, signs: Vector
) -> Vector:
    """Platen's step, as `noise.schemes.weak_second_order` writes it."""
    size, count = len(y), len(dw)
    drift, noise = a(t, y), b(t, y)
    kick = _noise(v, noise, dw)
    later, per_root = v.add(t, dt), v.div(v.const(1.0), root)
    ahead = [v.add(value, v.mul(slope, dt)) for value, slope in zip(y, drift, strict=True)]
    slope = a(later, [v.add(value, step) for value, step in zip(ahead, kick, strict=True)])
    half = v.scale(dt, 0.5)
    result = [v.add(v.add(y[i], v.mul(v.add(slope[i], drift[i]), half)), v.scale(kick[i], 0.5)) for i in range(size)]

    def both(at: Any, start: Vector, j: int) -> tuple[list[Vector], list[Vector]]:
        shift = [v.mul(noise[i][j], root) for i in range(size)]
        up = b(at, [v.add(value, step) for value, step in zip(start, shift, strict=True)])
        return up, b(at, [v.sub(value, step) for value, step in zip(start, shift, strict=True)])

    for j in range(count):
        up, down = both(later, ahead, j)
        twist = v.mul(v.sub(v.mul(dw[j], dw[j]), dt), per_root)
        for i in range(size):
            total = v.add(v.mul(v.add(up[i][j], down[i][j]), dw[j]), v.mul(v.sub(up[i][j], down[i][j]), twist))
            result[i] = v.add(result[i], v.scale(total, 0.25))
    if count == 1:
        return result
    mixed = {}
    for (j, k), sign in zip(combinations(range(count), 2), signs, strict=True):
        mixed[j, k] = v.mul(sign, dt)
        mixed[k, j] = v.neg(mixed[j, k])
    for r in range(count):
        up, down = both(t, y, r)
        for j in range(count):
            if j == r:
                continue
            twist = v.mul(v.add(v.mul(dw[j], dw[r]), mixed[r, j]), per_root)
            for i in range(size):
                bend = v.sub(v.add(up[i][j], down[i][j]), v.scale(noise[i][j], 2.0))
                total = v.add(v.mul(bend, dw[j]), v.mul(v.sub(up[i][j], down[i][j]), twist))
                result[i] = v.add(result[i], v.scale(total, 0.25))
    return result


def _root_of_product(v: Lanes, rest: Any, factor: Any, magnitude: Any) -> Any:
    """Square root of factor · rest, of which the factor is constant along a path."""
    sign = v.select(v.less(factor, v.const(0.0)), v.const(-1.0), v.const(1.0))
    return v.mul(_root_of_one(v, v.mul(sign, rest), magnitude), v.sqrt(v.abs(factor)))


def _root_of_one(v: Lanes, variance: Any, magnitude: Any) -> Any:
    """Square root of a variance; rounding below 0 counts as 0, more than that gives NaN."""
    low = v.scale(magnitude, -_INDEFINITE)
    clipped = v.select(v.less(variance, v.const(0.0)), v.const(0.0), variance)
    return v.select(v.less(variance, low), v.const(float("nan")), v.sqrt(clipped))


def _root(v: Lanes, matrix: Vector, size: int, memory: Slots) -> list[Vector]:
    """Symmetric root of a symmetric matrix, by the eigenvalues that Jacobi's rotations leave on its diagonal."""
    one, zero = v.const(1.0), v.const(0.0)
    memory.store_all([*matrix, *(one if i == j else zero for i in range(size) for j in range(size))])
    with v.counted(I64(1 if size == 2 else SWEEPS)):
        for p, q in combinations(range(size), 2):
            _rotate(v, memory, size, p, q)
    flat = memory.load_all()
    values = [flat[i * size + i] for i in range(size)]
    vectors = [flat[size**2 + i * size : size**2 + (i + 1) * size] for i in range(size)]
    largest = v.abs(values[0])
    for value in values[1:]:
        largest = v.maximum(v.abs(value), largest)
    roots = [_root_of_one(v, value, largest) for value in values]
    return [
        [v.sum([v.mul(v.mul(vectors[i][k], roots[k]), vectors[j][k]) for k in range(size)]) for j in range(size)]
        for i in range(size)
    ]


def _rotate(v: Lanes, memory: Slots, size: int, p: int, q: int) -> None:
    """One rotation, after which the entry (p, q) is 0 (Golub & Van Loan, section 8.5)."""
    one, zero = v.const(1.0), v.const(0.0)

    def entry(i: int, j: int) -> Any:
        return memory.load(i * size + j)

    app, aqq, apq = entry(p, p), entry(q, q), entry(p, q)
    none = v.equal(apq, zero)
    tau = v.div(v.sub(aqq, app), v.scale(apq, 2.0))
    size_of = v.add(v.abs(tau), v.sqrt(v.add(one, v.mul(tau, tau))))
    tangent = v.div(v.select(v.less(tau, zero), v.const(-1.0), one), size_of)
    tangent = v.select(none, zero, tangent)
    cosine = v.div(one, v.sqrt(v.add(one, v.mul(tangent, tangent))))
    sine = v.mul(tangent, cosine)
    shift = v.mul(tangent, apq)
    for k in range(size):
        if k not in (p, q):
            akp, akq = entry(k, p), entry(k, q)
            left, right = v.sub(v.mul(cosine, akp), v.mul(sine, akq)), v.add(v.mul(sine, akp), v.mul(cosine, akq))
            for value, place in ((left, p), (right, q)):
                memory.store(value, k * size + place)
                memory.store(value, place * size + k)
    memory.store(v.sub(app, shift), p * size + p)
    memory.store(v.add(aqq, shift), q * size + q)
    for i, j in ((p, q), (q, p)):
        memory.store(zero, i * size + j)
    for k in range(size):
        first = size**2 + k * size
        left, right = memory.load(first + p), memory.load(first + q)
        memory.store(v.sub(v.mul(cosine, left), v.mul(sine, right)), first + p)
        memory.store(v.add(v.mul(sine, left), v.mul(cosine, right)), first + q)


@dataclass(frozen=True)
class Law:
    """What some random symbols are drawn from: "normal" (mean, variance), "uniform" (low, high) or "discrete".

    The parts of a discrete law are its probabilities, then the outcomes, row by row.
    """

    kind: str
    symbols: tuple[sympy.Symbol, ...]
    parts: tuple[sympy.Expr, ...]


@dataclass(frozen=True)
class MinibatchStep:
    """A step of descent along the mean force of samples drawn anew.

    Attributes
    ----------
    force : tuple of Expr
        Of one sample.
    batch : Expr
        How many there are.
    laws : tuple of Law
    arguments : tuple of Symbol
        States, parameters, time; the random symbols are not among them.
    """

    force: tuple[sympy.Expr, ...]
    batch: sympy.Expr
    laws: tuple[Law, ...]
    arguments: tuple[sympy.Symbol, ...]

    given = 0

    @property
    def expressions(self) -> list[sympy.Expr]:
        """Everything that is emitted."""
        return [*self.force, self.batch, *(part for law in self.laws for part in law.parts)]

    def emitter(self, v: Lanes) -> Callable[..., Vector]:
        """Return ``step(seeds, index, t, dt, y, values, root)``, as `StochasticStep.emitter` does."""
        random = [symbol for law in self.laws for symbol in law.symbols]
        force = Recipe(self.force, [*self.arguments, *random])
        settings = Recipe([self.batch, *(part for law in self.laws for part in law.parts)], self.arguments)
        totals = Slots(v, len(self.force))

        def step(seeds: Any, index: Any, t: Any, dt: Any, y: Vector, values: Vector, root: Vector) -> Vector:
            b = v.builder
            draws = Draws(v, seeds, v.splat(index) if index.type == I64 else index)
            size, *flat = settings.emit(v, [*y, *values, t])
            parts = []
            for law in self.laws:
                parts.append(flat[: len(law.parts)])
                flat = flat[len(law.parts) :]
            totals.store_all([v.const(0.0)] * len(y))
            before, again, after = b.block, b.append_basic_block("samples"), b.append_basic_block("samples_done")
            b.branch(again)
            b.position_at_end(again)
            first = b.phi(I64)  # two samples at a time, as four words of random bits make two numbers
            first.add_incoming(I64(0), before)
            chunk, inside = b.udiv(first, I64(_CHUNK)), b.lshr(b.urem(first, I64(_CHUNK)), I64(1))
            samples: list[Vector] = [[], []]
            for place, (law, numbers) in enumerate(zip(self.laws, parts, strict=True)):
                stream = b.add(b.mul(chunk, I64(len(self.laws))), I64(place))
                words = draws.words(v.splat(inside), v.splat(stream))
                for sample, drawn in zip(samples, _drawn(v, law, numbers, words), strict=True):
                    sample.extend(drawn)
            for offset, sample in enumerate(samples):
                number = b.uitofp(b.add(first, I64(offset)), v.real.element)
                within = v.less(v.splat(number), size)
                pushes = force.emit(v, [*y, *values, t, *sample])
                for i, push in enumerate(pushes):
                    totals.store(v.add(totals.load(i), v.select(within, push, v.const(0.0))), i)
            following = b.add(first, I64(2))
            first.add_incoming(following, b.block)
            left = v.less(v.splat(b.uitofp(following, v.real.element)), size)
            b.cbranch(b.icmp_unsigned("!=", v.chosen(left), I64(0)), again, after)
            b.position_at_end(after)
            scale = v.div(dt, size)
            return [v.add(value, v.mul(scale, total)) for value, total in zip(y, totals.load_all(), strict=True)]

        return step


def _drawn(v: Lanes, law: Law, parts: Vector, words: list[Any]) -> list[Vector]:
    """The values of a law's symbols in two samples."""
    if law.kind == "normal":
        deviation = v.sqrt(parts[1])
        return [[v.add(parts[0], v.mul(deviation, z))] for z in pair_of_gaussians(v, words)]
    uniforms = pair_of_uniforms(v, words)
    if law.kind == "uniform":
        width = v.sub(parts[1], parts[0])
        return [[v.add(parts[0], v.mul(width, u))] for u in uniforms]
    many, columns = len(parts) // (1 + len(law.symbols)), len(law.symbols)
    found = []
    for u in uniforms:
        row, bound = parts[many : many + columns], parts[0]
        for k in range(1, many):
            reached = v.at_most(bound, u)
            here = parts[many + k * columns : many + (k + 1) * columns]
            row = [v.select(reached, new, old) for new, old in zip(here, row, strict=True)]
            bound = v.add(bound, parts[k])
        found.append(row)
    return found
