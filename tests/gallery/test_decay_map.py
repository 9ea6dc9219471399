"""The shipped study decay-map: exact facts hold on it, and a store and a run here are the same numbers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr

import dynsim
from dynsim import DynsimError
from dynsim.gallery import decay_map
from dynsim.studies.creation import made_or_found
from dynsim.studies.storage import storage_of


@pytest.fixture(scope="module")
def data():
    return decay_map.compute(count=13)


def test_stop_gradient_ends_at_the_exact_upper_equilibrium_or_at_zero(data):
    """√α|θ| = p₊ = (1 + √(1 − 4η(1+σ²)))/(2(1+σ²)), whatever α, once decay has wiped out the start."""
    one = data.sel(branch="stop", eta=slice(0.02, None))
    inside = one["eta"] < 0.98 * one["threshold"]
    root = np.sqrt((1 - one["eta"] / one["threshold"]).clip(0))
    upper = (1 + root) * 2 * one["threshold"]
    size = np.sqrt(one["alpha"]) * abs(one["theta"])
    lives = size > decay_map.ALIVE
    assert float(lives.where(inside).mean()) > 0.8
    assert float(abs(size - upper).where(lives & inside).max()) < 1e-6
    assert not bool(lives.where(one["eta"] > 1.02 * one["threshold"], False).any())


def test_without_stop_gradient_noise_or_decay_collapses_every_run(data):
    acting = (data["sigma2"] > 0) | (data["eta"] > 0)
    ends = abs(data["theta"]).sel(branch=["full", "target"])
    assert float(ends.where(acting).max()) < 1e-9
    start = {"phi": 0.6, "theta": 0.3}
    for branch in ("full", "target"):
        for alpha in data["alpha"].values:
            flow = dynsim.system("toy", branch=branch)
            exact = dynsim.outcome(flow, start, {"alpha": float(alpha)}).limit["theta"]
            assert float(ends.sel(branch=branch, alpha=alpha, sigma2=0, eta=0)) == pytest.approx(exact, abs=1e-6)


def test_a_store_gives_the_same_figure_data(tmp_path):
    pytest.importorskip("zarr")
    here, store = decay_map.compute(count=5), tmp_path / "map.zarr"
    with ThreadPoolExecutor(1) as executor:
        dynsim.run_study(decay_map.thinned(5), store, executor)
    there = decay_map.compute(store=store)
    xr.testing.assert_equal(there[["phi", "theta", "threshold"]], here[["phi", "theta", "threshold"]])
    assert str(decay_map.verdict(there).facts) == str(decay_map.verdict(here).facts)


def test_the_store_of_another_study_is_refused(tmp_path):
    pytest.importorskip("zarr")
    with pytest.raises(DynsimError, match="dynsim sweep run decay-map"):
        dynsim.plot("decay-map", store=tmp_path / "none.zarr")
    study = {"system": "toy", "t_end": 1.0, "axes": {"alpha": [1.0]}}
    with ThreadPoolExecutor(1) as executor:
        dynsim.run_study(study, tmp_path / "other.zarr", executor)
    with pytest.raises(DynsimError, match="branch, alpha, sigma2, eta"):
        dynsim.plot("decay-map", store=tmp_path / "other.zarr")


def test_a_store_in_which_nothing_is_done_yet_is_drawn(tmp_path):
    pytest.importorskip("zarr")
    made_or_found(storage_of(tmp_path / "map.zarr"), decay_map.thinned(4))
    data = decay_map.compute(store=tmp_path / "map.zarr")
    assert "none of the 144 runs" in str(decay_map.verdict(data).headline).lower()
    assert dynsim.plot("decay-map", data=data).axes
