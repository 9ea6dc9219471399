"""A small run of the figure noise: larger batches live longer, and what is written is what was measured."""

import numpy as np
import pytest

import dynsim
from dynsim.gallery import noise


@pytest.fixture(scope="module")
def data():
    return noise.compute(**noise.FIGURE.small)


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
