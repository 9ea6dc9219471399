"""The same on a GPU: same starts, same mathematics, repeatable; a monitor reads what is there and changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import dynsim
from dynsim.monitor import Monitor, attach
from dynsim.networks import Experiment, fit, flow, initial_state, train
from dynsim.networks.datasets import load_images
from dynsim.networks.measures import MEASURES
from dynsim.networks.network import Batch
from dynsim.networks.objectives import BRANCHES, OBJECTIVES
from dynsim.networks.run import Run

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
DEVICE = torch.device("cuda")
CPU = torch.device("cpu")
TEACHERS = {"dino": {"prototypes": 5, "teacher": 0.5}, "swav": {"prototypes": 5}, "data2vec": {"teacher": 0.5}}
METHODS = sorted(dynsim.list_methods()["name"]) if torch.cuda.is_available() else ()


def gradients(experiment, seeds=(0, 3)):
    """Loss and gradients of one batch, the same on both devices."""
    found, batch = [], None
    for device in (CPU, DEVICE):
        run = Run(experiment, load_images(experiment), seeds, device)
        if batch is None:
            batch = run.batches.next()
        there = Batch(batch.views.to(device), None if batch.labels is None else batch.labels.to(device))
        losses = run.network.loss(run.weights, there)
        moving = [block.weights for block in run._moving]
        found.append([losses, *torch.autograd.grad(losses.sum(), moving, materialize_grads=True)])
    return found


def assert_the_same(experiment):
    for one, two in zip(*gradients(experiment), strict=True):
        assert two.device.type == DEVICE.type
        torch.testing.assert_close(one, two.cpu(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("encoder", ["linear", "mlp", "mlp-tanh", "cnn"])
@pytest.mark.parametrize("norm", ["none", "batch", "batch-out", "layer"])
def test_every_encoder(small, encoder, norm):
    assert_the_same(small(encoder=encoder, norm="none" if encoder == "linear" and norm == "layer" else norm))


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("predictor", ["none", "linear", "fixed", "mlp", "optimal"])
def test_every_branch_and_predictor(small, branch, predictor):
    if predictor in ("fixed", "optimal") and branch == "full":
        branch = "stop"
    assert_the_same(small(branch=branch, predictor=predictor))


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_every_objective(small, objective):
    more = {"predictor": "none"} if OBJECTIVES[objective].symbols else {}
    assert_the_same(small(objective=objective, **more, **TEACHERS.get(objective, {})))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_as_text(small, name):
    text, knobs = dynsim.method(name).loss, dynsim.method(name).knobs
    words = {word for word in knobs if word in text and not isinstance(knobs[word], str | None)}
    predictor = "linear" if "p1" in text else "none"
    given = {word: knobs[word] for word in words}
    more = TEACHERS.get(name, {})
    try:
        experiment = small(objective=text, knobs=given, predictor=predictor, batch=16, **more)
    except dynsim.DynsimError as error:  # words inside other words are not knobs of the text
        kept = {word: value for word, value in given.items() if f"'{word}'" not in str(error)}
        experiment = small(objective=text, knobs=kept, predictor=predictor, batch=16, **more)
    assert_the_same(experiment)


@pytest.mark.parametrize("encoder", ["linear", "mlp", "cnn"])
def test_full_batch_agrees_with_the_cpu(small, encoder):
    e = small(encoder=encoder, batch="full", augmentation={}, measures=["spread", "norm_ratio", "knn"])
    xr.testing.assert_allclose(train(e, 2, device=DEVICE), train(e, 2), rtol=1e-6)


@pytest.mark.parametrize("optimiser", ["sgd", "adam", "adamw", "sign", "lbfgs"])
def test_every_optimiser_agrees_with_the_cpu(small, optimiser):
    e = small(optimiser=optimiser, batch="full", augmentation={}, measures=["norm_ratio"], lr=0.01)
    xr.testing.assert_allclose(train(e, 2, device=DEVICE), train(e, 2), rtol=1e-6)


@pytest.mark.parametrize("more", [{}, {"teacher": 0.9, "encoder": "cnn"}, {"objective": "squared", "eta_s": 0.01}])
def test_every_measure(small, more):
    names = [name for name in MEASURES if name != "teacher_distance" or "teacher" in more]
    e = small(batch="full", augmentation={}, measures=names, predictor="linear", **more)
    xr.testing.assert_allclose(train(e, 2, device=DEVICE), train(e, 2), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("augmentation", [{"rotation": 10, "noise": 0.1, "erasing": 2}, {"scale": 0.2, "shift": 1.0}])
@pytest.mark.parametrize("encoder", ["mlp", "cnn"])
def test_a_seed_does_not_depend_on_those_beside_it(small, encoder, augmentation):
    e = small(encoder=encoder, measures=["spread", "norm_ratio"], augmentation=augmentation)
    together = train(e, [0, 5, 9], device=DEVICE)
    xr.testing.assert_allclose(train(e, [5], device=DEVICE), together.sel(seed=[5]), rtol=1e-9)
    assert len(np.unique(together.spread[:, -1])) == 3


@pytest.mark.parametrize("encoder", ["mlp", "cnn"])
def test_runs_repeat_and_resume(small, encoder, tmp_path):
    e = small(encoder=encoder, measures=["norm_ratio"], augmentation={"rotation": 10, "noise": 0.1, "erasing": 2})
    first = train(e, 2, device=DEVICE)
    xr.testing.assert_identical(first, train(e, 2, device=DEVICE))

    def stop(done, *_):
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(e, 2, device=DEVICE, checkpoint=tmp_path / "run.pt", progress=stop)
    xr.testing.assert_allclose(train(e, 2, device=DEVICE, checkpoint=tmp_path / "run.pt"), first, rtol=1e-6)


def test_a_text_with_a_centre_and_a_schedule_resumes(small, tmp_path):
    e = small(
        objective="-sum(sg(softmax((t2 - centre)/tau_t))*logsoftmax(s1/tau_s))",
        knobs={"tau_s": 0.1, "tau_t": "linear(0.04, 0.07)"},
        lr="cosine(0.1, 0)",
        prototypes=5,
        teacher="linear(0.9, 1)",
        predictor="none",
        measures=["norm_ratio"],
    )

    def stop(done, *_):
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(e, 2, device=DEVICE, checkpoint=tmp_path / "run.pt", progress=stop)
    resumed = train(e, 2, device=DEVICE, checkpoint=tmp_path / "run.pt")
    xr.testing.assert_allclose(resumed, train(e, 2, device=DEVICE), rtol=1e-6)


def test_a_trained_network_and_the_flow_of_one(small):
    e = small(encoder="mlp", batch="full", augmentation={}, predictor="linear", objective="squared")
    there, here = fit(e, 2, device=DEVICE), fit(e, 2)
    pictures = here.images.test
    torch.testing.assert_close(there.features(pictures).cpu(), here.features(pictures), rtol=1e-6, atol=1e-9)
    assert there.views(pictures, 2).device.type == DEVICE.type
    start = initial_state(e)
    one, two = (dynsim.solve(flow(e, device=device), start, 0.5) for device in (CPU, DEVICE))
    xr.testing.assert_allclose(one.drop_attrs(), two.drop_attrs(), rtol=1e-7)


def test_images_and_augmentation_of_ones_own(small):
    rng = np.random.default_rng(0)
    data = torch.as_tensor(rng.random((40, 6, 6)), device=DEVICE)
    e = small(data=data, augmentation=lambda x: x + 0.1 * torch.randn_like(x), measures=["spread"])
    run = train(e, 2, device=DEVICE)
    assert np.isfinite(run.spread).all()
    assert train(Experiment(data=rng.random((40, 6, 6)), steps=2, measures=()), 1, device="cuda:0").status == 0


class Loop:
    """A SimSiam loop on the device, with what a monitor might disturb."""

    def __init__(self):
        torch.manual_seed(0)
        self.encoder = nn.Sequential(
            nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 8)
        ).to(DEVICE)
        self.predictor = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8)).to(DEVICE)
        self.data = torch.randn(128, 16, device=DEVICE)

    def run(self, steps, monitor=None):
        modules = nn.ModuleList([self.encoder, self.predictor])
        optimiser = torch.optim.SGD(modules.parameters(), lr=0.05, momentum=0.9)
        for step in range(steps):
            x = self.data[torch.randint(0, 128, (64,), device=DEVICE)]
            z1, z2 = (self.encoder(x + 0.1 * torch.randn_like(x)) for _ in range(2))
            loss = -nn.functional.cosine_similarity(self.predictor(z1), z2.detach()).mean()
            optimiser.zero_grad()
            loss.backward()
            if monitor is not None:
                monitor.record(step, z1, z2, encoder=self.encoder, predictor=self.predictor, loss=loss)
            optimiser.step()
        return [value.clone() for value in modules.state_dict().values()]


@pytest.mark.parametrize("probe", [False, True])
def test_a_monitor_changes_nothing(probe):
    batch = torch.linspace(-1, 1, 320, device=DEVICE).reshape(20, 16)
    m = Monitor(every=3, probe=(batch, batch + 0.1) if probe else None, settings={"lr": 0.05, "momentum": 0.9})
    alone, watched = Loop().run(10), Loop().run(10, m)
    assert all(torch.equal(one, two) for one, two in zip(alone, watched, strict=True))
    assert m.dataset.step.values.tolist() == [0, 3, 6, 9]
    assert np.isfinite(m.dataset.spread).all()
    assert m.diagnose().kinds


def test_hooks_see_what_is_on_the_device():
    def hooked(watch):
        loop = Loop()
        if not watch:
            return loop.run(6), None
        with attach(loop.encoder, ["1", "4"], every=1) as m:
            return loop.run(6), m

    (alone, _), (watched, m) = hooked(False), hooked(True)
    assert all(torch.equal(one, two) for one, two in zip(alone, watched, strict=True))
    assert len(m.dataset.step) == 6
    assert "dead_share_1" in m.dataset


def test_a_record_and_a_diagnosis_are_those_of_the_same_numbers_on_the_cpu():
    rng = np.random.default_rng(0)
    z1, z2 = rng.normal(size=(2, 300, 12))
    there = [torch.as_tensor(z, device=DEVICE) for z in (z1, z2)]
    one = Monitor(every=1).record(0, z1, z2, labels=np.arange(300) % 3)
    two = Monitor(every=1).record(0, *there, labels=torch.arange(300, device=DEVICE) % 3, loss=there[0].mean())
    assert {name: two[name] for name in one} == pytest.approx(one, rel=1e-9)
    for outputs in ("embedding", "logits"):
        here = dynsim.diagnose(z1, z2, outputs=outputs)
        assert dynsim.diagnose(there[0], there[1], outputs=outputs).kinds == here.kinds
    half = there[0].half()
    assert np.isfinite(list(Monitor(every=1).record(0, half, half.bfloat16()).values())).all()
