"""Tipping by moving parameters: against the normal form of the fold, and against stated values."""

from functools import cache

import numpy as np
import pytest
from scipy.special import airy

from dynsim.gallery import tipping


@cache
def data():
    return tipping.compute(slowest=1e-9)


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
