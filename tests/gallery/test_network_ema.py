"""A small run of network-ema: without a teacher its start plays no role, and the flow knows the linear network."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim.gallery import network_ema
from dynsim.gallery.plotting import stored_file
from dynsim.storage import open_dataset


@pytest.fixture(scope="module")
def data():
    return network_ema.compute(**network_ema.FIGURE.small)


def test_coefficient_zero_is_no_teacher(data):
    for name in ("norm_network", "norm_flow"):
        warm, cold = (data[name].sel(teacher=0.0, start=start) for start in ("warm", "cold"))
        np.testing.assert_allclose(warm, cold, rtol=1e-12)


def test_a_frozen_cold_teacher_shrinks_everything_and_a_warm_one_does_not(data):
    end = data["norm_network"].isel(record=-1).sel(teacher=1.0)
    assert (end.sel(start="cold") < 0.3).all()
    assert (end.sel(start="warm") > 0.4).all()


def test_training_follows_the_flow_with_the_teachers_rate(data):
    # A norm that has died is compared in units of its start.
    np.testing.assert_allclose(data["norm_network"], data["norm_flow"], rtol=0.25, atol=0.02)
    near, far = (data["norm_flow"].isel(record=-1).sel(start="cold", teacher=m).mean() for m in (0.9, 0.996))
    assert near > 1.3 * far  # the rate matters, so that agreement says something


def test_every_coefficient_keeps_the_spread_and_no_stop_gradient_does_not(data):
    assert float(data["spread_full"].isel(step=-1).max()) < 0.3 < float(data["spread"].isel(step=-1).min())


def test_the_stored_run_starts_where_a_fresh_one_does(data):
    stored = open_dataset(stored_file("network-ema"))
    for name in ("spread", "knn", "rankme"):
        fresh = data[name].isel(step=0)
        np.testing.assert_allclose(fresh, stored[name].isel(step=0).sel(seed=fresh["seed"]), atol=0.03)
    assert (stored["spread_full"].isel(step=-1) < stored["spread"].isel(step=-1).min()).all()


def test_the_one_judge_of_networks_decides_the_fate(data):
    """Its thresholds, not some of our own: a norm of a tenth of the start has collapsed, of a fifth is in doubt."""
    shrunk = data.copy(deep=True)
    shrunk["norm_network"].loc[{"record": data["record"][-1].item()}] = 0.1
    assert network_ema.dead(shrunk, "network").all()
    shrunk["norm_network"].loc[{"record": data["record"][-1].item()}] = 0.2
    assert not network_ema.dead(shrunk, "network").any()
    shrunk["norm_network"].loc[{"record": data["record"][-1].item()}] = 2e3
    assert network_ema.dead(shrunk, "network").all(), "what explodes does not survive"
