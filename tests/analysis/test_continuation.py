"""Branches of equilibria against exact thresholds."""

import numpy as np
import pytest

from dynsim import DynsimError, Flow, continuation, fold_curve, gradient_flow, system
from dynsim.symbolic.rules import Descend, Move


@pytest.mark.parametrize("sigma2", [0.0, 0.25])
def test_the_fold_of_weight_decay(sigma2):
    """Equal decays on c = 0: a saddle-node at η_c = 1/(4(1+σ²)), at p = 1/(2(1+σ²)) (Tian et al. 2021)."""
    flow = system("scalar").fix(eta_p="eta", eta_s="eta", sigma2=sigma2)
    found = continuation(flow, "eta", (0.01, 0.4))
    folds = {round(point["eta"], 10) for point in found.folds}
    assert folds == {round(1 / (4 * (1 + sigma2)), 10)}
    for point in found.folds:
        assert point["phi"] == pytest.approx(1 / (2 * (1 + sigma2)), abs=1e-8)
        assert abs(point["theta"]) == pytest.approx(point["phi"], abs=1e-8)  # α = 1, c = 0


def test_every_point_is_an_equilibrium_with_its_stability():
    flow = system("scalar").fix(eta_p="eta", eta_s="eta")
    found = continuation(flow, "eta", (0.01, 0.4), parameters={"sigma2": 0.1})
    data = found.branches
    assert data.sizes["branch"] >= 3  # two mirror images and the origin
    checked = 0
    for b in range(data.sizes["branch"]):
        one = data.isel(branch=b).dropna("along")
        for i in range(0, one.sizes["along"], 7):
            eta = float(one.eta[i])
            field = flow.field({"eta": eta, "sigma2": 0.1})
            y = np.array([float(one.phi[i]), float(one.theta[i])])
            assert np.abs(field.f(0, y)).max() < 1e-10
            growth = np.linalg.eigvals(field.jacobian(0, y)).real.max()
            assert growth == pytest.approx(float(one.growth[i]), abs=1e-9)
            assert int(one.stable[i]) == int(growth < 1e-9)
            checked += 1
    assert checked > 20


def test_a_pitchfork_is_a_branch_point_and_its_branches_are_followed():
    flow = gradient_flow("w^4/4 - mu*w^2/2", ["w"])  # w' = mu w − w³
    found = continuation(flow, "mu", (-1, 1), initial={"w": 0.0})
    assert len(found.branch_points) == 1
    assert abs(found.branch_points[0]["mu"]) < 1e-8
    ends = found.branches.where(found.branches.mu > 0.9).w
    assert float(ends.max()) == pytest.approx(1.0, abs=0.06)
    assert float(ends.min()) == pytest.approx(-1.0, abs=0.06)


def test_hopf():
    """x' = μx − y − x(x²+y²), y' = x + μy − y(x²+y²): Hopf at μ = 0."""
    flow = Flow.of({"x": Move("mu*x - y - x*(x^2+y^2)"), "y": Move("x + mu*y - y*(x^2+y^2)")})
    found = continuation(flow, "mu", (-0.53, 0.5), initial={"x": 0, "y": 0})
    assert len(found.hopf) == 1
    assert abs(found.hopf[0]["mu"]) < 1e-8
    assert not found.folds


def test_a_neutral_saddle_is_no_hopf_point():
    flow = Flow.of({"x": Move("mu*x + x"), "y": Move("-y")})
    found = continuation(flow, "mu", (-0.53, 0.5), initial={"x": 0, "y": 0})
    assert found.hopf == []


def test_fold_curve_of_decay_against_noise():
    flow = system("scalar").fix(eta_p="eta", eta_s="eta")
    fold = continuation(flow, "eta", (0.05, 0.4), parameters={"sigma2": 0.1}).folds[0]
    curve = fold_curve(flow, ("eta", "sigma2"), {**fold, "sigma2": 0.1}, span={"eta": (0.05, 0.4), "sigma2": (0, 1)})
    assert curve.sizes["along"] > 20
    assert float(curve.sigma2.max()) > 0.9
    assert np.allclose(curve.eta, 1 / (4 * (1 + curve.sigma2)), atol=1e-9)


def test_games_have_centres_not_folds():
    game = Flow.of({"x": Descend("x*y - gamma*x^2/2"), "y": Descend("-x*y - gamma*y^2/2")})
    found = continuation(game, "gamma", (-0.53, 0.5), initial={"x": 0, "y": 0})
    assert len(found.hopf) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: continuation(f, "beta", (0, 1)), "'beta'"),
        (lambda f: continuation(f, "sigma2", (1, 0)), "smaller"),
        (lambda f: continuation(f, "sigma2", 3), "pair"),
        (lambda f: continuation(f, "sigma2", (0, 1), parameters={"sigma2": 2}), "varies"),
        (lambda f: continuation(f, "sigma2", (0, 1), initial={"phi": 1}), "missing: theta"),
        (lambda f: continuation(3, "sigma2", (0, 1)), "flow"),
        (lambda f: fold_curve(f, ("eta_p", "eta_p"), {"phi": 1, "theta": 1, "eta_p": 1}), "different"),
        (lambda f: fold_curve(f, ("eta_p", "eta_s"), {"phi": 1, "theta": 1}), "eta_p"),
        (lambda f: fold_curve(f, ("eta_p", "eta_s"), {"phi": 1.2, "theta": 3, "eta_p": 0.4, "eta_s": 0.4}), "fold"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(DynsimError, match=words):
        call(system("scalar"))


def test_a_subcritical_pitchfork_has_two_folds_and_the_branch_point_is_none():
    """w' = μw + w³ − w⁵: the branch that turns round in the pitchfork at μ = 0 folds at μ = −1/4, w = ±1/√2 only."""
    found = continuation(Flow.of({"w": Move("mu*w + w^3 - w^5")}), "mu", (-1, 1))
    assert sorted(round(fold["w"], 8) for fold in found.folds) == [-0.70710678, 0.70710678]
    assert all(abs(fold["mu"] + 0.25) < 1e-10 for fold in found.folds)
    assert len(found.branch_points) == 1
    assert abs(found.branch_points[0]["mu"]) < 1e-10


def test_a_fold_tells_all_that_its_curve_needs():
    """27a² = 4b³ for the cusp w' = a + bw − w³, whose parameters have no defaults."""
    cusp = Flow.of({"w": Move("a + b*w - w^3")})
    fold = continuation(cusp, "a", (-1, 1), parameters={"b": 1.0}).folds[0]
    curve = fold_curve(cusp, ("a", "b"), fold)
    assert float(np.abs(27 * curve.a**2 - 4 * curve.b**3).max()) < 1e-9
    assert float(curve.b.max()) > 4


@pytest.mark.parametrize("start", [3, {"w": "x"}, {"w": float("nan")}, {"v": 1.0}, {}])
def test_a_start_that_is_none(start):
    with pytest.raises(DynsimError, match="initial"):
        continuation(Flow.of({"w": Move("mu - w^2")}), "mu", (-1, 1), initial=start)


@pytest.mark.parametrize("fold", [3, {"w": "x", "mu": 0}, {"w": 0.0}, {"w": 0.0, "mu": 0.0, "v": 1.0}])
def test_a_fold_that_is_none(fold):
    with pytest.raises(DynsimError, match="fold"):
        fold_curve(Flow.of({"w": Move("mu - nu - w^2")}), ("mu", "nu"), fold, parameters={"nu": 0.0})
