from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from dynsim.errors import DynsimError
from dynsim.networks import fit, initial_state, measures, train


def test_the_dataset_is_that_of_train(small):
    e = small(measures=["norm_ratio"])
    xr.testing.assert_identical(fit(e, 2).dataset, train(e, 2))


@pytest.mark.parametrize("norm", ["none", "batch", "batch-out"])
def test_features_are_those_that_are_measured(small, norm):
    e = small(measures=["knn"], augmentation={}, norm=norm)
    trained = fit(e, [3, 1])
    images = trained.images
    found = measures.knn(
        trained.features(images.train), images.train_labels, trained.features(images.test), images.test_labels
    )
    np.testing.assert_allclose(found, trained.dataset.knn[:, -1])
    alone = trained.features(images.test[4:5])
    torch.testing.assert_close(alone, trained.features(images.test)[:, 4:5])


def test_views_average_to_the_picture(small):
    trained = fit(small(), 1)
    x = trained.images.test[:3]
    views = trained.views(x, 400)
    assert views.shape == (400, 3, 1, 6, 6)
    assert float((views.mean(0) - torch.tensor(x)).abs().max()) < 5 * 0.2 / 20
    assert torch.equal(views, trained.views(x, 400))
    assert not torch.equal(views[:5], trained.views(x, 5, seed=1))


@pytest.mark.parametrize("encoder", ["linear", "mlp", "mlp-tanh", "cnn"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_directional_derivative_is_the_jacobian_of_the_features(small, encoder, norm):
    trained = fit(small(encoder=encoder, norm=norm), 2)
    x = torch.tensor(trained.images.test[:3])
    directions = trained.views(x, 4) - x
    found = trained.directional_derivative(x, directions)
    for k, delta in enumerate(directions):
        for n in range(3):

            def along(t, n=n, delta=delta):
                return trained.snapshot.encoded((x + t * delta - trained.source.mean)[n][None, None, None])

            jacobian = torch.autograd.functional.jacobian(along, torch.tensor(0.0, dtype=torch.float64))
            torch.testing.assert_close(found[:, k, n], jacobian[:, :, 0, 0], rtol=1e-10, atol=1e-12)


def test_tanh_is_smooth_where_relu_is_not(small):
    x = torch.linspace(0, 1, 401, dtype=torch.float64)
    for encoder, smooth in {"mlp": False, "mlp-tanh": True}.items():
        trained = fit(small(encoder=encoder, steps=0), 2)
        one, other = torch.tensor(trained.images.test[:2])
        z = trained.features(one + x[:, None, None, None] * (other - one))
        bend = z.diff(n=2, dim=1).abs().amax(-1)
        assert bool((bend.amax(1) < 20 * bend.mean(1)).all()) == smooth


def test_parameters(small):
    e = small(teacher=0.9, steps=0)
    found, start = fit(e, [5, 2]).parameters(2), initial_state(e, seed=2)
    assert found.keys() == start.keys()
    for name, value in start.items():
        np.testing.assert_array_equal(found[name], value)


def test_bad_input(small):
    trained = fit(small(steps=0), [5])
    with pytest.raises(DynsimError, match=r"\(N, 1, 6, 6\)"):
        trained.features(np.zeros((3, 6, 6)))
    with pytest.raises(DynsimError, match="directions"):
        trained.directional_derivative(np.zeros((3, 1, 6, 6)), np.zeros((2, 1, 6, 6)))
    with pytest.raises(DynsimError, match=r"seed: got 0, expected one of \[5\]"):
        trained.parameters(0)


class TestMeasured:
    NAMES = ("spread", "rankme", "norm_ratio")

    def test_the_networks_own_weights_are_the_last_record_and_its_first_ones_the_first(self, small):
        e = small(measures=self.NAMES, encoder="linear", norm="none", bias=False)
        trained = fit(e, [3, 1])
        first = np.stack([initial_state(e, seed)["W"] for seed in (3, 1)])
        for name in self.NAMES:
            np.testing.assert_allclose(trained.measured()[name], trained.dataset[name][:, -1])
            np.testing.assert_allclose(trained.measured(W=first)[name], trained.dataset[name][:, 0])

    def test_bad_input(self, small):
        trained = fit(small(steps=0, encoder="linear"), 2)
        with pytest.raises(DynsimError, match="encoder parameter: got 'V'"):
            trained.measured(V=np.zeros((2, 4, 36)))
        with pytest.raises(DynsimError, match="one per seed"):
            trained.measured(W=np.zeros((4, 36)))
