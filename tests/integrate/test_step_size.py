"""The iterated map over the step size: stability bounds, period doubling, and where the flow is recovered."""

import numpy as np
import pytest

import dynsim
from dynsim.errors import DynsimError


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_the_line_of_the_toy_is_stable_up_to_two_over_alpha_theta_squared(branch, alpha):
    flow, theta = dynsim.system("toy", branch=branch), 0.7
    bound = dynsim.stable_step_size(flow, {"phi": 1.0, "theta": theta}, {"alpha": alpha})
    assert bound == pytest.approx(2 / (alpha * theta**2), rel=1e-12)
    for factor, returns in ((0.98, True), (1.02, False)):
        start = {"phi": 1.0 + 1e-7, "theta": theta}
        run = dynsim.optimise(flow, start, 200, lr=factor * bound, parameters={"alpha": alpha})
        assert (abs(float(run.phi[-1]) - 1) < 1e-7) == returns


def test_the_bound_of_a_focus_and_of_a_saddle():
    game = dynsim.system("dirac-gan", variant="r1")
    bound = dynsim.stable_step_size(game, {"theta": 0.0, "psi": 0.0}, {"gamma": 0.5})
    start = {"theta": 1e-8, "psi": 0.0}
    for factor, shrinks in ((0.98, True), (1.02, False)):
        run = dynsim.optimise(game, start, 2000, lr=factor * bound, parameters={"gamma": 0.5}, every=2000)
        assert (float(run.squared_radius[-1]) < 1e-16) == shrinks
    assert dynsim.stable_step_size(dynsim.system("toy"), {"phi": 0.5, "theta": 0.0}) == 0.0
    assert dynsim.stable_step_size(dynsim.system("toy"), {"phi": 0.0, "theta": 0.0}) == float("inf")


def test_the_logistic_cascade_is_found():
    # x ← x + h(x − x²) is conjugate to the logistic map with r = 1 + h.
    flow = dynsim.gradient_flow("x^3/3 - x^2/2", "x")
    data = dynsim.step_size_bifurcation(flow, {"x": 0.37}, [1.9, 2.2, 2.5, 2.83, 2.95, 3.2], settle=4000)
    assert data.period.values.tolist() == [1, 2, 4, 3, 0, -1]
    np.testing.assert_allclose(data.x.isel(lr=0), 1.0, atol=1e-9)
    assert data.sizes["step"] == 64
    assert int(data.step[0]) == 4000


def test_members_beside_the_step_size():
    data = dynsim.step_size_bifurcation(
        dynsim.system("toy"), {"phi": 0.6, "theta": [0.1, 0.5]}, np.array([0.1, 1.0]), settle=500, keep=16
    )
    assert data.period.dims == ("theta0", "lr")
    assert (data.period == 1).all()


@pytest.mark.parametrize(
    ("change", "named"), [({"lr": 0.1}, "lr"), ({"settle": 0}, "settle"), ({"keep": -1}, "keep"), ({"k": 1}, "option")]
)
def test_bad_input_is_named(change, named):
    with pytest.raises(DynsimError) as caught:
        dynsim.step_size_bifurcation(dynsim.system("toy"), {"phi": 0.6, "theta": 0.1}, **{"lr": [0.1, 0.2], **change})
    assert str(caught.value).startswith(named)
