"""What a user's own test imports."""

import pytest

from dynsim import DynsimError, gradient_flow, solve, system
from dynsim.testing import assert_no_collapse

START = {"phi": 0.6, "theta": 0.1}


def test_theta_survives_only_with_stop_gradient():
    assert_no_collapse(system("toy"), START)
    assert_no_collapse(system("toy"))
    assert_no_collapse(solve(system("toy"), START, 30.0))
    for branch in ("full", "target"):
        with pytest.raises(AssertionError, match="collapse of theta"):
            assert_no_collapse(system("toy", branch=branch), START)
        with pytest.raises(AssertionError, match="collapse of theta"):
            assert_no_collapse(solve(system("toy", branch=branch), START, 30.0))


def test_undecided_does_not_pass():
    flow = gradient_flow("(sin(phi)*theta - theta)^2/2", "phi, theta", roles={"encoder": "theta"})
    with pytest.raises(AssertionError, match="undecided"):
        assert_no_collapse(flow, {"phi": 0.0, "theta": 2**0.5})


def test_a_run_that_only_dips_below_the_floor():
    run = solve(system("toy"), START, 30.0)
    with pytest.raises(AssertionError, match="below 2"):
        assert_no_collapse(run, floor=2.0)


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(DynsimError):
        assert_no_collapse(3)
    with pytest.raises(DynsimError, match="encoder"):
        assert_no_collapse(gradient_flow("w^2", ["w"]), {"w": 1})
    with pytest.raises(DynsimError, match="encoder"):
        assert_no_collapse(solve(gradient_flow("w^2", ["w"]), {"w": 1}, 1.0))
