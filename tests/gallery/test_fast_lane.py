"""Speeds of networks in three branches: what the verdicts count, on constructed speeds, small and stored runs."""

import numpy as np
import pytest
import xarray as xr

from dynsim.gallery import fast_lane, network_timescales
from dynsim.gallery.plotting import stored_file
from dynsim.storage import open_dataset


def constructed(stop=1.0, full=2.0, predictor=3.0):
    """Two seeds, three records: encoders move as fast as is said, every predictor at its own speed."""
    speeds = np.broadcast_to(np.array([stop, full, full])[None, :, None, None], (1, 3, 2, 3)).astype(float)
    dims = ("network", "branch", "seed", "record")
    named = {f"{kind}_encoder": (dims, speeds.copy()) for kind in fast_lane.SPEEDS}
    named |= {f"{kind}_predictor": (dims, np.full(speeds.shape, float(predictor))) for kind in fast_lane.SPEEDS}
    for time in ("half_life", "time90"):
        named |= {f"{time}_{block}": (dims[:3], np.ones((1, 3, 2))) for block in ("encoder", "predictor")}
    named["collapsed"] = (dims[:3], np.zeros((1, 3, 2)))
    coordinates = {"network": ["one"], "branch": ["stop", "full", "target"], "record": [0.0, 0.5, 1.0]}
    return xr.Dataset(named, coordinates, {"alpha": 1.0})


def test_the_verdict_follows_the_speeds():
    assert fast_lane.verdict(constructed()).word == "holds"
    assert fast_lane.verdict(constructed(stop=3.0, predictor=4.0)).word == "holds under conditions"
    assert fast_lane.verdict(constructed(stop=3.0, predictor=2.0)).word == "does not hold"


def test_thresholds_and_seeds_count():
    data = constructed()
    assert fast_lane.slowed(data, factor=1.9).all()
    assert not fast_lane.slowed(data, factor=2.1).any()
    data["relative_speed_encoder"][0, 0, 1, 0] = 5.0  # one seed, with stop-gradient, at the start
    assert not fast_lane.slowed(data).any()
    assert fast_lane.slowed(data, start=False).all()
    assert not fast_lane.ahead(data).sel(branch="stop").any()
    assert fast_lane.ahead(data, start=False).sel(branch="stop").all()


def test_the_facts_say_what_slowness_does_not_save():
    data = constructed()
    assert "all the same: none" in str(fast_lane.verdict(data).facts)
    data["collapsed"][0, 0] = 1.0
    assert "all the same: one" in str(fast_lane.verdict(data).facts)


def test_who_is_ahead_depends_on_the_measure():
    data = constructed()
    data["half_life_predictor"] *= 2
    data["time90_predictor"][..., 0] *= 2
    data["time90_predictor"][..., 1] /= 2
    found = network_timescales.who(data)["one"]
    assert found == {"relative_speed": "predictor", "absolute_speed": "predictor", "half_life": "encoder",
                     "time90": "seeds differ"}  # fmt: skip
    assert "in 0 of 1 networks" in network_timescales.verdict(data).headline


def test_the_toy_in_the_stored_run_is_the_theorem():
    """Half-way times by root finding on exact orbits, and speeds at the start in closed form."""
    toy = open_dataset(stored_file("network-timescales")).sel(network="toy").isel(seed=0)
    np.testing.assert_allclose(toy["half_life_predictor"], [7.631412, 2.230792, 0.869465], rtol=2e-3)
    np.testing.assert_allclose(toy["half_life_encoder"], [6.648599, 4.460950, 1.742880], rtol=2e-3)
    start = toy.isel(record=0)
    np.testing.assert_allclose(fast_lane.ratio(start, "relative_speed"), [1 / 36, 1 / 24, 1 / 60], rtol=1e-5)
    np.testing.assert_allclose(fast_lane.ratio(start, "absolute_speed")[0], 1 / 6, rtol=1e-5)
    assert network_timescales.who(open_dataset(stored_file("fast-lane")))["toy"] == dict.fromkeys(
        network_timescales.MEASURES, "encoder"
    )


def test_all_branches_start_from_the_same_network_and_alpha_is_a_factor():
    """‖W‖ = absolute over relative speed is the same in every branch at the start, and training goes apart."""
    pytest.importorskip("torch")
    data = fast_lane.compute(seeds=2, steps=6, records=3, networks=("MLP, BN",))
    size = (data["absolute_speed_encoder"] / data["relative_speed_encoder"]).sel(network="MLP, BN")
    start, end = size.isel(record=0), size.isel(record=-1)
    np.testing.assert_allclose(start.sel(branch="full"), start.sel(branch="stop"), rtol=1e-4)
    assert float(abs(end.sel(branch="full") / end.sel(branch="stop") - 1).max()) > 1e-4
    faster = fast_lane.compute(seeds=2, steps=6, records=3, networks=("MLP, BN",), alpha=10.0)
    one, ten = (fast_lane.ratio(one.isel(record=0), "relative_speed") for one in (data, faster))
    np.testing.assert_allclose(ten, 10 * one, rtol=1e-4)
    assert str(fast_lane.verdict(faster).facts).endswith(str(fast_lane.verdict(data).facts).splitlines()[-1])


def test_networks_are_named():
    with pytest.raises(Exception, match="deep MLP"):
        fast_lane.compute(networks=("resnet",))
