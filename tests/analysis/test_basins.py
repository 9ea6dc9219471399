"""Computed basins against exact boundaries."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

import dynsim
from dynsim import Flow, Move, basins, outcome, system
from dynsim.analysis.algebra.equilibrium import Equilibria
from dynsim.analysis.numerics.attractors import Attractors
from dynsim.errors import DynsimError

GRID = {"phi": np.linspace(-1.45, 1.7, 16), "theta": np.linspace(-1.35, 1.4, 12)}


def without_rules(flow):
    return flow.describe(exact=None)


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_the_integrated_basins_are_the_exact_ones(branch):
    flow = system("toy", branch=branch)
    exact = basins(flow, GRID, {"alpha": 2.0})
    assert bool((exact.exact == 1).all())
    integrated = basins(without_rules(flow), GRID, {"alpha": 2.0}, t_end=3e3)
    assert bool((integrated.exact == 0).all())
    decided = integrated.attractor >= 0
    assert float(decided.mean()) > 0.9
    assert bool((integrated.attractor == exact.attractor).where(decided, True).all())
    for name in ("limit_phi", "limit_theta"):
        np.testing.assert_allclose(integrated[name].where(decided, exact[name]), exact[name], atol=2e-3)


def test_noise_takes_full_its_escape():
    escape = basins(system("toy", branch="full"), GRID)
    closed = basins(system("scalar", branch="full"), GRID, {"sigma2": 0.2})
    assert float((abs(escape.limit_theta) > 0.1).mean()) > 0.2
    assert bool((closed.limit_theta.dropna("phi0", how="all") < 1e-3).all())
    assert bool((closed.attractor == 0).all())


def test_a_slow_point_is_left_undecided():
    """On the boundary of collapse θ decays algebraically: nothing is proven by a short run."""
    flow = without_rules(system("toy"))
    start = {"phi": np.array([1.2, 1.5]), "theta": np.array([np.sqrt(1.2**2 - 1)])}
    found = basins(flow, start, t_end=100.0)
    assert int(found.attractor[0, 0]) == -1
    assert np.isnan(found.limit_theta[0, 0])
    assert int(found.attractor[1, 0]) >= 0


def test_the_saddle_separates_the_decaying_system():
    flow = system("eigenmode", variant="simsiam")
    grid = {"p": np.linspace(0.02, 0.9, 12), "s": np.linspace(0.02, 0.9, 11)}
    found = basins(flow, grid, {"eta_p": 0.1, "eta_s": 0.15})
    kinds = found.kind.values
    reached = np.unique(found.attractor.values)
    assert {kinds[i].split()[0] for i in reached if i >= 0} == {"stable"}
    assert len(reached[reached >= 0]) == 2
    for i, j in ((0, 0), (5, 5), (11, 10), (2, 9), (9, 1)):
        start = {"p": float(found.p0[i]), "s": float(found.s0[j])}
        end = outcome(flow, start, {"eta_p": 0.1, "eta_s": 0.15})
        assert float(found.limit_s[i, j]) == pytest.approx(float(end.limit["s"]), abs=1e-5)


def test_single_starts_and_progress():
    seen = []
    found = basins(
        without_rules(system("toy")),
        {"phi": 0.6, "theta": 0.1},
        progress=lambda done, total, what: seen.append((done, total)),
    )
    assert found.attractor.shape == ()
    assert float(found.limit_theta) == pytest.approx(np.sqrt(0.65), abs=1e-6)
    assert seen[-1] == (1, 1)


def test_blocks_of_starts_change_nothing(monkeypatch):
    flow, seen = without_rules(system("toy")), []
    whole = basins(flow, GRID)
    monkeypatch.setattr("dynsim.analysis.numerics.basins._BLOCK", 50)
    in_blocks = basins(flow, GRID, progress=lambda done, total, what: seen.append((done, total)))
    xr.testing.assert_identical(in_blocks, whole)
    assert seen == [(50, 192), (100, 192), (150, 192), (192, 192)]


def test_leaving_early_changes_nothing(monkeypatch):
    """What settles long before the end settles where the whole time would have brought it."""
    flow = dynsim.gradient_flow("(x^2 - 1)^2 + (y^2 - 1)^2 + x*y/3", ["x", "y"])
    grid = {"x": np.linspace(-1.5, 1.5, 14), "y": np.linspace(-1.4, 1.5, 15)}
    early = basins(flow, grid)
    monkeypatch.setattr("dynsim.analysis.numerics.basins._STAGES", (1.0,))
    late = basins(flow, grid)
    assert float((late.attractor >= 0).mean()) > 0.9
    np.testing.assert_array_equal(early.attractor, late.attractor)
    for name in ("limit_x", "limit_y"):
        np.testing.assert_allclose(early[name], late[name], atol=1e-9)


def test_curves_that_are_known_numerically_attract_too():
    flow = dynsim.gradient_flow("(tanh(p*w) - sg(w))^2/2", ["p", "w"])
    found = basins(flow, {"p": np.array([1.2, -0.5, 0.3]), "w": np.array([0.4])}, t_end=1e4)
    assert found.attrs["complete"] == 0
    assert int(found.attractor[0, 0]) >= 0
    p, w = float(found.limit_p[0, 0]), float(found.limit_w[0, 0])
    assert np.tanh(p * w) == pytest.approx(w, abs=1e-3)


def test_it_is_saved_like_any_other(tmp_path):
    found = basins(system("toy"), {"phi": GRID["phi"], "theta": 0.5})
    assert found.attractor.dims == ("phi0",)
    found.to_netcdf(tmp_path / "basins.nc")


@pytest.mark.parametrize(
    "call",
    [
        lambda: basins(3, {}),
        lambda: basins(system("toy"), {"phi": 1}),
        lambda: basins(system("toy"), {"phi": 1, "theta": [[1]]}),
        lambda: basins(system("toy"), {"phi": 1, "theta": "far"}),
        lambda: basins(system("toy"), {"phi": 1, "theta": np.nan}),
        lambda: basins(system("toy"), {"phi": 1, "theta": 1}, {"beta": 1}),
    ],
)
def test_bad_input(call):
    with pytest.raises(DynsimError):
        call()


def test_starts_that_share_a_dimension_are_paired():
    """As in `ensemble`: a DataArray keeps its own dimension, and no grid is spanned."""
    phi, theta = xr.DataArray([0.5, 1.5, -1.0], dims="run"), xr.DataArray([0.5, 0.5, 0.5], dims="run")
    for flow in (system("toy"), without_rules(system("toy"))):
        found = basins(flow, {"phi": phi, "theta": theta})
        assert found.attractor.dims == ("run",)
        assert found.limit_theta.values == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)
        assert found.phi0.values == pytest.approx(phi.values)


def test_a_start_at_which_nothing_moves_stays_there():
    """Also where the line θ = 0 repels, so that no neighbour would end there."""
    found = basins(without_rules(system("toy")), {"phi": np.array([-0.5, 0.5, 1.0]), "theta": 0.0})
    assert found.limit_phi.values.tolist() == [-0.5, 0.5, 1.0]
    assert (found.attractor >= 0).all()
    assert (found.exact == 1).all()


def test_a_run_without_bound_has_no_attractor():
    found = basins(system("scalar"), {"phi": 0.5, "theta": [0.0, 0.5]}, {"eta_p": 0.1, "eta_s": 0.0})
    assert found.limit_theta.values.tolist() == [0.0, np.inf]
    assert found.attractor.values.tolist()[1] == -1


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_closed_forms_at_infinity_say_what_the_rules_say(branch):
    flow = system("toy", branch=branch)
    at_once = basins(flow, GRID, {"alpha": 2.0})
    rule_only = flow.describe(exact=dataclasses.replace(flow.exact, solution=None))
    one_by_one = basins(rule_only, GRID, {"alpha": 2.0})
    np.testing.assert_array_equal(at_once.attractor, one_by_one.attractor)
    for name in ("limit_phi", "limit_theta", "exact"):
        np.testing.assert_allclose(at_once[name], one_by_one[name], atol=1e-12)


def test_parameters_without_defaults():
    flow = dynsim.gradient_flow("(p*lambda - sg(lambda))^2/2", ["p", "lambda"], rates={"p": "alpha"})
    found = basins(flow, {"p": [0.6], "lambda": 0.1}, {"alpha": 1.0})
    assert float(found.limit_lambda[0]) == pytest.approx(np.sqrt(0.65), abs=1e-6)


def test_a_run_that_passes_a_saddle_closely_is_not_left_there():
    """At a hundredth of the time, t = 10, the run is within 1e-4 of the saddle; it goes on to the node."""
    flow = Flow.of({"x": Move("x - x^3"), "y": Move("-2*y")})
    found = basins(flow, {"x": np.array([1e-12, -1e-12]), "y": np.array([1.0])})
    assert found.limit_x.values.ravel().tolist() == pytest.approx([1.0, -1.0])


def test_next_to_a_slow_point_nothing_is_decided():
    """x = 0 attracts at rate 1e-7 only up to 1e-7: from 2e-7 the run leaves, in a time of 1e7."""
    flow = Flow.of({"x": Move("x*(x - 1/10^7)*(1 - x)")})
    box = {"x": (-1.0, 2.0)}
    assert basins(flow, {"x": np.array([2e-7, 0.5e-7])}, box=box).attractor.values.tolist() == [-1, -1]
    late = basins(flow, {"x": np.array([0.5e-7])}, box=box, t_end=1e10)
    assert abs(float(late.limit_x[0])) < 1e-7


def test_rests_are_learned_only_after_enough_time():
    flow = Flow.of({"x": Move("-x/100")})
    attractors = Attractors(flow, flow.field(), Equilibria([], False, "", flow.states), 1.0)
    ends = np.array([[1e-9, -1e-9]])
    assert attractors.learn_rests(ends, after=100.0) == 0  # one time constant
    assert attractors.learn_rests(ends, after=2000.0) == 1
    assert attractors.assign(ends, 1e-6, after=100.0)[0].tolist() == [-1, -1]
    assert attractors.assign(ends, 1e-6, after=2000.0)[0].tolist() == [0, 0]
    assert attractors.assign(ends, 1e-10, after=2000.0)[0].tolist() == [-1, -1]


def test_long_before_the_end_a_run_must_be_closer():
    """x = 0 attracts at rate 1, but up to 5e-4 only; what leaves from beyond is within 1e-3 at t = 10."""
    flow = Flow.of({"x": Move("x*(x - 5/10^4)*(1 - x)*2000")})
    start = 5e-4 * (1 + 1e-6)
    found = basins(flow, {"x": np.array([start, 4e-4])}, box={"x": (-1.0, 2.0)}, t_end=1000.0)
    assert found.limit_x.values.tolist() == pytest.approx([1.0, 0.0], abs=1e-6)
