"""Toy, linear network and real network of one configuration."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")

import dynsim
from dynsim import DynsimError
from dynsim.gallery.compare import compute, linear_counterpart, verdict, verdict_table
from dynsim.networks import Experiment, second_moments

TINY = {"seeds": 2, "steps": 6, "images": 100, "dim": 4, "every": 3}


def test_the_toy_is_the_leading_mode_in_the_networks_time():
    data = compute(**TINY, branch="full", alpha=2.0, eta_s=0.1, augmentation={"noise": 0.5})
    predicted = dynsim.provenance(data)["predicted"]
    signal, _ = second_moments(Experiment(images=100, augmentation={"noise": 0.5}))
    lambda_d = np.linalg.eigvalsh(signal)[-1]
    assert predicted["lambda_d"] == pytest.approx(lambda_d)
    assert predicted["parameters"]["sigma2"] == pytest.approx(0.25 / lambda_d, abs=1e-6)
    assert predicted["collapsed"] is True
    # the same run by the aligned modes, which take λ_d and λ_s as they are
    modes = dynsim.system("modes", branch="full", variant="simsiam", k=1)
    rates = {"lambda_d1": lambda_d, "lambda_s1": lambda_d + 0.25, "alpha": 2.0, "eta_p": 0.0, "eta_s": 0.1}
    other = dynsim.solve(modes, {"p1": 0.6, "w1": 0.1}, times=data["time"].values, parameters=rates)
    np.testing.assert_allclose(data["toy_size"], abs(other["w1"]) / 0.1, rtol=1e-5)


def test_a_teacher_brings_the_scalar_system_with_a_teacher():
    predicted = dynsim.provenance(compute(**TINY, teacher=0.9, lr=0.05))["predicted"]
    slow = -np.log(0.9) * 0.1 / 0.05 / predicted["lambda_d"]  # −ln(m)(1 − momentum)/lr, in the toy's units
    assert predicted["parameters"]["beta"] == pytest.approx(slow, abs=1e-6)


def long_enough(data):
    """The same runs, as if the toy had been decided, alive, when they end."""
    predicted = dynsim.provenance(data)["predicted"] | {"needs": 0.0, "collapsed": False}
    return data.assign_attrs(predicted=json.dumps(predicted))


def test_runs_that_end_too_early_decide_nothing():
    data = compute(**TINY)
    row = verdict_table(data)[0]
    assert row["toy"].startswith("undecided: the runs end at t =")
    assert row["linear agrees"] == row["real agrees"] == "no prediction"
    assert verdict_table(long_enough(data))[0]["toy"] == "no"


def test_a_network_whose_runs_end_before_the_toy_is_decided_says_nothing():
    data = long_enough(compute(**TINY))
    time = data["network_time"].copy()
    time.loc[{"network": "linear"}] *= 0.01
    predicted = dynsim.provenance(data)["predicted"] | {"needs": float(data["network_time"].max()) / 2}
    row = verdict_table(data.assign(network_time=time).assign_attrs(predicted=json.dumps(predicted)))[0]
    assert row["linear agrees"].startswith("undecided: its runs end at t =")
    assert row["real agrees"] in ("yes", "no", "in part")


def test_the_common_offset_of_the_views_is_no_mode_of_the_images():
    predicted = dynsim.provenance(compute(**TINY))["predicted"]
    signal, _ = second_moments(Experiment(images=100))
    assert predicted["lambda_d"] < 0.5 * np.linalg.eigvalsh(signal)[-1]


def test_the_table_counts_seeds_and_the_verdict_follows_from_it():
    data = long_enough(compute(**TINY))
    for network in ("linear", "real"):
        data["spread"].loc[{"network": network}] = 0.9
        data["norm_ratio"].loc[{"network": network}] = 1.0
    data["norm_ratio"].loc[{"network": "real", "seed": 1}] = 0.01
    row = verdict_table(data)[0]
    assert (row["toy"], row["linear"], row["linear agrees"]) == ("no", "0 of 2 seeds", "yes")
    assert (row["real"], row["real agrees"]) == ("1 of 2 seeds", "in part")
    assert "'the encoder collapses'" in str(verdict(data).facts).partition("the real network")[2]


def test_the_first_integral_is_asked_for_only_where_it_holds():
    questions = {branch: verdict_table(compute(**TINY, branch=branch))["question"] for branch in ("stop", "target")}
    assert len(questions["stop"]) == len(questions["target"]) + 1


def test_the_linear_counterpart_keeps_what_the_question_is_about():
    real = Experiment(branch="target", alpha=3.0, eta_s=0.01, images=100, width=7, bias=True)
    linear = linear_counterpart(real)
    assert (linear.encoder, linear.predictor, linear.objective, linear.norm) == ("linear", "linear", "squared", "none")
    assert linear.steps * linear.lr == pytest.approx(real.steps * real.lr)  # the same flow time
    for name in ("branch", "alpha", "eta_s", "images", "augmentation"):
        assert getattr(linear, name) == getattr(real, name)
    assert linear_counterpart(linear) == linear


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"objective": "barlow", "predictor": "none"}, "objective"), ({"predictor": "fixed"}, "predictor")],
)
def test_what_the_toy_has_no_counterpart_for_is_refused(changes, words):
    with pytest.raises(DynsimError, match=words):
        compute(**TINY, **changes)
