"""Whatever names a flow can be explored, shared as text where a text gives it again, and refused in one line else."""

import contextlib
import io
import shlex

import numpy as np
import pytest
import sympy

import dynsim
from dynsim.explorer.opening import setting_of
from dynsim.explorer.outcome_line import settled_outcome
from dynsim.explorer.phase_plane import quick_plane, settled_plane
from dynsim.explorer.picture import picture
from dynsim.explorer.presets import PRESETS
from dynsim.explorer.reproduce import as_code, as_command
from dynsim.explorer.setting import Setting
from dynsim.explorer.settled import distance_line, settled
from dynsim.explorer.short_text import from_text, to_text
from dynsim.explorer.subject import filled, is_steady

VIEWS = "x ~ normal(0, 1), n1 ~ normal(0, sigma2), n2 ~ normal(0, sigma2)"
NOISY = "E((phi*theta*(x + n1) - sg(theta*(x + n2)))^2)/2"
GAME = dynsim.Flow.of({"x": dynsim.Descend("x*y"), "y": dynsim.Descend("-x*y")})


def given(source, states=None, branch=None, variant=None, shown=None, **options):
    return filled(setting_of(source, states, branch, variant, options, **(shown or {})))


TEXTS = {
    "system": lambda: given(dynsim.system("toy", branch="full")),
    "rates": lambda: given(dynsim.gradient_flow("(a*b - sg(b))^2/2", "a, b", rates={"a": sympy.Rational(1, 3)})),
    "decay": lambda: given("(phi*theta - sg(theta))^2/2", rates={"phi": "alpha"}, decay={"theta": "eta_s"}),
    "teacher": lambda: given("(p*w - sg(v))^2/2", ["p", "w", "v"], track={"v": ("w", "b/2")}),
    "roles": lambda: given("(1 - w^2)^2", ("w",), roles={"encoder": "w"}),
    "game": lambda: given(GAME),
    "rules": lambda: given({"x": dynsim.Move("-y"), "y": dynsim.Move("x*a")}),
    "equations": lambda: given("x' = y; y' = -sin(x)"),
    "equations in lines and Greek": lambda: given("θ' = ψ\nψ' = -θ + a*ψ*(1 - θ²)"),
    "random as text": lambda: given(NOISY, random=VIEWS),
    "random as mapping": lambda: given("E(tanh(w*x)^2)", ("w",), random={"x": dynsim.Normal(0, "s")}),
    "discrete": lambda: given(
        "E((w*a - b)^2)", ("w",), random={("a", "b"): dynsim.Discrete([(1, 1), (1, -1)], ["(1+r)/2", "(1-r)/2"])}
    ),
    "structure": lambda: given("jepa", L=4),
    "method": lambda: given("method:infonce"),
    "knob of a method": lambda: given("method:infonce", kernel="gaussian"),
    "flow of a method": lambda: given(dynsim.method("simsiam").flow()),
    "expression": lambda: given(dynsim.parse("(φ·θ − sg(θ))²/2")),
    "schedule": lambda: given("toy", shown={"parameters": {"alpha": "max(1, 2 - 0.1*t)"}}),
    "typed in time": lambda: given("w^2/2 + cos(t)*w", ("w",)),
}


QUICK = ("rates", "game", "random as mapping", "knob of a method", "schedule")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.long]) for name in TEXTS]
)
def test_a_text_a_command_and_python_give_the_view_again(name):
    from dynsim.cli.command_line import parser
    from dynsim.cli.explore import _setting

    setting = TEXTS[name]()
    assert isinstance(setting.source, str)
    assert filled(from_text(to_text(setting))) == setting
    words = shlex.split(as_command(setting))
    assert _setting(parser("explore").parse_args(words[1:])) == setting
    *lines, _ = as_code(setting).split("\n")
    space: dict = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec("\n".join(lines), space)  # our own output, not a user's text
    shown = picture(setting)
    for state, values in shown.states.items():
        assert float(space["run"][state][-1]) == pytest.approx(float(values[-1]), abs=1e-5, rel=1e-5)
    assert quick_plane(setting).box


def test_a_flow_that_no_text_gives_stays_as_it_is_and_says_so():
    fixed = given(dynsim.system("toy").fix({"alpha": 2}))
    assert isinstance(fixed.source, dynsim.Flow)  # its closed forms are in no text
    assert picture(fixed).verdict.exact
    again = filled(from_text(to_text(fixed)))
    assert "'" in again.source
    np.testing.assert_allclose(picture(again).states["theta"], picture(fixed).states["theta"], atol=1e-6)
    assert "in no text" in as_code(fixed)
    quadrature = given(dynsim.gradient_flow("E(tanh(w*x)^2)", ["w"], random="x ~ normal(0, 1)"))
    assert picture(quadrature).states["w"][-1] < 0.5
    for tell in (to_text, as_code, as_command):
        with pytest.raises(dynsim.DynsimError, match="quadrature"):
            tell(quadrature)


def test_a_field_shows_runs_and_arrows():
    turning = dynsim.Field(("x", "y"), lambda t, y: [y[1], -y[0]])
    setting = given(turning, shown={"initial": {"x": 0.6, "y": 0.8}})
    shown = picture(setting)
    np.testing.assert_allclose(np.hypot(*shown.orbits[0]), 1.0, atol=1e-5)
    plane = settled_plane(setting)
    assert plane.settled
    assert len(plane.arrows) > 100
    assert "circles for ever" in settled(setting).verdict.sentence
    with pytest.raises(dynsim.DynsimError, match="Field"):
        to_text(setting)


@pytest.mark.parametrize(
    ("source", "options", "told"),
    [
        (3, {}, "a Flow, a Field"),
        ("infonce", {}, "method"),
        ("method:infonse", {}, "infonce"),
        ("toy", {"k": 3}, "k"),
        ("toy", {"rates": 3}, "rates"),
        ("(a*b)^2", {"states": "a", "random": "b ~ nonsense(1)"}, "nonsense"),
        ("x' = y; y' = ", {}, "position 1"),
        (GAME, {"branch": "full"}, "a Flow alone"),
        (dynsim.Field(("x",), lambda t, y: -y), {"k": 3}, "a Field alone"),
        (dynsim.Field(("W",), lambda t, y: -y, shapes={"W": (2, 2)}), {}, "shape"),
    ],
)
def test_what_cannot_be_explored_is_said_in_one_line(source, options, told):
    with pytest.raises(dynsim.DynsimError, match=told) as caught:
        given(source, options.pop("states", None), options.pop("branch", None), **options)
    assert "\n" not in str(caught.value)


def test_a_parameter_in_time_is_followed_and_nothing_is_said_to_rest():
    setting = given("toy", shown={"parameters": {"alpha": "1 + 0.1*t"}})
    assert not is_steady(setting)
    run = dynsim.solve("toy", setting.initial, 30.0, parameters={"alpha": "1 + 0.1*t"})
    shown = picture(setting)
    assert float(shown.states["theta"][-1]) == pytest.approx(float(run.theta[-1]), abs=1e-5)
    assert "changes with the time" in shown.verdict.reason
    assert (shown.verdict.limit, shown.ratios, distance_line(setting)) == ({}, {}, "")
    plane = settled_plane(setting)
    assert (plane.nullclines, plane.points, plane.settled) == ((), (), True)
    tied = given("scalar", shown={"parameters": {"eta_p": "eta_s/2", "eta_s": 0.1}})
    assert is_steady(tied)  # tied to another parameter it does not move in time
    assert settled(tied).verdict.limit
    with pytest.raises(dynsim.DynsimError, match="zero"):
        given("toy", shown={"parameters": {"alpha": "1/0"}})


def test_the_branches_are_those_of_three_runs():
    shown = picture(filled(Setting("toy", compare=True)))
    assert list(shown.branches) == ["stop", "full", "target"]
    for branch, run in shown.branches.items():
        alone = picture(filled(Setting("toy", branch=branch)))
        np.testing.assert_allclose(run.encoder, alone.states["theta"], atol=1e-9)
        np.testing.assert_allclose(run.loss, alone.loss, atol=1e-9)
        np.testing.assert_allclose(run.orbit, alone.orbits[0], atol=1e-9)
    assert picture(filled(Setting("toy"))).branches == {}
    diverging = picture(filled(Setting("(1 - sg(w))*w^3 - w^4/2", ("w",), initial={"w": 1.0}, compare=True)))
    assert all(len(run.encoder) == len(diverging.time) for run in diverging.branches.values())


def test_presets_show_what_they_say():
    ends = {name: settled_outcome(filled(one)).collapsed for name, one in PRESETS.items()}
    for name, collapsed in ends.items():
        if any(word in name for word in ("alive", "stop-gradient: ", "tiny", "three runs", "fast", "rises")):
            assert collapsed is False, name
        if any(word in name for word in ("fails", "collapse", "without stop-gradient", "second branch")):
            assert collapsed is ("alive" not in name), name
    assert ends["article-stop: with stop-gradient"] is False
    loss = picture(filled(PRESETS["loss-rise: it rises on the way"])).loss
    assert loss.max() > 5 * loss[0]


def test_the_distance_to_collapse_is_that_of_resilience():
    told = distance_line(filled(Setting("toy")))
    found = dynsim.resilience("toy", {"phi": 0.6, "theta": 0.1}, null_line=False)
    assert f"distance to collapse {float(found.fatal_shock):.4g}," in told
    assert "(exact)" in told
    assert "θ = 0 itself is 0.1 away" in told
    assert "nearest start that lives is 0.2121 away" in distance_line(filled(Setting("toy", branch="full")))
    assert distance_line(filled(Setting("toy", initial={"theta": 0.0}))) == ""
    assert distance_line(filled(Setting("dirac-gan"))) == ""
