"""Linear algebra over a prime field against Python's own integers."""

import numpy as np

from dynsim import first_integrals, gradient_flow
from dynsim.analysis.algebra.modular import PRIME, kernel, product


def test_products_are_exact_for_the_largest_entries():
    generator = np.random.default_rng(0)
    left = generator.integers(-PRIME, PRIME, (5, 70))
    right = generator.integers(PRIME - 9, PRIME, (70, 4))
    wanted = (left.astype(object) @ right.astype(object)) % PRIME
    assert (product(left, right) == wanted).all()


def test_a_kernel_is_mapped_to_zero():
    matrix = np.random.default_rng(1).integers(0, PRIME, (6, 9))
    vectors = kernel(matrix)
    assert len(vectors) == 3
    assert not product(matrix, vectors.T).any()


def test_kinks_and_their_derivatives_are_searched_to_the_end():
    """Many generators make the linear systems large; the balance of a product is found all the same."""
    found = first_integrals(gradient_flow("relu(a*b)*c", "a, b, c"))
    assert found.complete
    assert [str(item) for item in found] == ["a**2 - b**2", "a**2 - c**2"]
