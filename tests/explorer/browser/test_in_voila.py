"""The explorer in Voilà, in a real browser: moved by keyboard and mouse, it shows what `solve` and `outcome` say."""

import re

import numpy as np
import pytest

import dynsim


def expected(start, branch="stop", alpha=1.0):
    """End of the run, and the values at the end of what is drawn, computed apart from the explorer."""
    flow = dynsim.system("toy", branch=branch)
    end = dynsim.outcome(flow, start, {"alpha": alpha})
    run = dynsim.solve(flow, start, 30.0, parameters={"alpha": alpha})
    return end, [float(run.phi[-1]), float(run.theta[-1])]


def agrees(view, branch="stop", alpha=1.0):
    seen = view.seen()
    end, last = expected(seen["start"], branch, alpha)
    np.testing.assert_allclose(seen["last"], last, atol=1e-5)
    assert f"θ → {end.limit['theta'] if end.limit['theta'] else 0:.4g}".replace("-", "−") in seen["sentence"]
    assert seen["sentence"].endswith(": no collapse") is not end.collapsed


def test_sliders_by_keyboard(in_voila):
    view = in_voila
    agrees(view)
    before = view.curve("theta")
    for label, name, key, times, value in (
        ("θ(0)", "theta", "ArrowRight", 5, 0.15),
        ("φ(0)", "phi", "ArrowLeft", 3, 0.57),
        ("θ(0)", "theta", "PageUp", 1, 0.20),
    ):
        view.press(label, key, times)
        view.wait_for_start(**{name: value})
        agrees(view)
        assert view.slider(label).get_attribute("aria-valuetext") == f"{value:.2f}"
        assert view.curve("theta") != before
        before = view.curve("theta")


def test_negative_control(in_voila):
    """What must not move does not move, and the comparison above can fail."""
    view = in_voila
    before = (view.curve("theta"), view.sentence, view.last)
    view.press("θ(0)", "Shift")
    view.page.locator(".dynsim-toolbar [data-what=command]").click()
    view.page.wait_for_selector(".dynsim-told textarea:visible")
    assert (view.curve("theta"), view.sentence, view.last) == before
    view.press("θ(0)", "ArrowRight")
    view.wait_for_start(theta=0.11)
    assert view.last != before[2]
    with pytest.raises(AssertionError):
        agrees(view, branch="full")


def test_dragging_the_start(in_voila):
    view, page = in_voila, in_voila.page
    dot = page.locator(".dynsim-view .start .dot")
    before = dot.bounding_box()
    for right, up in ((-3, 2), (2, -1), (-1, -1)):
        there = view.drag(40, right, up)
        view.wait_for_start(**there)  # no frame is lost at the end of a drag,
        view.wait_for_slider("φ(0)", there["phi"])
        view.settle()
        assert view.start == there  # and the sliders, which follow, do not move it
        agrees(view)
    assert there["phi"] < 0.3
    placed = dot.bounding_box()
    assert placed["x"] == pytest.approx(before["x"] - 80, abs=5)
    assert placed["y"] == pytest.approx(before["y"], abs=5)


def test_sliders_that_follow_report_nothing(pages, voila):
    """A slider that is given a number must not tell it back: that would undo the moves made in the meantime."""
    with pages() as view:
        sent = []
        view.page.on("websocket", lambda one: one.on("framesent", lambda data: sent.append(str(data))))
        view.open(voila)
        there = view.drag(40, -3, 2)
        view.wait_for_start(**there)
        view.settle()
        assert any('"dragged":' in message for message in sent)
        reported = re.compile(r'"state":\{"value":([^}]+)\}')
        values = {round(float(value), 9) for message in sent for value in reported.findall(message)}
        assert values <= {0.6, 0.1}, values  # a slider that is made may say where it stands
        view.wait_for_slider("θ(0)", there["theta"])
        view.press("θ(0)", "ArrowRight")
        view.wait_for_start(theta=round(there["theta"] + 0.01, 2))
        assert any(reported.search(message) for message in sent)


def test_a_storm_of_moves_ends_at_the_last(in_voila):
    view = in_voila
    view.press("θ(0)", "ArrowRight", 60)
    view.press("θ(0)", "ArrowLeft", 20)
    view.wait_for_start(theta=0.5)
    agrees(view)


def test_click_adds_an_orbit_and_the_keyboard_does_too(in_voila):
    view, page = in_voila, in_voila.page
    plane = page.locator(".dynsim-plane > svg").bounding_box()
    page.mouse.click(plane["x"] + 0.2 * plane["width"], plane["y"] + 0.2 * plane["height"])
    orbits = page.locator(".dynsim-plane path.orbit.more:visible")
    orbits.first.wait_for()
    assert orbits.count() == 1
    handle = page.locator(".dynsim-view .start")
    handle.focus()
    handle.press("ArrowUp")
    view.wait_for_start(theta=0.11)
    handle.press("Enter")
    page.wait_for_function("() => document.querySelectorAll('.dynsim-plane circle.more-start').length === 2")
    agrees(view)
    page.get_by_role("button", name="Clear orbits").click()
    orbits.first.wait_for(state="hidden")


def test_branches(in_voila):
    view, page = in_voila, in_voila.page
    equations = page.locator(".dynsim-equations")
    before = equations.inner_html()
    for branch in ("full", "target", "stop"):
        view.choose_branch(branch)
        agrees(view, branch)
    page.get_by_role("button", name="full", exact=True).click()
    page.wait_for_function("(before) => document.querySelector('.dynsim-equations').innerHTML !== before", arg=before)


# Separatrices as they are drawn, and the ticks that say where that is.
PLANE = """() => {
  const shown = (selector) => [...document.querySelectorAll('.dynsim-plane > svg ' + selector)]
    .filter((node) => node.style.display !== 'none');
  const ticks = (anchor, at) => shown('.grid text').filter((node) => node.getAttribute('text-anchor') === anchor)
    .map((node) => [Number(node.textContent.replace('\u2212', '-')), Number(node.getAttribute(at))]);
  const lines = (selector) => shown(selector).map((node) => node.getAttribute('d'));
  const [paths, attracting] = [lines('path.separatrix:not(.out)'), lines('path.equilibria.stable')];
  return { x: ticks('middle', 'x'), y: ticks('end', 'y'), paths, attracting };
}"""


def drawn_separatrices(page):
    """Points of the separatrices in the coordinates of the plane."""
    drawn = page.evaluate(PLANE)
    places = [pair for path in drawn["paths"] for pair in re.findall(r"([\d.-]+),([\d.-]+)", path)]
    pixels = np.array(places, dtype=float)
    values = []
    for axis, offset, column in (("x", 0.0, 0), ("y", 3.5, 1)):
        (first, at_first), *_, (last, at_last) = drawn[axis]
        values.append(first + (pixels[:, column] + offset - at_first) * (last - first) / (at_last - at_first))
    return np.array(values)


def test_separatrices_follow_a_parameter_and_the_branch(in_voila):
    view, page = in_voila, in_voila.page
    view.press("α", "ArrowRight", 6)
    view.wait("JSON.parse(data.parameters).alpha === rest[0]", 4.0)
    view.settle()
    phi, theta = drawn_separatrices(page)
    left = phi < -0.1
    assert left.any()
    np.testing.assert_allclose(np.abs(theta[left]), np.abs(phi[left]) / 2, atol=0.02)  # αθ² = φ²
    view.choose_branch("full")
    phi, theta = drawn_separatrices(page)
    np.testing.assert_allclose(np.abs(theta), np.abs(1 - phi) / 2, atol=0.02)  # αθ² = (1 − φ)²
    assert page.evaluate(PLANE)["attracting"]
    assert "separatrix" in page.locator(".dynsim-legend").inner_text()


def test_variants(in_voila):
    view = in_voila
    view.choose("dirac-gan", "psi")
    view.page.get_by_label("Variant").select_option("r1")
    view.slider("γ").wait_for()
    view.settle()
    seen = view.press_and_wait("γ", "ArrowRight", 2)
    run = dynsim.solve(dynsim.system("dirac-gan", variant="r1"), seen["start"], 30.0, parameters=seen["parameters"])
    np.testing.assert_allclose(seen["last"], [float(run.theta[-1]), float(run.psi[-1])], atol=1e-5)
    assert seen["sentence"] == "θ → 0, ψ → 0"


def test_alpha_and_time(in_voila):
    view = in_voila
    view.press("α", "ArrowRight", 4)
    alpha = 2.5
    view.wait("JSON.parse(data.parameters).alpha === rest[0]", alpha)
    assert view.slider("α").get_attribute("aria-valuetext") == f"{alpha:g}"
    agrees(view, alpha=alpha)
    before = view.curve("theta")
    view.page.get_by_role("button", name="log", exact=True).click()
    view.page.wait_for_function(
        "(before) => document.querySelector('.dynsim-states path[data-name=theta]').getAttribute('d') !== before",
        arg=before,
    )
    agrees(view, alpha=alpha)


def test_wrong_and_hostile_losses(in_voila, tmp_path):
    view, page = in_voila, in_voila.page
    before = (view.curve("theta"), view.sentence)
    field = page.get_by_label("Loss", exact=True)
    trap = tmp_path / "trap"
    for text in (
        "(phi*theta - sg(theta)",
        f"__import__('pathlib').Path('{trap}').touch()",
        "<img src=x onerror=\"document.body.dataset.trap='1'\">",
    ):
        field.fill(text)
        field.press("Enter")
        alert = page.get_by_role("alert")
        alert.wait_for()
        assert "position" in alert.inner_text()
        assert (view.curve("theta"), view.sentence) == before
    assert not trap.exists()
    assert page.locator("body").get_attribute("data-trap") is None
    field.fill("(phi*theta - sg(theta))^2/2 + eta*theta^2")
    field.press("Enter")
    view.slider("η").wait_for()
    assert page.get_by_role("alert").count() == 0
    flow = dynsim.gradient_flow("(phi*theta - sg(theta))^2/2 + eta*theta^2", ["phi", "theta"])
    view.wait("'eta' in JSON.parse(data.parameters)")
    seen = view.seen()
    run = dynsim.solve(flow, seen["start"], 30.0, parameters=seen["parameters"])
    np.testing.assert_allclose(seen["last"], [float(run.phi[-1]), float(run.theta[-1])], atol=1e-5)


def test_copying_and_saving(in_voila):
    from dynsim.explorer.short_text import from_text

    view, page = in_voila, in_voila.page
    view.press("θ(0)", "ArrowRight", 2)
    view.wait_for_start(theta=0.12)
    copied = {}
    for what in ("code", "command", "link"):
        page.locator(f".dynsim-toolbar [data-what={what}]").click()
        mark = {"code": "import dynsim", "command": "dynsim explore", "link": "show="}[what]
        page.wait_for_function(
            "(mark) => document.querySelector('.dynsim-told textarea').value.includes(mark)", arg=mark
        )
        page.wait_for_function("() => document.querySelector('.dynsim-told span').textContent === 'Copied:'")
        copied[what] = page.evaluate("() => navigator.clipboard.readText()")
    assert "theta=0.12" in copied["command"]
    assert "'theta': 0.12" in copied["code"]
    address, _, text = copied["link"].partition("?")
    assert address.startswith("http://127.0.0.1:")
    assert from_text(text).initial == {"phi": 0.6, "theta": 0.12}
    with page.expect_download() as download:
        page.get_by_role("button", name="Save SVG").click()
    assert b"<svg" in download.value.path().read_bytes()[:400]
    assert download.value.suggested_filename == "dynsim-toy-stop.svg"


def test_an_address_restores_a_view_and_a_bad_one_is_said(pages, voila):
    with pages() as view:
        page = view.page
        view.open(f"{voila}?show=scalar&branch=full&initial=phi:0.9,theta:0.4&set=sigma2:0.2&time=log")
        assert view.start == {"phi": 0.9, "theta": 0.4}
        assert view.parameters["sigma2"] == 0.2
        page.goto(f"{voila}?show=toi")
        page.get_by_role("alert").wait_for()
        assert "did you mean 'toy'" in page.get_by_role("alert").inner_text()
        view.settle()


def test_keyboard_alone_reaches_everything(in_voila):
    page = in_voila.page
    reached = set()
    page.evaluate("() => document.activeElement.blur()")
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "() => { const e = document.activeElement; return e.getAttribute('aria-label')"
                "|| e.textContent.trim() || document.querySelector(`label[for='${e.id}']`)?.textContent || e.tagName }"
            )[:60]
        )
    wanted = {"φ(0)", "θ(0)", "α", "t end", "stop", "full", "target", "linear", "log", "Copy as code", "Save PNG"}
    assert wanted <= reached, wanted - reached
    assert any(label.startswith("start point") for label in reached)
    assert any(label.startswith(("toy", "System")) for label in reached)
    assert "Loss" in reached


def test_a_screen_reader_finds_names(in_voila):
    page = in_voila.page
    for handle in page.locator("[role=slider]").all():
        assert handle.get_attribute("aria-label")
        assert handle.get_attribute("aria-valuetext")
    for image in page.locator(".dynsim-view svg[role]").all():
        assert len(image.get_attribute("aria-label")) > 20
    assert page.locator(".dynsim-words[aria-live=polite]").count() == 1
    unnamed = page.evaluate(
        "() => [...document.querySelectorAll('.dynsim-explorer :is(button, select, input)')]"
        ".filter(e => e.offsetParent && !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length))"
        ".map(e => e.outerHTML)"
    )
    assert unnamed == []


def test_it_fits_and_asks_nobody(in_voila):
    page = in_voila.page
    width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]
    bottom = page.locator(".dynsim-explorer").bounding_box()
    assert bottom["y"] + bottom["height"] <= 720
    outside = page.evaluate(
        "() => { const w = innerWidth; return [...document.querySelectorAll('.dynsim-explorer *')].filter(e => {"
        "const b = e.getBoundingClientRect(); return b.width && b.right > w + 1; })"
        ".map(e => e.outerHTML.slice(0, 80)) }"
    )
    assert outside == []
    assert page.left_loopback == []


def test_other_kinds_of_systems(in_voila):
    view = in_voila
    for system, state, first in (("barlow", "s", "s(0)"), ("dirac-gan", "psi", "θ(0)"), ("byol", "xi", "ξ(0)")):
        view.choose(system, state)
        view.settle()
        seen = view.press_and_wait(first, "ArrowLeft", 2)
        field = dynsim.system(system)
        run = dynsim.solve(field, seen["start"], 30.0, parameters=seen["parameters"])
        np.testing.assert_allclose(seen["last"], [float(run[name][-1]) for name in field.states], atol=1e-4)
        view.shot(f"voila-{system}")


@pytest.mark.parametrize(
    ("name", "query"),
    [
        pytest.param("light", "show=toy&more=-0.8:0.9;0.2:-1.2;1.3:0.5", marks=pytest.mark.long),
        ("dark", "show=toy&branch=full&theme=dark&time=log"),
    ],
)
def test_themes(pages, voila, name, query):
    with pages(name) as view:
        view.open(f"{voila}?{query}")
        view.page.wait_for_selector(".dynsim-equations mjx-container")
        view.shot(f"voila-{name}")
        ground = view.page.evaluate(
            "() => getComputedStyle(document.querySelector('.dynsim-explorer')).backgroundColor"
        )
        brightness = sum(int(part) for part in re.findall(r"\d+", ground)[:3]) / 3
        assert (brightness < 80) is (name == "dark")


@pytest.mark.long
def test_the_address_holds_the_state_for_reload_and_back(pages, voila):
    with pages() as view:
        page = view.page
        view.open(voila)
        page.get_by_role("button", name="full", exact=True).click()
        page.wait_for_url("**branch=full**")
        page.get_by_label("Preset").select_option("stop-gradient fails: φ too large")
        page.wait_for_url("**phi:1.5**")
        view.settle()
        page.go_back()
        view.wait("data.branch === 'full'")
        view.wait_for_start(phi=0.6)
        page.go_back()
        view.wait("data.branch === 'stop'")
        view.settle()
        agrees(view)
        page.go_forward()
        view.wait("data.branch === 'full'")
        page.reload()
        view.settle()
        agrees(view, "full")


def test_random_symbols_and_schedules_are_typed(in_voila):
    view, page = in_voila, in_voila.page
    loss, random = (page.get_by_label(name, exact=True) for name in ("Loss", "Random"))
    loss.fill("E((phi*theta*(x + n) - sg(theta*x))^2)/2")
    loss.press("Enter")
    page.get_by_role("alert").wait_for()
    random.fill("x ~ normal(0, 1), n ~ normal(0, sigma2)")
    random.press("Enter")
    view.wait("'sigma2' in JSON.parse(data.parameters)")
    page.get_by_role("alert").wait_for(state="detached")
    view.settle()
    schedule = page.get_by_label("In time", exact=True)
    schedule.fill("sigma2 = 0.1 + 0.01*t")
    schedule.press("Enter")
    page.wait_for_function(
        "() => document.querySelector('.dynsim-reason').textContent.includes('changes with the time')"
    )
    run = dynsim.solve(
        dynsim.gradient_flow("E((phi*theta*(x + n) - sg(theta*x))^2)/2", "phi, theta",
                             random="x ~ normal(0, 1), n ~ normal(0, sigma2)"),
        view.start, 30.0, parameters={"sigma2": "0.1 + 0.01*t"},
    )  # fmt: skip
    np.testing.assert_allclose(view.last, [float(run.phi[-1]), float(run.theta[-1])], atol=1e-5)


def test_all_branches_at_once(in_voila):
    view, page = in_voila, in_voila.page
    shown = (
        "() => [...document.querySelectorAll('.dynsim-states path')]"
        ".filter((one) => one.style.display !== 'none').map((one) => one.dataset.name).join()"
    )
    page.get_by_role("button", name="all branches at once").click()
    page.wait_for_function(f"() => ({shown})() === 'stop,full,target'")
    view.settle()
    view.shot("voila-branches")
    page.get_by_role("button", name="all branches at once").click()
    page.wait_for_function(f"() => ({shown})() === 'phi,theta'")


@pytest.mark.long
def test_a_telephone_shows_the_picture_above_the_controls(pages, voila):
    with pages() as view:
        page = view.page
        page.set_viewport_size({"width": 390, "height": 844})
        view.open(voila)
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        plane, system = (page.locator(one).bounding_box() for one in (".dynsim-plane > svg", ".dynsim-controls"))
        assert plane["x"] + plane["width"] <= 390
        assert plane["width"] > 250
        assert plane["y"] < system["y"]
        view.shot("voila-telephone")
