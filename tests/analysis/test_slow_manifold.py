"""Distance to the nullcline of the fast block, and the limit it comes from."""

import numpy as np
import pytest
import sympy

import dynsim
from dynsim import singular_limit, system, timescales
from dynsim.analysis.numerics.slow_manifold import nullcline, slow_manifold_distance
from dynsim.errors import DynsimError


def test_in_the_toy_the_predictor_rests_at_one():
    flow = system("toy")
    run = dynsim.solve(flow, {"phi": 0.6, "theta": 0.1}, 30.0)
    measured = timescales(flow, run)
    np.testing.assert_allclose(measured.slow_manifold_distance, abs(1 - run.phi), atol=1e-9)
    np.testing.assert_allclose(measured.slow_manifold_distance_relative, abs(1 - run.phi), atol=1e-9)


def test_with_decay_it_is_the_closed_form_of_the_best_predictor():
    flow = system("byol")
    values = {"alpha": 3.0, "eta_p": 0.2, "sigma2": 0.3}
    y = np.random.default_rng(0).uniform(0.2, 1.5, (3, 40))
    rest = nullcline(flow.field(values), y, [0])[0]
    theta, xi = y[1], y[2]
    np.testing.assert_allclose(rest, xi * theta / (1.3 * theta**2 + 0.2 / 3.0), rtol=1e-9)


def test_where_nothing_rests_it_says_so():
    flow = dynsim.gradient_flow("p*w", ["p", "w"])
    found = slow_manifold_distance(flow.field(), np.array([[1.0, 2.0], [0.5, 0.0]]), [0])
    assert np.isnan(found["slow_manifold_distance"]).all()


def test_a_block_of_matrices():
    from dynsim.field import Field

    target = np.array([1.0, -2.0, 3.0])
    field = Field(
        ("P", "w"),
        lambda t, y: np.concatenate([target[:, None] * y[3] - y[:3], -y[3:]]),
        lambda t, y: np.broadcast_to(
            np.vstack([np.hstack([-np.eye(3), target[:, None]]), [[0, 0, 0, -1]]])[..., None], (4, 4, y.shape[1])
        ),
        shapes={"P": (3,)},
        roles={"predictor": ("P",), "encoder": ("w",)},
    )
    y = np.array([[0.0], [0.0], [0.0], [2.0]])
    assert slow_manifold_distance(field, y, [0, 1, 2])["slow_manifold_distance"] == pytest.approx(
        2 * np.linalg.norm(target)
    )


def test_a_fast_predictor_stays_closer():
    """To the critical manifold φ = 1 the distance is of order 1/α; the nullcline is one order closer."""
    flow = system("scalar").fix(sigma2=0, eta_p=0.05, eta_s=0.05)
    nullcline, manifold = {}, {}
    for alpha in (50.0, 500.0):
        run = dynsim.solve(
            flow, {"phi": 0.6, "theta": 1.0}, 5.0, parameters={"alpha": alpha}, method="Radau", rtol=1e-9
        )
        nullcline[alpha] = float(timescales(flow, run).slow_manifold_distance[-1])
        manifold[alpha] = abs(1 - float(run.phi[-1]))
    assert manifold[50.0] / manifold[500.0] == pytest.approx(10.0, rel=0.2)
    assert nullcline[50.0] / nullcline[500.0] == pytest.approx(100.0, rel=0.2)


def test_the_limit_of_a_fast_predictor():
    found = singular_limit(system("scalar"), "alpha", "large")
    (sheet,) = found.manifolds
    theta, sigma2, eta_s = sympy.symbols("theta sigma2 eta_s")
    assert (found.fast, found.slow) == (("phi",), ("theta",))
    assert sympy.simplify(sheet.graph["phi"] - 1 / (1 + sigma2)) == 0
    assert sympy.simplify(sheet.reduced["theta"] + eta_s * theta) == 0
    assert sympy.simplify(sheet.normal[0] + (1 + sigma2) * theta**2) == 0
    assert sheet.breaks == (theta,)
    assert "not normally hyperbolic where theta = 0" in str(found)


def test_the_limit_of_a_slow_teacher_folds_where_a_cold_one_loses_the_encoder():
    values = {"alpha": 1, "sigma2": 0, "eta_p": sympy.Rational(1, 10), "eta_s": sympy.Rational(1, 10)}
    found = singular_limit(system("byol"), "beta", parameters=values)
    xi = sympy.Symbol("xi")
    assert (found.fast, found.slow) == (("phi", "theta"), ("xi",))
    collapsed = next(s for s in found.manifolds if s.graph["theta"] == 0)
    assert sheet_zeros(collapsed, xi) == {sympy.Rational(1, 10), -sympy.Rational(1, 10)}
    alive = next(s for s in found.manifolds if s.graph["theta"].subs(xi, 1) > 0)
    assert sheet_zeros(alive, xi) == {sympy.Rational(1, 10)}
    assert all(value.subs(xi, 1) < 0 for value in alive.normal)


def sheet_zeros(sheet, symbol):
    return {zero for factor in sheet.breaks for zero in sympy.solve(factor, symbol)}


@pytest.mark.parametrize("name", ["byol", "eigenmode"])
def test_a_teacher_that_follows_at_once_is_simsiam(name):
    found = singular_limit(system(name), "beta", "large")
    (sheet,) = found.manifolds
    other = system("scalar") if name == "byol" else system("eigenmode", variant="simsiam")
    for state, velocity in sheet.reduced.items():
        assert sympy.simplify(velocity - other.rhs[other.states.index(state)]) == 0


def test_what_cannot_be_solved_is_said():
    found = singular_limit(system("byol"), "beta")
    assert found.manifolds == ()
    assert "no square root" in str(found)
    tanh = dynsim.gradient_flow("(tanh(p*w) - sg(w))^2/2", ["p", "w"], rates={"p": "alpha"})
    assert "not polynomial" in singular_limit(tanh, "alpha", "large").note


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: singular_limit(3, "alpha"), "flow"),
        (lambda: singular_limit(system("scalar"), "beta"), "beta"),
        (lambda: singular_limit(system("scalar"), "alpha", "huge"), "towards"),
        (lambda: singular_limit(system("scalar"), "alpha", parameters={"alpha": 1}), "limit"),
        (lambda: singular_limit(system("scalar"), "eta_s"), "fast"),
        (lambda: singular_limit(dynsim.gradient_flow("w^2", ["w"], rates={"w": "r^2"}), "r", "large"), "linear"),
        (lambda: singular_limit(system("scalar"), "alpha", parameters={"eta_p": "x"}), "eta_p"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(DynsimError, match=words):
        call()


def test_a_limit_prints_in_two_lines_and_shows_its_sheets_in_a_notebook():
    found = singular_limit(system("toy"), "alpha")
    assert repr(found).split("\n") == ["SingularLimit α → 0: fast θ, slow φ", "  sheets θ = 0"]
    assert found._repr_html_().count("<li>") == len(str(found).split("\n")) - 1
