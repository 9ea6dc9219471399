"""Fixed points and thresholds as the papers state them, found again by `equilibria` and `continuation`."""

import numpy as np
import pytest
import sympy

from dynsim import continuation, equilibria, outcome, solve, system

R = sympy.Rational
ROOT = sympy.sqrt(R(36, 25) - 4 * R(1, 10) * R(3, 2))  # √(λ_d² − 4ηλ_s) for λ_d = 6/5, λ_s = 3/2, η = 1/10
LOW, HIGH = ((R(6, 5) + sign * ROOT) / 3 for sign in (-1, 1))
FILTER = {"lambda_d": R(6, 5), "lambda_s": R(3, 2), "eta_s": R(1, 10)}

# System, what is chosen, parameters → {value: kind} of its one state.
ALONE = [
    ("direct-set", {}, FILTER, {0: "stable node", LOW: "unstable node", HIGH: "stable node"}),
    ("barlow", {}, {"gamma": R(1, 4)}, {-2: "stable node", 0: "unstable node", 2: "stable node"}),
    (
        "spectral-contrastive",
        {},
        {"lambda_d": R(1, 4), "lambda_s": R(3, 4)},
        {-R(2, 3): "stable node", 0: "unstable node", R(2, 3): "stable node"},
    ),
    ("jepa", {"L": 1}, {"lambda_d": 1, "rho": R(1, 2)}, {0: "non-hyperbolic", R(1, 2): "stable node"}),
    (
        "mae",
        {"L": 1},
        {"lambda_d": 1, "rho": R(1, 4)},
        {-R(1, 2): "stable node", 0: "unstable node", R(1, 2): "stable node"},
    ),
    ("deep-linear", {}, {"s": R(3, 2)}, {0: "unstable node", R(3, 2): "stable node"}),
    ("euclidean", {"k": 1}, {}, {-1: "stable node", 0: "non-hyperbolic", 1: "stable node"}),
    ("euclidean", {"k": 1, "variant": "isoloss"}, {}, {-1: "stable node", 0: "unstable node", 1: "stable node"}),
    ("euclidean", {"k": 1, "branch": "full"}, {}, {-1: "non-hyperbolic", 0: "stable node", 1: "non-hyperbolic"}),
    ("euclidean", {"k": 1, "branch": "target"}, {}, {-1: "unstable node", 0: "stable node", 1: "unstable node"}),
    ("alternating", {}, {}, {0: "stable node"}),
    ("xbar", {"branch": "full"}, {}, {0: "stable node"}),
]


@pytest.mark.parametrize(("name", "which", "parameters", "stated"), ALONE)
def test_one_mode_rests_exactly_where_the_paper_says(name, which, parameters, stated):
    flow = system(name, **which)
    (state,) = flow.states
    found = equilibria(flow, parameters)
    assert found.complete
    assert len(found) == len(stated)
    for item in found:
        (kind,) = (kind for value, kind in stated.items() if sympy.simplify(item.point[state] - value) == 0)
        assert item.kind == kind, item.point


@pytest.mark.parametrize(
    ("name", "L", "end"), [("jepa", 2, 0.5**2), ("jepa", 3, 0.5**3), ("mae", 2, 0.5 ** (2 / 3)), ("mae", 4, 0.5**0.8)]
)
def test_deep_networks_rest_at_the_stated_power(name, L, end):
    (found,) = (item for item in equilibria(system(name, L=L), {"rho": 0.5}) if item.point["w"] > 1e-6)
    assert found.point["w"] == pytest.approx(end, rel=1e-9)
    assert found.kind == "stable node"


def test_direct_pred_rests_at_the_squares():
    found = [item.point["s"] for item in equilibria(system("direct-set", variant="direct-pred"), FILTER)]
    for stated in (LOW**2, HIGH**2):
        assert min(abs(s - float(stated)) for s in found) < 1e-9


@pytest.mark.parametrize(
    ("variant", "kind"),
    [
        ("unregularised", "centre"),
        ("non-saturating", "centre"),
        ("wgan", "centre"),
        ("r1", "stable focus"),
        ("instance-noise", "stable focus"),
        ("consensus", "stable focus"),
    ],
)
def test_the_game_rests_at_its_solution_only(variant, kind):
    (found,) = equilibria(system("dirac-gan", variant=variant))
    np.testing.assert_allclose([float(value) for value in found.point.values()], 0, atol=1e-12)
    assert found.kind == kind


def test_the_penalised_game_rests_nowhere():
    """WGAN-GP jumps at ψ = 0, where (±γg₀, 0) is a zero from one side only."""
    flow = system("dirac-gan", variant="wgan-gp")
    assert len(equilibria(flow)) == 0
    assert abs(flow.field().f(0.0, np.array([-0.5, 0.0]))).max() > 0.4


def test_equal_modes_and_single_modes_are_lines_under_the_cosine_loss():
    found = equilibria(system("cosine", k=2))
    assert found.complete
    shapes = {tuple(sorted((name, str(value)) for name, value in item.curve.items())) for item in found}
    assert (("z1", "z1"), ("z2", "z1")) in shapes
    assert (("z1", "z1"), ("z2", "0")) in shapes
    assert all(item.kind == "line" for item in found)


TIED = {"eta_p": "eta", "eta_s": "eta", "alpha": 1}


@pytest.mark.parametrize(
    ("name", "which", "fixed", "parameter", "view"),
    [
        ("modes", {"k": 1}, {**TIED, "lambda_d1": 0.8}, "eta", "lambda_s1"),
        ("xbar", {"variant": "predictor"}, {**TIED, "lambda_d": 0.8}, "eta", "lambda_s"),
        ("direct-set", {"variant": "direct-copy"}, {"lambda_d": 0.8}, "eta_s", "lambda_s"),
        ("direct-set", {"variant": "direct-pred"}, {"lambda_d": 0.8}, "eta_s", "lambda_s"),
    ],
)
def test_a_mode_folds_at_the_square_of_its_signal_over_four_times_its_variance(name, which, fixed, parameter, view):
    flow = system(name, **which).fix(fixed)
    found = continuation(flow, parameter, (0.01, 0.4), parameters={view: 0.95})
    assert found.folds
    for fold in found.folds:
        assert float(fold[parameter]) == pytest.approx(0.8**2 / (4 * 0.95), rel=1e-6)


@pytest.mark.parametrize("variant", ["simsiam", "byol"])
@pytest.mark.parametrize("eta_p", [0.02, 0.3])
def test_the_fold_over_the_encoder_s_decay_ignores_the_predictor_s(variant, eta_p):
    values = {"alpha": 1.5, "sigma2": 0.2, "eta_p": eta_p, **({"beta": 0.7} if variant == "byol" else {})}
    (fold,) = continuation(system("eigenmode", variant=variant), "eta_s", (0.01, 0.5), parameters=values).folds
    assert float(fold["eta_s"]) == pytest.approx(1 / (4 * 1.2), rel=1e-6)
    p = 1 / (2 * 1.2)
    assert float(fold["s"]) == pytest.approx(eta_p * p**2 / (1.5 * float(fold["eta_s"])), rel=1e-5)


def test_over_the_predictor_s_decay_there_is_no_fold():
    values = {"alpha": 1.5, "sigma2": 0.2, "eta_s": 0.1}
    assert not continuation(system("eigenmode", variant="simsiam"), "eta_p", (0.001, 0.5), parameters=values).folds


@pytest.mark.parametrize(("alpha", "sigma2", "eta_p"), [(1.0, 0.1, 0.1), (2.0, 0.3, 0.05)])
def test_decay_of_the_predictor_alone_lets_the_encoder_grow_without_bound(alpha, sigma2, eta_p):
    values = {"alpha": alpha, "sigma2": sigma2, "eta_p": eta_p, "eta_s": 0.0}
    flow = system("eigenmode", variant="simsiam")
    run = solve(flow, {"p": 0.5, "s": 0.25}, times=[1e4, 1.1e4], parameters=values, method="LSODA")
    growth = float(run.s.diff("time")[0]) / 1e3
    assert growth == pytest.approx(2 * eta_p / (alpha * (1 + sigma2) ** 2), rel=1e-3)
    assert float(run.p[-1]) == pytest.approx(1 / (1 + sigma2), rel=1e-3)


def test_decay_of_the_encoder_alone_always_collapses():
    for start in ({"p": 0.9, "s": 1.2}, {"p": 0.1, "s": 0.05}, {"p": -0.5, "s": 1.0}):
        end = outcome(system("eigenmode", variant="simsiam"), start, {"eta_p": 0.0, "eta_s": 0.01})
        assert end.collapsed
        assert end.reason.startswith("η_p = 0 < η_s")
