"""Tipping by moving parameters: against the normal form of the fold, and against stated values."""

from functools import cache

import numpy as np
import pytest
from scipy.special import airy

import dynsim
from dynsim.gallery import tipping, tipping_networks
from dynsim.gallery.plotting import stored_file
from dynsim.storage import open_dataset


@cache
def data():
    return tipping.compute(slowest=1e-9, speeds=())


def test_the_constant_of_the_normal_form():
    """x = (2/λ_d)(ln Ai(−κt))' blows up at the first zero of Ai; 3.831322269 and 4.918509888 are Ω₀η_c^(−1/3)(…)."""
    assert airy(-tipping.OMEGA)[0] == pytest.approx(0, abs=1e-12)
    stated = tipping.expected_constants(data())
    np.testing.assert_allclose(stated, [3.831322269, 4.918509888], rtol=1e-9)


def test_the_collapse_lags_the_fold_as_the_normal_form_says():
    """The constant is reached as extrapolated only: at ε = 1e-9 the delays are still 0.4 % and 0.2 % off."""
    found, stated = tipping.constants(data()), tipping.expected_constants(data())
    np.testing.assert_allclose(found, stated, rtol=2e-3)
    last = data().delay.values[-1] / 1e-9 ** (2 / 3)
    assert (np.abs(last / stated - 1) > 1e-3).all()
    assert last[1] == pytest.approx(4.9262, abs=2e-4)
    exponent = np.polyfit(np.log(data().speed[-4:]), np.log(data().delay[-4:, 0]), 1)[0]
    assert exponent == pytest.approx(2 / 3, abs=3e-3)


def test_a_predictor_that_is_slowed_down_too_fast_collapses():
    """The equilibrium p₊ = .6120046 is stable for every α; a tenfold drop within 20 loses it, within 30 does not."""
    end = data().phi.isel(time=-1)
    assert (end.sel(ramp=[10, 20]) < 1e-2).all()
    np.testing.assert_allclose(end.sel(ramp=[30, 40]), 0.6120046189, atol=2e-3)
    np.testing.assert_allclose(data().phi.isel(time=0), 0.6120046189, atol=1e-9)


def test_temperature_makes_a_loop_and_decay_does_not():
    loop = tipping.jumps(data())
    assert float(data().dino_fold) == pytest.approx(0.0779846735, abs=1e-8)
    assert loop["down"] == pytest.approx(0.0779846735, abs=3e-4)
    assert loop["up"] == pytest.approx(0.07, abs=3e-4)
    middle = data().sizes["sweep"] // 2
    np.testing.assert_allclose(data().dino_state[-1], data().dino_state[0], rtol=1e-2)
    assert float(data().decay_state[middle:].max()) < 1e-3
    assert float(data().decay_state[0]) > 0.5


@pytest.mark.parametrize(("layers", "share"), [(1, 1 / 4), (2, 27 / 256)])
def test_the_fold_of_a_layer_and_its_normal_form(layers, share):
    """η_c = λ_d²/(4λ_s), and (27/256)λ_d⁴/λ_s³ with two layers; −AB from differences of the velocity."""
    lambda_d, lambda_s = 0.7, 0.8
    fold, place, product = tipping_networks._network_fold(layers, lambda_d, lambda_s)
    assert fold == pytest.approx(share * lambda_d ** (2 * layers) / lambda_s ** (2 * layers - 1), rel=1e-12)

    def velocity(p):
        return p * (p ** (2 * layers - 1) * (lambda_d - lambda_s * p) - fold)

    h = 1e-3
    assert velocity(place) == pytest.approx(0, abs=1e-14)
    bend = (velocity(place + h) + velocity(place - h)) / h**2 / 2
    assert product == pytest.approx(-bend * place, rel=1e-4)


def test_networks_under_the_ramp_collapse_when_it_is_predicted():
    """Of the stored run, 5 seeds: the linear network within 5 %, two layers within 15 %, all behind the fold."""
    stored = open_dataset(stored_file("tipping"))
    off = tipping.network_errors(stored)
    assert float(abs(off.sel(network="linear")).max()) < 0.05
    assert float(abs(off.sel(network="mlp-tanh").mean("seed")).max()) < 0.1
    assert (off.notnull()).all()
    later = tipping.WARM + (stored.network_fold - [[0.045], [0.025]]) / stored.network_speed
    assert (stored.observed * tipping.LR > later).all()
    words = str(tipping.verdict(stored).facts)
    assert "5 seeds" in words
    assert f"{float(stored.predicted[0, 0]):.0f}" in words


def test_a_network_is_watched_until_its_features_are_lost_for_good():
    times = np.arange(5.0)
    assert tipping_networks._first_below(times, np.array([3.0, 0.5, 3.0, 1.0, 0.0]), 2.0) == 2.5
    assert np.isnan(tipping_networks._first_below(times, np.array([3.0, 1.0, 3.0, 3.0, 3.0]), 2.0))


def test_without_networks_there_is_no_word_of_them():
    told = tipping.verdict(data())
    assert "networks" not in told.headline
    assert "no network was trained" in str(told.facts)
    for full, panels in ((False, 2), (True, 3)):
        assert len(dynsim.plot("tipping", data=data(), full=full).axes) == panels
