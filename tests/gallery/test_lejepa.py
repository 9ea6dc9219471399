"""LeJEPA's partial collapse: the stored networks against the flow, and what the verdict makes of others."""

import numpy as np
import pytest

pytest.importorskip("torch")

import dynsim
from dynsim.gallery import lejepa
from dynsim.gallery.plotting import data_for


@pytest.fixture(scope="module")
def data():
    return data_for("lejepa", {})


def test_more_images_in_a_batch_keep_noisier_features(data):
    assert (np.diff(lejepa.edge(data["end"])) >= 0).all()
    asked = dynsim.method("lejepa", lam=0.02).amplitude(nu=lejepa.NOISE, batch=8, views=2)
    np.testing.assert_allclose(data["predicted"].sel(batch=8), asked.value, atol=1e-6)
    # λN alone counts where λ is small: the same edge with N held and λ moved, but for a step of the noise shares.
    moved = data["other"].sel(fixed=64)
    steps = np.unique(lejepa.NOISE)
    off = np.searchsorted(steps, lejepa.edge(moved)) - np.searchsorted(steps, lejepa.edge(data["end"]))
    assert np.abs(off).max() <= 1


def test_the_verdict_follows_the_networks(data):
    assert lejepa.verdict(data).word in ("holds", "holds under conditions")
    exact = data.assign(measured=data["predicted"].broadcast_like(data["measured"]))
    assert lejepa.verdict(exact).word == "holds"
    turned = data.assign(measured=(exact["measured"] == 0).astype(float))
    assert lejepa.verdict(turned).word == "does not hold"
