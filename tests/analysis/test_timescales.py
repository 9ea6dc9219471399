"""Fast and slow: values that follow from the equations, and identities that hold along every run."""

import numpy as np
import pytest

from dynsim import DynsimError, Flow, gradient_flow, solve, system, timescales
from dynsim.symbolic.rules import Descend

START = {"phi": 0.6, "theta": 0.1}


@pytest.mark.parametrize(("branch", "ratio"), [("stop", 1 / 36), ("full", 1 / 24), ("target", 1 / 60)])
def test_relative_speed_at_the_article_start(branch, ratio):
    """From the equations: stop αθ²/φ², full and target by dividing them; at (0.6, 0.1), α = 1."""
    flow = system("toy", branch=branch)
    scales = timescales(flow, solve(flow, START, 20.0))
    assert float(scales.relative_speed_ratio[0]) == pytest.approx(ratio, rel=1e-12)


def test_absolute_speed_of_the_toy():
    flow = system("toy")
    run = solve(flow, START, 20.0, parameters={"alpha": 3.0})
    scales = timescales(flow, run)
    assert np.allclose(scales.absolute_speed_ratio, 3.0 * run.theta / run.phi, rtol=1e-10)


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_loss_shares_add_up_to_the_slope_of_the_loss(branch):
    flow = system("toy", branch=branch)
    run = solve(flow, START, times=np.linspace(0, 20, 4001))
    scales = timescales(flow, run)
    slope = np.gradient(run.loss.values, run.time.values, edge_order=2)
    total = (scales.loss_share_phi + scales.loss_share_theta).values
    assert np.allclose(slope, total, atol=2e-8)
    if branch == "stop":  # dl/dt = θ²(1−φ)²[φ(1−φ) − αθ²]
        p, q = run.phi.values, run.theta.values
        assert np.allclose(total, q**2 * (1 - p) ** 2 * (p * (1 - p) - q**2), atol=1e-12)


def test_eigenvalues_and_the_line_of_equilibria():
    flow = system("toy")
    scales = timescales(flow, solve(flow, START, 200.0))
    assert scales.eigenvalue.dims == ("time", "mode")
    assert scales.line_of_equilibria.values[0] == 0
    assert scales.line_of_equilibria.values[-1] == 1
    assert np.isnan(scales.eigenvalue_gap[-1])
    assert float(scales.eigenvalue[-1, 1]) == pytest.approx(-0.65, abs=1e-8)  # −αθ∞² on φ = 1
    off = scales.eigenvalue.isel(time=0)
    jacobian = flow.field().jacobian(0.0, np.array([0.6, 0.1]))
    assert float(off.sum()) == pytest.approx(np.trace(jacobian))


def test_half_lives_of_a_linear_flow():
    """w' = −λw: half of the displacement is done at ln 2/λ, 90 % at ln 10/λ."""
    flow = Flow.of({"a": Descend("a^2/2"), "b": Descend("5*b^2/2")})
    scales = timescales(flow, solve(flow, {"a": 1.0, "b": 1.0}, times=np.linspace(0, 40, 8001)))
    assert float(scales.half_life_a) == pytest.approx(np.log(2), abs=1e-4)
    assert float(scales.time90_b) == pytest.approx(np.log(10) / 5, abs=1e-4)
    assert "relative_speed_ratio_a_b" in scales
    assert np.allclose(scales.relative_speed_ratio_a_b[:200], 0.2, rtol=1e-9)


def test_parameters_come_from_the_run():
    flow = gradient_flow("(phi*theta - sg(theta))^2/2", "phi, theta", rates={"phi": "alpha"})
    run = solve(flow, START, 5.0, parameters={"alpha": 7.0})
    assert float(timescales(flow, run).relative_speed_ratio[0]) == pytest.approx(7 / 36)


def test_a_state_that_does_not_move_has_no_half_life():
    flow = system("toy")
    scales = timescales(flow, solve(flow, {"phi": 1.0, "theta": 0.5}, 5.0))
    assert np.isnan(scales.half_life_phi)


@pytest.mark.parametrize("dataset", [3, solve(system("toy"), START, 1.0).drop_vars("theta")])
def test_bad_input_is_named(dataset):
    with pytest.raises(DynsimError, match="dataset"):
        timescales(system("toy"), dataset)


def test_ensembles_are_refused():
    run = solve(system("toy"), START, 1.0).expand_dims(member=2)
    with pytest.raises(DynsimError, match="single run"):
        timescales(system("toy"), run)


def test_times_between_two_records_come_from_the_field():
    """With α = 10⁴ the predictor is done before the first of 201 records; a fine record says the same."""
    flow, parameters = system("toy"), {"alpha": 1e4}
    coarse = timescales(flow, solve(flow, START, 60.0, parameters=parameters))
    times = np.concatenate([np.linspace(0, 0.02, 2001), [60.0]])
    fine = timescales(flow, solve(flow, START, times=times, parameters=parameters))
    assert float(coarse.half_life_phi) == pytest.approx(float(fine.half_life_phi), rel=1e-5)
    assert float(coarse.half_life_phi) == pytest.approx(0.00692, abs=5e-6)
    assert float(coarse.half_life_ratio) == pytest.approx(0.842, abs=5e-4)


@pytest.mark.parametrize(
    ("branch", "half", "ninety", "t_end"),
    [
        ("full", (2.230792, 4.460950), (7.530738, 15.137660), 300.0),
        ("target", (0.869465, 1.742880), (2.900343, 5.813567), 100.0),
        ("stop", (7.631412, 6.648599), None, 100.0),
    ],
)
def test_half_way_times_of_the_toy_from_its_time_laws(branch, half, ninety, t_end):
    """From (0.6, 0.1), α = 1: the closed time laws of the three branches, solved for the shares ½ and 0.9."""
    flow = system("toy", branch=branch)
    scales = timescales(flow, solve(flow, START, t_end))
    assert (float(scales.half_life_phi), float(scales.half_life_theta)) == pytest.approx(half, abs=2e-6)
    if ninety is not None:
        assert (float(scales.time90_phi), float(scales.time90_theta)) == pytest.approx(ninety, abs=2e-6)


def test_a_record_that_is_no_run_of_the_field_is_interpolated():
    flow = system("toy")
    run = solve(flow, START, times=[0.0, 10.0, 20.0])
    shifted = run.assign(theta=run.theta + 0.3)
    done = timescales(flow, shifted)
    assert 0 < float(done.half_life_theta) < 20


def test_names_whose_pairs_collide_are_refused():
    names = ("a", "b_c", "a_b", "c")
    flow = Flow.of({name: Descend(f"{name}^2/2") for name in names})
    with pytest.raises(DynsimError):
        timescales(flow, solve(flow, dict.fromkeys(names, 1.0), 1.0))


def test_it_is_saved(tmp_path):
    flow = system("toy")
    timescales(flow, solve(flow, START, 2.0)).to_netcdf(tmp_path / "scales.nc")


def test_a_loss_with_a_kink_has_its_shares():
    flow = gradient_flow("theta^2/10 + max(0, 1 - abs(theta))^2", "theta")
    run = solve(flow, {"theta": 0.3}, 5.0)
    shares = timescales(flow, run).loss_share_theta
    np.testing.assert_allclose(shares, -(flow.field().f(0.0, run.theta.values[None])[0] ** 2), rtol=1e-9, atol=1e-14)
