"""Guards of special points: what is confirmed, what is refused, and what rounding noise must not become."""

import numpy as np
import pytest
import sympy

from dynsim import Flow, continuation
from dynsim.analysis.algebra.line_stability import changes_along
from dynsim.analysis.numerics import special_points
from dynsim.analysis.numerics.arclength import Curve, tangent, trace
from dynsim.analysis.numerics.branching import ways_out
from dynsim.analysis.numerics.parameter_field import ParameterField
from dynsim.analysis.numerics.special_points import SpecialPoint, hopf, lyapunov
from dynsim.analysis.numerics.start_search import rests
from dynsim.symbolic.rules import Move

UNIT = np.ones(3)
HOPF = Flow.of({"x": Move("p*x - y - x*(x^2 + y^2)"), "y": Move("x + p*y - y*(x^2 + y^2)")})


def test_a_pair_that_does_not_turn_is_no_hopf_point():
    pair = ParameterField(Flow.of({"x": Move("p*x - x^3"), "y": Move("p*y - y^3")}), ["p"], None)
    assert hopf(pair, np.array([0.0, 0.0, 1e-3]), UNIT) is None
    turning = ParameterField(HOPF, ["p"], None)
    found = hopf(turning, np.array([0.0, 0.0, 0.1]), UNIT)
    assert found is not None
    assert found.z == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)


def test_without_a_turning_pair_there_is_no_lyapunov_coefficient():
    field = ParameterField(Flow.of({"x": Move("p - x"), "y": Move("-2*y + x^2")}), ["p"], None)
    assert np.isnan(lyapunov(field, np.array([0.0, 0.0, 0.0]), UNIT))
    turning = ParameterField(HOPF, ["p"], None)
    assert lyapunov(turning, np.zeros(3), UNIT) < 0


def test_a_hopf_point_polished_to_another_place_is_not_believed(monkeypatch):
    monkeypatch.setattr(special_points, "hopf", lambda *_: SpecialPoint("hopf", np.array([3.0, 3.0, 0.7]), 1e-15, 2))
    found = continuation(HOPF, "p", (-1.0, 1.0)).hopf
    assert [point["p"] for point in found] == pytest.approx([0.0], abs=1e-6)


def test_rounding_makes_no_hopf_points():
    """Trace zero and a positive determinant at every p: the real parts are noise, of either sign."""
    flow = Flow.of({"x": Move("p*x + (1 + p^2)*y"), "y": Move("-(2 + p)*x - p*y")})
    field = ParameterField(flow, ["p"], None)
    signs = {float(np.sign(field.eigenvalues(np.array([0.0, 0.0, p]))[0].real)) for p in np.linspace(0.1, 2.0, 50)}
    assert len(signs) > 1
    found = continuation(flow, "p", (0.1, 2.0), initial={"x": 0.0, "y": 0.0})
    assert (len(found.hopf), len(found.folds), len(found.branch_points)) == (0, 0, 0)


def test_rounding_changes_no_stability_along_a_line():
    phi = sympy.Symbol("phi", real=True)
    noise = sympy.Float(0.1) + sympy.Float(0.2) - sympy.Float(0.3)
    assert noise != 0
    assert changes_along((noise * phi, -sympy.S.One, sympy.S.Zero), phi, -5, 5) == []
    assert changes_along((1e-3 * phi, -sympy.S.One, sympy.S.Zero), phi, -5, 5) == [0]


def circle(centre, radius):
    def function(z):
        return np.array([(z[0] - centre) ** 2 + z[1] ** 2 - radius**2])

    def jacobian(z):
        return np.array([[2 * (z[0] - centre), 2 * z[1]]])

    return function, jacobian


def test_a_curve_is_not_left_for_another_that_comes_near():
    """Two small circles, three hundredths apart: steps as long as the gap would jump across."""
    (one, slope_of_one), (other, slope_of_other) = circle(0.0, 0.1), circle(0.23, 0.1)
    product = Curve(
        lambda z: one(z) * other(z),
        lambda z: slope_of_one(z) * other(z)[0] + slope_of_other(z) * one(z)[0],
        np.ones(2),
    )
    start = np.array([-0.1, 0.0])
    found = trace(product, start, tangent(product, start), lambda z: "", step=0.05, longest=0.1, most=400)
    assert np.abs(one(found.points.T)).max() < 1e-9
    turned = np.linalg.norm(np.diff(found.points, axis=0), axis=1)
    assert turned.max() < 0.1  # about half a radian at most


def test_a_pole_is_no_equilibrium():
    field = ParameterField(Flow.of({"x": Move("(x - p)/(x - 1) + 0*x")}), ["p"], None)
    points, _ = rests(field, 0.25, np.ones(1))
    assert points.ravel() == pytest.approx([0.25])


@pytest.mark.parametrize("modes", [2, 3])
def test_every_branch_through_a_point_of_equal_modes_is_found(modes):
    """Each mode is 0 or ±√p, without all being 0: 3ⁿ − 1 ways, and the two of the branch on which all are."""
    flow = Flow.of({name: Move(f"p*{name} - {name}^3") for name in "xyz"[:modes]})
    field, scale = ParameterField(flow, ["p"], None), np.ones(modes + 1)
    ways = ways_out(field, Curve(field.function, field.jacobian, scale), np.zeros(modes + 1))
    assert len(ways) == 3**modes + 1
    signs = {tuple(np.sign(np.round(way, 2)).astype(int)) for way in ways}
    assert len(signs) == 3**modes + 1


def test_a_continuum_of_branches_is_none():
    flow = Flow.of({"x": Move("p*x - x*(x^2 + y^2)"), "y": Move("p*y - y*(x^2 + y^2)")})
    field = ParameterField(flow, ["p"], None)
    assert ways_out(field, Curve(field.function, field.jacobian, UNIT), np.zeros(3)) == []


def test_a_complex_pair_along_a_line_changes_sign_where_its_real_part_does():
    phi = sympy.Symbol("phi", real=True)
    turn = sympy.sqrt(-1 - phi**2)  # imaginary everywhere
    assert changes_along((phi - 1 + turn, phi - 1 - turn, sympy.S.Zero), phi, -5, 5) == [1]
    root = sympy.sqrt(phi**2 + 1)  # real: one of a ± √b crosses where a² = b
    assert changes_along((phi - 2 + root, phi - 2 - root, sympy.S.Zero), phi, -5, 5) == [sympy.Rational(3, 4)]
