"""Twofold numbers carry what a float loses, whatever stands beside them in an array."""

from fractions import Fraction

import numpy as np
import pytest

from dynsim.systems.twofold import twofold


@pytest.mark.parametrize("neighbour", [1.0, 1e200, -1.7e308, np.inf, -np.inf, np.nan])
def test_an_element_does_not_depend_on_its_neighbours(neighbour):
    with np.errstate(all="ignore"):
        x = twofold(np.array([1e8, neighbour]))
        left = x * x - (x - 1.0) * (x + 1.0)  # 1, of which floats keep nothing
    assert left.value[0] == 1.0


def test_products_and_sums_are_those_of_fractions():
    rng = np.random.default_rng(0)
    for a, b, c in rng.normal(size=(50, 3)) * 10.0 ** rng.integers(-8, 8, (50, 3)):
        found = twofold(a) * b + c
        exact = Fraction(a) * Fraction(b) + Fraction(c)
        error = Fraction(float(found.high)) + Fraction(float(found.low)) - exact
        assert abs(error) <= Fraction(2) ** -100 * max(abs(exact), abs(Fraction(a) * Fraction(b)))
