"""Stronger optimisers: exact numbers of the toy, two roads to a field, and what the verdict counts."""

import numpy as np
import pytest

pytest.importorskip("torch")

import dynsim
from dynsim.gallery import stronger
from dynsim.gallery.plotting import stored_file
from dynsim.networks import strong_steps
from dynsim.storage import open_dataset

TOY = strong_steps.SmallNetwork("toy", 0, 0)


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_the_field_of_the_toy_is_the_toy(branch):
    field = dynsim.system("toy", branch=branch).field().f(0.0, np.array([0.6, 0.1]))
    np.testing.assert_allclose(-TOY.slope(TOY.start, branch), field, rtol=1e-12)


@pytest.mark.parametrize(("order", "end"), [("PW", (1.0, 0.1)), ("WP", (1.0, 1 / 6))])
def test_exact_minimisation_in_turn_keeps_the_toy_alive_in_either_order(order, end):
    """By hand: φ = 1 at once, or θ = θ(0)/φ(0) first."""
    y = strong_steps._exact(TOY, TOY.start, "stop", 1.0, order)
    np.testing.assert_allclose(y, end, rtol=1e-6)


def test_exact_minimisation_without_stop_gradient_hangs_on_the_order():
    alive, dead = (strong_steps._exact(TOY, TOY.start, "full", 1.0, order)[1] for order in ("PW", "WP"))
    assert float(alive) == pytest.approx(0.1)
    assert abs(float(dead)) < 1e-6


def test_newton_with_stop_gradient_runs_to_the_origin():
    y = TOY.start
    for _ in range(20):
        y = strong_steps._newton(TOY, y, "stop", 1.0, "")
    assert float(y.norm()) < 1e-4


def test_gauss_newton_halves_the_residual_of_a_linear_network():
    network = strong_steps.SmallNetwork("linear", 0, 60)
    y = strong_steps._gauss_newton(network, network.start, "full", 1.0, "")
    before, after = (network.residual(one, one, "full").square().sum() for one in (network.start, y))
    assert float(after) < 0.5 * float(before)


def test_the_best_predictor_is_a_minimum():
    network = strong_steps.SmallNetwork("hidden layer", 0, 60)
    y = strong_steps._best_predictor(network, network.start, "stop")
    assert float(network.slope(y, "stop")[:16].abs().max()) < 1e-10
    assert float(network.slope(network.start, "stop")[:16].abs().max()) > 1e-3


def test_the_verdict_counts_changed_fates():
    stored = open_dataset(stored_file("stronger")).load()
    counted = stronger.verdict(stored)
    same = stored.copy(deep=True)
    usual = stored["fate"].sel(optimiser="gradient descent", size="small")
    same["fate"] = only_where_run(stored["fate"], usual)
    assert stronger.verdict(same).word == "does not hold"
    assert "in 0 of" in stronger.verdict(same).headline
    assert "in 0 of" not in counted.headline


def only_where_run(fate, usual):
    return usual.broadcast_like(fate).where(fate.notnull()).transpose(*fate.dims)
