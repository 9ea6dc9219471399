"""How far from collapse: shares of a box against areas in closed form, shocks against exact distances."""

import math

import numpy as np
import pytest

import dynsim
from dynsim import collapse_fraction, resilience, system
from dynsim.analysis.numerics.collapse import Collapse
from dynsim.errors import DynsimError

SQUARE = {"phi": (-1.5, 1.5), "theta": (-1.5, 1.5)}
ARTICLE = {"phi": 0.6, "theta": 0.1}
TYPED = "(phi*theta - sg(theta))^2/2"
NOISY = {"sigma2": 0.1, "eta_p": 0.2, "eta_s": 0.2}
UPPER = (1 + math.sqrt(1 - 4 * 0.2 * 1.1)) / (2 * 1.1)  # p₊ of p' = p²(1 − 1.1p) − 0.2p
LOWER = (1 - math.sqrt(1 - 4 * 0.2 * 1.1)) / (2 * 1.1)


@pytest.mark.parametrize(
    ("branch", "area"),
    [
        # By hand: the cone φ ≤ 0 and what the hyperbola φ² − θ² = 1 cuts off; a double cone; what a parabola cuts off.
        ("stop", (9 / 4 + 1.5 * math.sqrt(1.25) - math.acosh(1.5)) / 9),
        ("full", 11 / 18),
        ("target", 17 / 24),
    ],
)
def test_the_share_of_the_square_that_collapses_is_its_area(branch, area):
    found = collapse_fraction(system("toy", branch=branch), SQUARE, starts=60_000)
    error = float(found.collapse_fraction_error)
    assert error < 3e-4
    assert abs(float(found.collapse_fraction) - area) < 4 * error
    assert float(found.exact) == 1.0
    assert float(found.undecided) == 0.0


def test_the_engine_counts_what_the_rule_counts():
    """The toy typed as text has no rule; algebraically slow starts stay undecided, and are counted apart."""
    rule = collapse_fraction("toy", SQUARE, starts=3000)
    engine = collapse_fraction(TYPED, SQUARE, starts=3000)
    assert float(engine.exact) == 0.0
    assert 0 < float(engine.undecided) < 0.02
    low = float(engine.collapse_fraction)
    assert low <= float(rule.collapse_fraction) <= low + float(engine.undecided)


def test_the_error_is_that_of_independent_seeds():
    shares = [collapse_fraction("toy", SQUARE, starts=800, seed=seed) for seed in range(40)]
    spread = np.std([float(one.collapse_fraction) for one in shares], ddof=1)
    told = np.sqrt(np.mean([float(one.collapse_fraction_error) ** 2 for one in shares]))
    assert told == pytest.approx(spread, rel=0.4)  # 40 seeds know a spread to 11 %


def test_the_share_over_weight_decay_rises_to_all_at_the_fold():
    fold = 1 / (4 * 1.1)
    found = collapse_fraction(
        "scalar", SQUARE, {"eta_s": [0.05, 0.15, fold - 0.005, fold + 0.005]}, parameters={"eta_p": 0.1}, starts=1000
    )
    assert (np.diff(found.collapse_fraction) > 0).all()
    assert found.collapse_fraction.values[-1] == 1.0
    assert found.collapse_fraction.values[-2] < 0.8
    assert dynsim.draw(found).axes


def test_a_number_in_the_box_holds_a_state():
    found = collapse_fraction(
        "toy", {"phi": (0.0, 2.0), "theta": 0.5}, starts=2000
    )  # collapses from φ₀ ≥ √1.25, φ₀ = 0 lives
    assert float(found.collapse_fraction) == pytest.approx((2 - math.sqrt(1.25)) / 2, abs=1e-3)


def test_two_parameters_make_a_plane(tmp_path):
    found = collapse_fraction("toy", SQUARE, {"alpha": [0.5, 2.0]}, starts=200)
    plane = collapse_fraction("scalar", SQUARE, {"alpha": [0.5, 2.0], "sigma2": [0.0, 0.3]}, starts=200)
    np.testing.assert_array_equal(plane.collapse_fraction.sel(sigma2=0), found.collapse_fraction)
    plane.to_netcdf(tmp_path / "plane.nc")
    assert dynsim.draw(tmp_path / "plane.nc").axes


def test_what_has_no_end_in_sight_is_undecided_not_alive():
    circling = dynsim.Flow.of(
        {"x": dynsim.Move("y"), "y": dynsim.Move("-x")}, roles={"encoder": ["x"], "predictor": ["y"]}
    )
    found = collapse_fraction(circling, {"x": (0.5, 1.0), "y": (0.5, 1.0)}, starts=50, t_end=50.0)
    assert (float(found.collapse_fraction), float(found.undecided)) == (0.0, 1.0)


def test_a_run_next_to_a_saddle_is_undecided():
    judge = Collapse(dynsim.system("scalar"), NOISY, 1e3)
    told = judge._integrated(np.array([[LOWER, LOWER + 1e-3, LOWER - 1e-3], [LOWER, LOWER + 1e-3, LOWER - 1e-3]]))
    assert told.tolist()[1:] == [0, 1]
    short = Collapse(dynsim.system("scalar"), NOISY, 1e-3)
    assert short._integrated(np.array([[LOWER], [LOWER]])).tolist() == [-1]


# Distances: to the hyperbola from minimising (√(1+s²) − .6)² + (s − .1)², to the cone φ ≤ 0 its tip, to the lines of
# `full` |u ± θ|/√2; changes of φ alone from the rules.
@pytest.mark.parametrize(
    ("branch", "inside", "distances", "single"),
    [
        ("stop", 0, [0.1, None, math.hypot(0.6, 0.1)], math.sqrt(1.01) - 0.6),
        ("full", 1, [0.5 / math.sqrt(2), 0.3 / math.sqrt(2)], 0.3),
        ("target", 1, [None], 0.395),
    ],
)
def test_the_shocks_of_the_article_s_start_are_exact(branch, inside, distances, single):
    found = resilience(system("toy", branch=branch), ARTICLE)
    assert found.attrs["exact"] == 1
    assert int(found.collapses) == inside
    for told, stated in zip(found.boundary_distance.values, distances, strict=True):
        assert stated is None or told == pytest.approx(stated, abs=1e-9)
    assert float(found.single_shock.sel(state="phi")) == pytest.approx(single, abs=1e-9)
    assert float(found.fatal_shock) == (0.0 if inside else pytest.approx(0.1, abs=1e-12))
    if inside:
        assert float(found.way_out) == pytest.approx(min(found.boundary_distance.values), abs=1e-12)
    assert dynsim.draw(found).axes


@pytest.mark.parametrize("alpha", [0.5, 3.0])
@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_the_exact_shock_lands_on_the_boundary(branch, alpha):
    flow = system("toy", branch=branch)
    start = {"phi": 0.4, "theta": 0.9}
    found = resilience(flow, start, {"alpha": alpha}, null_line=False)
    shock = float(found.way_out if found.collapses else found.fatal_shock)
    direction = dict(zip(flow.states, found.direction.values, strict=True))
    fates = [
        dynsim.outcome(flow, {n: start[n] + share * shock * direction[n] for n in start}, {"alpha": alpha}).collapsed
        for share in (1 - 1e-6, 1 + 1e-6)
    ]
    assert fates == [bool(found.collapses), not found.collapses]
    rng = np.random.default_rng(0)  # and nothing nearer has another fate
    for angle, share in zip(rng.uniform(0, 2 * np.pi, 50), rng.uniform(0, 0.999, 50), strict=True):
        near = {
            "phi": start["phi"] + share * shock * np.cos(angle),
            "theta": start["theta"] + share * shock * np.sin(angle),
        }
        assert dynsim.outcome(flow, near, {"alpha": alpha}).collapsed is bool(found.collapses)


def test_whether_the_null_line_counts_is_said():
    counted, not_counted = resilience("toy", ARTICLE), resilience("toy", ARTICLE, null_line=False)
    assert (counted.attrs["null_line"], not_counted.attrs["null_line"]) == ("counts", "does not count")
    assert counted.direction.values.tolist() == [0.0, -1.0]
    assert float(not_counted.fatal_shock) == pytest.approx(float(counted.boundary_distance[1]))
    free = dynsim.gradient_flow(
        "(theta - 1)^2/2 + phi^2/2", "phi, theta", roles={"encoder": "theta", "predictor": "phi"}
    )
    assert resilience(free, {"phi": 0.1, "theta": 0.5}, t_end=50.0).attrs["null_line"] == "there is none"


def test_a_searched_boundary_agrees_with_the_exact_one_within_its_error():
    exact = resilience("toy", ARTICLE, null_line=False)
    found = resilience(TYPED, ARTICLE, null_line=False)
    assert found.attrs["exact"] == 0
    assert "searched" in found.attrs["note"]
    gap = float(found.fatal_shock - exact.fatal_shock)
    assert -1e-9 < gap <= found.attrs["error"]


def test_with_decay_the_shock_ends_on_the_manifold_of_the_saddle():
    found = resilience("scalar", {"phi": UPPER, "theta": UPPER}, NOISY)
    assert float(found.return_time) == pytest.approx(4.7168784, abs=1e-6)  # 1/|p₊(1 − 2.2 p₊)|
    manifold = dynsim.separatrices("scalar", NOISY, box={"phi": (0, 1.5), "theta": (0.01, 1.5)})
    manifold = manifold.sel(separatrix=manifold.manifold == "stable")
    nearest = np.sqrt(np.nanmin((manifold.phi - UPPER) ** 2 + (manifold.theta - UPPER) ** 2))
    assert float(found.fatal_shock) == pytest.approx(nearest, abs=1e-5)
    assert found.attrs["error"] < 1e-6


def test_the_return_time_is_that_of_the_end_of_the_run():
    assert float(resilience("toy", ARTICLE).return_time) == pytest.approx(1 / 0.65, rel=1e-9)
    assert float(resilience(system("toy", branch="full"), ARTICLE).return_time) == pytest.approx(1 / 0.15, rel=1e-9)


def test_one_state_has_two_ways():
    flow = dynsim.gradient_flow("theta^2/2 - theta^3 + theta^4/2", "theta", roles={"encoder": "theta"})  # 0, 1/2, 1
    found = resilience(flow, {"theta": 1.0})
    assert float(found.fatal_shock) == pytest.approx(0.5, abs=1e-6)
    assert found.direction.values.tolist() == [-1.0]
    assert float(found.return_time) == pytest.approx(1.0)


BAD = [
    (lambda: collapse_fraction("dirac-gan"), "an encoder"),
    (lambda: collapse_fraction("toy", 3), "box"),
    (lambda: collapse_fraction("toy", {"x": (0, 1)}), "unknown|got 'x'"),
    (lambda: collapse_fraction("toy", {"phi": 1.0, "theta": 0.1}), "an interval"),
    (lambda: collapse_fraction("toy", SQUARE, {"beta": [1]}), "beta"),
    (lambda: collapse_fraction("toy", SQUARE, {"alpha": [1]}, parameters={"alpha": 2}), "what varies"),
    (lambda: collapse_fraction("toy", SQUARE, {"alpha": "x"}), "numbers"),
    (lambda: collapse_fraction("toy", SQUARE, {"alpha": []}), "finite"),
    (lambda: collapse_fraction("toy", SQUARE, starts=0), "starts"),
    (lambda: collapse_fraction("toy", SQUARE, seed=-1), "seed"),
    (lambda: resilience("toy", {"phi": 0.6}), "missing: theta"),
    (lambda: resilience("toy", ARTICLE, null_line=1), "null_line"),
    (lambda: resilience("dirac-gan", {"theta": 1.0, "psi": 1.0}), "an encoder"),
    (lambda: resilience(TYPED, {"phi": 0.6, "theta": 0.01}, t_end=1e-3), "t_end may be longer"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_bad_input_is_one_clear_line(call, words):
    with pytest.raises(DynsimError, match=words) as raised:
        call()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("phi", "branch", "way_out"), [(0.6, "stop", 0.0), (2.0, "stop", 1.0), (0.6, "full", 0.08**0.5)]
)
def test_the_way_out_from_the_null_line_is_across_it_where_all_around_lives(phi, branch, way_out):
    """With stop-gradient 0 < φ < 1 lives for every θ ≠ 0; beyond, θ = 0 lies within a region that collapses."""
    found = resilience(system("toy", branch=branch), {"phi": phi, "theta": 0.0})
    assert int(found.collapses) == 1
    assert float(found.way_out) == pytest.approx(way_out, abs=1e-9)
