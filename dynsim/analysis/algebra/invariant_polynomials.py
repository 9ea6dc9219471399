"""Polynomials that a polynomial field maps to multiples of themselves: the linear algebra of first integrals.

With L the Lie derivative, I is a first integral if L I = 0, and I·e^{kt} is one if (L + k) I = 0. Both kinds
lie in the largest space V of polynomials of bounded degree with L V ⊂ V, found by iterating
V ← {c ∈ V : L c ∈ V}; there L is a square matrix K, and the weights k are minus its eigenvalues.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from math import comb, gcd, lcm

import numpy as np
import sympy
from sympy import QQ
from sympy.polys.matrices import DomainMatrix
from sympy.polys.rings import PolyElement, PolyRing

from dynsim.analysis.algebra.modular import PRIME, image, kernel, product, reduced
from dynsim.analysis.algebra.polynomial_field import PolynomialField

__all__ = ["TooLarge", "eigenpolynomials", "invariants"]

# Above these sizes the exact linear algebra over rational functions stops being quick.
_MONOMIALS = 1500
_UNKNOWNS = 60
_EFFORT = 60


class TooLarge(Exception):
    """The exact computation would run long, and is not started."""


def invariants(field: PolynomialField, degree: int, within: Sequence[int]) -> list[PolyElement]:
    """Polynomials without constant term, of degree at most `degree`, that the field leaves constant.

    They are polynomials in the variables `within`; such as are not continuous at a kink are left out.

    Raises
    ------
    TooLarge
    """
    monomials = _monomials(field, degree, within)[1:]
    images = [field.derivative(monomial) for monomial in monomials]
    support = _support(kernel(_modular(field, images)))
    if not support:
        return []
    exact = _exact(field, [images[i] for i in support]).nullspace()
    found = [_combine(field, row, [monomials[i] for i in support]) for row in exact.to_list()]
    return [polynomial for polynomial in found if field.is_continuous(polynomial)]


def eigenpolynomials(field: PolynomialField, degree: int) -> Iterator[tuple[sympy.Expr, PolyElement]]:
    """Pairs (κ, I) with L I = κ I and κ ≠ 0 rational in the parameters, of the given degree.

    Raises
    ------
    TooLarge
    """
    monomials = _monomials(field, degree, [i for i in field.moving if i not in {*field.kinks, *field.inverses}])
    images = [field.derivative(monomial) for monomial in monomials]
    copies = [field.reduced(field.denominator * monomial) for monomial in monomials]
    derivative, multiple = np.split(_modular(field, [*images, *copies]), 2, axis=1)
    space = _stable(derivative, multiple)
    if len(space) == len(kernel(derivative)):
        return
    # By descending degree, so that reduced vectors of lower degree come last and K is block triangular:
    # the eigenvalues that are new at this degree are those of its first block.
    support = _support(space)[::-1]
    pivots = reduced(space[:, ::-1])[1]
    new = sum(sum(monomials[-1 - i].LM) == degree for i in pivots)
    if len(space) * (1 + len(getattr(field.ring.domain, "symbols", ()))) > _EFFORT:
        raise TooLarge
    derivative, multiple = (_exact(field, [part[i] for i in support], images, copies) for part in (images, copies))
    basis, matrix = _restricted(derivative, multiple)
    for eigenvalue in _eigenvalues(matrix.extract(range(new), range(new))):
        shifted = matrix - eigenvalue * DomainMatrix.eye(matrix.shape[0], matrix.domain)
        for row in reversed((shifted.nullspace() * basis.transpose()).to_list()):
            yield field.ring.domain.to_sympy(eigenvalue), _combine(field, row, [monomials[i] for i in support])


def _monomials(field: PolynomialField, degree: int, within: Sequence[int]) -> list[PolyElement]:
    """Monomials in some variables, by ascending degree, that the identities do not reduce to others."""
    gens = [field.ring.gens[i] for i in within]
    if comb(len(gens) + degree, degree) > _MONOMIALS:
        raise TooLarge
    leading = [polynomial.LM for polynomial in field.relations]
    found = (
        sympy.prod(chosen, start=field.ring.one)
        for d in range(degree + 1)
        for chosen in combinations_with_replacement(gens, d)
    )
    return [m for m in found if not any(all(a >= b for a, b in zip(m.LM, power, strict=True)) for power in leading)]


def _combine(field: PolynomialField, coefficients: Sequence[object], monomials: list[PolyElement]) -> PolyElement:
    """Sum of coefficient times monomial, with coprime polynomial coefficients and a positive leading number."""
    total = sum((m * c for c, m in zip(coefficients, monomials, strict=True)), field.ring.zero)
    if not total:
        return total
    whole = total.clear_denoms()[1].set_ring(field.ring.clone(domain=field.ring.domain.get_ring())).primitive()[1]
    numbers = [n for c in whole.coeffs() for n in (c.coeffs() if isinstance(c, PolyElement) else [c])]
    scale = QQ(lcm(*(int(n.denominator) for n in numbers)), gcd(*(int(n.numerator) for n in numbers)))
    return whole.set_ring(field.ring) * (-scale if str(whole.LC).startswith("-") else scale)


def _support(vectors: np.ndarray) -> list[int]:
    if not len(vectors):
        return []
    support = [int(i) for i in np.flatnonzero(vectors.any(axis=0))]
    if len(support) > _UNKNOWNS:
        raise TooLarge
    return support


def _modular(field: PolynomialField, polynomials: list[PolyElement]) -> np.ndarray:
    """Coefficients (monomial × polynomial) with the parameters at a seeded random point of the prime field."""
    domain = field.ring.domain
    parameters = len(getattr(domain, "symbols", ()))
    point = [int(value) for value in np.random.default_rng(20_210_211).integers(2, PRIME, parameters)]
    rows: dict[tuple[int, ...], int] = {}
    entries = [
        (rows.setdefault(powers, len(rows)), column, image(coefficient, point))
        for column, polynomial in enumerate(polynomials)
        for powers, coefficient in polynomial.terms()
        if polynomial
    ]
    matrix = np.zeros((max(len(rows), 1), len(polynomials)), dtype=np.int64)
    for row, column, value in entries:
        matrix[row, column] = value
    return matrix


def _stable(derivative: np.ndarray, multiple: np.ndarray) -> np.ndarray:
    """Largest space V (a vector per row) whose image under `derivative` lies in that under `multiple`."""
    space = np.eye(derivative.shape[1], dtype=np.int64)
    while len(space):
        both = np.hstack([product(derivative, space.T), -product(multiple, space.T)])
        coordinates, _ = reduced(kernel(both)[:, : len(space)])
        if len(coordinates) == len(space):
            break
        space = product(coordinates, space)
    return space


def _exact(field: PolynomialField, polynomials: list[PolyElement], *others: list[PolyElement]) -> DomainMatrix:
    """Coefficients (monomial × polynomial) over the parameters; rows also for the monomials of `others`."""
    domain = field.ring.domain
    rows: dict[tuple[int, ...], int] = {}
    for polynomial in (p for group in (*others, polynomials) for p in group):
        for powers in polynomial.itermonoms():
            rows.setdefault(powers, len(rows))
    entries: dict[int, dict[int, object]] = {}
    for column, polynomial in enumerate(polynomials):
        for powers, coefficient in polynomial.iterterms():
            entries.setdefault(rows[powers], {})[column] = coefficient
    return DomainMatrix(entries, (max(len(rows), 1), len(polynomials)), domain)


def _restricted(derivative: DomainMatrix, multiple: DomainMatrix) -> tuple[DomainMatrix, DomainMatrix]:
    """Basis B (a vector per column) of the largest stable space, and K with derivative·B = multiple·B·K."""
    basis = DomainMatrix.eye(derivative.shape[1], derivative.domain).to_sparse()
    while True:
        size = basis.shape[1]
        solutions = (derivative * basis).hstack(-(multiple * basis)).nullspace().rref()[0]
        left, right = (solutions.extract(range(solutions.shape[0]), half) for half in _halves(size))
        if solutions.shape[0] == size:
            # The left half is the identity now, the right one K transposed.
            return basis, right.transpose()
        basis = basis * left.extract(range(left.rank()), range(size)).transpose()


def _halves(size: int) -> tuple[range, range]:
    return range(size), range(size, 2 * size)


def _eigenvalues(matrix: DomainMatrix) -> list[object]:
    """Nonzero eigenvalues that are rational in the parameters."""
    domain = matrix.domain
    ring = PolyRing([sympy.Dummy("lambda")], domain, sympy.lex)
    size = matrix.shape[0]
    polynomial = ring.from_dict({(size - i,): c for i, c in enumerate(matrix.charpoly()) if c})
    found = []
    for factor, _ in polynomial.factor_list()[1]:
        if factor.degree() == 1:
            root = -factor.coeff(1) / factor.LC
            if root:
                found.append(root)
    return found
