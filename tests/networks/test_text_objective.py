"""A loss as text on tensors: the same value and gradient as the loss by hand, and nothing that does not fit."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from dynsim import ParseError  # noqa: E402
from dynsim.errors import InvalidValue  # noqa: E402
from dynsim.networks.text_objective import TextObjective  # noqa: E402

SEEDS, BATCH, DIM = 2, 7, 3


def offdiag(x):
    return x - torch.diag(torch.diagonal(x))


def vicreg(v, k):
    value = k["s"] * F.mse_loss(v["z1"], v["z2"])
    for z in (v["z1"], v["z2"]):
        value = value + k["mu"] * F.relu(1 - torch.sqrt(z.var(0) + k["epsilon"])).mean() / 2
        value = value + k["cov"] * offdiag(torch.cov(z.T)).pow(2).sum() / DIM
    return value


def barlow(v, k):
    one, two = ((z - z.mean(0)) / z.std(0) for z in (v["z1"], v["z2"]))
    c = one.T @ two / (BATCH - 1)
    return (1 - c.diagonal()).pow(2).sum() + k["lam"] * offdiag(c).pow(2).sum()


def dino(v, k):
    target = F.softmax((v["t2"] - v["centre"]) / k["tau_t"], -1).detach()
    return -(target * F.log_softmax(v["s1"] / k["tau_s"], -1)).sum(-1).mean()


def simclr(v, k):
    one, two = F.normalize(v["z1"], dim=1), F.normalize(v["z2"], dim=1)
    return F.cross_entropy(one @ two.T / k["tau"], torch.arange(BATCH))


LOSSES = [
    ("sq(p1 - sg(z2))/2", {}, lambda v, k: (v["p1"] - v["z2"].detach()).square().sum(1).mean() / 2),
    ("-cos(p1, sg(z2))", {}, lambda v, k: -F.cosine_similarity(v["p1"], v["z2"].detach()).mean()),
    (
        "s*E(mean((z1 - z2)^2))"
        " + mu*(mean(relu(1 - sqrt(var(z1) + epsilon))) + mean(relu(1 - sqrt(var(z2) + epsilon))))/2"
        " + cov*(sum(offdiag(cov(z1))^2) + sum(offdiag(cov(z2))^2))/dim",
        {"s": 25.0, "mu": 25.0, "cov": 1.0, "epsilon": 1e-4},
        vicreg,
    ),
    ("sum((1 - diag(corr(z1, z2)))^2) + lam*sum(offdiag(corr(z1, z2))^2)", {"lam": 0.0051}, barlow),
    ("-sum(sg(softmax((t2 - centre)/tau_t))*logsoftmax(s1/tau_s))", {"tau_t": 0.04, "tau_s": 0.1}, dino),
    ("-cos(z1, z2)/tau + logsumexp(gram(unit(z1), unit(z2))/tau)", {"tau": 0.5}, simclr),
    (
        "-2*E(dot(z1, z2)) + sum(offdiag(gram(z1, z2))^2)/(batch*(batch - 1))",
        {},
        lambda v, k: (
            -2 * (v["z1"] * v["z2"]).sum(1).mean() + offdiag(v["z1"] @ v["z2"].T).pow(2).sum() / (BATCH * (BATCH - 1))
        ),
    ),
    (
        "sum(smooth_l1(p1 - sg(t2), beta))",
        {"beta": 0.5},
        lambda v, k: F.smooth_l1_loss(v["p1"], v["t2"].detach(), beta=0.5) * DIM,
    ),
    ("trace(cov(z1)) + max(norm(E(z1)), 0)", {}, lambda v, k: v["z1"].var(0).sum() + v["z1"].mean(0).norm()),
]


@pytest.mark.parametrize(("text", "knobs", "by_hand"), LOSSES, ids=[text[:30] for text, *_ in LOSSES])
def test_a_text_has_the_value_and_the_gradient_of_the_loss_by_hand(text, knobs, by_hand):
    generator = torch.Generator().manual_seed(0)
    names = ("z1", "z2", "p1", "t2", "s1", "centre")
    shapes = [(SEEDS, 1 if name == "centre" else BATCH, DIM) for name in names]
    given = {n: torch.randn(s, generator=generator, dtype=torch.float64) for n, s in zip(names, shapes, strict=True)}
    for value in given.values():
        value.requires_grad_()
    found = TextObjective(text, knobs).loss(given)
    expected = torch.stack(
        [by_hand({name: value[seed] for name, value in given.items()}, knobs) for seed in range(SEEDS)]
    )
    assert torch.allclose(found, expected, rtol=1e-12)
    used = [given[name] for name in names if name in text]
    for one, other in zip(
        torch.autograd.grad(found.sum(), used, allow_unused=True),
        torch.autograd.grad(expected.sum(), used, allow_unused=True),
        strict=True,
    ):
        if one is None or other is None:
            assert one is other
        else:
            assert torch.allclose(one, other, rtol=1e-12, atol=1e-14)


def test_the_three_branches_are_what_stands_inside_and_outside():
    """∂/∂z2 of ½‖z1 − sg(z2)‖² is 0; in full and in the second branch it is z2 − z1."""
    z1 = torch.randn(1, BATCH, DIM, dtype=torch.float64, requires_grad=True)
    z2 = torch.randn(1, BATCH, DIM, dtype=torch.float64, requires_grad=True)
    live, held = {"z1": z1, "z2": z2}, {"z1": z1.detach(), "z2": z2.detach()}
    objective = TextObjective("sq(z1 - sg(z2))/2")
    slopes = []
    for outside, inside in ((live, held), (live, live), (held, live)):
        gradient = torch.autograd.grad(objective.loss(outside, inside).sum(), (z1, z2), allow_unused=True)
        slopes.append([torch.zeros_like(z1) if value is None else value for value in gradient])
    stop, full, target = slopes
    assert torch.allclose(full[1] * BATCH, (z2 - z1))
    for one, two, both in zip(stop, target, full, strict=True):
        assert torch.allclose(one + two, both)


def test_assignments_and_whitening_do_what_they_say():
    z = torch.randn(2, 50, 3, dtype=torch.float64)
    cov = TextObjective("sq(cov(whiten(z1)) - cov(whiten(z2)))").loss({"z1": z, "z2": 2 * z + 1})
    assert torch.allclose(cov, torch.zeros(2, dtype=torch.float64), atol=1e-20)
    assert torch.allclose(TextObjective("sum(sinkhorn(s1, 1/2))").loss({"s1": z}), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("text", "position", "why"),
    [
        ("z1 - z2", 0, "sum"),
        ("sq(z1) + gram(z1)", 9, "goes together"),
        ("sum(cov(z1)*gram(z1))", 12, "goes together"),
        ("var(E(sq(z1)))", 4, "sample to sample"),
        ("var(dim)*sq(z1)", 4, "sample to sample"),
        ("sq(z1) + diag(z1)", 14, "matrix"),
        ("dot(z1, sq(z2))", 8, "feature vector"),
        ("cov(z1, sq(z2))", 0, "two of a kind"),
        ("gram(E(z1))", 5, "per sample"),
        ("sq(z1)*tau", 7, "knob"),
        ("sq(z1, z2)", 0, "1 argument"),
        ("sum([z1, z2])", 4, "list"),
        ("dim + batch", 0, "nothing would be trained"),
        ("foo(z1)", 0, "one of the functions"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_position(text, position, why):
    with pytest.raises(ParseError, match=why) as caught:
        TextObjective(text)
    assert caught.value.position == position
    assert "\n" not in str(caught.value)


def test_knobs_and_sizes_are_checked_before_training():
    with pytest.raises(InvalidValue, match="knobs"):
        TextObjective("sq(z1)", {"tau": 1.0})
    objective = TextObjective("sq(z1) + logsumexp(gram(z1))")
    objective.check_size(seeds=3, batch=512, dim=64)
    with pytest.raises(InvalidValue, match="20000 × 20000"):
        objective.check_size(seeds=1, batch=20_000, dim=64)
    assert TextObjective("sq(p1 - sg(t2))").symbols == {"p1", "t2"}
