"""A monitor records what was there, changes nothing, goes on after a restart, and raises an alarm in time."""

from __future__ import annotations

import numpy as np
import pytest

from dynsim import DynsimError
from dynsim.monitor import Monitor
from dynsim.networks import measures

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from dynsim.monitor import attach  # noqa: E402


class Loop:
    """A plain SimSiam loop with what a monitor might disturb: BatchNorm, dropout, momentum, random views."""

    def __init__(self, bias_free=False, decay=1e-3, lr=0.05):
        torch.manual_seed(0)
        if bias_free:
            self.encoder = nn.Sequential(nn.Linear(16, 12, bias=False), nn.Linear(12, 8, bias=False))
            self.predictor = nn.Linear(8, 8, bias=False)
        else:
            self.encoder = nn.Sequential(
                nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 8)
            )
            self.predictor = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8))
        self.teacher = nn.Linear(16, 8)
        parameters = [*self.encoder.parameters(), *self.predictor.parameters()]
        self.optimiser = torch.optim.SGD(parameters, lr=lr, momentum=0.0 if bias_free else 0.9, weight_decay=decay)
        self.data = torch.randn(128, 16)

    def run(self, steps, monitor=None, start=0, squared=False, **more):
        for step in range(start, start + steps):
            x = self.data[torch.randint(0, 128, (64,))]
            z1, z2 = (self.encoder(x + 0.1 * torch.randn_like(x)) for _ in range(2))
            p1 = self.predictor(z1)
            loss = (
                (p1 - z2.detach()).square().sum(1).mean() / 2
                if squared
                else -nn.functional.cosine_similarity(p1, z2.detach()).mean()
            )
            self.optimiser.zero_grad()
            loss.backward()
            if monitor is not None:
                monitor.record(step, z1, z2, p1=p1, encoder=self.encoder, predictor=self.predictor,
                               teacher=self.teacher, loss=loss, **more)  # fmt: skip
            self.optimiser.step()
        return [value.clone() for value in (*self.encoder.state_dict().values(), *self.predictor.parameters())]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("probe", [False, True])
def test_the_run_is_the_same_bit_for_bit(probe):
    alone = Loop().run(25)
    batch = torch.linspace(-1, 1, 20 * 16).reshape(20, 16)
    m = Monitor(every=3, probe=(batch, batch + 0.1) if probe else None)
    loop = Loop()
    watched = loop.run(25, m)
    assert same(alone, watched)
    assert len(m.dataset.step) == 9
    assert loop.encoder.training
    assert all(module.training for module in loop.encoder.modules())


def test_a_probe_sees_the_same_batch_in_evaluation_mode():
    loop = Loop()
    batch = torch.linspace(-1, 1, 40 * 16).reshape(40, 16)
    m = Monitor(every=1, probe=batch)
    kept = m.record(0, torch.randn(64, 8), encoder=loop.encoder)
    again = m.record(1, torch.randn(64, 8), encoder=loop.encoder)
    assert kept["spread"] == again["spread"]
    expected = loop.encoder.eval()(batch).detach().numpy()
    assert np.isclose(kept["spread"], measures.spread(expected), rtol=1e-6)
    with pytest.raises(DynsimError, match="encodes the probe"):
        m.record(2, torch.randn(64, 8))


def test_buffers_random_numbers_and_flags_are_put_back():
    from dynsim.monitor.live_laws import encode_fixed

    class Restless(nn.Module):
        """Counts its calls in a buffer and draws random numbers even in evaluation; one part is frozen by its user."""

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)
            self.frozen = nn.BatchNorm1d(4)
            self.register_buffer("count", torch.zeros(()))

        def forward(self, x):
            self.count += 1
            np.random.rand()  # noqa: NPY002
            return self.frozen(self.linear(x)) + torch.randn(len(x), 4)

    module = Restless()
    module.frozen.eval()
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    encode_fixed(module, [torch.zeros(3, 4)])
    assert float(module.count) == 0
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    assert module.training
    assert module.linear.training
    assert not module.frozen.training


def test_nothing_is_looked_at_between_records():
    class Untouchable:
        def __getattr__(self, name):
            raise AssertionError(f"looked at {name}")

    m = Monitor(every=10)
    assert m.record(3, Untouchable(), Untouchable(), loss=Untouchable()) is None


def test_values_are_those_of_the_measures():
    rng = np.random.default_rng(0)
    z1, z2 = rng.normal(size=(2, 100, 6))
    found = Monitor(every=1).record(0, z1, z2, loss=2.5, labels=rng.integers(0, 3, 100))
    assert found["spread"] == measures.spread(z1)
    for name in ("rankme", "participation", "alpha_req"):
        assert found[name] == pytest.approx(float(getattr(measures, name)(z1)), rel=1e-12)
    signal, both = measures.feature_moments(z1, z2)
    assert found["noise_share"] == pytest.approx(1 - signal.sum() / both.sum(), abs=1e-6)
    assert found["view_alignment"] == measures.view_alignment(z1, z2)
    assert found["norm_ratio"] == 1.0
    assert found["loss"] == 2.5
    assert "knn" in found


def test_gradient_accumulation_counts_once():
    m, z = Monitor(every=1), np.random.default_rng(0).normal(size=(50, 4))
    assert m.record(0, z) is not None
    assert m.record(0, 2 * z) is None
    assert m.record(1, 2 * z)["norm_ratio"] == pytest.approx(2)


def test_half_precision_under_autocast():
    layer = nn.Linear(16, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = layer(torch.randn(100, 16))
        found = Monitor(every=1).record(0, z, z, encoder=layer, loss=z.mean())
    assert z.dtype == torch.bfloat16
    assert all(np.isfinite(list(found.values())))


def test_a_restart_drops_later_records(tmp_path):
    pytest.importorskip("zarr")
    rng = np.random.default_rng(0)
    z = rng.normal(size=(50, 4))
    first = Monitor(out=tmp_path / "run.zarr", every=10)
    for step in range(51):
        first.record(step, z * (1 + step), loss=1.0)
    again = Monitor(out=tmp_path / "run.zarr", every=10)
    assert again.dataset.equals(first.dataset)
    for step in range(25, 61):
        again.record(step, z * (1 + step) * (1 if step < 60 else 7), loss=2.0)
    assert again.dataset.step.values.tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert again.dataset.loss.values.tolist() == [1.0] * 3 + [2.0] * 4
    assert float(again.dataset.norm_ratio[-1]) == pytest.approx(61 * 7)  # still against the first record of all
    import xarray as xr

    with xr.open_dataset(tmp_path / "run.zarr", engine="zarr") as stored:
        assert stored.load().equals(again.dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["run.zarr"]


def test_a_folder_is_what_zarr_reads(tmp_path):
    zarr = pytest.importorskip("zarr")
    m, z = Monitor(out=tmp_path / "run.zarr", every=1, settings={"lr": 0.1}), np.eye(8)
    for step in range(3):
        m.record(step, z * (1 + step), loss=float("nan") if step == 1 else 1.0)
    group = zarr.open_group(tmp_path / "run.zarr", mode="r", use_consolidated=False)
    assert set(group.array_keys()) == set(m.dataset.variables)
    np.testing.assert_array_equal(group["loss"][:], [1, np.nan, 1])
    assert group["status"][()] == m.dataset.status
    import xarray as xr

    for consolidated in (True, False):
        with xr.open_dataset(tmp_path / "run.zarr", engine="zarr", consolidated=consolidated) as stored:
            xr.testing.assert_identical(stored.load().drop_attrs(), m.dataset.drop_attrs())
            assert dict(stored.attrs) == m.dataset.attrs


def test_a_write_that_fails_leaves_the_old_folder(tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    m, z = Monitor(out=tmp_path / "run.zarr", every=1), np.random.default_rng(0).normal(size=(50, 4))
    m.record(0, z)
    before = m.dataset
    with monkeypatch.context() as patch:

        def full(self, content):
            raise OSError("no space left")

        patch.setattr("pathlib.Path.write_bytes", full)
        with pytest.raises(DynsimError, match="no space left"):
            m.record(1, z)
    assert Monitor(out=tmp_path / "run.zarr").dataset.drop_attrs().equals(before.drop_attrs())
    (tmp_path / "run.zarr").rename(tmp_path / ".run.zarr.old")  # killed between the two renames
    assert len(Monitor(out=tmp_path / "run.zarr").dataset.step) == 1


def test_the_balance_law_holds_on_linear_layers_and_is_silent_elsewhere():
    settings = {"lr": 0.002, "weight_decay": 0.05}
    loop, m = Loop(bias_free=True, decay=0.05, lr=0.002), Monitor(every=50, settings=settings)
    loop.run(301, m, squared=True)
    assert {"balance", "balance_0", "balance_drift", "balance_drift_0", "predictor_gap"} <= set(m.dataset)
    assert float(m.dataset.balance_drift[-1]) < 2e-3  # the error of gradient steps, of second order in the rate
    assert float(m.dataset.balance_drift_0[-1]) < 2e-3
    moved = np.abs(m.dataset.balance - m.dataset.balance[0]).max()
    assert moved > 1e-3  # the defect moves, its law does not
    wrong = Monitor(every=50, settings={"lr": 0.002, "weight_decay": 0.5})
    Loop(bias_free=True, decay=0.05, lr=0.002).run(301, wrong, squared=True)
    assert float(wrong.dataset.balance_drift[-1]) > 0.1
    normed = Monitor(every=5, settings=settings)
    Loop().run(11, normed)
    assert not [name for name in normed.dataset if name.startswith("balance") or name == "predictor_gap"]


def test_speeds_and_share():
    m = Monitor(every=5)
    loop = Loop()
    loop.run(11, m)
    assert (m.dataset.relative_speed_ratio[1:] > 0).all()
    fast, slow = (
        sum(float(p.grad.square().sum()) for p in one.parameters()) for one in (loop.predictor, loop.encoder)
    )
    assert float(m.dataset.loss_share_predictor[-1]) == pytest.approx(-fast, rel=1e-5)
    assert float(m.dataset.loss_share_encoder[-1]) == pytest.approx(-slow, rel=1e-5)


def test_loss_shares_are_those_of_training():
    """The same network, weights and batch: the same two numbers as `networks.train` records, without stop-gradient."""
    from dynsim.networks import Experiment, Images, fit, initial_state, train

    x = np.random.default_rng(0).normal(size=(40, 1, 1, 6))
    e = Experiment(
        data=Images(x, x, None, None, "x"), encoder="linear", norm="none", predictor="linear", dim=3,
        objective="squared", branch="full", alpha=2.0, batch="full", fixed_views=1, augmentation={}, steps=0,
        measures=["loss_share"], subtract_mean=False, momentum=0.0,
    )  # fmt: skip
    start = {name: torch.tensor(value) for name, value in initial_state(e).items()}
    encoder, predictor = nn.Linear(6, 3, bias=False).double(), nn.Linear(3, 3, bias=False).double()
    with torch.no_grad():
        encoder.weight.copy_(start["W"])
        predictor.weight.copy_(start["P"])
    z = encoder(torch.tensor(fit(e, 1).images.train).flatten(1))
    ((predictor(z) - z).square().sum(1).mean() / 2).backward()
    m = Monitor(every=1, settings={"lr": 0.1, "predictor_lr": 0.2})
    m.record(0, z, z, encoder=encoder, predictor=predictor)
    expected = train(e, 1)
    for name in ("loss_share_predictor", "loss_share_encoder"):
        assert float(m.dataset[name][0]) == pytest.approx(float(expected[name][0, 0]), rel=1e-6)


def test_a_frozen_teacher_and_one_that_moves():
    frozen = Monitor(every=5, settings={"ema": 1.0})
    Loop().run(21, frozen)
    assert "frozen-teacher" in frozen.diagnose().kinds
    moving, loop = Monitor(every=1), Loop()
    for step in range(3):
        loop.run(1, moving, start=step)
        with torch.no_grad():
            loop.teacher.weight.mul_(1.01)
    assert "frozen-teacher" not in moving.diagnose().kinds


def test_prototypes_are_judged_by_entropies():
    m = Monitor(every=1, settings={"tau_s": 0.1, "tau_t": 0.07})
    rng = np.random.default_rng(0)
    for step in range(3):
        z = 1e-3 * rng.normal(size=(200, 64))
        m.record(step, z, z)
    found = m.diagnose()
    assert found.kinds == ("uniform",)
    assert "r·τ_s" in found.threshold
    assert "no sample prefers" in m.alarm


def test_chosen_and_own_measures():
    def largest(z):
        return np.abs(z).max()

    z = np.random.default_rng(0).normal(size=(50, 4))
    found = Monitor(every=1, measures=["spread", largest]).record(0, z, loss=1.0)
    assert found.keys() == {"spread", "largest", "norm"}
    assert found["largest"] == np.abs(z).max()
    with pytest.raises(DynsimError, match="did you mean 'spread'"):
        Monitor(measures=["spraed"])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m, z: Monitor(every=0), "every"),
        (lambda m, z: Monitor(settings={"lrr": 1}), "did you mean"),
        (lambda m, z: Monitor(out="/nowhere/at/all.zarr"), "existing folder"),
        (lambda m, z: Monitor(probe=3), "probe"),
        (lambda m, z: m.record(-1, z), "step"),
        (lambda m, z: m.record(0, z[0]), "z1"),
        (lambda m, z: m.record(0, z, z[:-1]), "z2"),
        (lambda m, z: m.record(0, z, loss=z), "one number"),
        (lambda m, z: m.record(0, z, labels=np.arange(len(z))), "no classes"),
        (lambda m, z: m.record(0, z, encoder=3), "nn.Module"),
    ],
)
def test_mistakes_are_one_line(call, said):
    with pytest.raises(DynsimError) as error:
        call(Monitor(every=1), np.random.default_rng(0).normal(size=(50, 4)))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_hooks_give_what_the_loop_gives():
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(inplace=True), nn.Linear(16, 4))
    x = torch.randn(64, 8)
    with attach(model, ["0", model[2]], every=2) as m:
        outputs = []
        for _ in range(5):
            outputs.append([model(x), model(x + 0.1)])
            model.eval()
            model(x)  # evaluation does not count
            model.train()
            with torch.no_grad():
                model(x)
    model(x)
    assert m.dataset.step.values.tolist() == [0, 2, 4]
    z1, z2 = (z.detach() for z in outputs[-1])
    assert float(m.dataset.spread[-1]) == pytest.approx(float(measures.spread(z1.double())))
    assert float(m.dataset.view_alignment[-1]) == pytest.approx(
        float(measures.view_alignment(z1.double(), z2.double()))
    )
    assert not model._forward_hooks
    with attach(model, "2", views="halves", every=1) as halves:
        model(torch.cat((x, x + 0.1)))
    assert float(halves.dataset.view_alignment[0]) == pytest.approx(float(m.dataset.view_alignment[-1]), rel=1e-5)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch's own compiler looks at it
def test_a_compiled_model_is_heard_and_not_compiled_anew():
    dynamo = pytest.importorskip("torch._dynamo")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    data, batches = [], [torch.randn(64, 8) for _ in range(12)]
    with dynamo.config.patch(error_on_recompile=True):
        for one in (model, torch.compile(model, backend="eager")):
            with attach(one, ["1", "2"], every=2, probe=None) as m:
                for x in batches:
                    (one(x) - one(x + 0.1)).square().mean().backward()
            data.append(m.dataset)
    assert data[0].sizes["step"] == 6
    for name in data[0]:
        np.testing.assert_allclose(data[0][name], data[1][name], rtol=1e-4, err_msg=name)
    compiled = torch.compile(model, backend="eager")
    found = Monitor(every=1, probe=batches[0]).record(0, model(batches[0]), encoder=compiled)
    assert found["spread"] == pytest.approx(float(measures.spread(model(batches[0]).double())), rel=1e-5)


def test_a_dead_layer_behind_a_healthy_output():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU())
            nn.init.constant_(self.inner[0].bias, -100.0)

        def forward(self, x):
            return (x + self.inner(x).sum(1, keepdim=True)).flatten(1)

    model = Residual()
    with attach(model, ["inner.1", ""], every=1) as m:
        for _ in range(2):
            x = torch.randn(64, 1, 4, 4)
            model(x)
            model(x)
    found = m.diagnose()
    assert found.kinds == ("dead-layer",)
    assert "inner_1" in found.mechanism


def test_hooks_refuse_what_is_not_there():
    model = nn.Sequential(nn.Linear(4, 4))
    for layers, views in (("1", 2), ([], 2), (nn.Linear(2, 2), 2), ("0", 0), ("0", "thirds")):
        with pytest.raises(DynsimError), attach(model, layers, views=views):
            pass
    assert not model._forward_hooks


def test_draw_takes_the_records():
    import dynsim

    m = Monitor(every=1)
    for step in range(4):
        m.record(step, np.random.default_rng(step).normal(size=(50, 4)), loss=1.0)
    assert dynsim.draw(m).axes


def test_what_was_not_recorded_is_not_what_was_lost():
    """A loss that is given only now and then is missing between, not NaN."""
    z = np.random.default_rng(0).normal(size=(200, 16))
    seldom = Monitor(every=1)
    for step in range(5):
        seldom.record(step, z, loss=1.0 if step < 4 else None)
    assert seldom.diagnose().kinds == ("healthy",)
    lost = Monitor(every=1)
    for step in range(5):
        lost.record(step, z, loss=1.0 if step < 4 else float("nan"))
    assert lost.diagnose().kinds == ("not-finite",)


@pytest.mark.parametrize("first", [0.0, np.nan])
def test_features_that_are_nothing_are_no_start_to_compare_with(first):
    z = np.random.default_rng(0).normal(size=(200, 16))
    monitor = Monitor(every=1)
    assert "norm_ratio" not in monitor.record(0, z * first)
    ratios = [monitor.record(step, z * size)["norm_ratio"] for step, size in enumerate((1.0, 0.5, 0.25, 1.0), 1)]
    assert ratios == pytest.approx([1.0, 0.5, 0.25, 1.0])
    assert monitor.diagnose().kinds == ("healthy",)


def test_another_network_in_the_same_monitor_is_refused():
    monitor = Monitor(every=1)
    z = np.random.default_rng(0).normal(size=(200, 16))
    monitor.record(0, z)
    with pytest.raises(DynsimError, match="16 dimensions, as in the records before"):
        monitor.record(1, z[:, :4])
    monitor.record(0, z[:20])  # the last batch of an epoch is smaller
    monitor.record(1, z[:20])


def test_without_a_record_there_is_nothing_to_diagnose():
    with pytest.raises(DynsimError, match="no records"):
        Monitor(every=10).diagnose()
