"""The numbers of a study are those of the calls it stands for."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr

import dynsim
from dynsim import DynsimError
from dynsim.studies.flow_runs import draw
from dynsim.studies.in_memory import results_in_memory
from dynsim.studies.status import sweep_status


def run(study, out, **more):
    with ThreadPoolExecutor(1) as executor:
        return dynsim.run_study(study, out, executor, **more)


def test_a_grid_equals_the_ensemble(tmp_path):
    study = {
        "system": "scalar",
        "times": [0.0, 1.0, 30.0],
        "chunk": 7,
        "axes": {
            "branch": ["stop", "full"],
            "eta": {"linspace": [0.0, 0.2, 5], "sets": ["eta_p", "eta_s"]},
            "theta0": [0.1, 0.2, 0.3],
        },
    }
    data = run(study, tmp_path / "study.zarr")
    assert dict(data.sizes) == {"branch": 2, "eta": 5, "theta0": 3, "time": 3}
    eta = xr.DataArray(data.eta.values, dims="eta")
    for branch in ("stop", "full"):
        starts = {"phi": 0.6, "theta": np.array([0.1, 0.2, 0.3])}
        flow = dynsim.system("scalar", branch=branch)
        whole = dynsim.ensemble(flow, starts, times=study["times"], parameters={"eta_p": eta, "eta_s": eta})
        for name in ("phi", "theta", "loss", "status", "steps"):
            part = data[name].sel(branch=branch)
            np.testing.assert_allclose(part, whole[name].transpose(*part.dims), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(data.time, study["times"], rtol=1e-15)
    assert (data.task_status == 1).all()
    assert data.status.attrs["flag_meanings"].startswith("not_run ok at_rest")


def test_random_starts_by_seed(tmp_path):
    law = {"uniform": [-0.5, 0.5]}
    study = {"system": "toy", "t_end": 5.0, "initial": {"theta": law}, "seeds": [4, 1], "chunk": 1}
    data = run(study, tmp_path / "study.zarr")
    starts = {"phi": 0.6, "theta": np.array([draw(law, seed, 1, ()) for seed in (4, 1)])}
    np.testing.assert_allclose(data.theta, dynsim.ensemble(dynsim.system("toy"), starts, 5.0).theta, rtol=1e-12)
    assert list(data.seed.values) == [4, 1]


def test_a_matrix_flow(tmp_path):
    study = {
        "system": "matrix-flow",
        "structure": {"sigma_d": [1.0, 0.5, 0.2], "k": 2},
        "initial": {"W": {"normal": [0.0, 0.3]}, "P": {"normal": [0.0, 0.3]}},
        "t_end": 2.0,
        "seeds": 3,
        "axes": {"sigma2": [0.0, 0.1], "branch": ["stop", "target"]},
    }
    data = run(study, tmp_path / "study.zarr")
    assert data.W.dims == ("sigma2", "branch", "seed", "W_row", "W_column")
    sigma = np.diag([1.0, 0.5, 0.2])
    field = dynsim.matrix_flow(sigma, sigma + 0.1 * np.eye(3), 2, branch="target")
    starts = {
        name: xr.DataArray(
            np.stack([draw({"normal": [0.0, 0.3]}, seed, index, field.shape(name)) for seed in range(3)]),
            dims=("seed", f"{name}_row", f"{name}_column"),
        )
        for index, name in enumerate(field.names)
    }
    whole = dynsim.ensemble(field, starts, 2.0)
    np.testing.assert_allclose(data.W.sel(sigma2=0.1, branch="target"), whole.W, rtol=1e-9, atol=1e-12)


def test_networks(tmp_path):
    pytest.importorskip("torch")
    from dynsim.networks import Experiment, train

    fields = {"steps": 4, "images": 100, "measures": ["spread"], "every": 2}
    study = {"experiment": fields, "seeds": 3, "chunk": 2, "axes": {"branch": ["stop", "full"]}, "history": True}
    data = run(study, tmp_path / "study.zarr")
    assert dict(data.sizes) == {"branch": 2, "seed": 3, "step": 3}
    alone = train(Experiment(**fields, branch="full"), [0, 1])
    assert np.array_equal(data.spread.sel(branch="full", seed=[0, 1]), alone.spread)
    assert np.array_equal(data.time, alone.time)
    last = run({**study, "history": False}, tmp_path / "last.zarr")
    assert np.array_equal(last.spread, data.spread.isel(step=-1))


def test_a_typed_loss_without_axes(tmp_path):
    study = {"system": "(a*b - sg(b))^2/2", "states": "a, b", "initial": {"a": 0.5, "b": 0.1}, "t_end": 1.0}
    data = run(study, tmp_path / "study.zarr")
    assert data.a.dims == ()
    assert float(data.a) > 0.5


def test_a_store_opens_with_plain_xarray(tmp_path, tasks):
    store = tmp_path / "study.zarr"
    data = run(tasks(5), store)
    with xr.open_zarr(store, chunks=None) as plain:
        xr.testing.assert_identical(plain, data)
    assert dynsim.provenance(data)["study"]["system"] == "toy"


def test_readable_while_it_runs(tmp_path, tasks):
    store, seen = tmp_path / "study.zarr", []

    def look(done, total, what):
        if 0 < done < total and not seen:
            with xr.open_zarr(store, chunks=None) as data:
                seen.append((done, int(np.isfinite(data.theta).sum())))
            status = sweep_status(store)
            assert status["tasks"] == total
            assert status["done"] >= done
            assert status["driver"]["pid"]

    run(tasks(40), store, progress=look)
    ((done, finite),) = seen
    assert done <= finite < 40


def test_a_url_instead_of_a_folder(tasks):
    pytest.importorskip("fsspec")
    data = run(tasks(3), "memory://sweeps/study.zarr")
    assert np.isfinite(data.theta).all()
    again = run(tasks(3), "memory://sweeps/study.zarr")
    xr.testing.assert_identical(data, again)


def test_a_file_url_is_a_folder(tmp_path, tasks):
    store = tmp_path / "my study.zarr"
    data = run(tasks(3), store.as_uri())
    assert (tmp_path / "my study.zarr.log").exists()
    xr.testing.assert_identical(data, run(tasks(3), store))


@pytest.mark.parametrize("out", [3, None, b"x", "", "nosuchscheme://x"])
def test_what_is_no_place_is_refused(out, tasks):
    with pytest.raises(DynsimError, match="out"):
        run(tasks(2), out)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"progress": 3}, "progress"), ({"executor": 3}, "get_executor"), ({"workers": 0}, "workers")],
)
def test_bad_options_are_named(tmp_path, options, words, tasks):
    with pytest.raises(DynsimError, match=words):
        dynsim.run_study(tasks(2), tmp_path / "study.zarr", **options)
    assert not list(tmp_path.iterdir())


def test_an_unknown_variable_is_named(tmp_path, tasks):
    with pytest.raises(DynsimError, match="theta"):
        run(tasks(2, record=["teta"]), tmp_path / "study.zarr")


@pytest.mark.parametrize("study", [{"system": "toy", "t_end": 1.0}, {"experiment": {"images": 50}, "seeds": 1}])
def test_an_axis_named_like_a_result_is_refused(tmp_path, study):
    pytest.importorskip("torch")
    setting = "lr" if "experiment" in study else "alpha"
    with pytest.raises(DynsimError, match="a name that no result has"):
        run({**study, "axes": {"loss": {"values": [0.1, 0.2], "sets": [setting]}}}, tmp_path / "study.zarr")
    assert not (tmp_path / "study.zarr").exists()


def test_in_memory_are_the_same_numbers(tmp_path, tasks):
    study = {**tasks(7, chunk=3), "times": [0.0, 1.0, 20.0], "t_end": None}
    xr.testing.assert_identical(
        run(study, tmp_path / "study.zarr").drop_vars("task_status").drop_attrs(),
        results_in_memory(study).drop_attrs(),
    )
