"""A live page computes what Python computes, offline, and nothing a user types can become its code."""

import itertools
import json
import re
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
import sympy

import dynsim
from dynsim.errors import DynsimError
from dynsim.explorer.setting import Setting
from dynsim.explorer.subject import filled, subject
from dynsim.pages.javascript import function_body, javascript, product_rule
from dynsim.pages.live_page import live_page, mathml
from dynsim.symbolic.expectation import loops
from dynsim.symbolic.printing import unicode_name

RUN = """({start, times, p, branch}) => {
    const {integrate, FLOWS, DATA} = dynsimNumerics;
    const field = {size: start.length, f: (t, y, out) => FLOWS[branch].f(t, y, p, out)};
    const run = integrate(field, start, Float64Array.from(times));
    return {status: run.status, states: run.states.map((y) => [...y])};
}"""
WORDS = "(function*phi*theta - sg(theta))^2/2 + var*theta^2/2 + class*softplus(theta)"


def small_systems():
    """Every system with at most four states."""
    names = dynsim.list_systems()["name"]
    return [name for name in names if len(subject(Setting(name, branch=first_branch(name))).flow.states) <= 4]


def first_branch(name):
    return dynsim.systems.catalogue.entry_of(name).branches[0]


def compare(opened, setting):
    setting = filled(setting)
    about = subject(setting)
    page = opened(live_page(setting))
    times = np.linspace(0.0, 3.0, 13)
    values = page.evaluate("() => dynsimNumerics.DATA.parameters.map((one) => one.value)")
    for branch in about.branches:
        flow = subject(Setting(**{**setting.__dict__, "branch": branch})).flow
        start = list(setting.initial.values())
        ours = page.evaluate(RUN, {"start": start, "times": times.tolist(), "p": values, "branch": branch})
        run = dynsim.solve(flow, setting.initial, times=times, parameters=setting.parameters, rtol=1e-11, atol=1e-13)
        expected = np.array([run[name].values for name in flow.states]).T
        assert ours["status"] == "ok"
        assert np.abs(np.array(ours["states"]) - expected).max() < 1e-8 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("name", ["toy"])
def test_orbits_are_those_of_solve(opened, name):
    compare(opened, Setting(name))


def test_names_that_are_keywords_of_javascript(opened):
    compare(opened, Setting(WORDS, states=("phi", "theta")))


KINDS = {
    "one dimension": Setting("E(tanh(w*x)^2) + (w - 1)^2/2", ("w",), options={"random": "x ~ normal(0, s)"}),
    "two dimensions, a kink, a teacher": Setting(
        "E((abs(w)*x + tanh(n*v*w) - sg(v))^2)/2", ("w", "v"),
        options={"random": "x ~ normal(0, 1), n ~ uniform(-1, 1)", "rates": {"w": "a"}, "roles": {"encoder": ("v",)}},
    ),
    "an average inside a logarithm": Setting(
        "E(log(1 + E(exp(tanh(w*x*y)), y))) + w^2", ("w",), options={"random": "x ~ normal(0, 1), y ~ normal(0, 1)"}
    ),
    "a parameter in time": Setting("toy", parameters={"alpha": "1 + 0.3*sin(2*t)"}),
    "a loss in time": Setting("(w - cos(t))^2/2", ("w",)),
    "equations": Setting("x' = y; y' = -sin(x) + eta*t"),
    "a method": Setting("method:infonce"),
    "two prototypes": Setting(
        "-(sg((1+r*tanh(b/(2*tau_t)))/2)*log(1/(1+exp(-b/tau_s)))+sg((1-r*tanh(b/(2*tau_t)))/2)*log(1/(1+exp(b/tau_s))))",
        ("b",), parameters={"r": 0.7, "tau_s": 0.1, "tau_t": 0.06}, initial={"b": 0.1},
    ),
    "a smooth variance": Setting("method:visreg"),
}  # fmt: skip


QUICK = ("two dimensions, a kink, a teacher", "a parameter in time")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.long]) for name in KINDS]
)
def test_orbits_of_every_kind_of_flow(opened, name):
    compare(opened, KINDS[name])


def test_nodes_are_data_and_pages_stay_small():
    setting = Setting(
        "E(tanh(w*x*y*n*m)^2)", ("w",), options={"random": ", ".join(f"{n} ~ normal(0, 1)" for n in "xynm")}
    )
    page = live_page(setting)
    assert len(page.encode()) <= 400_000
    flows = page[page.index("const FLOWS") :].split("};")[0]
    assert len(flows) < 4000
    table = next(iter(loops(list(subject(setting).flow.rhs))[1])).table
    assert table.shape == (6**4, 5)
    points, weights = json.loads(f"[{product_rule(table).removeprefix('productRule(').removesuffix(')')}]")
    made = [np.prod(one) for one in itertools.product(*weights)]
    np.testing.assert_allclose(made, table[:, -1], rtol=1e-12)
    np.testing.assert_array_equal(list(itertools.product(*points)), table[:, :-1])


@pytest.mark.long
@pytest.mark.parametrize("name", small_systems())
def test_the_page_of_every_small_system_can_be_mailed(name):
    assert len(live_page(Setting(name, branch=first_branch(name))).encode()) <= 400_000


def test_hand_written_numerics_stay_short():
    parts = {
        name: (files("dynsim.pages") / "browser" / f"{name}.js").read_text(encoding="utf-8")
        for name in ("functions", "numerics", "frames")
    }
    parts["frames"] = parts["frames"][parts["frames"].index("function linesOfEquilibria") :]
    assert sum(text.count("\n") for text in parts.values()) <= 800


def test_a_field_cannot_be_put_into_a_page():
    with pytest.raises(DynsimError, match="equations"):
        live_page(Setting(dynsim.Field(("x",), lambda t, y: -y)))


@pytest.mark.long
@pytest.mark.parametrize("name", small_systems())
def test_orbits_of_every_small_system(opened, name):
    compare(opened, Setting(name, branch=first_branch(name)))


def test_the_rule_of_the_page_is_the_rule_of_the_outcome(opened):
    page = opened(live_page(Setting("toy")))
    rng = np.random.default_rng(0)
    for branch in ("stop", "full", "target"):
        starts = [*rng.uniform(-2, 2, (40, 2)).tolist(), [0.6, 0.0], [0.5, 0.5], [1.0, 0.3]]
        flow = dynsim.system("toy", branch=branch)
        for start in starts:
            alpha = float(rng.choice([0.5, 1.0, 7.0]))
            given = {"y": start, "p": [alpha], "b": branch}
            ours = page.evaluate("({y, p, b}) => dynsimNumerics.FLOWS[b].end(y, p)", given)
            end = dynsim.outcome(flow, dict(zip(("phi", "theta"), start, strict=True)), {"alpha": alpha})
            assert ours == pytest.approx([end.limit["phi"], end.limit["theta"]], abs=1e-12)


@pytest.mark.parametrize(
    ("setting", "initial", "values"),
    [
        (Setting("scalar"), {"phi": 0.6, "theta": 0.1}, {"sigma2": 0.1}),
        pytest.param(
            Setting("scalar", branch="full"), {"phi": 0.6, "theta": 0.1}, {"eta_p": 0.1}, marks=pytest.mark.long
        ),
        pytest.param(
            Setting("eigenmode"),
            {"p": 0.4, "s": 0.16, "tau": 1.0},
            {"eta_p": 0.1, "eta_s": 0.1},
            marks=pytest.mark.long,
        ),
        (Setting("eigenmode", variant="simsiam"), {"p": 0.4, "s": 0.3}, {"eta_p": 0.1, "eta_s": 0.1}),
    ],
)
def test_where_a_rule_is_an_expression_the_page_says_exact_else_integrated(opened, setting, initial, values):
    setting = filled(replace(setting, initial=initial, parameters=values))
    page = opened(live_page(setting))
    end = dynsim.outcome(subject(setting).flow, setting.initial, setting.parameters)
    reason, sentence = page.inner_text(".dynsim-reason"), page.inner_text(".dynsim-sentence")
    assert reason.startswith("exact" if end.exact else "integrated")
    told = dict(re.findall(r"(\w) → (−?[\d.]+)", sentence))
    for name, value in end.limit.items():
        assert float(told[unicode_name(name)].replace("−", "-")) == pytest.approx(float(value), abs=1e-4)


def test_a_run_that_a_jump_holds_is_said_to_rest_there(opened):
    page = opened(live_page(Setting("method:vicreg")))
    end = dynsim.outcome(dynsim.method("vicreg").flow(), {"w": 0.1})
    assert f"w → {end.limit['w']:.4g}" in page.inner_text(".dynsim-sentence")
    assert "jumps" in page.inner_text(".dynsim-reason")


def test_eigenvalues_equilibria_and_contours(opened):
    page = opened(live_page(Setting("(x^2-1)^2/4 + (y-x)^2/2", states=("x", "y"), branch="full")))
    rng = np.random.default_rng(1)
    for size in (2, 3, 4):
        matrices = rng.normal(size=(50, size, size))
        matrices[::7, 0] = matrices[::7, 1]  # singular ones as well
        found = page.evaluate(
            "({all, n}) => all.map((m) => dynsimNumerics.eigenvalues(Float64Array.from(m), n))",
            {"all": [m.ravel().tolist() for m in matrices], "n": size},
        )
        for matrix, pairs in zip(matrices, found, strict=True):
            expected = np.linalg.eigvals(matrix)
            for re_, im_ in pairs:
                assert np.abs(expected - complex(re_, im_)).min() < 1e-10
    points = page.evaluate(
        """() => { const {FLOWS, DATA, findEquilibria} = dynsimNumerics; const flow = FLOWS[DATA.branch];
        const field = {size: 2, f: (t, y, out) => flow.f(t, y, [], out),
                       jacobian: (t, y, out) => flow.jacobian(t, y, [], out)};
        return findEquilibria(field, [[-2, 2], [-2, 2]], 15).map((one) => [one.kind, ...one.state]); }"""
    )
    kinds = {tuple(np.round(point[1:], 9) + 0.0): point[0] for point in points}
    assert kinds == {(-1.0, -1.0): "stable node", (0.0, 0.0): "saddle", (1.0, 1.0): "stable node"}
    lines = page.evaluate(
        """() => { const xs = Array.from({length: 41}, (_, i) => -1 + i / 20);
        return dynsimNumerics.contours(xs, xs, xs.map((x) => xs.map((y) => x * x + y * y - 0.5))); }"""
    )
    assert len(lines) == 1
    radius = np.hypot(lines[0]["x"], lines[0]["y"])
    assert np.abs(radius - np.sqrt(0.5)).max() < 1e-3


def test_functions_are_stable_and_right(opened):
    from scipy.special import erf, expit, logsumexp

    page = opened(live_page(Setting("toy")))
    xs = [-800.0, -30.0, -2.6, -2.4, -1e-9, 0.0, 0.3, 2.49, 2.51, 5.9, 30.0, 800.0]
    for name, expected in {
        "erf": erf(xs), "sigmoid": expit(xs), "softplus": np.logaddexp(0, xs),
        "logcosh": [logsumexp([x, -x]) - np.log(2) for x in xs],
    }.items():  # fmt: skip
        ours = page.evaluate(f"(xs) => xs.map((x) => dynsimNumerics.{name}(x))", xs)
        np.testing.assert_allclose(ours, expected, rtol=2e-14, atol=1e-15)


def test_what_moves_with_sliders_branch_and_address(opened):
    from playwright.sync_api import expect

    page = opened(live_page(Setting("toy")))
    sentence, root = page.locator(".dynsim-sentence"), page.locator("#dynsim")
    expect(sentence).to_contain_text("no collapse")
    page.get_by_label("full gradient").check()
    expect(sentence).to_have_text(re.compile(r"[^o] collapse$"))
    page.get_by_label("θ(0)").first.press("ArrowRight")
    expect(page).to_have_url(re.compile("theta=.*branch:full"))
    text = sentence.inner_text()
    page.reload()
    page.wait_for_selector("#dynsim[data-settled]")
    expect(sentence).to_have_text(text)
    before = root.get_attribute("data-last")
    page.locator(".start").focus()
    page.keyboard.press("ArrowUp")
    expect(root).not_to_have_attribute("data-last", before)
    page.get_by_role("button", name="Defaults").click()
    expect(sentence).to_contain_text("no collapse")


def test_a_flow_in_time_says_so_and_claims_no_rest(opened):
    page = opened(live_page(Setting("toy", parameters={"alpha": "1 + 0.1*t"})))
    assert "changes with the time" in page.inner_text(".dynsim-reason")
    assert "no equilibria" in page.inner_text(".dynsim-plane figcaption")
    assert page.locator(".dynsim-plane path.nullcline").count() == 0
    assert page.inner_text(".dynsim-distance") == ""


def test_the_branches_at_once_the_presets_and_the_way_back(opened):
    from playwright.sync_api import expect

    page = opened(live_page(Setting("toy")))
    sentence, root, curves = (
        page.locator(".dynsim-sentence"),
        page.locator("#dynsim"),
        page.locator(".dynsim-states path"),
    )
    page.get_by_label("all branches at once").check()
    expect(page).to_have_url(re.compile("compare:yes"))
    shown = (
        "() => [...document.querySelectorAll('.dynsim-states path')]"
        ".filter((one) => one.style.display !== 'none').map((one) => one.dataset.name)"
    )
    assert page.evaluate(shown) == ["stop", "full", "target"]
    strokes = {
        curves.nth(i).evaluate("(one) => getComputedStyle(one).stroke + getComputedStyle(one).strokeDasharray")
        for i in range(3)
    }
    assert len(strokes) == 3
    page.get_by_role("combobox", name="preset").select_option("stop-gradient fails: φ too large")
    expect(sentence).to_have_text(re.compile(r"[^o] collapse$"))
    expect(page).to_have_url(re.compile("phi=1.5"))
    assert not page.get_by_label("all branches at once").is_checked()
    page.get_by_label("full gradient").check()
    expect(page).to_have_url(re.compile("branch:full"))
    expect(page.get_by_role("combobox", name="preset")).to_have_value("")
    page.go_back()
    expect(root).to_have_attribute("data-branch", "stop")
    expect(page.get_by_role("combobox", name="preset")).to_have_value("stop-gradient fails: φ too large")
    page.go_back()
    expect(page.get_by_label("all branches at once")).to_be_checked()
    assert page.evaluate(shown) == ["stop", "full", "target"]
    page.reload()
    page.wait_for_selector("#dynsim[data-settled]")
    assert page.evaluate(shown) == ["stop", "full", "target"]


@pytest.mark.parametrize(
    ("branch", "start"),
    [
        ("full", (0.6, 0.1)),
        pytest.param("stop", (0.6, 0.1), marks=pytest.mark.long),
        pytest.param("target", (-0.4, 1.2), marks=pytest.mark.long),
    ],
)
def test_the_distance_to_collapse_is_that_of_resilience(opened, branch, start):
    initial = dict(zip(("phi", "theta"), start, strict=True))
    page = opened(live_page(Setting("toy", branch=branch, initial=initial)))
    found = dynsim.resilience(dynsim.system("toy", branch=branch), initial, null_line=False)
    expected = float(found.way_out if int(found.collapses) else found.fatal_shock)
    told = page.inner_text(".dynsim-distance")
    assert float(re.search(r"(?:collapse|is) (\d[\d.]*)[, ]", told)[1]) == pytest.approx(expected, rel=1e-3)
    assert told.startswith("it collapses") is bool(int(found.collapses))


def test_a_circle_is_drawn_as_a_circle(opened):
    page = opened(live_page(Setting("x' = y; y' = -x", initial={"x": 0.6, "y": 0.8})), width=1100)
    path = page.locator(".dynsim-plane path.orbit").first.get_attribute("d")
    points = np.array(re.findall(r"([\d.]+),([\d.]+)", path), dtype=float)
    width, height = np.ptp(points, axis=0)
    assert width == pytest.approx(height, rel=0.01)
    assert width > 100


@pytest.mark.parametrize("width", [1280, pytest.param(768, marks=pytest.mark.long), 390])
def test_everything_is_reached_by_tab_and_nothing_sticks_out(opened, width):
    page = opened(live_page(Setting("toy")), width=width, height=720)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "() => { const e = document.activeElement; return e.getAttribute('aria-label')"
                "|| e.labels?.[0]?.textContent || e.textContent.trim() }"
            )[:30]
        )
    wanted = {"preset", "stop-gradient", "all branches at once", "φ(0)", "θ(0)", "α", "t end", "linear", "Defaults"}
    assert wanted <= reached, wanted - reached
    assert any(name.startswith("start point") for name in reached)


@pytest.mark.long
def test_a_page_inside_another_one_works_without_an_address(opened, tmp_path):
    (tmp_path / "inner.html").write_text(live_page(Setting("toy")), encoding="utf-8")
    quoted = live_page(Setting("toy")).replace("&", "&amp;").replace('"', "&quot;")
    page = opened(
        f'<div id="dynsim" data-settled>outer</div><iframe srcdoc="{quoted}" width="1000" height="900"></iframe>'
    )
    inner = page.frame_locator("iframe")
    inner.get_by_label("full gradient").check()
    inner.locator("#dynsim[data-branch=full]").wait_for()
    inner.get_by_role("button", name="Defaults").click()
    inner.locator("#dynsim[data-branch=stop]").wait_for()
    page.wait_for_timeout(300)


def test_a_telephone_shows_picture_and_sliders(opened):
    page = opened(live_page(Setting("toy")), width=390, height=800)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for selector in (".dynsim-plane svg", "input[type=range]"):
        box = page.locator(selector).first.bounding_box()
        assert box["width"] > 60
        assert box["x"] + box["width"] <= 390


def test_titles_and_losses_cannot_break_out(opened):
    evil = "</script><script>window.broken=1</script><img src=x onerror='window.broken=1'>"
    page = opened(live_page(Setting("toy"), title=evil))
    assert page.evaluate("window.broken") is None
    assert page.inner_text("h1") == evil
    for loss in ("alert(1)", "(a.constructor)^2", "`${alert(1)}`^2", "w;alert(1)", "</script>*w"):
        with pytest.raises(DynsimError):
            live_page(Setting(loss, states=("w",)))


def test_the_policy_lets_nothing_else_run(opened):
    html = live_page(Setting("toy"))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html).group(1)
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    page = opened(html.replace("</body>", "<script id='other'>window.broken = 1</script></body>"), errors=True)
    assert page.evaluate("window.broken") is None
    assert page.evaluate("document.getElementById('other') !== null")


def test_a_page_is_small_and_says_what_it_assumes():
    html = live_page(Setting("toy"))
    assert len(html.encode()) <= 400_000
    assert "http" not in re.sub(r"http-equiv|http://www.w3.org/[\w/]+", "", html)
    assert "Newton" in html


def test_more_states_than_a_page_holds():
    with pytest.raises(DynsimError, match="at most 4 states"):
        live_page(Setting("modes"))


def test_only_known_symbols_are_printed():
    w, other = sympy.symbols("w other")
    assert function_body([w**2, w**2 + 1], {w: "y[0]"}).count("out[") == 2
    with pytest.raises(DynsimError, match="other"):
        javascript(w + other, {w: "y[0]"})
    with pytest.raises(DynsimError, match="page"):
        javascript(sympy.besselj(0, w), {w: "y[0]"})


def test_mathml_escapes():
    assert "<mi>" in mathml(sympy.Symbol("a"))
    assert "<b>" not in mathml(sympy.Symbol("<b>"))


def test_save_html_and_the_command_write_the_same_page(tmp_path):
    pytest.importorskip("anywidget")
    from dynsim.cli import main

    dynsim.explore("toy", branch="full").save_html(tmp_path / "one.html")
    assert main(["explore", "toy", "--branch", "full", "--html", str(tmp_path / "other.html")]) == 0
    assert (tmp_path / "one.html").read_text(encoding="utf-8") == (tmp_path / "other.html").read_text(encoding="utf-8")
    with pytest.raises(DynsimError, match=r"\.html"):
        dynsim.explore("toy").save_html(tmp_path / "one.txt")
    page = (tmp_path / "one.html").read_text(encoding="utf-8")
    assert json.loads(re.search(r"const DATA = (\{.*\});", page).group(1))["branch"] == "full"
