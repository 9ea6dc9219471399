"""The periodic table of collapse: its verdict counts what it says, and depends on what networks did."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim.gallery import methods
from dynsim.gallery.plotting import data_for


def test_features_that_live_against_theory_are_counted_as_wrong():
    data = data_for("methods", {})
    assert methods.verdict(data).word in ("holds", "holds under conditions")
    claimed = {name for name, plan in methods.PLANS.items() if plan.theory}
    assert claimed <= set(methods.scores(data)) <= set(methods.PLANS)
    dead = data["predicted"] == 0
    grown = data["measured"].max("feature") + data["lambda_s"]
    everywhere = data.assign(measured=data["measured"].where(~dead, grown))
    assert methods.verdict(everywhere).word == "does not hold"
    for row in methods.scores(everywhere).values():
        assert row["right"] < 0.95


def test_near_and_undecided_features_are_left_out():
    data = data_for("methods", {})
    none = data.assign(near=data["near"] | (data["lambda_d"] > 0.6))
    for before, after in zip(methods.scores(data).values(), methods.scores(none).values(), strict=True):
        assert after["features"] < before["features"]


def test_a_small_run_has_what_the_stored_one_has():
    small = methods.compute(seeds=1, steps=20, methods=("simsiam",))
    assert dict(small.sizes) == {"method": 1, "value": 5, "feature": 8, "seed": 1}
    assert np.isfinite(small["measured"]).all()
    stored = data_for("methods", {}).sel({"method": "simsiam"})
    np.testing.assert_allclose(small["predicted"][0], stored["predicted"], rtol=1e-6)


def test_amplitudes_order_and_half_steps_are_scored_by_hand():
    data = data_for("methods", {}).sel({"method": ["spectral"]})
    perfect = data.assign(measured=data["predicted"].broadcast_like(data["measured"]), halved=data["predicted"])
    ranks = data["order"].where(data["order"] > 0).broadcast_like(data["half_time"])
    timed = perfect.assign(half_time=(10 * ranks).fillna(-1))
    row = methods.scores(timed)["spectral"]
    assert (row["error"], row["close"], row["error_close"], row["order"]) == (0, 5, 0, 1)
    turned = methods.scores(timed.assign(half_time=(100 - 10 * ranks).fillna(-1)))["spectral"]
    assert turned["order"] == -1
    shaky = methods.scores(timed.assign(halved=1.03 * data["predicted"]))["spectral"]
    assert (shaky["close"], shaky["error"]) == (0, 0)
    larger = methods.scores(timed.assign(measured=1.1 * timed["measured"]))["spectral"]
    assert larger["error"] == pytest.approx(0.1)
