"""The compiled engine: bits do not depend on company, memory layout or threads; each kind of function works."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.special
import sympy
import xarray as xr

import dynsim
from dynsim.errors import InvalidValue
from dynsim.integrate.batch import EnsembleArrays, Members
from dynsim.integrate.ensemble import ensemble
from dynsim.status import Status
from dynsim.symbolic.flow import Flow

pytest.importorskip("llvmlite")

from dynsim.integrate.engine.program import PIECE, by_compiled, program

BYOL = dynsim.system("byol")
RNG = np.random.default_rng(3)


def flow_of(rhs, **parameters):
    symbols = {name: sympy.Symbol(name) for name in (*rhs, *parameters)}
    expressions = [sympy.sympify(text, locals=symbols) for text in rhs.values()]
    return Flow(tuple(rhs), sympy.Matrix(expressions), symbols, defaults=parameters)


def paired(flow, start):
    return xr.Dataset({name: ("member", row) for name, row in zip(flow.states, start, strict=True)})


@pytest.mark.parametrize("when", [{"t_end": 4.0}, {"times": [0.0, 1.0, 4.0]}], ids=["end", "times"])
@pytest.mark.parametrize("count", [1, 2 * PIECE + 37])
def test_thread_counts_give_the_same_bits(when, count):
    start = paired(BYOL, RNG.uniform(-1.5, 1.5, (3, count)))
    one, two, eight = (ensemble(BYOL, start, workers=threads, method="compiled", **when) for threads in (1, 2, 8))
    xr.testing.assert_identical(one, two)
    xr.testing.assert_identical(one, eight)


def test_a_member_does_not_depend_on_its_neighbours():
    start = RNG.uniform(-1.5, 1.5, (3, 203))
    start[:, ::7] = np.array([[np.nan], [1e9], [1e300]])
    together = ensemble(BYOL, paired(BYOL, start), 5.0, method="compiled")
    backwards = ensemble(BYOL, paired(BYOL, start[:, ::-1]), 5.0, method="compiled").isel(member=slice(None, None, -1))
    xr.testing.assert_equal(together, backwards)
    for member in (0, 1, 100, 202):
        alone = ensemble(BYOL, paired(BYOL, start[:, [member]]), 5.0, method="compiled")
        xr.testing.assert_equal(together.isel(member=[member]), alone)


@pytest.mark.parametrize("when", [{"t_end": 3.0}, {"times": np.linspace(0.0, 3.0, 23)}], ids=["end", "times"])
def test_one_start_is_the_same_bit_by_bit_as_among_many(when):
    """Machine code for one start has fewer lanes."""
    loss = "(v*tanh(w + b) - exp(-w^2)/(1 + b^2))^2/2 + sigmoid(3*v)/4 + E((v*x - w)^2)/8"
    flow = dynsim.gradient_flow(loss, "v, w, b", random="x ~ uniform(-1, 1)")
    start = RNG.uniform(-1.5, 1.5, (3, 20))
    together = ensemble(flow, paired(flow, start), method="compiled", **when)
    for member in (0, 7, 19):
        alone = ensemble(flow, paired(flow, start[:, [member]]), method="compiled", **when)
        xr.testing.assert_equal(together.isel(member=[member]), alone)


def test_any_memory_layout():
    wide = RNG.uniform(-1, 1, (50, 6))
    alpha = np.linspace(0.5, 2.0, 100)[::-2]
    for starts in (wide[:, ::2].T, np.asfortranarray(wide)[:, 1::2].T, wide[::-1, :3].T):
        given = paired(BYOL, starts).assign(alpha=("member", alpha))
        plain = paired(BYOL, np.ascontiguousarray(starts)).assign(alpha=("member", alpha.copy()))
        one, other = (
            ensemble(BYOL, data.drop_vars("alpha"), 2.0, parameters={"alpha": data.alpha}, method="compiled")
            for data in (given, plain)
        )
        xr.testing.assert_identical(one, other)


def unreached():
    """Members that blow up, go on, and cannot start, in memory full of other numbers."""
    flow = flow_of({"x": "x**2"})
    batch = Members(flow, np.array([[1.0, -1.0, np.inf]]), {}, np.array([0.0, 0.5, 2.0]), 1e-10, 1e-12)
    run = EnsembleArrays.empty(batch.field, 3, 3)
    run.outputs[:] = 7.25
    return batch, run


def test_machine_code_writes_what_it_has_computed_and_nothing_else():
    batch, run = unreached()
    program(batch.flow, True, batch.rtol).task(batch, run, 1000, np.empty((3, 1 + len(batch.y0))))(0, 3)
    assert run.states[0, 0, 2] == 7.25
    assert (run.states[0, 2] == 7.25).all()
    np.testing.assert_allclose(run.states[0, 1], [-1, -1 / 1.5, -1 / 3], rtol=1e-8)


def test_what_is_not_reached_is_nan():
    batch, run = unreached()
    by_compiled(batch, run)
    np.testing.assert_array_equal(np.isnan(run.states[0]), [[False, False, True], [False] * 3, [True] * 3])


@pytest.mark.parametrize("name", ["toy", "scalar", "byol", "eigenmode", "optimal-predictor", "jepa"])
def test_observables_recorded_by_machine_code_are_those_of_the_field(name):
    flow = dynsim.system(name)
    start = paired(flow, RNG.uniform(0.1, 1.0, (len(flow.states), 37)))
    parameters = {flow.parameters[0]: xr.DataArray(np.linspace(0.5, 2.0, 37), dims="member")}
    run = ensemble(flow, start, times=[0.0, 0.1, 0.5, 4.0], parameters=parameters, method="compiled")
    field = flow.compiled.field({**flow.values(None), flow.parameters[0]: parameters[flow.parameters[0]].values})
    states = np.array([run[state].transpose("time", "member").values for state in flow.states])
    assert field.observables
    for observable, function in field.observables.items():
        expected = function(states)
        assert np.isfinite(expected).all()
        np.testing.assert_allclose(run[observable].transpose("time", "member"), expected, rtol=1e-12, atol=1e-14)


def test_an_observable_without_machine_code_is_computed_as_well():
    x = sympy.Symbol("x")
    flow = replace(flow_of({"x": "-x"}), observables={"bessel": sympy.besselj(0, x), "square": x**2})
    run = ensemble(flow, {"x": [1.0, 2.0]}, times=[0.0, 1.0], method="compiled")
    np.testing.assert_allclose(run.square, run.x**2, rtol=1e-15)
    np.testing.assert_allclose(run.bessel, scipy.special.j0(run.x.values), rtol=1e-14)


@pytest.mark.parametrize(
    ("rhs", "low", "high"),
    [
        ("exp(-x) - a*x", -1, 1),
        ("log(1 + x**2) - a*x", -1, 1),
        ("a - tanh(3*x)", -1, 1),
        ("sin(x) + a*cos(2*x)", -3, 3),
        ("-tan(x/2)*a", -1, 1),
        ("a - sqrt(x)", 0.5, 2),
        ("1 - a*Abs(x)", -1, 1),
        ("-sign(x - 3)*(1 + a*x**2)/9", -1, 1),
        ("Max(a, x)/2 - x**2", -0.3, 1),
        ("Min(a, x, 0.2) - x", -1, 1),
        ("Piecewise((-a*x, x < 0), (-x**2, x < 0.5), (-x/2, True))", -1, 1),
        ("atan(x) - asinh(a*x) + erf(x)", -1, 1),
        ("Heaviside(x, 0.5)*x**2 - a*x**3", -1, 1),
    ],
)
def test_flows_with_elementary_functions(rhs, low, high):
    flow, start = flow_of({"x": rhs}, a=0.7), {"x": np.linspace(low, high, 23)}
    compiled, scipy = (
        ensemble(flow, start, times=[0.0, 0.7, 2.0], parameters={"a": [0.3, 0.7]}, method=method)
        for method in ("compiled", "scipy")
    )
    assert (compiled.status < 2).all()
    np.testing.assert_allclose(compiled.x, scipy.x, rtol=1e-8, atol=1e-9)


def test_the_root_of_a_negative_number_ends_that_member_only():
    flow = flow_of({"x": "-sqrt(x)*exp(-x) + log(x)/9"})
    run = ensemble(flow, {"x": [4.0, -1.0, 0.0, 9.0]}, 0.5, method="compiled")
    assert run.status.values.tolist() == [0, 4, 4, 0]
    assert np.isnan(run.x.values).tolist() == [False, True, True, False]


def test_a_pole_ends_its_member_only():
    flow = flow_of({"x": "-1/x", "y": "1"})
    run = ensemble(flow, {"x": [2.0, 1.0, -1.0, 0.0], "y": 0.0}, times=[0.25, 1.0], method="compiled")
    assert run.status.values.tolist() == [Status.OK, Status.NOT_FINITE, Status.NOT_FINITE, Status.INVALID_START]
    np.testing.assert_allclose(run.x.values[:3, 0] ** 2, [3.5, 0.5, 0.5], rtol=1e-8)
    assert np.isnan(run.x.values[1:, 1]).all()


def test_new_parameters_compile_nothing(monkeypatch):
    flow = dynsim.system("toy")
    ensemble(flow, {"phi": 0.6, "theta": 0.1}, 1.0, method="compiled")
    monkeypatch.setattr("dynsim.integrate.engine.machine.compiled", None)
    monkeypatch.setattr("dynsim.integrate.engine.machine.load", None)
    runs = [
        float(ensemble(flow, {"phi": 0.6, "theta": 0.1}, 1.0, parameters={"alpha": a}, rtol=r, method="compiled").phi)
        for a, r in ((1.0, 1e-9), (2.0, 1e-9), (2.0, 1e-6))
    ]
    assert len(set(runs)) == 3


def test_a_run_that_needs_too_many_steps_is_told():
    """x'' = −ω²x with far too many periods: accuracy limits the steps, no implicit method would help."""
    flow = flow_of({"x": "v", "v": "-w**2*x"}, w=1.0)
    run = ensemble(flow, {"x": 1.0, "v": 0.0}, 10.0, parameters={"w": [1.0, 1e6]})
    assert run.status.values.tolist() == [0, Status.STEP_LIMIT]
    assert (run.attrs["stiff_members"], int(run.steps[1])) == (0, 100_000)
    assert np.isnan(run.x[1])


def test_functions_without_machine_code_take_the_other_engine():
    flow = flow_of({"x": "-besselj(0, x)"})
    with pytest.raises(InvalidValue, match="besselj"):
        ensemble(flow, {"x": 1.0}, 1.0, method="compiled")


def test_many_states_take_the_other_engine():
    flow = flow_of({f"x{i}": f"-x{(i + 1) % 41}" for i in range(41)})
    run = ensemble(flow, dict.fromkeys(flow.states, 1.0), 1.0)
    assert run.attrs["method"] == "scipy"
    assert "41 states" in run.attrs["method_reason"]
    np.testing.assert_allclose(run.x7, np.exp(-1), rtol=1e-8)
