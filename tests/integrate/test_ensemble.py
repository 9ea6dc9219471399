"""What `ensemble` promises whatever the engine: dimensions, statuses, agreement with `solve`."""

import json

import numpy as np
import pytest
import sympy
import xarray as xr

import dynsim
from dynsim.errors import InvalidType, InvalidValue
from dynsim.field import Field
from dynsim.integrate.engines import METHODS
from dynsim.integrate.ensemble import ensemble
from dynsim.status import Status
from dynsim.symbolic.flow import Flow

INTEGRATORS = [name for name in METHODS if name not in ("auto", "exact")]
TOY = dynsim.system("toy")
OK, AT_REST, BLOW_UP, STEP_LIMIT, INVALID_START = Status(0), Status(1), Status(2), Status(3), Status(4)


def flow_of(rhs, **parameters):
    """A flow with the given right-hand side, for problems no loss is needed for."""
    symbols = {name: sympy.Symbol(name) for name in (*rhs, *parameters)}
    expressions = [sympy.sympify(text, locals=symbols) for text in rhs.values()]
    return Flow(tuple(rhs), sympy.Matrix(expressions), symbols, defaults=parameters)


@pytest.fixture(params=INTEGRATORS)
def method(request):
    return request.param


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_every_member_equals_solve(method, branch):
    flow, rng = dynsim.system("toy", branch=branch), np.random.default_rng(1)
    start = xr.Dataset({name: ("member", rng.uniform(-1.5, 1.5, 5)) for name in ("phi", "theta")})
    alpha = [0.5, 3.0]
    runs = ensemble(flow, start, times=[0.0, 0.5, 7.0], parameters={"alpha": alpha}, method=method)
    assert runs.theta.dims == ("member", "alpha", "time")
    for i in range(5):
        for a in alpha:
            one = {name: float(start[name][i]) for name in start}
            reference = dynsim.solve(flow, one, times=[0.0, 0.5, 7.0], parameters={"alpha": a})
            member = runs.isel(member=i).sel(alpha=a)
            for name in ("phi", "theta", "loss", "predictor_gap"):
                np.testing.assert_allclose(member[name], reference[name], rtol=1e-7, atol=1e-8)


def test_t_end_keeps_the_final_state_only(method):
    final = ensemble(TOY, {"phi": [0.6, -0.3], "theta": 0.1}, 5.0, method=method)
    assert final.theta.dims == ("phi0",)
    assert (final.time.ndim, float(final.time)) == (0, 5.0)
    recorded = ensemble(TOY, {"phi": [0.6, -0.3], "theta": 0.1}, times=[1.0, 5.0], method=method)
    xr.testing.assert_allclose(final.theta, recorded.theta.isel(time=-1), rtol=1e-7)


def test_single_member_of_numbers_has_no_dimension(method):
    run = ensemble(TOY, {"phi": 0.6, "theta": 0.1}, 60.0, method=method)
    assert run.theta.ndim == 0
    assert abs(float(run.theta) - np.sqrt(0.65)) < 1e-8


def test_members_that_fade_below_the_smallest_numbers_come_to_rest():
    """Where s^(a+1) has no value for s < 0 a stage that rounds to below zero must not stop the run."""
    starts = xr.DataArray([0.02, 0.03, 0.05, 0.06, 0.1, 0.5], dims="run")
    parameters = {"lambda_d": 1.0, "lambda_s": 1.1, "a": 0.5, "eta_s": 0.18}
    run = dynsim.ensemble(dynsim.system("direct-set", variant="direct-set"), {"s": starts}, 2e4, parameters=parameters)
    assert (run.status == 1).all()
    assert (run.steps < 2000).all()
    assert (run.s[:4] < 1e-300).all()
    np.testing.assert_allclose(run.s[4:], ((1 + np.sqrt(1 - 4 * 0.18 * 1.1)) / 2.2) ** 2, rtol=1e-8)


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
@pytest.mark.parametrize("when", [{"t_end": 4.0}, {"times": [0.0, 1.0, 4.0]}], ids=["end", "times"])
def test_the_dataset_is_as_xarray_would_make_it(when, many):
    start = {
        "phi": np.array([0.1, 0.5]) if many else 0.1,
        "theta": xr.DataArray([0.2, 0.3], dims="run") if many else 0.2,
    }
    run = dynsim.ensemble(dynsim.system("toy"), start, **when)
    made = xr.Dataset(dict(run.data_vars), run.coords, run.attrs)
    xr.testing.assert_identical(run, made)
    assert dict(run.sizes) == dict(made.sizes)
    assert {name: index.to_pandas_index().tolist() for name, index in run.xindexes.items()} == {
        name: index.to_pandas_index().tolist() for name, index in made.xindexes.items()
    }
    run.time.attrs["note"] = "mine"
    run.attrs["note"] = "mine"
    again = dynsim.ensemble(dynsim.system("toy"), start, **when)
    xr.testing.assert_identical(again, made.assign_coords(time=made.time.drop_attrs().assign_attrs(again.time.attrs)))
    assert "note" not in again.time.attrs


def test_a_member_that_underflows_at_the_edge_of_the_domain_ends():
    """s' ∝ −s beside s^(3/2), which is no number below 0, where the smallest of all numbers may step to."""
    flow = dynsim.system("direct-set", variant="direct-pred")
    values = {"lambda_d": 1.0, "lambda_s": 1.1, "eta_s": 1.2 / 4.4}
    run = dynsim.ensemble(flow, {"s": np.linspace(0.004, 1.0, 5)}, 5000.0, parameters=values)
    assert (run.status == 1).all()
    assert (run.s < 1e-300).all()


@pytest.mark.parametrize("count", [0, 1, 7, 9, 33])
def test_any_number_of_members(method, count):
    phi = np.linspace(-1, 1, count)
    run = ensemble(TOY, {"phi": phi, "theta": 0.3}, times=[0.0, 1.0], method=method)
    assert run.phi.shape == (count, 2)
    np.testing.assert_array_equal(run.phi.isel(time=0), phi)
    assert np.isfinite(run.theta).all()


def test_blow_up_is_told_and_leaves_the_neighbours_alone(method):
    flow = flow_of({"x": "x**2"})
    x = np.array([-1.0, 2.0, 0.4, 0.0, 5.0])
    run = ensemble(flow, {"x": x}, times=[0.0, 0.1, 1.0, 2.0], method=method)
    assert run.status.values.tolist() == [OK, BLOW_UP, OK, AT_REST, BLOW_UP]
    exact = x[:, None] / (1 - x[:, None] * run.time.values)
    alive = np.isfinite(run.x.values)
    assert alive.tolist() == [
        [True] * 4,
        [True, True, False, False],
        [True] * 4,
        [True] * 4,
        [True, True, False, False],
    ]
    np.testing.assert_allclose(run.x.values[alive], exact[alive], rtol=1e-7)


def test_leaving_the_domain_is_no_blow_up(method):
    run = ensemble(flow_of({"x": "-1 - sqrt(x - 1)"}), {"x": [1.5, 3.0]}, 0.5, method=method)
    assert run.status.values.tolist() == [Status.NOT_FINITE, OK]
    assert np.isnan(run.x[0])


def test_starts_that_are_none_get_a_status(method):
    phi = [np.nan, 0.6, np.inf, -np.inf, 1e200]
    run = ensemble(TOY, {"phi": phi, "theta": 0.1}, 1.0, method=method)
    assert run.status[[0, 2, 3]].values.tolist() == [INVALID_START] * 3
    assert np.isnan(run.phi[[0, 2, 3]]).all()
    assert int(run.status[1]) == OK
    alone = ensemble(TOY, {"phi": 0.6, "theta": 0.1}, 1.0, method=method)
    np.testing.assert_allclose(run.theta[1], alone.theta, rtol=1e-8)


def test_rest_is_told():
    run = ensemble(TOY, {"phi": [0.6, 0.6, 1.0], "theta": xr.DataArray([0.1, 0.0, 2.0], dims="phi0")}, 1.0)
    assert run.status.values.tolist() == [OK, AT_REST, AT_REST]


def test_status_follows_cf_and_the_result_survives_netcdf(tmp_path):
    run = ensemble(TOY, {"phi": [0.6, np.nan], "theta": 0.1}, times=[0, 1.0], parameters={"alpha": [1.0, 2.0]})
    assert run.status.dtype == np.int8
    assert run.status.attrs["flag_meanings"].split() == [status.name.lower() for status in Status]
    run.to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as back:
        xr.testing.assert_identical(back.load(), run)
    told = dynsim.provenance(run)
    assert told["parameters"] == {"alpha": {"along": ["alpha"]}}
    assert told["flow"]["name"] == "toy"
    assert json.loads(run.attrs["initial"]) == {"phi": {"along": ["phi0"]}, "theta": 0.1}


def test_a_field_with_matrix_states():
    field = Field(
        ("W", "x"),
        lambda t, y: -y,
        shapes={"W": (2, 3)},
        observables={"norm": lambda y: np.sqrt((y[:6] ** 2).sum(axis=0))},
    )
    W = np.arange(12.0).reshape(2, 2, 3)
    run = ensemble(field, {"W": W, "x": [1.0, 2.0, 3.0]}, times=[0.0, 1.0])
    assert run.W.dims == ("W0", "x0", "time", "W_row", "W_column")
    np.testing.assert_allclose(run.W[1, 2, 1], W[1] * np.exp(-1), rtol=1e-8)
    np.testing.assert_allclose(run.norm[1, 0, 1], np.linalg.norm(W[1]) * np.exp(-1), rtol=1e-8)
    assert run.attrs["method"] == "scipy"


def test_stiff_members_are_handed_to_an_implicit_method():
    flow = flow_of({"x": "y", "y": "mu*(1 - x**2)*y - x"}, mu=1.0)
    run = ensemble(flow, {"x": 2.0, "y": 0.0}, 10.0, parameters={"mu": [1.0, 1e5]})
    assert run.attrs["stiff_members"] >= 1
    reference = dynsim.solve(flow, {"x": 2.0, "y": 0.0}, 10.0, parameters={"mu": 1e5}, method="Radau")
    np.testing.assert_allclose(run.x[1], reference.x[-1], rtol=1e-7)
    assert run.status.values.tolist() == [OK, OK]


@pytest.mark.parametrize("names", [("b", "h"), ("E", "lambda"), ("x0", "exp"), ("nan", "y1")])
def test_parameters_of_any_name(method, names):
    x, a, b = (sympy.Symbol(name) for name in ("x", *names))
    flow = Flow(("x",), sympy.Matrix([a - b * x]), {s.name: s for s in (x, a, b)})
    run = ensemble(flow, {"x": [0.0, 1.0]}, 2.0, parameters=dict(zip(names, (3.0, 0.5), strict=True)), method=method)
    exact = 6 + (np.array([0.0, 1.0]) - 6) * np.exp(-1)
    np.testing.assert_allclose(run.x, exact, rtol=1e-8)


def test_chunks_change_no_bit(method):
    starts = {"phi": np.linspace(-1, 1, 7), "theta": np.linspace(0.1, 1, 5)}
    seen = []
    whole = ensemble(TOY, starts, 3.0, method="auto")
    parts = ensemble(TOY, starts, 3.0, method="auto", chunk=6, progress=lambda *report: seen.append(report))
    np.testing.assert_allclose(whole.phi, parts.phi, rtol=1e-8)
    assert seen == [(5 * i, 35, "members") for i in range(1, 8)]


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({}, InvalidValue, "exactly one"),
        ({"t_end": 1.0, "times": [1.0]}, InvalidValue, "exactly one"),
        ({"t_end": -1.0}, InvalidValue, "positive"),
        ({"t_end": float("inf"), "method": "scipy"}, InvalidValue, "finite"),
        ({"times": [2.0, 1.0]}, InvalidValue, "increasing"),
        ({"t_end": 1.0, "method": "euler"}, InvalidValue, "method"),
        ({"t_end": 1.0, "rtol": 0.0}, InvalidValue, "rtol"),
        ({"t_end": 1.0, "workers": 0}, InvalidValue, "workers"),
        ({"t_end": 1.0, "chunk": 2.5}, InvalidType, "chunk"),
    ],
)
def test_wrong_arguments_are_refused_at_the_door(options, error, word):
    with pytest.raises(error, match=word):
        ensemble(TOY, {"phi": 0.6, "theta": 0.1}, **options)


def test_a_flow_without_closed_form_cannot_be_exact():
    with pytest.raises(InvalidValue, match="closed form"):
        ensemble(dynsim.system("byol"), {"phi": 1.0, "theta": 0.1, "xi": 0.1}, 1.0, method="exact")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("when", [{"t_end": 3.0}, {"times": [0.0, 3.0, 300.0]}], ids=["end", "times"])
def test_whoever_runs_a_member_says_how_it_ended(method, when):
    starts = {"phi": [0.6, 1.0, np.nan, np.inf], "theta": 0.1}
    run = ensemble(TOY, starts, method=method, **when)
    assert run.status.values.tolist() == [AT_REST if len(when.get("times", ())) else OK, AT_REST, *[INVALID_START] * 2]
    np.testing.assert_array_equal(np.isnan(run.theta.values).reshape(4, -1).any(axis=1), [False, False, True, True])


@pytest.mark.parametrize("dimension", ["seed", "branch", "mode"])
def test_a_dimension_may_have_a_name_that_only_other_results_use(dimension):
    starts = xr.DataArray([0.5, 0.6], dims=dimension)
    run = dynsim.ensemble(dynsim.system("toy"), {"phi": starts, "theta": 0.1}, 1.0)
    assert run.sizes[dimension] == 2
    with pytest.raises(dynsim.DynsimError, match="time"):
        dynsim.ensemble(dynsim.system("toy"), {"phi": starts.rename({dimension: "time"}), "theta": 0.1}, 1.0)
