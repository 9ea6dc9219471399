"""The explorer in JupyterLab, in a real browser. The first tier has the same explorer in Voilà: test_in_voila.py."""

import json

import numpy as np
import pytest

import dynsim

pytestmark = pytest.mark.long

# Mean of red, green and blue, 0 to 255, of what is drawn: the ground of a box, the ink of everything else.
BRIGHTNESS = """(part) => {
  const node = document.querySelector(part === 'text' ? '.dynsim-plane text' : part);
  const style = getComputedStyle(node);
  const ink = node instanceof SVGElement ? (style.fill === 'none' ? style.stroke : style.fill) : style.color;
  const shown = part === '.dynsim-explorer' ? style.backgroundColor : ink;
  const [r, g, b] = shown.match(/[0-9.]+/g).map(Number);
  return (r + g + b) / 3;
}"""


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
    view.press_one_by_one("θ(0)", "ArrowRight", "theta", (0.11, 0.12, 0.13, 0.14))
    view.press_one_by_one("φ(0)", "ArrowLeft", "phi", (0.59, 0.58))
    view.settle()
    agrees(view)
    assert view.curve("theta") != before
    page.keyboard.press("Control+b")  # the file browser goes
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

    view.settle()
    view.choose_branch("full")
    agrees(view, "full")
    assert page.evaluate("() => document.querySelectorAll('.dynsim-explorer').length") == 1
    assert json.loads(view.root.get_attribute("data-parameters")) == {"alpha": 1.0}


def test_the_dark_theme(pages, lab, lab_setting):
    lab_setting("themes", theme="JupyterLab Dark")
    try:
        with pages("dark") as view:
            view.open_in_lab(lab)
            view.page.wait_for_selector(".dynsim-equations mjx-container")
            view.page.keyboard.press("Control+b")
            brightness = view.page.evaluate(BRIGHTNESS, ".dynsim-explorer"), view.page.evaluate(BRIGHTNESS, "text")
            view.shot("jupyterlab-dark")
            assert brightness[0] < 60 < 180 < brightness[1]
            for part in (".dynsim-sentence", ".widget-readout", ".dynsim-equations mjx-container", ".curve.encoder"):
                assert view.page.evaluate(BRIGHTNESS, part) > 140, part
            agrees(view)
    finally:
        lab_setting("themes", theme="JupyterLab Light")
