"""The explorer in JupyterLab, in a real browser."""

import json

import numpy as np

import dynsim


def agrees(view, branch="stop"):
    flow = dynsim.system("toy", branch=branch)
    end = dynsim.outcome(flow, view.start)
    run = dynsim.solve(flow, view.start, 30.0)
    np.testing.assert_allclose(view.last, [float(run.phi[-1]), float(run.theta[-1])], atol=1e-5)
    assert view.sentence.endswith(": no collapse") is not end.collapsed


def test_moving_by_keyboard_and_mouse(in_lab):
    view, page = in_lab, in_lab.page
    agrees(view)
    before = view.curve("theta")
    view.press("θ(0)", "ArrowRight", 4)
    view.wait_for_start(theta=0.14)
    view.press("φ(0)", "ArrowLeft", 2)
    view.wait_for_start(phi=0.58)
    agrees(view)
    assert view.curve("theta") != before
    view.shot("jupyterlab-light")

    box = page.locator(".dynsim-view .start .dot").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 21):
        page.mouse.move(x - 3 * step, y - 3 * step)
    page.mouse.up()
    view.wait("JSON.parse(data.start).theta > 0.3")
    agrees(view)
    handle = page.locator(".dynsim-view .start")
    handle.focus()
    theta = view.start["theta"]
    handle.press("ArrowDown")
    view.wait_for_start(theta=round(theta - 0.01, 2))

    page.get_by_role("button", name="full", exact=True).click()
    view.wait("data.branch === 'full'")
    agrees(view, "full")
    assert page.evaluate("() => document.querySelectorAll('.dynsim-explorer').length") == 1
    assert json.loads(view.root.get_attribute("data-parameters")) == {"alpha": 1.0}


def test_the_dark_theme(in_lab):
    view, page = in_lab, in_lab.page
    ink = "() => getComputedStyle(document.querySelector('.dynsim-view .curve.encoder')).stroke"
    light = page.evaluate(ink)
    page.evaluate(
        "() => { document.body.dataset.jpThemeLight = 'false'; for (const [name, value] of Object.entries({"
        "'--jp-layout-color0': '#111', '--jp-ui-font-color0': '#fff', '--jp-ui-font-color2': '#aaa'}))"
        "document.documentElement.style.setProperty(name, value); }"
    )
    assert page.evaluate(ink) != light
    view.shot("jupyterlab-dark")
    agrees(view, view.root.get_attribute("data-branch"))
