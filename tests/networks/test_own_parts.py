"""The user's own encoder, predictor, augmentation, data and measures in training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from dynsim import DynsimError, provenance
from dynsim.networks import Experiment, fit, flow, initial_state, train
from dynsim.networks.datasets import load_images
from dynsim.networks.layers import Layout
from dynsim.networks.optimisers import OPTIMISERS, Block
from dynsim.networks.run import Run


class Conv(nn.Module):
    """A small convolutional network with batch normalisation and running averages."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
        )
        self.out = nn.Linear(16, 4)

    def forward(self, x):
        return self.out(self.body(x))


def mlp(bias=False):
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 6, bias=bias), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 4))


def head():
    return nn.Linear(4, 4, bias=False)


def flip(x):
    return torch.where(torch.rand(len(x), 1, 1, 1, dtype=x.dtype) < 0.5, x.flip(-1), x)


def largest(z):
    return np.abs(z).max()


def test_a_plain_loop_of_the_same_modules_gives_the_same_weights(small):
    """The same start, the same views, torch's own BatchNorm and SGD: five steps agree to rounding."""
    e = small(encoder=Conv, predictor=head, momentum=0.9, eta_s=0.1, eta_p=0.1, batch="full", fixed_views=1, steps=5)
    start = initial_state(e, seed=1)
    trained = fit(e, [1])
    batch = Run(e, load_images(e), [1], torch.device("cpu")).batches.next().views[0]
    encoder, predictor = Conv().double(), head().double()
    weights = {name.removeprefix("encoder."): torch.tensor(value) for name, value in start.items()}
    encoder.load_state_dict({k: v for k, v in weights.items() if k in dict(encoder.named_parameters())}, strict=False)
    predictor.load_state_dict({"weight": torch.tensor(start["predictor.weight"])})
    moving = [*encoder.parameters(), *predictor.parameters()]
    optimiser = torch.optim.SGD(moving, lr=0.05, momentum=0.9, weight_decay=0.1)
    for _ in range(5):
        z = [encoder(view) for view in batch]
        pairs = ((0, 1), (1, 0))
        loss = -sum(nn.functional.cosine_similarity(predictor(z[i]), z[j].detach()).mean() for i, j in pairs) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = trained.parameters(1)
    for name, value in encoder.named_parameters():
        np.testing.assert_allclose(found[f"encoder.{name}"], value.detach(), rtol=1e-7, atol=1e-10)


def test_own_and_registered_encoders_agree(small):
    """The same network as a module and as dynsim's own: the same features in evaluation, from the same weights."""
    own, ours = fit(small(encoder=mlp, steps=0), [3]), fit(small(steps=0), [3])
    parts = own.parameters(3)
    values = {
        "W1": parts["encoder.1.weight"], "W1_scale": parts["encoder.2.weight"], "W1_shift": parts["encoder.2.bias"],
        "W2": parts["encoder.4.weight"], "W2_bias": parts["encoder.4.bias"],
    }  # fmt: skip
    layout = ours.snapshot.network.encoder_layout
    rows = layout.join({name: torch.tensor(value)[None] for name, value in values.items()})
    ours.snapshot.weights.encoder.copy_(rows)
    pictures = own.images.test
    # nn.BatchNorm's running variance has the denominator N − 1 where ours has N: 64 views of images.
    np.testing.assert_allclose(own.features(pictures), ours.features(pictures), rtol=0.03, atol=0.03)


def test_lazy_layers_take_their_shapes_from_the_images(small):
    def lazy():
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(6), nn.ReLU(), nn.LazyLinear(4))

    def plain():
        return nn.Sequential(nn.Flatten(), nn.Linear(36, 6), nn.ReLU(), nn.Linear(6, 4))

    one, other = (fit(small(encoder=factory, measures=["spread"]), [3]).parameters(3) for factory in (lazy, plain))
    for name in other:
        np.testing.assert_array_equal(one[name], other[name])


def test_standardised_images_are_read(small, pictures):
    x = np.concatenate([pictures.train, pictures.test])
    run = train(small(data=(x - x.mean()) / x.std(), augmentation=flip, measures=["spread"]), 1)
    assert np.isfinite(run.spread).all()


def test_seeds_start_apart_and_do_not_see_each_other(small):
    e = small(encoder=mlp, predictor=head, augmentation=flip, measures=["spread", largest], head=True)
    both, alone = train(e, [0, 5]), train(e, [5])
    assert not np.allclose(both.spread[0], both.spread[1])
    xr.testing.assert_allclose(both.sel(seed=[5]), alone, rtol=1e-9)
    assert {"spread", "spread_head", "largest", "largest_head"} <= set(both.data_vars)
    assert np.isfinite(both.largest_head).all()


def test_a_resumed_run_is_the_same(small, tmp_path):
    e = small(encoder=Conv, augmentation=flip, measures=["spread"], teacher=0.9)
    path = tmp_path / "run.ckpt"
    whole = train(e, 1)
    stopped = []

    def stop(done, total, what):
        stopped.append(done)
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(e, 1, checkpoint=path, progress=stop)
    xr.testing.assert_allclose(train(e, 1, checkpoint=path), whole)


def test_measuring_does_not_change_the_run(small):
    often, seldom = (fit(small(encoder=Conv, augmentation=flip, measures=["spread"], every=n), 1) for n in (1, 6))
    for name, value in often.parameters(0).items():
        np.testing.assert_array_equal(value, seldom.parameters(0)[name])


def test_the_flow_of_an_own_network(small):
    e = small(encoder=mlp, predictor=head, images=8, fixed_views=1)
    field = flow(e)
    assert {"encoder.1.weight", "predictor.weight"} <= set(field.names)
    start = initial_state(e)
    y = np.concatenate([start[name].ravel() for name in field.names])
    direction = np.random.default_rng(0).normal(size=len(y))
    change = (field.f(0.0, y + 1e-6 * direction) - field.f(0.0, y - 1e-6 * direction)) / 2e-6
    np.testing.assert_allclose(field.jacobian_function(0.0, y) @ direction, change, rtol=1e-5, atol=1e-6)


def test_torch_data(pictures):
    x = torch.tensor(np.concatenate([pictures.train, pictures.test]))
    y = np.concatenate([pictures.train_labels, pictures.test_labels])
    data = torch.utils.data.TensorDataset(x, torch.tensor(y))
    digests = {Experiment(data=source).digest for source in ((x, y), data, torch.utils.data.DataLoader(data, 7))}
    assert len(digests) == 1
    assert Experiment(data=torch.utils.data.TensorDataset(x)).data.train_labels is None
    pairs = torch.utils.data.TensorDataset(x, x, torch.tensor(y))
    with pytest.raises(DynsimError, match="make views by augmentation=function"):
        Experiment(data=pairs)


def test_text_names_functions_and_does_not_bring_them_back(small):
    e = small(encoder=Conv, augmentation=flip, measures=["spread", largest])
    plain = e.to_dict()
    assert plain["encoder"].endswith("Conv")
    assert "largest" in plain["measures"][1]
    assert e.digest == small(encoder=Conv, augmentation=flip, measures=["spread", largest]).digest
    assert e.digest != e.but(augmentation=lambda x: x).digest
    assert provenance(train(e.but(steps=0), 1))["experiment"]["encoder"] == plain["encoder"]
    with pytest.raises(DynsimError, match="functions are given in Python"):
        Experiment.from_dict({"encoder": plain["encoder"]})
    with pytest.raises(DynsimError, match="functions are given in Python"):
        Experiment.from_dict({"measures": plain["measures"]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": Conv()}, "lambda: MyModule"),
        ({"encoder": lambda: 3}, "makes an nn.Module"),
        ({"encoder": nn.Linear}, "without arguments that makes a module; .*in_features"),
        ({"encoder": lambda: nn.Linear(3, 2)}, "takes inputs of shape"),
        ({"predictor": lambda: nn.Linear(4, 3)}, "3 outputs.*4 outputs"),
        ({"augmentation": lambda x: x[:, :, :3]}, "returns a tensor of the shape it gets"),
        ({"measures": [lambda z: 1.0]}, "a function with a name"),
        ({"head": True, "predictor": "none"}, "nothing behind it"),
    ],
)
def test_what_does_not_fit_is_one_line(small, changes, message):
    with pytest.raises(DynsimError, match=message):
        train(small(**changes), 1)


def test_a_callback_of_the_wrong_kind_is_refused_before_the_work(small, monkeypatch):
    monkeypatch.setattr(Run, "advance", lambda self: pytest.fail("work has begun"))
    for progress in (lambda done: None, 3):
        with pytest.raises(DynsimError, match="three arguments"):
            train(small(), 1, progress=progress)


def test_adamw_without_decay_of_biases_is_torchs(small):
    """Two parameter groups of torch.optim.AdamW, the usual no-decay group for norms and biases."""
    layout = Layout({"W": (3, 2), "W_bias": (3,), "W_scale": (3,)})
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(2, layout.size, generator=generator, dtype=torch.float64)
    block = Block(rows.clone(), rate=0.5, decay=0.3, decayed=layout.matrices.double())
    theirs = nn.Parameter(rows[:, :6].clone()), nn.Parameter(rows[:, 6:].clone())
    groups = [{"params": [theirs[0]], "weight_decay": 0.3 / 0.5}, {"params": [theirs[1]], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=0.1 * 0.5)
    for _ in range(4):
        block.gradient = torch.randn(rows.shape, generator=generator, dtype=torch.float64)
        theirs[0].grad, theirs[1].grad = block.gradient[:, :6].clone(), block.gradient[:, 6:].clone()
        OPTIMISERS["adamw"]([block], 0.1, Experiment(momentum=0.9))
        optimiser.step()
    torch.testing.assert_close(block.weights, torch.cat([p.detach() for p in theirs], 1))


def test_biases_that_do_not_decay_stay_in_the_flow_too(small):
    e = small(encoder="mlp", eta_s=0.5, decay_biases=False, norm="none", bias=True)
    field, with_decay = flow(e), flow(e.but(decay_biases=True))
    start = initial_state(e)
    y = np.concatenate([start[name].ravel() for name in field.names])
    difference = field.split(with_decay.f(0.0, y) - field.f(0.0, y))
    np.testing.assert_allclose(difference["W1"], 0, atol=1e-12)
    np.testing.assert_allclose(difference["W1_bias"], -0.5 * start["W1_bias"], atol=1e-12)
