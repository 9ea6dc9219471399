"""Key press or drag to changed picture, the solve included, in Voilà and JupyterLab, in a real headless Chromium.

    python benchmarks/explorer.py [moves]

Every move is a real input event; the clock runs from the event's own time stamp to the animation frame after the
picture has changed. Needs the extra "dev" and an installed Chromium or Chrome; uses loopback only.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import sync_playwright

# Times from an input event to the frame after the view's serial number has changed.
WATCH = """() => {
  const view = document.querySelector('.dynsim-view');
  let [asked, serial] = [0, view.dataset.serial];
  window.moves = [];
  for (const kind of ['keydown', 'pointermove']) addEventListener(kind, (event) => (asked = event.timeStamp), true);
  new MutationObserver(() => {
    if (view.dataset.serial === serial) return;
    serial = view.dataset.serial;
    const since = asked;
    requestAnimationFrame(() => window.moves.push(performance.now() - since));
  }).observe(view, { attributes: true, attributeFilter: ['data-serial'] });
}"""
SLIDER = '.noUi-handle[aria-label="θ(0)"]'


@contextmanager
def served(kind):
    """Run a server of this kind; yields the address of the explorer."""
    folder = Path(tempfile.mkdtemp(prefix="dynsim-benchmark-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    cell = nbformat.v4.new_code_cell('import dynsim\n\ndynsim.explore("toy")')
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}), folder / "toy.ipynb")
    voila = ["-m", "dynsim", "explore", "toy", "--no-browser", "--port", str(port)]
    lab = ["-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token="]
    lab += [f"--ServerApp.root_dir={folder}", "--LabApp.news_url="]
    places = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    environment = {**os.environ, **places, "IPYTHONDIR": str(folder / "ipython"), "OMP_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [sys.executable, *(voila if kind == "Voilà" else lab)]
    server = subprocess.Popen(command, env=environment, cwd=folder, **quiet)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/" + ("" if kind == "Voilà" else "lab/tree/toy.ipynb?reset")
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def opened(browser, kind, address):
    """Page with a complete picture."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.route("**/*", lambda one: one.continue_() if "//127.0.0.1:" in one.request.url else one.abort())
    page.goto(address)
    if kind == "JupyterLab":
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=90_000)
        for _ in range(20):  # a key that comes before the notebook listens is lost
            page.click(".jp-Notebook .jp-Cell .cm-content")
            page.keyboard.press("Shift+Enter")
            page.wait_for_timeout(3000)
            if page.locator(".jp-Notebook .jp-InputPrompt").first.inner_text().strip("[]: "):
                break
    page.wait_for_selector(".dynsim-view[data-settled=true]", timeout=300_000)
    page.evaluate(WATCH)
    return page


def one_by_one(page, moves, move):
    """Time single moves; each waits for the picture of the one before."""
    page.evaluate("() => { window.moves.length = 0 }")
    for index in range(moves):
        move(index)
        page.wait_for_function("(count) => window.moves.length >= count", arg=index + 1)
        page.wait_for_timeout(40)
    return page.evaluate("() => window.moves")[:moves]


def keys(page, moves):
    page.focus(SLIDER)
    return one_by_one(page, moves, lambda i: page.keyboard.press("ArrowRight" if i % 40 < 20 else "ArrowLeft"))


def drags(page, moves):
    box = page.locator(".dynsim-view .start .dot").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    times = one_by_one(page, moves, lambda i: page.mouse.move(x - 4 * (1 + i % 30), y - 2 * (1 + i % 30)))
    page.mouse.up()
    return times


def main():
    moves = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    browser_path = next(
        path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))
    )
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before; {moves} moves each; milliseconds")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        for kind in ("Voilà", "JupyterLab"):
            with served(kind) as address:
                page = opened(browser, kind, address)
                for name, measure in (("key press", keys), ("drag", drags)):
                    times = sorted(measure(page, moves))
                    print(
                        f"{kind:10s} {name:9s} median {statistics.median(times):5.0f}   "
                        f"90 % below {times[int(0.9 * len(times))]:5.0f}   load {os.getloadavg()[0]:.1f}",
                        flush=True,
                    )
                page.close()
        browser.close()


if __name__ == "__main__":
    main()
