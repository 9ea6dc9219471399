from __future__ import annotations

import numpy as np
import pytest
import torch

from dynsim.errors import DynsimError
from dynsim.networks import deep_image_prior, photograph
from dynsim.networks.image_prior import Hourglass

SMALL = {"channels": 6, "levels": 2, "skip": 2}


@pytest.fixture
def squares():
    """Two tasks, two seeds, one channel, 8 × 8."""
    pictures = np.full((2, 2, 1, 8, 8), 0.2)
    pictures[0, ..., 2:6, 2:6] = 0.8
    pictures[1, ..., :4] = 0.7
    return pictures


def test_networks_do_not_see_each_other():
    net = Hourglass(inputs=3, channels=5, skip=2, outputs=1, levels=2)
    rows, noise = torch.randn(3, net.layout.size), torch.rand(3, 3, 8, 8)
    together = net(rows, noise)
    for index in range(3):
        torch.testing.assert_close(net(rows[index : index + 1], noise[index : index + 1]), together[index : index + 1])


def test_seeds_and_tasks_do_not_depend_on_company(squares):
    moments = (0, 3)
    both = deep_image_prior(squares, seeds=[4, 7], moments=moments, **SMALL)
    alone = deep_image_prior(squares[1:, 1:], seeds=[7], moments=moments, **SMALL)
    np.testing.assert_allclose(both[:, 1:, 1:], alone, atol=1e-4)
    np.testing.assert_array_equal(both[0, 0], both[0, 1])  # all tasks of a seed start alike
    assert not np.allclose(both[0, 0, 0], both[0, 0, 1])


def test_missing_pixels_do_not_count(squares):
    known = np.ones_like(squares)
    known[..., 3] = 0
    other = squares.copy()
    other[..., 3] = 0.99
    runs = [deep_image_prior(x, known, seeds=2, moments=(5,), **SMALL) for x in (squares, other)]
    np.testing.assert_array_equal(*runs)
    assert not np.allclose(runs[0], deep_image_prior(squares, seeds=2, moments=(5,), **SMALL))


def test_zero_weights_learn_one_grey_only(squares):
    shown = deep_image_prior(squares, seeds=2, moments=(0, 30), init="zero", **SMALL)
    assert np.ptp(shown, axis=(-2, -1)).max() < 1e-5
    assert np.ptp(deep_image_prior(squares, seeds=2, moments=(30,), **SMALL), axis=(-2, -1)).min() > 0.1


def test_photographs():
    flower = photograph("flower")
    assert flower.shape == (3, 64, 64)
    assert 0 <= flower.min() < 0.1
    assert 0.9 < flower.max() <= 1
    np.testing.assert_array_equal(photograph("flower", top=104, left=191, size=10), flower[:, 4:14, 1:11])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: deep_image_prior(x[0], **SMALL), "pictures"),
        (lambda x: deep_image_prior(x, seeds=3, **SMALL), "3 seeds"),
        (lambda x: deep_image_prior(x[..., :6], seeds=2, **SMALL), "multiples of 4"),
        (lambda x: deep_image_prior(x, seeds=2, moments=(5, 3), **SMALL), "moments"),
        (lambda x: photograph("rose"), "flower"),
        (lambda x: photograph(top=400), "within"),
    ],
)
def test_bad_input_is_named(squares, call, words):
    with pytest.raises(DynsimError, match=words):
        call(squares)
