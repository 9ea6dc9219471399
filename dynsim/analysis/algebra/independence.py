"""Whether the generators of a flow obey no identities but those that are used: a theorem where it can be one.

If the exponents and logarithms are linearly independent over the rationals, constants aside, the transcendental
generators are algebraically independent (Ax 1971; Risch's structure theorem); roots are independent if no product of
powers of their bases is a perfect power (Kummer's theory). Where the premises are not met, or a function is none of
these, a doubt is left.

References
----------
Ax, "On Schanuel's conjectures", Annals of Mathematics 93 (1971). Lang, Algebra (2002), VI.8.
"""

from __future__ import annotations

import numpy as np
import sympy
from sympy.polys.matrices import DomainMatrix

from dynsim.analysis.algebra.generators import Rationaliser

__all__ = ["doubt"]


def doubt(rational: Rationaliser) -> str:
    """Why generators may obey further identities; empty if it is proven that they do not."""
    unknown = [item.meaning for item in rational.generators.values() if item.kind == "unknown"]
    if unknown:
        return f"identities of {', '.join(sorted({type(item).__name__ for item in unknown}))} are not used"
    if any(value.has(sympy.Pow) and not value.has(sympy.exp) for value in rational.constants.values()):
        return "identities of roots of constants are not used"
    if not _roots_independent(rational):
        return "roots that may depend on each other"
    if not _logarithms_independent(rational):
        return "exponentials or logarithms that may depend on each other"
    return ""


def _roots_independent(rational: Rationaliser) -> bool:
    roots = [item for item in rational.generators.values() if item.kind == "root"]
    rows: dict[sympy.Expr, list[int]] = {}
    for column, item in enumerate(roots):
        if item.argument.free_symbols & set(rational.generators) and len(roots) > 1:
            return False
        try:
            for part, side in zip(sympy.fraction(sympy.together(item.argument)), (1, -1), strict=True):
                for factor, count in sympy.factor_list(part)[1]:
                    if factor.free_symbols & (rational.states | set(rational.generators)):
                        rows.setdefault(factor, [0] * len(roots))[column] += side * count
        except sympy.PolynomialError:
            return False
    for prime in {p for item in roots for p in sympy.primefactors(item.power.q)}:
        chosen = [i for i, item in enumerate(roots) if item.power.q % prime == 0]
        table = [[row[i] % prime for i in chosen] for row in rows.values()] or [[0] * len(chosen)]
        field = sympy.GF(prime, symmetric=False)
        matrix = DomainMatrix([[field(v) for v in row] for row in table], (len(table), len(chosen)), field)
        if matrix.rank() < len(chosen):
            return False
    return True


def _logarithms_independent(rational: Rationaliser) -> bool:
    groups: list[list[sympy.Expr]] = [[], []]
    for item in rational.generators.values():
        if item.kind == "exponential":
            groups[0].append(sympy.log(item.meaning))
        elif item.kind == "logarithm":
            groups[0].append(item.meaning)
        elif item.kind == "sine":
            groups[1].append(item.meaning.args[0])
    return all(_independent(group, rational.states) for group in groups if group)


def _independent(functions: list[sympy.Expr], states: set[sympy.Symbol]) -> bool:
    """Whether no combination of functions with fixed coefficients is free of the states.

    Two seeded sets of values of the parameters, each with a constant of its own, at seeded points.
    """
    symbols = sorted(set().union(*(f.free_symbols for f in functions)), key=str)
    generator = np.random.default_rng(1971)
    rows = []
    for constant in ([1.0, 0.0], [0.0, 1.0]):
        at = {s: generator.uniform(0.3, 1.7) for s in symbols}
        for _ in range(len(functions) + 3):
            at |= {s: generator.uniform(0.3, 1.7) for s in symbols if s in states}
            rows.append([*constant, *(complex(sympy.N(f.subs(at))) for f in functions)])
    matrix = np.array(rows, dtype=complex)
    if not np.isfinite(matrix).all():
        return False
    return bool(np.linalg.matrix_rank(matrix / np.abs(matrix).max(axis=0), tol=1e-9) == matrix.shape[1])
