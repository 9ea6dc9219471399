"""Linear algebra over a prime field: a quick, exact look at a system whose parameters took random values.

Ranks over the rational functions of the parameters can only drop at a special point, and a random point of
a large prime field is special with probability about 1e-9. So what is found here tells which unknowns the
exact computation has to deal with, and that is usually a handful out of hundreds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sympy.polys.fields import FracElement

__all__ = ["PRIME", "image", "kernel", "product", "reduced"]

PRIME = 2_147_483_629


def image(element: object, point: Sequence[int]) -> int:
    """Value of a rational function, or of a rational number, at a point of the prime field."""
    if isinstance(element, FracElement):
        top, bottom = (
            sum(
                image(coefficient, ()) * _monomial(point, powers) % PRIME for powers, coefficient in polynomial.terms()
            )
            for polynomial in (element.numer, element.denom)
        )
    else:
        top, bottom = int(element.numerator), int(element.denominator)  # type: ignore[attr-defined]
    return top % PRIME * pow(bottom % PRIME, -1, PRIME) % PRIME


def _monomial(point: Sequence[int], powers: Sequence[int]) -> int:
    result = 1
    for value, power in zip(point, powers, strict=True):
        result = result * pow(value, power, PRIME) % PRIME
    return result


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Matrix product. Both factors are cut into 16 bits, so that sums of products are exact in doubles and quick.

    Examples
    --------
    >>> import numpy as np
    >>> product(np.array([[PRIME - 1, 1]]), np.array([[PRIME - 1], [PRIME - 2]])).tolist() == [[PRIME - 1]]
    True
    """
    pieces = [[part.astype(float) for part in np.divmod(matrix % PRIME, 1 << 16)] for matrix in (left, right)]
    result = np.zeros((left.shape[0], right.shape[1]), dtype=np.int64)
    for high_left, a in zip((1 << 16, 1), pieces[0], strict=True):
        for high_right, b in zip((1 << 16, 1), pieces[1], strict=True):
            weight = high_left * high_right % PRIME
            result = (result + (a @ b).astype(np.int64) % PRIME * weight) % PRIME
    return result


def reduced(matrix: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Reduced row echelon form without zero rows, and the pivot columns."""
    matrix = matrix.copy() % PRIME
    pivots: list[int] = []
    for column in range(matrix.shape[1]):
        row = len(pivots)
        if row == matrix.shape[0]:
            break
        found = np.flatnonzero(matrix[row:, column])
        if not found.size:
            continue
        matrix[[row, row + found[0]]] = matrix[[row + found[0], row]]
        matrix[row] = matrix[row] * pow(int(matrix[row, column]), -1, PRIME) % PRIME
        others = np.flatnonzero(matrix[:, column])
        others = others[others != row]
        matrix[others] = (matrix[others] - matrix[others, column, None] * matrix[row]) % PRIME
        pivots.append(column)
    return matrix[: len(pivots)], pivots


def kernel(matrix: np.ndarray) -> np.ndarray:
    """Basis of the null space, one vector per row.

    Examples
    --------
    >>> import numpy as np
    >>> kernel(np.array([[1, 1, 0], [0, 0, 1]])).tolist() == [[PRIME - 1, 1, 0]]
    True
    """
    rows, pivots = reduced(matrix)
    free = [column for column in range(matrix.shape[1]) if column not in set(pivots)]
    basis = np.zeros((len(free), matrix.shape[1]), dtype=np.int64)
    for index, column in enumerate(free):
        basis[index, column] = 1
        basis[index, pivots] = -rows[:, column] % PRIME
    return basis
