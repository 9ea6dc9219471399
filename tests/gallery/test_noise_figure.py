"""A small run of the figure noise: larger batches live longer, and what is written is what was measured."""

import numpy as np
import pytest

import dynsim
from dynsim.gallery import noise
from dynsim.gallery.plotting import stored_file
from dynsim.storage import open_dataset


@pytest.fixture(scope="module")
def data():
    return noise.compute(**noise.FIGURE.small)


@pytest.fixture(scope="module")
def stored():
    return open_dataset(stored_file("noise"))


def test_it_starts_where_the_flow_rests(data):
    start = dynsim.provenance(data)["initial"]
    flow = dynsim.gradient_flow(noise.LOSS, "phi, theta", random=noise.VIEWS, decay={"phi": "eta", "theta": "eta"})
    velocity = flow.field({"sigma2": 0.1, "eta": 0.2}).f(0.0, np.array([start["phi"], start["theta"]]))
    np.testing.assert_allclose(velocity, 0.0, atol=1e-14)


def test_larger_batches_live_longer(data):
    times = data["mean_escape_time"]
    assert (times.isel(B=1) > times.isel(B=0)).all()
    assert (data["escaped"] > 20).all()
    assert ((data["escaped"] + data["censored"]) == data.sizes["seed"]).all()


def test_the_verdict_counts(data):
    found = noise.verdict(data)
    assert found.word == "measured"
    own = data["mean_escape_time"].sel(process="minibatch")
    assert f"{float(own[0]):.3g} at B = 1, {float(own[1]):.3g} at B = 2" in found.headline
    assert str(int(data["escaped"].sel(process="minibatch").sum())) in found.facts["fact"][0]
    none = data.assign(mean_escape_time=data["mean_escape_time"] * 0 + 5.0)
    assert "does not grow" in noise.verdict(none).headline
    nowhere = data.assign(mean_escape_time=data["mean_escape_time"] * np.nan)
    assert noise.verdict(nowhere).headline == "No path collapsed in the time that was watched"


def test_noise_keeps_linear_networks_away_from_balance_as_predicted(data, stored):
    """The imbalance is h/(2ηB) times what single samples say: fresh at one batch, stored at seven."""
    for run, largest in ((data, 0.1), (stored, 0.1)):
        assert float(abs(noise.imbalance_error(run)[-1])) < largest
    slope = np.polyfit(np.log(stored["network_batch"][2:]), np.log(stored["imbalance"].mean("few")[2:]), 1)[0]
    assert slope == pytest.approx(-1, abs=0.05)


def test_small_batches_spread_the_living_mode_about_that_of_the_flow(stored):
    size = stored["network_size"].where(noise.network_alive(stored))
    spread = size.std("network_seed")
    assert float(spread[0]) > 3 * float(spread[-1])
    assert float(abs(size[-1] - stored["flow_size"]).max()) < 0.05
    words = str(noise.verdict(stored).facts)
    assert f"of {stored.sizes['network_seed']} seeds" in words
    assert f"{int(noise.network_alive(stored)[0].sum())} at B = 2" in words


def test_one_step_of_minibatch_descent_changes_the_balance_by_the_stated_amount():
    """WWᵀ − PᵀP gains h²(PᵀGGᵀP − WGᵀGWᵀ) in a step along −G, the gradient of the product PW."""
    rng = np.random.default_rng(0)
    p, w, g, h = rng.normal(size=(3, 3)), rng.normal(size=(3, 5)), rng.normal(size=(3, 5)), 0.1
    later_p, later_w = p - h * g @ w.T, w - h * p.T @ g
    gained = (later_w @ later_w.T - later_p.T @ later_p) - (w @ w.T - p.T @ p)
    np.testing.assert_allclose(gained, h**2 * (p.T @ g @ g.T @ p - w @ g.T @ g @ w.T), atol=1e-12)
