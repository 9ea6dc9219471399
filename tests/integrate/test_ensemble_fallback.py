"""Where nothing is compiled: what runs, what the result says of it, and that every member is held to tolerance."""

import importlib.util

import numpy as np
import pytest
import sympy
import xarray as xr

import dynsim
from dynsim.errors import MissingExtra
from dynsim.integrate import concatenated, engines
from dynsim.integrate.batch import EnsembleArrays, Members
from dynsim.integrate.ensemble import ensemble
from dynsim.symbolic.flow import Flow

TOY = dynsim.system("toy")
BLOW_UP, STEP_LIMIT, INVALID_START = 2, 3, 4


def flow_of(rhs, **parameters):
    symbols = {name: sympy.Symbol(name) for name in (*rhs, *parameters)}
    expressions = [sympy.sympify(text, locals=symbols) for text in rhs.values()]
    return Flow(tuple(rhs), sympy.Matrix(expressions), symbols, defaults=parameters)


@pytest.fixture
def without_llvmlite(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name == "llvmlite" else real(name))


def test_without_the_compiler_scipy_runs_and_says_so(without_llvmlite):
    start = {"phi": np.linspace(-1.4, 1.4, 21), "theta": np.linspace(-1.4, 1.4, 11)}
    run = ensemble(TOY, start, times=[1.0, 20.0])
    assert (run.attrs["method"], run.attrs["method_reason"]) == ("scipy", "llvmlite is not installed")
    exact = ensemble(TOY, start, times=[1.0, 20.0], method="exact")
    for name in TOY.states:
        np.testing.assert_allclose(run[name], exact[name], atol=2e-8)
    with pytest.raises(MissingExtra, match="dynsim\\[fast\\]"):
        ensemble(TOY, start, 1.0, method="compiled")


def test_one_hard_member_among_many_easy_ones_is_held_to_tolerance(without_llvmlite):
    """A joint norm would divide its error by √2000; with a tolerance of 1e-6 that shows."""
    flow, count = flow_of({"x": "v", "v": "-w**2*x"}, w=1.0), 2000
    w = np.full(count, 1e-3)
    w[77] = 20.0
    run = ensemble(flow, {"x": 1.0, "v": 0.0}, 10.0, parameters={"w": xr.DataArray(w, dims="m")}, rtol=1e-6, atol=1e-6)
    alone = ensemble(flow, {"x": 1.0, "v": 0.0}, 10.0, parameters={"w": 20.0}, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(run.x[77], alone.x, atol=1e-5)
    assert abs(float(run.x[77]) - np.cos(200.0)) < 20 * 1e-6 * 20
    np.testing.assert_allclose(np.delete(run.x.values, 77), np.cos(1e-2), atol=1e-6)


def test_stiff_and_hopeless_members_leave_the_others_alone(without_llvmlite):
    """In one group: slow decay, stiff decay, blow-up, oscillation, no start."""
    flow = flow_of({"x": "y", "y": "-k*x - d*y", "z": "z**2"}, k=1.0, d=0.0)
    members = xr.Dataset({"k": ("m", [1.0, 1e6, 1.0, 4.0, 1.0]), "d": ("m", [0.1, 1e6, 0.0, 0.0, np.nan])})
    z = xr.DataArray([-1.0, -1.0, 2.0, 0.0, 0.0], dims="m")
    run = ensemble(
        flow, {"x": 1.0, "y": 0.0, "z": z}, times=[0.25, 1.0], parameters={"k": members.k, "d": members.d}, rtol=1e-8
    )
    assert run.status.values.tolist() == [0, 0, BLOW_UP, 0, INVALID_START]
    assert run.attrs["stiff_members"] == 1
    np.testing.assert_allclose(run.x[3], np.cos(2 * run.time), atol=1e-6)
    np.testing.assert_allclose(run.z.values[[0, 1]], -1 / (1 + run.time.values) + np.zeros((2, 1)), rtol=1e-6)
    np.testing.assert_allclose(run.x[1], np.exp(-run.time), rtol=1e-5)  # up to 1/d
    assert np.isfinite(run.z[2, 0])
    assert np.isnan(run.z[2, 1])


@pytest.mark.parametrize("method", ["scipy", "auto"])
def test_a_flow_is_found_to_be_stiff_by_its_own_steps(method):
    flow = flow_of({"x": "-r*(x - y**2)", "y": "-y"}, r=1.0)
    run = ensemble(flow, {"x": 0.0, "y": 1.0}, 1.0, parameters={"r": [1.0, 1e7, 3.0, 2e7]}, rtol=1e-7, method=method)
    assert run.attrs["stiff_members"] == 2
    r = run.r.values
    exact = r / (r - 2) * (np.exp(-2) - np.exp(-r))
    np.testing.assert_allclose(run.x, exact, rtol=1e-5)
    assert (run.status == 0).all()


def test_members_that_blow_up_one_after_the_other(without_llvmlite):
    """Each leaves in turn; none takes the steps of another for its own."""
    x = np.linspace(0.9, 3.0, 12)
    run = ensemble(flow_of({"x": "x**3 - x"}), {"x": np.append(x, 0.5)}, 3.0, rtol=1e-7, atol=1e-9)
    grows = np.append(x, 0.5) > 1
    assert (run.status.values == np.where(grows, BLOW_UP, 0)).all()
    still = np.append(x, 0.5)[~grows]
    exact = 1 / np.sqrt(1 + (1 / still**2 - 1) * np.exp(6.0))
    np.testing.assert_allclose(run.x.values[~grows], exact, rtol=1e-5)


@pytest.mark.parametrize(("rtol", "atol"), [(1e-5, 1e-13), (1e-12, 1e-5)])
def test_a_member_among_many_at_rest_is_held_to_tolerance_by_radau(rtol, atol):
    """The norm of a group is a root mean square: one that moves among 400 would count for a twentieth."""
    flow = flow_of({"x": "v", "v": "-x"})

    def run(members):
        y0 = np.zeros((2, members))
        y0[0, 0] = 1.0
        batch = Members(flow, y0, {}, np.array([0.0, 10.0]), rtol, atol)
        arrays = EnsembleArrays.empty(batch.field, members, 2)
        concatenated._implicit(batch, arrays)
        return abs(arrays.states[0, 0, 1] - np.cos(10.0)), int(arrays.steps[0])

    (error, steps), (among_many, as_many) = run(1), run(400)
    assert abs(as_many - steps) <= 3
    assert among_many < 2 * error
