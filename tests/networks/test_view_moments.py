"""Second moments of views."""

import numpy as np
import pytest

from dynsim import DynsimError
from dynsim.networks import Experiment, second_moments


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
