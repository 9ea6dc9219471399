"""The callback records what the plain loop records, with the real package, and changes nothing."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    lightning = pytest.importorskip("lightning.pytorch", reason="needs the extra 'lightning'")
from torch import nn  # noqa: E402

from dynsim import DynsimError  # noqa: E402
from dynsim.monitor import LightningMonitor, Monitor  # noqa: E402
from dynsim.networks import measures  # noqa: E402


class SimSiam(lightning.LightningModule):
    def __init__(self, detach=True):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(inplace=True), nn.Linear(32, 8))
        self.predictor = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8))
        self.detach_target, self.seen = detach, []

    def training_step(self, batch, batch_idx):
        (x,) = batch
        z1, z2 = self.backbone(x), self.backbone(x + 0.1)
        self.seen.append((z1.detach(), z2.detach()))
        target = z2.detach() if self.detach_target else z2
        return -nn.functional.cosine_similarity(self.predictor(z1), target).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)


def fitted(module, callbacks, steps=12, **options):
    x = torch.randn(256, 16, generator=torch.Generator().manual_seed(0))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), batch_size=64)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on workers, logging and the like
        trainer = lightning.Trainer(
            max_steps=steps, accelerator="cpu", callbacks=callbacks, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, **options,
        )  # fmt: skip
        trainer.fit(module, loader)
    return [value.clone() for value in module.state_dict().values()]


def test_it_records_what_is_there_and_changes_nothing():
    callback = LightningMonitor(["backbone.2", "backbone"], every=5)
    module = SimSiam()
    watched, alone = fitted(module, [callback]), fitted(SimSiam(), [])
    assert all(torch.equal(a, b) for a, b in zip(watched, alone, strict=True))
    data = callback.monitor.dataset
    assert data.step.values.tolist() == [0, 5, 10]
    z1, z2 = module.seen[10]
    assert float(data.spread[-1]) == pytest.approx(float(measures.spread(z1.double())), rel=1e-6)
    assert float(data.view_alignment[-1]) == pytest.approx(float(measures.view_alignment(z1.double(), z2.double())))
    assert {"loss", "dead_share_backbone_2"} <= set(data.data_vars)
    assert np.isfinite(data.loss).all()
    assert not module.backbone._forward_hooks
    assert callback.monitor.diagnose().kinds


def test_accumulated_gradients_count_once():
    callback = LightningMonitor("backbone", every=1, views=1)
    fitted(SimSiam(), [callback], steps=3, accumulate_grad_batches=2)
    assert callback.monitor.dataset.step.values.tolist() == [0, 1, 2]
    assert "view_alignment" not in callback.monitor.dataset


def test_a_layer_that_is_not_there_is_named():
    with pytest.raises(DynsimError, match="did you mean 'backbone'"):
        fitted(SimSiam(), [LightningMonitor("backbon")])
    with pytest.raises(DynsimError, match="views"):
        LightningMonitor("backbone", views=0)


def test_options_are_those_of_a_monitor():
    assert repr(LightningMonitor("x", every=7).monitor) == repr(Monitor(every=7))
