"""Slider to picture in a live page, in a real headless Chromium with the network off: orbit and field, then the rest.

    python benchmarks/page.py [moves] [SYSTEM …]

The clock runs from the input event to the end of the animation frame in which the new picture stands (layout
included), and apart from that over the equilibria and separatrices that follow when the hand rests. Needs the extra
"dev" and an installed Chromium or Chrome.
"""

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from dynsim.explorer.setting import Setting
from dynsim.pages.live_page import write_live_page

# One move of a slider; resolves with the milliseconds to the picture, style and layout included.
MOVE = """([label, share]) => new Promise((done) => {
  const root = document.getElementById("dynsim");
  const sliders = [...document.querySelectorAll('input[type=range]')];
  const slider = sliders.find((one) => one.labels[0].textContent === label);
  const before = root.dataset.serial;
  requestAnimationFrame(() => {
    slider.value = Math.round(share * slider.max);
    const begun = performance.now();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    const look = () => {
      if (root.dataset.serial === before) return requestAnimationFrame(look);
      document.body.getBoundingClientRect();
      root.querySelector(".dynsim-plane svg").getBoundingClientRect();
      done([Number(root.dataset.ms), performance.now() - begun]);
    };
    requestAnimationFrame(look);
  });
})"""
SETTLE = """() => {
  const model = new Model();
  const times = [];
  for (let i = 0; i < 12; i++) {
    model.initial[0] = DATA.states[0].value + i / 1000;
    const begun = performance.now();
    makeScene(model, i, true);
    distanceToCollapse(model);
    times.push(performance.now() - begun);
  }
  return times;
}"""


def measured(page, moves, label):
    shares = [0.3 + 0.4 * (index % 20) / 20 for index in range(moves)]
    told = []
    for share in shares:
        told.append(page.evaluate(MOVE, [label, share]))
        page.wait_for_timeout(30)
    return told[5:]


def main():
    moves = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    systems = sys.argv[2:] or ["toy", "scalar", "byol", "eigenmode", "dirac-gan"]
    path = next(found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name)))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before; {moves} moves each; medians in milliseconds")
    with sync_playwright() as running, tempfile.TemporaryDirectory() as folder:
        browser = running.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for name in systems:
            file = write_live_page(Setting(name), Path(folder) / f"{name}.html")
            page = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True).new_page()
            page.goto(f"file://{file}")
            page.wait_for_selector("#dynsim[data-settled]")
            labels = "() => [`${DATA.states[0].label}(0)`, DATA.parameters[0]?.label].filter(Boolean)"
            for label in page.evaluate(labels):
                told = measured(page, moves, label)
                drawn, framed = (sorted(times) for times in zip(*told, strict=True))
                print(
                    f"{name:12s} {label:6s} computed and drawn {statistics.median(drawn):6.1f}   "
                    f"to the next frame {statistics.median(framed):6.1f}   load {os.getloadavg()[0]:.1f}",
                    flush=True,
                )
            settled = sorted(page.evaluate(SETTLE))
            print(f"{name:12s} equilibria, separatrices, distance {statistics.median(settled):6.1f}", flush=True)
            page.context.close()
        browser.close()


if __name__ == "__main__":
    main()
