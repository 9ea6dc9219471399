"""A small run of network-timescales: what is exact in the toy, and what a learning-rate ratio does to any network."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim.gallery import network_timescales


@pytest.fixture(scope="module")
def data():
    return network_timescales.compute(**network_timescales.FIGURE.small)


@pytest.mark.long
def test_the_toy_starts_as_its_formulas_say(data):
    start = data.sel(subject="toy").isel(record=0, seed=0)
    for alpha in network_timescales.RATIOS:
        here = start.sel(alpha=alpha)
        assert float(here["relative_speed_ratio"]) == pytest.approx(alpha * 0.1**2 / 0.6**2)
        assert float(here["absolute_speed_ratio"]) == pytest.approx(alpha * 0.1 / 0.6)
        assert float(here["predictor_gap"]) == pytest.approx(0.4)


@pytest.mark.long
@pytest.mark.parametrize("measure", ["relative_speed_ratio", "absolute_speed_ratio"])
def test_the_speed_ratio_at_the_start_is_proportional_to_alpha_in_every_network(data, measure):
    start = data[measure].isel(record=0)
    for alpha in (0.1, 10.0):
        np.testing.assert_allclose(start.sel(alpha=alpha), alpha * start.sel(alpha=1.0), rtol=1e-4)


@pytest.mark.long
def test_seeds_differ_in_networks_and_not_in_the_toy(data):
    spread = data["relative_speed_ratio"].isel(record=-1).std("seed")
    assert bool((spread.sel(subject="toy") == 0).all())
    assert bool((spread.drop_sel(subject="toy") > 0).all())


def test_the_toy_rests_on_a_line_of_equilibria():
    toy, spectrum = network_timescales._toy(1.0, 60.0, 10)
    assert float(spectrum["zero_eigenvalues"][-1]) == 1.0
    assert float(abs(toy["predictor_gap"][-1])) < 1e-6


@pytest.mark.long
def test_shares_are_shares_and_half_lives_are_told(data):
    share = data["predictor_share"]
    assert float(abs(share).max()) <= 1 + 1e-12
    assert bool((data["half_life_ratio"] > 0).all())
    assert "relative speed at the start" in str(network_timescales.verdict(data).facts)
