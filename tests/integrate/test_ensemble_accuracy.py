"""Every system, branch and variant: the error of every member stays within what its own sensitivity explains."""

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import solve_ivp

import dynsim
from dynsim.integrate.ensemble import ensemble

pytest.importorskip("llvmlite")

from dynsim.integrate.engine.choice import first_order, order_for

NUDGE = 1e-6
KINKS = ("wgan-clip", "wgan-gp")  # where the field jumps no method keeps its order


def box(flow):
    return np.array([flow.view[state] for state in flow.states], dtype=float).T[..., None]


def paired(flow, start):
    return xr.Dataset({name: ("member", row) for name, row in zip(flow.states, start, strict=True)})


def states_of(flow, run):
    return np.array([run[name].values for name in flow.states])


def reference(flow, start, times):
    """States to 1e-13, shape ``(states, members, times)``, and the norm of their derivative by the start."""
    size = len(start)
    nudged = np.concatenate([start, *(start + NUDGE * row[:, None] for row in np.eye(size))], axis=1)
    runs = states_of(flow, ensemble(flow, paired(flow, nudged), times=times, method="scipy", rtol=1e-13, atol=1e-15))
    base, *others = np.split(runs, size + 1, axis=1)
    slopes = np.stack([(other - base) / NUDGE for other in others])
    return base, np.linalg.norm(np.moveaxis(slopes, (0, 1), (-2, -1)), ord=2, axis=(-2, -1))


def excess(flow, start, times, tolerance):
    """Error over tolerance·max(1, ‖∂y(t)/∂y(0)‖) at every time, of the members that do not blow up."""
    run = ensemble(flow, paired(flow, start), times=times, method="compiled", rtol=tolerance, atol=tolerance)
    stays = (run.status < 2).values
    expected, sensitivity = reference(flow, start[:, stays], times)
    size = np.maximum(1.0, np.abs(expected).max(axis=0))
    error = np.abs(states_of(flow, run)[:, stays] - expected).max(axis=0)
    return error / (tolerance * size * np.maximum(1.0, sensitivity))


def test_no_member_is_worse_than_its_sensitivity(every_flow):
    flow, rng = every_flow, np.random.default_rng(7)
    low, high = box(flow)
    count, allowed = (6, 200) if flow.variant in KINKS else (24, 20)
    found = excess(flow, low + (high - low) * rng.uniform(size=(len(flow.states), count)), [0.3, 1.0, 3.0], 1e-8)
    assert len(found) >= count / 3  # some systems leave every bound in finite time
    assert found.max() < allowed


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6, 1e-10])
def test_nor_at_other_tolerances(tolerance):
    flow, rng = dynsim.system("byol"), np.random.default_rng(8)
    start = rng.uniform(-1.5, 1.5, size=(3, 60))
    assert excess(flow, start, [0.3, 3.0, 30.0], tolerance).max() < 20


def test_nor_beside_a_saddle():
    """Starts at 1e-12 … 1e-2 from the lower equilibrium of the decaying system, which repels along one direction."""
    flow = dynsim.system("eigenmode").fix(eta_p="eta", eta_s="eta").fix(eta=0.1)
    p = (1 - np.sqrt(1 - 0.4)) / 2
    distance = 10.0 ** np.arange(-12, -1)
    start = np.concatenate([[p + s * distance, p**2 + r * distance, 1 + 0 * distance]
                            for s in (1, -1) for r in (1, 0, -1)], axis=1)  # fmt: skip
    assert excess(flow, start, [1.0, 10.0, 100.0], 1e-8).max() < 20


TOYS = [dynsim.system("toy", branch=branch) for branch in ("stop", "full", "target")]
SIZES = [0.0, 5e-324, 1e-310, 1e-200, 1e-20, 1e-8, 1.0, 1e3, 1e8, 1e16, 1e100, 1e200, 1.7e308]
EXTREMES = np.array([*{s * size for size in SIZES for s in (1, -1)}, np.nextafter(1, 2), np.nan, np.inf, -np.inf])


@pytest.mark.parametrize("toy", TOYS, ids=lambda flow: flow.branch)
@pytest.mark.parametrize("method", ["compiled", "exact"])
def test_extreme_starts_are_right_or_told(toy, method):
    """Zero, denormal, huge, infinite, NaN in all pairs: a number is right, and where none is the status says why."""
    grid = {"phi": EXTREMES, "theta": EXTREMES}
    run = ensemble(toy, grid, times=[0.5, 1.0], method=method)
    ended = run.isel(time=-1)
    for name in toy.states:
        np.testing.assert_array_equal(np.isfinite(ended[name]), run.status < 2)
    moderate = {"phi0": np.abs(EXTREMES) <= 1e8, "theta0": np.abs(EXTREMES) <= 1e3}
    if method == "exact":
        assert (run.status.isel(moderate) < 2).all()
    broken = ~(np.isfinite(run.phi0) & np.isfinite(run.theta0))
    assert (run.status.where(broken, 4) == 4).all()
    right = ensemble(toy, grid, 1.0, method="exact")
    # Beside an unstable line of equilibria, θ' = (φ − 1)θ, no tolerance on θ tells e^{999} of nothing.
    known = (run.status < 2) & (right.status < 2) & ~((abs(run.theta0) < 1e-7) & (run.phi0 >= 1e3))
    # Where φ² = θ² is huge its last digit decides where the run ends.
    known &= ~((abs(run.phi0) == abs(run.theta0)) & (abs(run.phi0) >= 1e16))
    for name in toy.states:
        error = abs(ended[name] - right[name]) / np.maximum(1.0, abs(right[name]))
        assert error.where(known, 0.0).max() < 1e-8


@pytest.mark.parametrize("toy", TOYS, ids=lambda flow: flow.branch)
def test_separatrices_and_lines_of_equilibria(toy):
    """Starts at distances 0 … 1e-3 from φ = 1, from θ = 0 and from the boundaries of collapse."""
    near = np.array([0.0, *(s * 10.0**e for e in range(-16, -2) for s in (1, -1))])
    along = np.linspace(-1.4, 1.4, 57)[:, None]
    theta_on = {  # boundary of collapse: θ² at every φ, α = 1
        "stop": np.where(along > 0, along**2 - 1, along**2),
        "full": (1 - along) ** 2,
        "target": 2 * (1 - along),
    }[toy.branch]
    boundary = np.sqrt(np.maximum(theta_on, 0)) + near
    starts = [
        (along + 0 * near, boundary),
        (along + 0 * near, near + 0 * along),
        (1 + near + 0 * along, along + 0 * near),
    ]
    start = paired(toy, np.array([[part.ravel() for part in pair] for pair in starts]).swapaxes(0, 1).reshape(2, -1))
    exact = ensemble(toy, start, times=[1.0, 10.0, 30.0], method="exact")
    run = ensemble(toy, start, times=[1.0, 10.0, 30.0], method="compiled", rtol=1e-12, atol=1e-14)
    assert (run.status < 2).all()
    for name in toy.states:
        growth = np.exp(np.minimum(exact.time, 10.0) * 0.25)  # what the repelling line θ = 0 makes of an error
        assert (abs(run[name] - exact[name]) / growth).max() < 1e-9


@pytest.mark.parametrize(("name", "branch"), [("toy", "stop"), ("toy", "full"), ("toy", "target"), ("byol", "stop")])
def test_work_and_precision_grow_together(name, branch):
    """A tighter tolerance makes the largest error smaller, and takes no fewer steps where the method is the same."""
    flow = dynsim.system(name, branch=branch)
    start = np.random.default_rng(12).uniform(-1.5, 1.5, (len(flow.states), 10_000))
    tolerances = [1e-13, *10.0 ** -np.arange(12, 3, -1)]
    runs = [
        ensemble(flow, paired(flow, start), 30.0, method="compiled", rtol=tolerance, atol=tolerance)
        for tolerance in tolerances
    ]
    right = ensemble(flow, paired(flow, start), 30.0, method="exact") if flow.exact.solution else runs[0]
    errors = [np.abs(states_of(flow, run) - states_of(flow, right)).max() for run in runs[1:]]
    assert (np.diff(errors) > 0).all()
    orders = [order if order >= first_order(flow.rhs) else 0 for order in map(order_for, tolerances)]
    assert (np.diff([run.steps.sum() for run in runs])[np.diff(orders) == 0] < 0).all()


@pytest.mark.parametrize("count", [50_000, pytest.param(1_000_000, marks=pytest.mark.long)])
@pytest.mark.parametrize(("branch", "tolerance"), [("stop", 1e-8), ("full", 1e-8), ("full", 1e-10), ("target", 1e-6)])
def test_no_tail_among_many_starts(branch, tolerance, count):
    """Not one member beyond what its sensitivity explains, and on a sample no worse than SciPy's own DOP853."""
    toy, t_end, nudge = dynsim.system("toy", branch=branch), 30.0, 1e-7
    start = np.random.default_rng(11).uniform(-1.5, 1.5, (2, count))

    def exact(at):
        return states_of(toy, ensemble(toy, paired(toy, at), t_end, method="exact"))

    run = ensemble(toy, paired(toy, start), t_end, method="compiled", rtol=tolerance, atol=tolerance)
    expected = exact(start)
    slopes = [(exact(start + row[:, None]) - exact(start - row[:, None])) / (2 * nudge) for row in nudge * np.eye(2)]
    sensitivity = np.sqrt(np.square(slopes).sum(axis=(0, 1)))
    error = np.abs(states_of(toy, run) - expected).max(axis=0)
    assert (run.status < 2).all()
    assert (error / (tolerance * np.maximum(1.0, sensitivity))).max() < 20
    right, sample = toy.field().f, slice(0, 2000 if count > 100_000 else 400)
    theirs = [
        solve_ivp(right, (0.0, t_end), at, method="DOP853", rtol=tolerance, atol=tolerance).y[:, -1]
        for at in start.T[sample]
    ]
    assert error[sample].max() < 1.5 * np.abs(np.array(theirs).T - expected[:, sample]).max()
