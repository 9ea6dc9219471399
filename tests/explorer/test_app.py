"""The widget without a browser: controls change the setting, wrong input is said and changes nothing."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="needs the extra 'notebooks'")

import dynsim
from dynsim.explorer.live_view import LiveView
from dynsim.explorer.settled import settled


@pytest.fixture(autouse=True)
def no_loop(monkeypatch):
    """As in a script: a browser that other tests keep open has an event loop running in this very thread."""

    def none_runs():
        raise RuntimeError("no running event loop")

    monkeypatch.setattr("asyncio.get_running_loop", none_runs)


@pytest.fixture
def view():
    return dynsim.explore("toy")


def test_a_slider_moves_the_picture(view):
    view.controls.sliders["theta"].value = 0.4
    assert view.setting.initial["theta"] == 0.4
    assert view.picture.states["theta"][0] == 0.4
    assert view.picture.verdict.limit == dynsim.outcome(dynsim.system("toy"), {"phi": 0.6, "theta": 0.4}).limit
    assert view.view.frame["sentence"] == view.picture.verdict.sentence


def test_the_branch_switch_changes_the_equations(view):
    before = view.equations.value
    view.controls.branch.value = "full"
    assert view.picture.verdict.collapsed is True
    assert view.equations.value != before


def test_another_system_has_its_own_numbers(view):
    view.controls.sliders["theta"].value = 0.33
    view.controls.system.value = "scalar"
    assert view.setting.initial["theta"] == 0.1
    view.controls.sliders["sigma2"].value = 0.3
    view.controls.defaults.click()
    assert view.setting.parameters["sigma2"] == 0.1


def test_a_loss_that_is_edited_keeps_the_numbers_of_its_names(view):
    view.controls.loss.value = "(phi*theta - sg(theta))^2/2"
    view.controls.sliders["theta"].value = 0.33
    view.controls.loss.value = "(phi*theta - sg(theta))^2"
    assert view.setting.initial["theta"] == 0.33


def test_what_was_typed_comes_back(view):
    view.controls.loss.value = "(phi*theta - sg(theta))^2 + theta^4"
    view.controls.system.value = "byol"
    view.controls.system.value = "(typed loss)"
    assert "theta^4" in view.setting.source


def test_states_can_be_named_before_the_loss_is_typed(view):
    setting = view.setting
    view.controls.states.value = "a, b"
    assert (view.setting, view.controls.error.value) == (setting, "")
    view.controls.loss.value = "(a*b - sg(b))^2"
    assert view.controls.error.value == ""
    assert set(view.setting.initial) == {"a", "b"}


def test_a_loss_with_other_symbols_asks_for_its_states(view):
    view.controls.loss.value = "(a*b - sg(b))^2"
    assert view.controls.states.layout.display == ""
    assert "dynsim-stale" in view.view._dom_classes
    view.controls.states.value = "a, b"
    assert view.setting.states == ("a", "b") or set(view.setting.initial) == {"a", "b"}
    assert "dynsim-stale" not in view.view._dom_classes


def test_a_loss_below_zero_need_not_rise():
    from dynsim.explorer.message import _rises

    falling, rising = np.linspace(-1, -2, 9), np.array([-1.0, -0.9, -2.0])
    assert not _rises(falling)
    assert _rises(rising)
    assert not _rises(np.full(5, -1.0))


def test_a_variant_is_chosen_and_what_it_does_not_have_is_said(view):
    view.controls.system.value = "euclidean"
    view.controls.variant.value = "isoloss"
    assert view.setting.variant == "isoloss"
    frame = view.view.frame["serial"]
    view.controls.branch.value = "full"  # of this variant there is one branch only
    assert "isoloss" in view.controls.error.value
    assert (view.controls.branch.value, view.setting.branch, view.view.frame["serial"]) == ("stop", "stop", frame)
    view.controls.variant.value = "predictor"
    view.controls.branch.value = "full"
    assert (view.setting.variant, view.setting.branch) == ("predictor", "full")
    assert view.controls.error.value == ""
    view.controls.system.value = "toy"
    assert view.setting.variant is None


def test_controls_that_choose_nothing_are_hidden(view):
    assert view.controls.branch.layout.display != "none"
    assert view.controls.variant.layout.display == "none"
    view.controls.system.value = "dirac-gan"
    assert view.controls.branch.layout.display == "none"
    assert view.controls.variant.layout.display != "none"


def test_dragging_sets_the_sliders(view):
    view.view.dragged = [0.2, -0.7, 1]
    assert (view.controls.sliders["phi"].value, view.controls.sliders["theta"].value) == (0.2, -0.7)
    assert view.picture.states["theta"][0] == -0.7


def test_a_slider_that_tells_its_number_back_moves_nothing(view):
    view.view.dragged = [0.2, 0.24, 1]
    frame, slider = view.view.frame, view.controls.sliders["theta"]
    slider.set_state({"value": 0.24000000000000002})  # what a browser makes of 0.24 on a grid that starts at −1.5
    assert view.setting.initial == {"phi": 0.2, "theta": 0.24}
    assert view.view.frame is frame
    slider.set_state({"value": 0.25000000000000004})
    assert view.setting.initial["theta"] == 0.25
    slider.set_state({"value": 0.24000000000000002})  # the user goes back
    assert view.setting.initial["theta"] == 0.24


def test_a_frame_tells_which_move_it_knows(view):
    view.view.dragged = [0.2, 0.24, 7]
    assert view.view.frame["heard"] == 7
    view.view.dragged = [float("nan"), 0.24, 8]  # refused: the start goes back to where the picture is
    assert view.view.frame["heard"] == 8
    assert view.setting.initial["phi"] == 0.2
    assert view.view.frame["start"] == '{"phi": 0.2, "theta": 0.24}'


def test_orbits_are_added_and_cleared(view):
    view._asked(view.view, {"type": "add", "at": [0.2, 0.9]}, [])
    assert view.setting.more == ((0.2, 0.9),)
    assert len(view.picture.orbits) == 2
    view._asked(view.view, {"type": "clear"}, [])
    assert len(view.picture.orbits) == 1


@pytest.mark.parametrize(
    "text",
    [
        "(phi*theta - sg(theta)",
        "phi**",
        "__import__('os').system('touch /tmp/hacked')",
        "open('x')",
        "a*b",
        "phi*" * 6000,
        "sqrt(-1)*phi*theta",
    ],
)
def test_a_wrong_loss_is_said_and_the_last_good_picture_stays(view, text):
    setting, frame = view.setting, view.view.frame["serial"]
    view.controls.loss.value = text
    assert 'role="alert"' in view.controls.error.value
    assert view.setting == setting
    assert view.view.frame["serial"] == frame
    view.controls.loss.value = "(phi*theta - sg(theta))^2/2 + phi^2"
    assert view.controls.error.value == ""
    assert view.setting.source.endswith("phi^2")


def test_a_refused_drag_leaves_no_trace(view):
    setting = view.setting
    view.change(dragged={"phi": float("nan")})
    assert view.setting == setting
    assert view.controls.error.value


def test_typed_loss_from_a_system(view):
    view.controls.system.value = "(typed loss)"
    assert view.setting.states == ("phi", "theta")
    assert "sg(theta)" in view.setting.source
    assert view.picture.verdict.sentence


def test_restore_gives_the_same_picture():
    view = dynsim.explore("scalar", branch="full", initial={"theta": 0.123456}, parameters={"sigma2": 0.2}, time="log")
    again = dynsim.explore(restore=view.text)
    assert again.setting == view.setting
    assert again.view.frame["sentence"] == view.view.frame["sentence"]
    assert again.controls.sliders["theta"].value == 0.123456


def opens(name):
    opened = dynsim.explore(name)
    assert opened.view.frame["sentence"], name
    assert opened.view.scene["settled"]


@pytest.mark.parametrize("name", ["barlow", "dirac-gan", "method:dino"])
def test_kinds_of_systems_open(name):
    opens(name)


@pytest.mark.long
def test_every_system_and_method_opens():
    for name in [*dynsim.list_systems()["name"], *(f"method:{name}" for name in dynsim.list_methods()["name"])]:
        opens(name)


def test_what_is_random_and_what_moves_in_time_is_typed(view):
    view.controls.loss.value = "E((phi*theta*(x + n) - sg(theta*x))^2)/2"
    assert "x" in view.controls.error.value  # x and n are no states, and nothing says what they are drawn from
    view.controls.random.value = "x ~ normal(0, 1), n ~ normal(0, sigma2)"
    assert view.controls.error.value == ""
    assert set(view.setting.parameters) == {"sigma2"}
    view.controls.schedules.value = "sigma2 = 0.1 + 0.01*t"
    assert view.setting.schedules == {"sigma2": "0.1 + 0.01*t"}
    assert "sigma2" not in view.controls.sliders
    assert "changes with the time" in view.picture.verdict.reason
    view.controls.schedules.value = "sigma2"
    assert "In time" in view.controls.error.value
    view.controls.schedules.value = ""
    assert view.setting.schedules == {}
    assert "sigma2" in view.controls.sliders
    view.controls.loss.value = "x' = y; y' = -x"
    assert view.setting.states is None
    assert list(view.setting.initial) == ["x", "y"]


def test_a_preset_is_opened_and_named_while_it_is_shown(view):
    view.controls.preset.value = "article-full: without stop-gradient"
    assert (view.setting.branch, view.picture.verdict.collapsed) == ("full", True)
    view.controls.sliders["theta"].value = 0.4
    view.controls.compare.value = True
    assert view.controls.preset.value == "(none of them)"
    assert len(view.view.frame["branches"]) == 3
    view.controls.preset.value = "article-full: without stop-gradient"
    assert view.view.frame["branches"] == []


def test_an_address_is_restored_and_a_wrong_one_is_said(view):
    text = view.text
    view.controls.branch.value = "full"
    view._asked(view.view, {"type": "restore", "text": text}, [])
    assert view.setting.branch == "stop"
    assert view.view.frame["text"] == text
    view._asked(view.view, {"type": "restore", "text": "show=toi"}, [])
    assert "did you mean" in view.controls.error.value


def test_a_flow_that_is_given_can_be_come_back_to():
    flow = dynsim.gradient_flow("E(tanh(w*x)^2)", ["w"], random="x ~ normal(0, 1)")
    view = dynsim.explore(flow)
    sent = []
    view.view.send = lambda message, buffers=None: sent.append(message)
    for kind in ("code", "link", "png"):
        view._asked(view.view, {"type": kind}, [])
    assert [message["type"] for message in sent] == ["file"]  # a figure can be drawn, no text holds a quadrature
    assert "quadrature" in view.controls.error.value
    view.controls.system.value = "toy"
    view.controls.system.value = "(the flow that was given)"
    assert view.setting.source == flow
    assert repr(view).startswith("Explorer(Flow")


def test_how_exact_an_average_is_stands_beside_the_equations():
    random = "x ~ normal(0, 1), y ~ normal(0, 1)"
    view = dynsim.explore("E(tanh(w*x*y)^2) + w^2", "w", random=random)
    flow = dynsim.gradient_flow("E(tanh(w*x*y)^2) + w^2", "w", random=random)
    assert flow.expectation > 1e-6
    assert str(flow.expectation) in view.equations.value


def test_the_distance_to_collapse_stands_beside_the_outcome(view):
    assert view.distance.startswith("distance to collapse 0.4036")


def test_wrong_arguments_are_errors_at_the_door():
    for wrong in (
        {"branch": "half"},
        {"initial": {"psi": 1}},
        {"t_end": 0},
        {"restore": "what"},
        {"plane": ("phi", "x")},
    ):
        with pytest.raises(dynsim.DynsimError):
            dynsim.explore("toy", **wrong)
    with pytest.raises(dynsim.DynsimError, match="system_or_loss"):
        dynsim.explore(3)
    with pytest.raises(dynsim.DynsimError, match="did you mean 'toy'"):
        dynsim.explore("toi")


def test_nothing_in_the_browser_part_asks_the_network():
    everything = (LiveView._esm + LiveView._css).replace("http://www.w3.org/2000/svg", "")
    for word in ("http:", "https:", "import(", "fetch(", "XMLHttpRequest", "eval(", "@import", "innerHTML"):
        assert word not in everything, word


def test_what_waits_behind_a_slow_computation_is_dropped_once_something_moves(monkeypatch):
    import asyncio
    import threading

    from dynsim.explorer import app

    monkeypatch.undo()  # here an event loop runs
    computed, go = [], threading.Event()

    def slow(setting, scenery):
        computed.append(setting.initial["theta"])
        go.wait(20)
        return settled(setting, scenery)

    monkeypatch.setattr(app, "settled", slow)
    monkeypatch.setattr(app, "_REST", 0.01)

    async def moves():
        view = dynsim.explore("toy", initial={"theta": 0.1})
        while not computed:
            await asyncio.sleep(0.01)
        for theta in (0.2, 0.3, 0.4):
            view.change(initial={"theta": theta})
            await asyncio.sleep(0.1)
        go.set()
        while view._distance is None:
            await asyncio.sleep(0.01)
        return view

    with ThreadPoolExecutor(1) as other:  # the browser's own loop may be running in this thread
        view = other.submit(lambda: asyncio.run(asyncio.wait_for(moves(), 60))).result()
    assert computed == [0.1, 0.4]
    assert view.view.scene["settled"]
    assert view.view.frame["distance"].startswith("distance to collapse")
