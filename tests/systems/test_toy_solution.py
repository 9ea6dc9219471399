"""Closed forms of the toy in time, against integration, against their own conserved quantities and limits."""

import numpy as np
import pytest

import dynsim
from dynsim.errors import InvalidValue

BRANCHES = ("stop", "full", "target")
AXIS = np.linspace(-1.5, 1.5, 41)


def grid(axis):
    return {"phi": axis, "theta": axis}


def largest_difference(a, b):
    return max(float(np.abs(a[name] - b[name]).max()) for name in ("phi", "theta"))


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("alpha", [0.3, 1.0, 20.0])
def test_agrees_with_integration_everywhere_at_any_time(branch, alpha):
    flow, times = dynsim.system("toy", branch=branch), [0.0, 1e-3, 0.3, 2.0, 17.0, 100.0]
    options = {"times": times, "parameters": {"alpha": alpha}}
    exact = dynsim.ensemble(flow, grid(AXIS), method="exact", **options)
    runs = dynsim.ensemble(flow, grid(AXIS), rtol=1e-13, atol=1e-15, **options)
    assert largest_difference(exact, runs) < 2e-12
    assert exact.attrs["method"] == "exact"


@pytest.mark.parametrize("side", [200, pytest.param(1000, marks=pytest.mark.long)])
def test_stop_is_right_on_a_square_of_starts(side):
    axis = np.linspace(-1.5, 1.5, side)
    flow = dynsim.system("toy")
    for t_end in (0.5, 5.0, 50.0):
        exact = dynsim.ensemble(flow, grid(axis), t_end, method="exact")
        runs = dynsim.ensemble(flow, grid(axis), t_end, rtol=1e-12, atol=1e-14)
        assert largest_difference(exact, runs) < 1e-10


NEAR = [0.0, 1e-300, 1e-16, 1e-12, 1e-8, 1e-4]


@pytest.mark.parametrize("gap", [sign * size for size in NEAR for sign in (1, -1)])
@pytest.mark.parametrize("phi", [-1.2, -1.0, -0.5, -1e-9, 1e-9, 0.49, 0.5, 0.75, 1.0 - 1e-9, 1.0, 1.2])
def test_stop_near_its_separatrices_keeps_the_conserved_quantity(phi, gap):
    """Starts next to c = 0 and c = −1, where the elementary forms divide by next to nothing."""
    flow = dynsim.system("toy")
    for c in (gap, gap - 1):
        square = phi**2 + c
        if square <= 0:
            continue
        start = {"phi": phi, "theta": np.sqrt(square)}
        times = np.array([1e-6, 1.0, 30.0, 1e3, 1e6])
        run = flow.exact(times, start)
        assert np.isfinite(run["phi"]).all()
        conserved = run["theta"] ** 2 - run["phi"] ** 2
        np.testing.assert_allclose(conserved, start["theta"] ** 2 - phi**2, atol=1e-14)
        reference = dynsim.solve(flow, start, times=times[:3])
        np.testing.assert_allclose(run["phi"][:3], reference.phi, atol=2e-9)


@pytest.mark.parametrize("branch", BRANCHES)
def test_time_adds_up(branch):
    """Going to s and on to t is going to t."""
    flow, rng = dynsim.system("toy", branch=branch), np.random.default_rng(2)
    start = {"phi": rng.uniform(-1.5, 1.5, 2000), "theta": rng.uniform(-1.5, 1.5, 2000)}
    alpha = {"alpha": 10 ** rng.uniform(-1, 2, 2000)}
    halfway = flow.exact(0.7, start, alpha)
    for name, value in flow.exact(1.6, halfway, alpha).items():
        np.testing.assert_allclose(value, flow.exact(2.3, start, alpha)[name], atol=1e-11)


@pytest.mark.parametrize("branch", BRANCHES)
def test_infinite_time_is_the_limit_rule(branch):
    flow = dynsim.system("toy", branch=branch)
    ends = dynsim.ensemble(flow, grid(AXIS), np.inf)
    for phi in AXIS[::5]:
        for theta in AXIS[::4]:
            limit = flow.exact.end({"phi": float(phi), "theta": float(theta)}).values
            end = ends.sel(phi0=phi, theta0=theta)
            np.testing.assert_allclose([end.phi, end.theta], [limit["phi"], limit["theta"]], atol=1e-7)
    late = dynsim.ensemble(flow, grid(AXIS + 1e-3), 1e15, method="exact")
    assert largest_difference(late, dynsim.ensemble(flow, grid(AXIS + 1e-3), np.inf)) < 1e-7


@pytest.mark.parametrize("branch", BRANCHES)
def test_nothing_moves_on_the_line_of_dead_encoders_and_at_time_zero(branch):
    flow = dynsim.system("toy", branch=branch)
    run = flow.exact(np.array([0.0, 3.0, 1e9, np.inf]), {"phi": 0.3, "theta": 0.0})
    np.testing.assert_array_equal(run["phi"], [0.3] * 4)
    np.testing.assert_array_equal(run["theta"], [0.0] * 4)
    np.testing.assert_array_equal(flow.exact(0.0, {"phi": AXIS, "theta": 0.7})["phi"], AXIS)


def test_the_articles_run():
    times = np.array([8.0, 25.0])
    run = dynsim.solve(dynsim.system("toy"), {"phi": 0.6, "theta": 0.1}, times=times)
    exact = dynsim.system("toy").exact(times, {"phi": 0.6, "theta": 0.1})
    np.testing.assert_allclose(exact["theta"], run.theta, atol=1e-11)


def test_tied_and_fixed_parameters_reach_the_closed_form():
    flow = dynsim.system("toy", branch="full").fix(alpha="2*a")
    run = dynsim.ensemble(flow, {"phi": 0.6, "theta": 0.1}, 3.0, parameters={"a": [0.5, 1.0]}, method="exact")
    plain = dynsim.system("toy", branch="full")
    for a in (0.5, 1.0):
        expected = plain.exact(3.0, {"phi": 0.6, "theta": 0.1}, {"alpha": 2 * a})
        np.testing.assert_allclose(run.theta.sel(a=a), expected["theta"], rtol=1e-14)


def test_starts_that_are_no_numbers_are_told_apart():
    run = dynsim.ensemble(dynsim.system("toy"), {"phi": [0.6, np.nan, np.inf], "theta": 0.1}, 3.0, method="exact")
    assert run.status.values.tolist() == [0, 4, 4]
    assert np.isnan(run.theta[1:]).all()


def test_a_predictor_that_does_not_learn_has_no_closed_form():
    with pytest.raises(InvalidValue, match="alpha"):
        dynsim.system("toy").exact(1.0, {"phi": 0.6, "theta": 0.1}, {"alpha": 0.0})


@pytest.mark.parametrize("size", [1e-310, 1e-200, 1e-130, 1e-119])
def test_encoders_whose_square_is_no_number_follow_the_linear_flow_and_then_escape(size):
    start, times = {"phi": 0.5, "theta": -size}, np.array([0.0, 1.0, 100.0, 800.0])
    run = dynsim.system("toy").exact(times, start)
    np.testing.assert_allclose(np.log(-run["theta"]), np.log(size) + times / 4, rtol=1e-12)
    np.testing.assert_array_equal(run["phi"], [0.5] * 4)
    for late in (1e4, np.inf):
        end = dynsim.system("toy").exact(late, start)
        np.testing.assert_allclose([end["phi"], end["theta"]], [1, -np.sqrt(0.75)], rtol=1e-12)
    start["phi"] = 3.0
    run = dynsim.system("toy", branch="target").exact(np.array([0.0, 10.0, 1e3, np.inf]), start)
    np.testing.assert_allclose(np.log(-run["theta"][:2]), np.log(size) + np.array([0.0, 20.0]), rtol=1e-12)
    np.testing.assert_allclose([run["phi"][2:], -run["theta"][2:]], [[1, 1], [2, 2]], rtol=1e-12)
    decays = dynsim.system("toy").exact(100.0, {"phi": -1.0, "theta": size})
    np.testing.assert_allclose([decays["phi"], decays["theta"]], [-1.0, size * np.exp(-200.0)], atol=1e-150)
