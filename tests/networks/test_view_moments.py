"""Second moments of views."""

import numpy as np
import pytest

import dynsim
from dynsim import DynsimError
from dynsim.networks import Experiment, Images, second_moments
from dynsim.networks.view_moments import _of_views


def test_sampled_moments_approach_the_exact_ones():
    exact = Experiment(augmentation={"noise": 0.3}, images=300)
    sampled = exact.but(augmentation={"noise": 0.3, "contrast": 1e-12})  # not noise alone: estimated from views
    for one, other in zip(second_moments(exact), second_moments(sampled, views=64), strict=True):
        assert np.linalg.norm(one - other, 2) < 0.05 * np.linalg.norm(one, 2)


def test_the_moment_of_the_mean_view_is_unbiased():
    x = np.zeros((2000, 1, 2, 2))
    noise = Experiment(data=x, augmentation={"noise": 1.0, "contrast": 1e-12}, subtract_mean=False)
    signal, view = second_moments(noise, views=2)
    assert abs(np.diag(signal)).max() < 0.15  # with equal views in it the pairs would give 0.5
    assert abs(np.diag(view) - 1).max() < 0.15


@pytest.mark.parametrize("views", [1, 2.5, None])
def test_too_few_views_are_named(views):
    with pytest.raises(DynsimError, match="views"):
        second_moments(Experiment(images=20), views)


def test_every_default_experiment_gives_moments_that_the_flow_takes():
    for experiment in (Experiment(), Experiment(strength=2.0), Experiment(images=50), Experiment(subtract_mean=False)):
        found = second_moments(experiment, views=4)
        dynsim.matrix_flow(*found, 8)
        assert np.linalg.eigvalsh(found.view - found.signal)[0] > -1e-9
        assert np.linalg.eigvalsh(found.signal)[0] > -1e-12
    assert second_moments(Experiment(), views=2).projected > 0


def test_own_views_give_the_moments_of_their_law():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(3, 3))
    x = rng.normal(size=(200_000, 3)) @ factor + 7.0
    one, two = (x + 0.5 * rng.normal(size=x.shape) for _ in range(2))
    signal, view = second_moments(one, two)
    np.testing.assert_allclose(signal, factor.T @ factor, atol=0.05)
    np.testing.assert_allclose(view - signal, 0.25 * np.eye(3), atol=0.01)
    uncentred, _ = second_moments(one, two, subtract_mean=False)
    np.testing.assert_allclose(uncentred, factor.T @ factor + 49, rtol=0.01)


def test_a_function_that_makes_views_agrees_with_the_experiment():
    rng = np.random.default_rng(1)
    images = rng.random((300, 6))
    noise = second_moments(images - images.mean(0), lambda x: x + 0.3 * rng.normal(size=x.shape), number=64)
    vectors = images[:, None, None]
    exact = second_moments(Experiment(data=Images(vectors, vectors, None, None, "x"), augmentation={"noise": 0.3}))
    np.testing.assert_allclose(noise.signal, exact.signal, atol=0.01)
    np.testing.assert_allclose(noise.view, exact.view, atol=0.01)


def test_random_numbers_of_the_user_are_left_alone():
    torch = pytest.importorskip("torch")
    x = torch.ones(40, 2)
    torch.manual_seed(5)
    one, two, other = (second_moments(x, lambda x: x + torch.randn(x.shape), seed=seed) for seed in (0, 0, 1))
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert drawn == torch.rand(1)
    np.testing.assert_array_equal(one.view, two.view)
    assert (one.view != other.view).any()


def test_the_estimate_is_unbiased_before_it_is_projected():
    rng = np.random.default_rng(2)
    found = []
    for _ in range(3000):
        x = rng.normal(size=(8, 1)) * 2
        found.append(
            [m[0, 0] for m in _of_views([x + rng.normal(size=x.shape) for _ in range(3)], subtract_mean=True)]
        )
    np.testing.assert_allclose(np.mean(found, axis=0), [4, 5], rtol=0.04)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: second_moments(np.ones((4, 2))), "second views"),
        (lambda: second_moments(Experiment(), np.ones((4, 2))), "a whole number"),
        (lambda: second_moments(np.ones((4, 2)), lambda x: x, number=1), "number: got 1"),
        (lambda: second_moments(np.ones((4, 2)), np.ones((5, 2))), "the shape of the first"),
        (lambda: second_moments(np.ones((4, 2)), lambda x: x[:3]), "one view of each of the 4 images"),
        (lambda: second_moments(np.ones((4, 2)), np.full((4, 2), np.nan)), "finite"),
        (lambda: second_moments(np.ones((1, 2)), np.ones((1, 2))), "at least two images"),
        (lambda: second_moments("a", "b"), "arrays"),
    ],
)
def test_views_that_do_not_fit_are_one_line(call, message):
    with pytest.raises(DynsimError, match=message):
        call()
