"""A small run of counter-examples: theory agrees where it is exact, and stop-gradient does not save every network."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim.gallery import counter_examples
from dynsim.gallery.counter_settings import HIDDEN, LINEAR, CounterSetting, by_matrix_flow, by_modes, toy_outcome
from dynsim.gallery.linear_networks import image_moments, linear_experiment
from dynsim.gallery.plotting import stored_file
from dynsim.storage import open_dataset


@pytest.fixture(scope="module")
def data():
    return counter_examples.compute(**counter_examples.FIGURE.small)


CHANGES = ({}, {"eta_p": 0.1, "eta_s": 0.1}, {"branch": "full"}, {"teacher": 0.99})


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_from_aligned_weights_both_theories_are_one(changes):
    q = np.linalg.eigh(image_moments()[0])[1][:, :-5:-1]
    u = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    size = np.array([0.9, 0.7, 0.3, 0.2])
    start = {"P": u @ np.diag([0.5, -0.8, 0.2, 1.0]) @ u.T, "W": u @ (size[:, None] * q.T)}
    if "teacher" in changes:
        start["V"] = 0.5 * start["W"]
    e = linear_experiment(dim=4, momentum=0.9, **changes)
    found, exact = by_modes(e, start, 20.0), by_matrix_flow(e, start, 20.0)
    np.testing.assert_allclose(found, exact, atol=1e-5)
    assert np.abs(exact - start["W"]).max() > 0.05


def test_the_matrix_flow_foretells_the_linear_networks(data):
    linear = data.isel(setting=(data["network"] == "linear").values)
    end = linear["norm_ratio"].sel(moment="end")
    np.testing.assert_allclose(end, linear["flow_norm_ratio"], rtol=0.25, atol=0.02)
    sizes = end.mean("seed")
    assert float(sizes.sel(setting="linear: predictor starts at −1")) < 0.5
    assert float(sizes.sel(setting="linear: decay 0.2")) < 0.05
    assert float(sizes.sel(setting="linear: as usual")) > 1


def test_the_toy_is_asked_at_its_own_numbers():
    assert not toy_outcome(CounterSetting()).collapsed
    for name in ("predictor starts at −1", "predictor starts at +1", "decay 0.2", "decay 0.03, tiny start"):
        assert toy_outcome(LINEAR[name]).collapsed
    for name in ("no BN", "squared error", "frozen random teacher"):
        assert not toy_outcome(HIDDEN[name]).collapsed


def test_alarms_hear_what_they_should(data):
    healthy = data.isel(setting=[0]).copy(deep=True)
    for name, value in {"spread": 0.9, "rankme": 20.0, "norm_ratio": 1.0, "knn": 0.3}.items():
        healthy[name][:] = value
    healthy["norm_growth"][:] = 1.0
    healthy["knn"].loc[{"moment": "end"}] = 0.5
    assert not counter_examples.alarms(healthy).any()
    assert (counter_examples.fates(healthy) == 0).all()
    for name, value in (("spread", 0.05), ("rankme", 1.2), ("norm_ratio", 0.1), ("norm_ratio", 2000.0), ("knn", 0.1)):
        ill = healthy.copy(deep=True)
        ill[name].loc[{"moment": "end", "seed": 1}] = value
        alarm = counter_examples.alarms(ill)
        assert alarm["measure"].values[alarm.values[:, 0]].tolist() == [name]
        if name in ("spread", "rankme"):  # while kNN still tells classes apart, that is a doubt
            assert counter_examples.fates(ill).isnull().all()
            ill["knn"].loc[{"moment": "end", "seed": 1}] = 0.3
        assert (counter_examples.fates(ill) == 1).all() or name == "knn"
    near = healthy.copy(deep=True)
    near["rankme"].loc[{"moment": "end"}] = 7.0
    near["rankme"].loc[{"moment": "start"}] = 10.0
    near["knn"].loc[{"moment": "end"}] = 0.33  # too little a gain to save it
    assert (counter_examples.fates(near) == 0).all()
    assert (counter_examples.fates(counter_examples.scaled(near, "rankme", 0.8)) == 1).all()
    assert "0 to 1 of 1 settings" in counter_examples.verdict(near).headline
    assert not counter_examples.worse(near).any()
    near["knn"].loc[{"moment": "end"}] = 0.2
    assert counter_examples.worse(near).all()
    lost = healthy.copy(deep=True)
    for name in counter_examples.MEASURES:
        lost[name].loc[{"moment": "end"}] = np.nan
    assert counter_examples.alarms(lost).all()


def test_a_predictor_at_one_loses_rank_and_no_features():
    stored = open_dataset(stored_file("counter-examples"))
    name = "linear: predictor starts at +1"
    assert counter_examples.fates(stored).sel(setting=name) == 1
    assert not counter_examples.worse(stored).sel(setting=name)
    assert name in str(counter_examples.verdict(stored).facts).rpartition("not so:")[2]


def test_the_stored_run_finds_failures_that_no_single_measure_without_labels_sees():
    stored = open_dataset(stored_file("counter-examples"))
    alarm, fate = counter_examples.alarms(stored), counter_examples.fates(stored)
    assert (
        fate.sel(setting=["linear: predictor starts at −1", "hidden layer: no BN", "linear: decay 0.2"]) == 1
    ).all()
    assert not (fate.sel(setting=["linear: as usual", "hidden layer: as usual"]) == 1).any()
    blind = alarm.sel(measure=["spread", "rankme", "norm_ratio"])
    assert ((blind & (fate == 1)).sum("setting") < (fate == 1).sum()).all()
