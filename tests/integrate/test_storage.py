import numpy as np
import pytest
import xarray as xr

import dynsim
from dynsim.errors import InvalidValue, MissingExtra
from dynsim.field import Field
from dynsim.integrate.batch import blocks
from dynsim.status import Status

pytest.importorskip("zarr")

TOY = dynsim.system("toy")
STARTS = {"phi": np.linspace(-1, 1, 7), "theta": np.linspace(-1, 1, 5)}


@pytest.mark.parametrize("chunk", [1, 4, 5, 12, 1000])
def test_a_streamed_run_is_the_run(tmp_path, chunk):
    options = {"times": [0.0, 1.0, 4.0], "parameters": {"alpha": [1.0, 2.0]}}
    streamed = dynsim.ensemble(TOY, STARTS, out=tmp_path / "run.zarr", chunk=chunk, **options)
    whole = dynsim.ensemble(TOY, STARTS, **options)
    xr.testing.assert_equal(streamed.load(), whole)
    assert dynsim.provenance(streamed) == dynsim.provenance(whole)
    with xr.open_zarr(tmp_path / "run.zarr", consolidated=False) as again:
        xr.testing.assert_equal(again.load(), whole)
        assert again.attrs == whole.attrs


def test_final_states_of_paired_starts_stream_too(tmp_path):
    pair = xr.Dataset({name: ("member", np.linspace(-1, 1, 50) + i) for i, name in enumerate(("phi", "theta"))})
    streamed = dynsim.ensemble(TOY, pair, 2.0, out=tmp_path / "run.zarr", chunk=16)
    assert streamed.phi.encoding["chunks"] == (16,)
    xr.testing.assert_equal(streamed.load(), dynsim.ensemble(TOY, pair, 2.0))


def test_matrix_states_stream(tmp_path):
    field = Field(("W",), lambda t, y: -y, shapes={"W": (2, 3)}, observables={"first": lambda y: y[0]})
    W = np.arange(24.0).reshape(4, 2, 3)
    streamed = dynsim.ensemble(field, {"W": W}, times=[0.0, 1.0], out=tmp_path / "run.zarr", chunk=3)
    assert streamed.W.dims == ("W0", "time", "W_row", "W_column")
    np.testing.assert_allclose(streamed.W.isel(time=1), W * np.exp(-1), rtol=1e-8)
    np.testing.assert_allclose(streamed["first"].isel(time=0), W[:, 0, 0])


def test_memory_holds_one_chunk(tmp_path):
    """Peak of Python's own memory stays far below the size of the result."""
    import tracemalloc

    axis = np.linspace(-1, 1, 600)
    tracemalloc.start()
    streamed = dynsim.ensemble(TOY, {"phi": axis, "theta": axis}, 0.1, out=tmp_path / "run.zarr", chunk=6000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert streamed.nbytes > 12_000_000
    assert peak < 4_000_000


def test_an_existing_path_is_not_overwritten(tmp_path):
    with pytest.raises(InvalidValue, match="does not exist"):
        dynsim.ensemble(TOY, STARTS, 1.0, out=tmp_path)


def test_without_zarr_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("dynsim.integrate.storage.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="dynsim\\[zarr\\]"):
        dynsim.ensemble(TOY, STARTS, 1.0, out=tmp_path / "run.zarr")


@pytest.mark.parametrize("shape", [(), (1,), (13,), (4, 5), (3, 1, 7), (2, 3, 4), (0,), (3, 0)])
@pytest.mark.parametrize("limit", [1, 2, 5, 12, 100])
def test_blocks_cover_every_member_once_in_order(shape, limit):
    seen = np.zeros(shape, dtype=int)
    numbers = np.arange(seen.size).reshape(shape)
    position = 0
    for block in blocks(shape, limit):
        assert block.start == position
        position = block.stop
        assert 0 < block.stop - block.start <= limit
        assert numbers[block.region].ravel().tolist() == list(range(block.start, block.stop))
        seen[block.region] += 1
    assert position == seen.size
    assert (seen == 1).all()


def test_a_killed_ensemble_says_what_was_not_run(tmp_path):
    class Killed(BaseException):
        pass

    def kill(done, total, what):
        raise Killed

    with pytest.raises(Killed):
        dynsim.ensemble(TOY, STARTS, 1.0, out=tmp_path / "run.zarr", chunk=10, progress=kill)
    with xr.open_zarr(tmp_path / "run.zarr", consolidated=False, mask_and_scale=False) as left:
        status = left.status.values.ravel()
        assert (status[:10] >= 0).all()
        assert (status[10:] == Status.NOT_RUN).all()
        assert "not run to its end" in left.attrs["unfinished"]
        assert dynsim.provenance(left)["method"] == "compiled"


def test_a_finished_store_does_not_say_so(tmp_path):
    streamed = dynsim.ensemble(TOY, STARTS, 1.0, out=tmp_path / "run.zarr", chunk=10)
    assert "unfinished" not in streamed.attrs
    assert streamed.status.dtype == np.int8


def test_a_netcdf_name_is_a_netcdf_file(tmp_path):
    run = dynsim.ensemble(TOY, STARTS, 1.0, out=tmp_path / "run.nc")
    assert (tmp_path / "run.nc").is_file()
    with xr.open_dataset(tmp_path / "run.nc") as back:
        xr.testing.assert_identical(back.load(), run)
    with pytest.raises(InvalidValue, match="does not exist"):
        dynsim.ensemble(TOY, STARTS, 1.0, out=tmp_path / "run.nc")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(dynsim.DynsimError, match="out"):
        dynsim.ensemble(TOY, STARTS, 1.0, out=tmp_path / "file" / "run.zarr")
