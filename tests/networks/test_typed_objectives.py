"""A loss typed as text, in an Experiment: gradients of the named objective and of the theory, nothing unchecked."""

from __future__ import annotations

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import dynsim  # noqa: E402
from dynsim import ParseError  # noqa: E402
from dynsim.errors import InvalidType, InvalidValue, UnknownName  # noqa: E402
from dynsim.networks import Experiment, flow, initial_state, train  # noqa: E402
from dynsim.networks.datasets import load_images  # noqa: E402
from dynsim.networks.objectives import OBJECTIVES  # noqa: E402
from dynsim.networks.run import Run  # noqa: E402

CPU = torch.device("cpu")


def knobs_in(text, knobs):
    """The method's knobs that are numbers of its text; the others belong to the theory."""
    words = set(re.findall(r"[A-Za-z_]\w*(?!\w*\()", text))
    return {name: value for name, value in knobs.items() if name in words and not isinstance(value, str | None)}


def step(experiment, seeds=(0, 1)):
    """Loss and gradients of the first batch."""
    run = Run(experiment, load_images(experiment), seeds, CPU)
    losses = run.network.loss(run.weights, run.batches.next())
    moving = [block.weights for block in run._moving]
    return losses.detach(), torch.autograd.grad(losses.sum(), moving, materialize_grads=True)


NAMED = ["vicreg", "barlow", "barlow-simon", "spectral", "infonce", "lejepa", "dino"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("name", NAMED)
def test_a_named_objective_and_the_text_of_its_method_have_the_same_gradients(small, name, symmetric, dtype):
    method = dynsim.method(name)
    knobs = knobs_in(method.loss, method.knobs)
    more = {"prototypes": 5, "teacher": 0.5} if name == "dino" else {}
    fields = {"predictor": "none", "dtype": dtype, "symmetric": symmetric, "init_scale": 2.0, **more}
    (value, gradient), (other, text) = (
        step(small(objective=objective, knobs=knobs, **fields)) for objective in (name, method.loss)
    )
    relative = 1e-12 if dtype == "float64" else 1e-6
    torch.testing.assert_close(value, other, rtol=relative, atol=0)
    for one, two in zip(gradient, text, strict=True):
        assert float((one - two).norm()) <= relative * float(one.norm())
        assert float(one.norm()) > 0


@pytest.mark.parametrize(
    ("name", "text"),
    [("squared", "sq(p1 - sg(z2))/2"), ("cosine", "-cos(p1, sg(z2))"), ("squared", "sq(p1 - sg(t2))/2")],
)
@pytest.mark.parametrize("more", [{"branch": "full"}, {"branch": "target"}, {"branch": "stop"}, {"teacher": 0.5}])
def test_branches_and_teachers_mean_for_a_text_what_they_mean_for_a_named_objective(small, name, text, more):
    if "teacher" in more:
        text = text.replace("z2", "t2")
    (value, gradient), (other, typed) = (step(small(objective=o, **more)) for o in (name, text))
    torch.testing.assert_close(value, other, rtol=1e-12, atol=0)
    for one, two in zip(gradient, typed, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-14)


def test_published_knobs_are_the_defaults():
    for name in NAMED:
        defaults = OBJECTIVES[name].knobs
        published = dynsim.method(name).knobs
        if name != "barlow":  # whose field `redundancy` is older than its method
            assert {knob: published[knob] for knob in defaults} == defaults


METHODS = dynsim.list_methods()["name"]


@pytest.mark.parametrize("name", METHODS)
def test_the_text_of_every_method_trains(small, name):
    method = dynsim.method(name)
    more = {"predictor": "linear"}
    if re.search(r"\bs[12]\b", method.loss):
        more["prototypes"] = 5
    if re.search(r"\bt[12]\b", method.loss):
        more["teacher"] = 0.9
    experiment = small(
        objective=method.loss, knobs=knobs_in(method.loss, method.knobs), steps=3, every=3, batch=16, **more
    )
    run = Run(experiment, load_images(experiment), [0, 1], CPU)
    before = run.weights.encoder.detach().clone()
    for _ in range(experiment.steps):
        assert run.advance().isfinite().all()
    assert run.weights.encoder.isfinite().all()
    assert (run.weights.encoder != before).any(1).all()


# What the linear encoder of one feature does on samples, against the flow of the method's mode.
MODES = {
    "simsiam": {}, "byol": {}, "no-predictor": {}, "fixed-predictor": {}, "vicreg": {}, "barlow-simon": {},
    "spectral": {}, "infonce": {}, "lejepa": {},
}  # fmt: skip


@pytest.mark.parametrize("name", MODES)
def test_the_text_on_a_linear_feature_follows_the_flow_of_its_mode(name, monkeypatch):
    """Gradients by torch on 200 pairs of Gaussian views of one feature, averaged over 400 batches.

    The mean is compared within six standard errors, plus a bias of order 1/batch where batch statistics or finitely
    many negatives stand inside the loss.
    """
    from dynsim.networks import text_functions
    from dynsim.networks.text_objective import TextObjective

    monkeypatch.setattr(text_functions, "SLICES", 1)  # in one dimension they are all the same
    method = dynsim.method(name)
    signal, view, seeds, batch = 0.8, 1.1, 400, 200
    stream = torch.Generator().manual_seed(0)
    x, n1, n2 = (torch.randn(seeds, batch, 1, generator=stream, dtype=torch.float64) for _ in range(3))
    noise = (view - signal) ** 0.5
    state = {"p": 0.6, "w": 0.5, "v": 0.9}
    p, w, v = (torch.full((seeds, 1, 1), state[key], dtype=torch.float64, requires_grad=True) for key in "pwv")
    y1, y2 = x * signal**0.5 + noise * n1, x * signal**0.5 + noise * n2
    values = {"z1": w * y1, "z2": w * y2, "p1": p * w * y1, "p2": p * w * y2, "t1": v * y1, "t2": v * y2}
    objective = TextObjective(method.loss, knobs_in(method.loss, method.knobs))
    slopes = torch.autograd.grad(objective.loss(values).sum(), (p, w), allow_unused=True)
    system = method.flow()
    known = {"lambda_d": signal, "lambda_s": view, "alpha": 1.0, "beta": 1.0, "eta_p": 0.0, "eta_s": 0.0,
             "batch": batch, "dim": 1, "kappa": 0.5}  # fmt: skip
    chosen = {key: value for key, value in known.items() if key in system.parameters}
    field = system.field(chosen).function(0.0, np.array([state[key] for key in system.states]))
    for name_of, slope in zip("pw", slopes, strict=True):
        if name_of in system.states and slope is not None:
            sample = -slope.flatten()
            error = float(sample.std()) / seeds**0.5
            expected = field[list(system.states).index(name_of)]
            assert abs(float(sample.mean()) - expected) < 6 * error + 3 * abs(expected) / batch
            assert error < 0.05 * abs(expected)  # the test sees something


def test_the_centre_is_the_running_mean_of_the_teachers_scores(small):
    experiment = small(objective="dino", prototypes=5, teacher=0.5, centre_momentum=0.75)
    run = Run(experiment, load_images(experiment), [0, 2], CPU)
    expected = torch.zeros(2, 5, dtype=torch.float64)
    other = Run(experiment, load_images(experiment), [0, 2], CPU)
    for _ in range(3):
        views = other.batches.next().views
        features = run.network.encode(run.weights.teacher, views)
        rows = run.network.encoder_layout.split(run.weights.teacher)["C"]
        unit = torch.nn.functional.normalize
        mean = (unit(features, dim=1).flatten(2).mT @ unit(rows, dim=2).mT).mean(1)
        run.advance()
        expected = 0.75 * expected + 0.25 * mean
        torch.testing.assert_close(run.weights.centre, expected, rtol=1e-12, atol=1e-14)


def test_a_run_with_centre_and_slices_goes_on_bit_by_bit(small, tmp_path):
    text = "-sum(sg(softmax((t2 - centre)/tau_t))*logsoftmax(s1/tau_s)) + sigreg(z1)"
    knobs = {"tau_t": "linear(0.04, 0.07)", "tau_s": 0.1}
    experiment = small(objective=text, prototypes=5, teacher=0.5, knobs=knobs, steps=6, measures=["spread"])
    whole = train(experiment, 2)

    def stop(step, *_):
        if step >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(experiment, 2, checkpoint=tmp_path / "run.pt", progress=stop)
    resumed = train(experiment, 2, checkpoint=tmp_path / "run.pt")
    assert np.array_equal(whole.loss, resumed.loss)
    constant = train(experiment.but(knobs={"tau_t": 0.04, "tau_s": 0.1}), 2)
    assert not np.array_equal(whole.loss, constant.loss)  # the schedule of a knob is followed


def test_round_trip():
    experiment = Experiment(
        objective="-sum(sg(softmax((t2 - centre)/τ_t))*logsoftmax(s1/tau_s))",
        knobs={"τ_t": 0.04, "tau_s": "linear(0.1, 0.2)"},
        prototypes=7,
        centre_momentum=0.99,
        teacher=0.9,
    )
    assert dict(experiment.knobs) == {"tau_t": 0.04, "tau_s": "linear(0.1, 0.2)"}
    assert Experiment.from_toml(experiment.to_toml()) == experiment
    assert Experiment.from_json(experiment.to_json()) == experiment
    assert Experiment().digest == Experiment(knobs={}).digest
    assert experiment.but(knobs={"tau_t": 0.05, "tau_s": 0.1}) != experiment


def test_the_flow_of_a_text_is_that_of_the_named_objective(vectors):
    """Field and Jacobian of the resolved field, also where the predictor stands inside a stop-gradient."""
    fields = {
        "data": vectors, "augmentation": {"noise": 0.5}, "encoder": "linear", "predictor": "linear", "dim": 2,
        "norm": "none", "images": 20, "fixed_views": 1,
    }  # fmt: skip
    named, typed = (flow(Experiment(objective=o, **fields)) for o in ("cosine", "-cos(p1, sg(z2))"))
    held = flow(Experiment(objective="sq(z1 - sg(p2))/2", **fields))
    state = initial_state(Experiment(objective="cosine", **fields))
    y = np.concatenate([state["P"].ravel(), state["W"].ravel()])
    np.testing.assert_allclose(named.function(0.0, y), typed.function(0.0, y), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(named.jacobian_function(0.0, y), typed.jacobian_function(0.0, y), rtol=1e-9, atol=1e-12)
    columns = [(held.function(0.0, y + 1e-6 * e) - held.function(0.0, y - 1e-6 * e)) / 2e-6 for e in np.eye(len(y))]
    np.testing.assert_allclose(held.jacobian_function(0.0, y), np.transpose(columns), atol=1e-6)


def test_what_does_not_fit_is_refused_before_training():
    text = "sq(s1 - sg(z2))"
    with pytest.raises(ParseError, match="size prototypes") as caught:
        Experiment(objective=text, prototypes=7)
    assert caught.value.position == text.index("- sg")
    with pytest.raises(ParseError, match="position 8"):
        Experiment(objective="sq(z1) *tau")
    with pytest.raises(UnknownName, match="did you mean 'vicreg'"):
        Experiment(objective="vicregg")
    with pytest.raises(InvalidValue, match="a knob of 'vicreg'"):
        Experiment(objective="vicreg", knobs={"tau": 1})
    with pytest.raises(InvalidValue, match="prototypes"):
        Experiment(prototypes=3)
    with pytest.raises(InvalidValue, match="centre_momentum"):
        Experiment(objective="sq(p1 - sg(z2))", centre_momentum=0.5)
    with pytest.raises(InvalidValue, match="write t1 or t2"):
        Experiment(objective="sq(p1 - sg(z2))", teacher=0.5)
    with pytest.raises(InvalidValue, match="no stop-gradient"):
        Experiment(objective="sq(z1 - z2)", branch="target")
    with pytest.raises(InvalidValue, match="20000 × 20000"):
        Experiment(objective="infonce", batch=20_000)
    with pytest.raises(InvalidType, match="knobs"):
        Experiment(knobs=3)
    with pytest.raises(InvalidType, match="objective"):
        Experiment(objective=3)
