"""The alarm on small digits runs: in time where a run dies, silent where it lives; and its rules one by one."""

from __future__ import annotations

import numpy as np
import pytest

from dynsim.monitor import Monitor
from dynsim.monitor.alarm import first_alarm
from dynsim.networks import measures

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
from torch import nn  # noqa: E402

STEPS, EVERY = 200, 5


def digits():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images / 16, dtype=torch.float32)
    return x - x.mean(0), labels


def view(x):
    """Contrast, noise and erased pixels."""
    return x * (0.7 + 0.6 * torch.rand(len(x), 1)) * (torch.rand_like(x) > 0.15) + 0.1 * torch.randn_like(x)


def trained(seed, kind, fate, steps=STEPS, every=EVERY, knn=True):
    """One run: kind "mlp" (BatchNorm, cosine) or "linear" (squared error); fate "lives", "dies" or "dies later"."""
    torch.manual_seed(seed)
    x, labels = digits()
    if kind == "mlp":
        encoder = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32))
        predictor = nn.Sequential(nn.Linear(32, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 32))
        lr = 0.1
    else:
        encoder, predictor, lr = nn.Linear(64, 32, bias=False), nn.Linear(32, 32, bias=False), 0.02
    parameters = [*encoder.parameters(), *predictor.parameters()]
    optimiser = torch.optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=1e-4)
    train, test = x[:1000], x[1000:]
    m, curve = Monitor(every=every), []
    for step in range(steps):
        with torch.no_grad():
            if knn and step % 10 == 0:
                curve.append(float(measures.knn(encoder(train), labels[:1000], encoder(view(test)), labels[1000:])))
        batch = train[torch.randint(0, 1000, (128,))]
        z1, z2 = encoder(view(batch)), encoder(view(batch))
        detached = fate == "lives" or (fate == "dies later" and step < steps // 2)
        p1, p2 = predictor(z1), predictor(z2)
        t1, t2 = (z1.detach(), z2.detach()) if detached else (z1, z2)
        if kind == "mlp":  # as SimSiam and BYOL do, both ways round
            loss = -(nn.functional.cosine_similarity(p1, t2) + nn.functional.cosine_similarity(p2, t1)).mean() / 2
        else:
            loss = ((p1 - t2).square().sum(1) + (p2 - t1).square().sum(1)).mean() / 4
        optimiser.zero_grad()
        loss.backward()
        m.record(step, z1, z2, loss=loss)
        optimiser.step()
    return m, np.array(curve)


def lost_a_fifth(curve, every=10):
    """Step at which kNN has lost a fifth of its largest gain for good; infinity if never."""
    gain = curve - curve[0]
    low = np.flatnonzero(gain < 0.8 * gain.max())
    after = low[low > gain.argmax()]
    return after[0] * every if len(after) else np.inf


def alarm_step(m):
    return np.inf if m.alarm is None else int(m.alarm.split(":")[0].split()[1])


def test_each_rule():
    steps = list(range(0, 50, 10))

    def said(name, values, **more):
        rows = [{name: value, "norm": 1.0} for value in values]
        return first_alarm(steps, rows, **more)

    assert said("spread", [0.9, 0.85, 0.9, 0.95, 0.77]) is None
    assert "step 40: directions" in said("spread", [0.9, 0.85, 0.9, 0.95, 0.75])
    assert said("rankme", [20, 18, 14, 12, 3.7]) is None
    assert "step 40: dimensions" in said("rankme", [20, 18, 14, 12, 3.5])
    assert said("norm_ratio", [1, 1.2, 1.1, 0.8, 0.72]) is None
    assert "step 40: features shrink" in said("norm_ratio", [1, 1.2, 1.1, 0.8, 0.69])
    assert said("norm_ratio", [1, 2, 4, 3, 2.1]) is None
    assert "step 40: features shrink" in said("norm_ratio", [1, 2, 4, 3, 1.9])
    assert "step 20: loss is not finite" in said("loss", [1, 1, np.nan, 1, 1])
    assert said("mean_entropy", [4.15, 4.0, 3.0, 2.0, 2.0], most=np.log(64)) is None
    assert "step 40: no sample" in said("mean_entropy", [4.15, 4.0, 3.0, 2.0, 4.15], most=np.log(64))
    assert said("spread", [np.nan, 0.9, 0.9, 0.9, 0.9]) is None


def test_a_short_run_that_lives_and_one_that_dies():
    lives, _ = trained(0, "mlp", "lives", steps=40, every=10, knn=False)
    dies, _ = trained(0, "mlp", "dies", steps=40, every=10, knn=False)
    assert lives.alarm is None
    assert alarm_step(dies) == 10


@pytest.mark.long
@pytest.mark.parametrize("kind", ["mlp", "linear"])
def test_the_alarm_is_in_time(kind):
    """Seeds that were not looked at when the bounds were chosen."""
    for seed in (100, 101):
        assert trained(seed, kind, "lives", knn=False)[0].alarm is None
        assert alarm_step(trained(seed, kind, "dies", knn=False)[0]) <= STEPS // 10
        later, curve = trained(seed, kind, "dies later", knn=kind == "mlp")
        # On linear runs the untrained encoder has the best kNN: nothing is gained that could be lost.
        latest = lost_a_fifth(curve) if kind == "mlp" else 160
        assert STEPS // 2 < alarm_step(later) <= max(latest, 130)
