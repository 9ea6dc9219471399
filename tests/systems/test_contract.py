"""What every system of the catalogue must satisfy, in every branch and variant it offers."""

import contextlib

import numpy as np
import pytest
import sympy

import dynsim
from dynsim.errors import InvalidValue
from dynsim.systems.catalogue import SYSTEMS as CATALOGUE

POINTS = 100
# Closed forms in time that hold for some parameters only: without decay, and, of the noisy ones, under `stop` only.
UNDECAYED = ("direct-set", "scalar", "modes", "eigenmode", "xbar")


def draw(flow, box, names, seed=0, points=POINTS):
    """Random values of `names` inside `box`, one array each."""
    generator = np.random.default_rng([seed, len(names)])
    return {name: generator.uniform(*map(float, box[name]), points) for name in names}


def positions(flow, seed=0, points=POINTS):
    states = draw(flow, flow.view, flow.states, seed, points)
    parameters = draw(flow, flow.ranges, flow.parameters, seed + 1, points)
    return states, parameters


def where_closed(flow, parameters):
    """The parameters, moved to where the closed form in time holds."""
    moved = dict(parameters)
    if flow.name in UNDECAYED and flow.variant != "no-predictor":
        moved |= {key: 0.0 * moved[key] for key in ("eta_p", "eta_s") if key in moved}
        moved |= {"alpha": moved["alpha"] / 20} if "alpha" in moved else {}  # no stiffer than the integrator can do
        if flow.branch != "stop":
            quiet = {key: moved[key.replace("_s", "_d")] for key in moved if key.startswith("lambda_s")}
            moved |= quiet | ({"sigma2": 0.0 * moved["sigma2"]} if "sigma2" in moved else {})
    return moved


def at(parameters, index):
    return {name: values[index] for name, values in parameters.items()}


def test_it_is_described(every_flow):
    flow = every_flow
    assert flow.reference
    assert flow.branch in CATALOGUE[flow.name].branches
    assert set(flow.defaults) >= {*flow.states, *flow.parameters}
    assert set(flow.ranges) >= {*flow.states, *flow.parameters}
    assert set(flow.view) == set(flow.states)
    assert flow.observables, "a system without a loss says what is recorded along its runs"
    for low, high in (*flow.ranges.values(), *flow.view.values()):
        assert low < high
    for key in (*flow.states, *flow.parameters):
        low, high = flow.ranges[key]
        assert low <= flow.defaults[key] <= high, key


def test_the_right_hand_side_is_finite_in_the_view_box(every_flow):
    flow = every_flow
    states, _ = positions(flow)
    field = flow.field()
    y = np.array([states[s] for s in flow.states])
    corners = np.array(np.meshgrid(*(flow.view[s] for s in flow.states[:6]))).reshape(min(6, len(flow.states)), -1)
    assert np.isfinite(field.f(0.0, y)).all()
    if len(flow.states) <= 6:
        assert np.isfinite(field.f(0.0, corners)).all()
    for function in field.observables.values():
        assert np.isfinite(function(y)).all()


def test_the_jacobian_is_that_of_the_field(every_flow):
    flow = every_flow
    states, parameters = positions(flow, seed=2, points=20)
    y = np.array([states[s] for s in flow.states])
    for index in range(y.shape[1]):
        field = flow.field(at(parameters, index))
        point, step = y[:, index], 1e-6
        shifts = step * np.eye(len(point))
        numeric = (field.f(0.0, point[:, None] + shifts) - field.f(0.0, point[:, None] - shifts)) / (2 * step)
        exact = field.jacobian(0.0, point)
        assert np.abs(numeric - exact).max() <= 1e-5 * (1 + np.abs(exact).max())


def test_the_field_is_autograd_s(every_flow, autograd):
    flow = every_flow
    states, parameters = positions(flow, seed=3)
    told = autograd(flow, states, parameters)
    y = np.array([states[s] for s in flow.states])
    derived = flow.compiled.field(parameters).f(0.0, y)
    for index, state in enumerate(flow.states):
        if state in told:
            scale = 1 + np.abs(derived).max(axis=0)
            assert (np.abs(told[state] - derived[index]) <= 1e-12 * scale).all(), state
    if flow.name not in ("dirac-gan", "eigenmode"):
        assert set(told) == set(flow.states), "every state of this system descends a loss or follows a teacher"


def test_the_closed_form_in_time_is_the_integrated_run(solved_flow):
    flow = solved_flow
    states, parameters = positions(flow, seed=4, points=6)
    parameters = where_closed(flow, parameters)
    times = np.linspace(0.0, 3.0, 7)
    for index in range(6):
        start, values = at(states, index), at(parameters, index)
        told = flow.exact(times, start, values)
        known = np.isfinite([told[state] for state in flow.states]).all(axis=0)  # up to where it diverges, if it does
        run = dynsim.solve(flow, start, times=times[known], parameters=values)
        for state in flow.states:
            np.testing.assert_allclose(told[state][known], run[state], rtol=1e-8, atol=1e-9)


def test_the_closed_form_starts_at_the_start_and_broadcasts(solved_flow):
    flow = solved_flow
    states, parameters = positions(flow, seed=5, points=4)
    parameters = where_closed(flow, parameters)
    grid = {key: value[:, None] for key, value in states.items()}
    told = flow.exact(np.zeros(3), grid, {k: v[:, None] for k, v in parameters.items()})
    for state in flow.states:
        assert told[state].shape == (4, 3)
        np.testing.assert_allclose(told[state], np.broadcast_to(grid[state], (4, 3)), rtol=1e-9, atol=1e-12)


def test_the_stated_limit_is_where_the_run_ends(limited_flow):
    flow = limited_flow
    states, _ = positions(flow, seed=6, points=4)
    stated = 0
    for index in range(4):
        start = at(states, index)
        end = flow.exact.end(start, flow.values())
        if end is None:
            continue
        run = dynsim.solve(flow, start, times=[1e5], method="LSODA", rtol=1e-10, atol=1e-13, events=["rest"])
        for state, value in end.values.items():
            assert float(run[state][-1]) == pytest.approx(float(value), abs=2e-5), (start, end.reason)
            stated += 1
        assert isinstance(end.reason, str)
        assert end.reason
    assert stated or flow.branch == "target" or flow.name in ("eigenmode", "byol")  # whose rules hold on a surface


def test_the_stated_limit_keeps_exact_numbers(limited_flow):
    flow = limited_flow
    exact = {key: sympy.Rational(str(value)) for key, value in flow.defaults.items()}
    floats = {key: float(value) for key, value in flow.defaults.items()}
    end = flow.exact.end({s: exact[s] for s in flow.states}, {p: exact[p] for p in flow.parameters})
    same = flow.exact.end({s: floats[s] for s in flow.states}, {p: floats[p] for p in flow.parameters})
    assert (end is None) == (same is None)
    if end is not None:
        assert end.collapsed == same.collapsed
        for state, value in end.values.items():
            assert isinstance(value, sympy.Basic)
            assert isinstance(same.values[state], float | int)
            assert float(value) == pytest.approx(float(same.values[state]), abs=1e-12)


def test_a_variant_with_fewer_branches_has_the_first_and_names_it(offered):
    for name, entry in CATALOGUE.items():
        for variant in entry.variants or (None,):
            assert (name, variant, entry.branches[0]) in offered
            for branch in entry.branches:
                if (name, variant, branch) not in offered:
                    with pytest.raises(InvalidValue, match=f"branch: got '{branch}', expected 'stop' for variant"):
                        entry.flow(branch, variant)


def test_every_system_is_listed_once_with_its_family_line_and_reference():
    table = dynsim.list_systems()
    assert len(set(table["name"])) == len(table)
    for row in table:
        assert all(row[key] for key in ("name", "family", "summary", "reference")), row
    promised = {
        "toy", "scalar", "byol", "modes", "direct-set", "optimal-predictor", "alternating", "xbar", "euclidean",
        "cosine", "jepa", "mae", "spectral-contrastive", "barlow", "dirac-gan", "deep-linear",
    }  # fmt: skip
    assert promised <= set(table["name"])


def special(flow):
    """Starts and parameters at which something is zero or has the other sign, one after the other."""
    start = {name: float(flow.defaults[name]) for name in flow.states}
    values = {name: float(flow.defaults[name]) for name in flow.parameters}
    yield dict.fromkeys(start, 0.0), values
    for name in start:
        for value in (0.0, -start[name]):
            yield {**start, name: value}, values
    for name in values:
        for value in (0.0, -values[name] or -0.1):
            yield start, {**values, name: value}


def test_closed_forms_hold_where_something_vanishes_or_changes_sign(ruled_flow):
    flow = ruled_flow
    times = np.linspace(0.0, 2.0, 5)
    for start, values in special(flow):
        with np.errstate(all="ignore"):
            if not np.isfinite(flow.field(values).f(0.0, np.array([start[s] for s in flow.states]))).all():
                continue
        if flow.exact.solution is not None:
            with contextlib.suppress(dynsim.DynsimError), np.errstate(all="ignore"):  # a refusal is an answer
                told = flow.exact(times, start, values)
                known = np.isfinite([np.broadcast_to(told[s], times.shape) for s in flow.states]).all(axis=0)
                run = dynsim.solve(flow, start, times=times[known], parameters=values) if known.sum() > 1 else {}
                for state in run and flow.states:
                    shown = np.broadcast_to(told[state], times.shape)[known]
                    np.testing.assert_allclose(shown, run[state], rtol=1e-6, atol=1e-7, err_msg=f"{start} {values}")
        end = flow.exact.end(start, values) if flow.exact.limit is not None else None
        if end is None:
            continue
        run = dynsim.solve(
            flow, start, times=[1e6], parameters=values, method="LSODA", rtol=1e-9, atol=1e-12, events=["rest"]
        )
        for state in set(end.values) & set(flow.states):
            found, stated = float(run[state][-1]), float(end.values[state])
            # At the edge of collapse runs approach like 1/√t; a growing one is far away by then.
            good = abs(found) > 50 if np.isinf(stated) else abs(found - stated) <= 2e-3
            assert good, (start, values, state, stated, found, end.reason)
