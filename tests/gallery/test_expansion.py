"""A small run of expansion: orders, factor and variances as theory has them."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim.gallery import expansion as room
from dynsim.gallery.expansion import losses as expansion


@pytest.fixture(scope="module")
def data():
    return expansion.compute(**room.FIGURE.small)


@pytest.mark.long
def test_a_linear_network_has_no_error(data):
    assert float(data["optimal_error"].sel(network="linear").max()) < 1e-10
    assert float(data["pair_error"].sel(network="linear").max()) < 1e-10


@pytest.mark.long
@pytest.mark.parametrize("loss", ["optimal_error", "pair_error"])
def test_smooth_and_symmetric_is_second_order_anything_else_first(data, loss):
    order = expansion.order(data, loss)
    smooth = order.sel(network="tanh", stage="trained")
    np.testing.assert_allclose(smooth.sel(augmentation=["noise", "erasing, mirrored"]), 2, atol=0.05)
    np.testing.assert_allclose(smooth.sel(augmentation=["erasing", "all six"]), 1, atol=0.25)
    assert np.isnan(order.sel(network="linear")).all()


@pytest.mark.long
def test_kinks_cost_an_order(data):
    error = data["optimal_error"].sel(augmentation="noise").mean(["stage", "seed"]).isel(strength=-1)
    assert float(error.sel(network="ReLU")) > 10 * float(error.sel(network="tanh"))


@pytest.mark.long
def test_variance_identity(data):
    assert float(data["identity_error"].max()) < 1e-12


def test_the_identity_holds_about_the_mean_and_about_no_other_point():
    skewed = np.random.default_rng(0).exponential(size=(2, 30, 3, 4))
    assert expansion.identity_error(skewed - skewed.mean(1, keepdims=True)).max() < 1e-12
    assert expansion.identity_error(skewed).max() > 0.1  # not about another point than the mean


@pytest.mark.long
def test_both_losses_are_one_up_to_the_factor(data):
    corrected = data["factor"].sel(estimate="corrected", views=32)
    np.testing.assert_allclose(corrected, 2, rtol=0.1)
    own, other = (data["factor"].sel(estimate=f"mean of {which} views", views=4) for which in ("the same", "other"))
    assert (own > 2.3).all()
    assert (other < 1.8).all()


def test_partners_are_other_views_and_respect_the_mirror():
    for views, mirrored in ((7, False), (8, True)):
        partner = expansion.partners(views, mirrored)
        assert (partner != np.arange(views)).all()
        assert (partner % 4 != np.arange(views) % 4).all() or not mirrored
    np.testing.assert_array_equal((expansion.partners(8, True)[:4] + 4) % 8, expansion.partners(8, True)[4:])


@pytest.mark.long
def test_stop_gradient_without_predictor_is_half_the_learning_rate(data):
    norm = data["norm_ratio"]
    both, halved = norm.sel(trained="two views"), norm.sel(trained="two views, stop-gradient, 2 lr")
    np.testing.assert_allclose(both, halved, rtol=1e-10)
    assert (both.isel(step=-1) < 0.6).all()
    assert (norm.sel(trained="two views, stop-gradient and predictor").isel(step=-1) > 0.6).all()
