import numpy as np
import pytest
import sympy
import xarray as xr

import dynsim
from dynsim.errors import InvalidType, InvalidValue, UnknownName
from dynsim.field import Field
from dynsim.integrate.grid import grid_of

TOY = dynsim.system("toy")


def test_numbers_make_a_single_member_without_dimensions():
    grid = grid_of(TOY, {"phi": 0.6, "theta": 0.1})
    assert (grid.dims, grid.shape, grid.size) == ((), (), 1)
    assert grid.members("alpha").tolist() == [1.0]
    assert grid.dataset({"x": ((), np.array([3.0]))}).x.item() == 3.0


def test_arrays_span_dimensions_named_after_state_and_parameter():
    grid = grid_of(TOY, {"theta": np.arange(4.0), "phi": [1, 2, 3]}, {sympy.Symbol("alpha"): (1.0, 2.0)}, lr=[0.1])
    assert dict(zip(grid.dims, grid.shape, strict=True)) == {"phi0": 3, "theta0": 4, "alpha": 2, "lr": 1}
    assert grid.coords["theta0"].values.tolist() == [0, 1, 2, 3]


def test_members_follow_the_dimensions_the_last_one_fastest():
    grid = grid_of(TOY, {"phi": [1.0, 2.0, 3.0], "theta": [10.0, 20.0]})
    assert grid.members("phi").tolist() == [1, 1, 2, 2, 3, 3]
    assert grid.members("theta").tolist() == [10, 20, 10, 20, 10, 20]
    unfolded = grid.dataset({"sum": ((), grid.members("phi") + grid.members("theta"))})["sum"]
    xr.testing.assert_equal(unfolded, (unfolded.phi0 + unfolded.theta0).rename("sum"))


@pytest.mark.parametrize("span", [(0, 6), (0, 1), (2, 5), (5, 99), (3, 3)])
def test_any_slice_of_members_equals_the_whole_sliced(span):
    phi = xr.DataArray(np.arange(6.0).reshape(2, 3), dims=("row", "column"))
    grid = grid_of(TOY, {"phi": phi, "theta": 0.5}, {"alpha": phi.isel(row=0)})
    for name in ("phi", "theta", "alpha"):
        assert np.array_equal(grid.members(name, *span), grid.members(name)[slice(*span)])


def test_entries_that_share_a_dimension_are_paired():
    pair = {name: xr.DataArray(np.arange(5.0) + i, dims="member") for i, name in enumerate(("phi", "theta"))}
    grid = grid_of(TOY, pair)
    assert grid.shape == (5,)
    assert np.array_equal(grid.members("theta") - grid.members("phi"), np.ones(5))
    assert grid.coords["phi0"].dims == ("member",)
    assert np.array_equal(grid.coords["theta0"], pair["theta"])


def test_transposed_entries_are_paired_by_name_not_by_position():
    values = xr.DataArray(np.arange(6.0).reshape(2, 3), dims=("a", "b"))
    grid = grid_of(TOY, {"phi": values, "theta": values.T})
    assert np.array_equal(grid.members("phi"), grid.members("theta"))


def test_non_contiguous_empty_and_single_arrays():
    assert grid_of(TOY, {"phi": np.arange(10.0)[::3], "theta": 0}).members("phi").tolist() == [0, 3, 6, 9]
    assert grid_of(TOY, {"phi": [], "theta": 0}).size == 0
    assert grid_of(TOY, {"phi": [1.0], "theta": 0}).dims == ("phi0",)


def test_values_that_are_not_finite_pass():
    assert np.isnan(grid_of(TOY, {"phi": [np.nan, 1.0], "theta": np.inf}).members("phi")[0])


def test_coordinates_of_a_dataarray_are_kept_multiindex_included():
    table = xr.DataArray(np.ones((2, 3)), dims=("a", "b"), coords={"a": [1, 2], "b": list("xyz")})
    stacked = table.stack(m=("a", "b"))
    grid = grid_of(TOY, {"phi": stacked, "theta": stacked * 2})
    assert grid.dataset({"phi": ((), grid.members("phi"))}).unstack("m").phi.shape == (2, 3)


def test_matrix_states_alone_stacked_and_named():
    field = Field(("W", "x"), lambda t, y: -y, shapes={"W": (2, 3)})
    one = np.arange(6.0).reshape(2, 3)
    assert grid_of(field, {"W": one, "x": 0.0}).size == 1
    stack = grid_of(field, {"W": [one, 2 * one], "x": [1.0, 2.0, 3.0]})
    assert stack.dims == ("W0", "x0")
    assert stack.members("W").shape == (6, 2, 3)
    assert np.array_equal(stack.members("W", 3, 4)[0], 2 * one)
    named = xr.DataArray([one.T, 2 * one.T], dims=("seed", "W_column", "W_row"))
    assert np.array_equal(grid_of(field, {"W": named, "x": 0.0}).members("W")[1], 2 * one)


@pytest.mark.parametrize(
    ("initial", "parameters", "error", "words"),
    [
        ({"phi": 1.0}, None, InvalidValue, "missing: theta"),
        ({"phi": 1.0, "theta": 0, "psi": 2}, None, UnknownName, "psi"),
        ({"phi": 1.0, "theta": 0}, {"beta": 2}, UnknownName, "beta"),
        ({"phi": "0.6", "theta": 0}, None, InvalidType, "initial['phi']"),
        ({"phi": 1j, "theta": 0}, None, InvalidType, "real"),
        ({"phi": np.ones((2, 2)), "theta": 0}, None, InvalidValue, "DataArray"),
        ({"phi": xr.DataArray([1.0], dims="time"), "theta": 0}, None, InvalidValue, "rename"),
        (
            {"phi": xr.DataArray([1.0], dims="m"), "theta": xr.DataArray([1.0, 2], dims="m")},
            None,
            InvalidValue,
            "one length",
        ),
        (
            {
                "phi": xr.DataArray([1.0], dims="m", coords={"m": [0]}),
                "theta": xr.DataArray([1.0], dims="m", coords={"m": [1]}),
            },
            None,
            InvalidValue,
            "shared dimension",
        ),
    ],
)
def test_what_does_not_fit_is_said_at_the_door(initial, parameters, error, words):
    with pytest.raises(error) as caught:
        grid_of(TOY, initial, parameters)
    assert words in str(caught.value)
