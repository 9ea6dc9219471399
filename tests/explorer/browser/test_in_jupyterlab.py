"""The explorer in JupyterLab, in a real browser."""

import json

import numpy as np

import dynsim


def agrees(view, branch="stop"):
    flow, seen = dynsim.system("toy", branch=branch), view.seen()
    end = dynsim.outcome(flow, seen["start"])
    run = dynsim.solve(flow, seen["start"], 30.0)
    np.testing.assert_allclose(seen["last"], [float(run.phi[-1]), float(run.theta[-1])], atol=1e-5)
    assert seen["sentence"].endswith(": no collapse") is not end.collapsed


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

    there = view.drag(20, -3, 3)
    assert there["theta"] > 0.3
    view.wait_for_start(**there)
    view.settle()
    assert view.start == there
    agrees(view)
    handle = page.locator(".dynsim-view .start")
    handle.focus()
    handle.press("ArrowDown")
    view.wait_for_start(phi=there["phi"], theta=round(there["theta"] - 0.01, 2))

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
