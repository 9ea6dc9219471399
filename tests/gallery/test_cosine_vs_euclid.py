"""A small run of cosine-vs-euclid: every variant's fate, the conserved norm, learning times in closed form."""

import numpy as np
import pytest
import xarray as xr

import dynsim
from dynsim import DynsimError
from dynsim.gallery import cosine_vs_euclid
from dynsim.systems.laws import passage


@pytest.fixture(scope="module")
def data():
    return cosine_vs_euclid.compute(**cosine_vs_euclid.FIGURE.small)


def test_every_variant_has_its_fate(data):
    told = cosine_vs_euclid.fates(data)
    for loss, lost in (("euclidean", "collapses"), ("cosine", "concentrates")):
        fates = dict(zip(told["case"].values.tolist(), told.sel(loss=loss).values.tolist(), strict=True))
        assert fates == {
            "stop": "equalises", "full": lost, "target": lost, "no predictor": "stands still", "IsoLoss": "equalises",
        }  # fmt: skip


def test_what_equalises_ends_at_one_or_at_the_mean(data):
    end = data["variance"].isel(time=-1)
    np.testing.assert_allclose(end.sel(loss="euclidean", case=["stop", "IsoLoss"]), 1.0, rtol=1e-6)
    mean = data["variance"].isel(time=0).mean("mode").sel(loss="cosine", case="stop")
    np.testing.assert_allclose(*xr.broadcast(end.sel(loss="cosine", case="stop"), mean), rtol=1e-6)


def test_the_cosine_loss_conserves_the_norm_and_isoloss_does_not(data):
    norm = data["norm"].sel(loss="cosine")
    np.testing.assert_allclose(norm.sel(case=["stop", "full", "target"]), 1.0, atol=1e-8)
    assert (norm.sel(case="IsoLoss").isel(time=-1) > 1.001).all()


@pytest.mark.parametrize(("case", "power"), [("stop", 2.0), ("IsoLoss", 1.0)])
def test_the_learning_time_is_the_closed_form_s(data, case, power):
    chosen = data.sel(loss="euclidean", case=case)
    start, time = chosen["variance"].isel(time=0).values, chosen["half_time"].values
    known = np.isfinite(time)
    assert known.sum() >= 4
    np.testing.assert_allclose(time[known], passage(start[known], 0.5, power) / 2, rtol=0.02)


def test_small_modes_wait_less_with_isoloss(data):
    for loss in cosine_vs_euclid.LOSSES:
        stop, iso = (cosine_vs_euclid.slowing(data, loss, case) for case in ("stop", "IsoLoss"))
        assert iso < 0.8 * stop


def test_nearly_equal_modes_part_slowly_without_stop_gradient():
    """Their difference δ obeys δ' ∝ −δ under stop, +δ under target; in full the two cancel and leave δ²."""

    def separation(branch, delta):
        z = np.sqrt([0.3 * (1 + delta), 0.3 * (1 - delta)])
        velocity = dynsim.system("cosine", branch=branch).field().f(0.0, z)
        return float(2 * (z * velocity) @ [1, -1])

    orders = {
        branch: np.log2(abs(separation(branch, 2e-3) / separation(branch, 1e-3)))
        for branch in ("stop", "target", "full")
    }
    assert orders["stop"] == pytest.approx(1, abs=0.01)
    assert orders["target"] == pytest.approx(1, abs=0.01)
    assert orders["full"] > 1.9


def test_more_spectra_change_no_earlier_one():
    shown = np.array([0.8, 0.3, 0.1])
    few, more = (cosine_vs_euclid.drawn(shown, count, 7) for count in (2, 4))
    np.testing.assert_array_equal(few, more[:2])
    np.testing.assert_allclose(np.sum(more, axis=1), shown.sum())
    assert len({spectrum[0] for spectrum in more}) == 4


@pytest.mark.parametrize("spectrum", [(0.5,), (0.5, 1.2), (0.5, 0.0), (0.9, 0.9)])
def test_a_spectrum_outside_is_named(spectrum):
    with pytest.raises(DynsimError, match=r"^spectrum: got"):
        cosine_vs_euclid.compute(spectrum=spectrum)
