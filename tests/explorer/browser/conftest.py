"""A real browser and real servers, on loopback only: every request that leaves this computer is aborted."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

ARTEFACTS = Path(__file__).parents[3] / "test-artefacts"
NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
SIZE = {"width": 1280, "height": 720}


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def browser(browser):
    pytest.importorskip("voila", reason="needs the extra 'notebooks'")
    return browser


@contextmanager
def new_page(browser, scheme="light"):
    """Page of the size of a small laptop that reaches this computer only; script errors fail the test."""
    context = browser.new_context(
        viewport=SIZE, color_scheme=scheme, permissions=["clipboard-read", "clipboard-write"], accept_downloads=True
    )
    page = context.new_page()
    page.set_default_timeout(120_000)
    errors = []
    left = []

    def route(one):
        if one.request.url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
            one.continue_()
        else:
            left.append(one.request.url)
            one.abort()

    page.route("**/*", route)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.left_loopback = left
    yield page
    context.close()
    assert not errors, errors


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(folder):
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTER_DATA_DIR": "data",
        "IPYTHONDIR": "ipython",
    }
    return {**os.environ, **{key: str(folder / name) for key, name in places.items()}, "OMP_NUM_THREADS": "1"}


@contextmanager
def started(command, folder, port):
    """Run a server until its port answers; stop it at the end, whatever happens."""
    log = (folder / "server.log").open("w")
    server = subprocess.Popen(command, env=environment(folder), stdout=log, stderr=log, cwd=folder)
    try:
        deadline = time.monotonic() + 300  # on a loaded machine
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                assert server.poll() is None, (folder / "server.log").read_text(encoding="utf-8")
                assert time.monotonic() < deadline, (folder / "server.log").read_text(encoding="utf-8")
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.kill()  # kernels end when they see that their server has
        server.wait(20)
        log.close()


@pytest.fixture(scope="session")
def notebooks():
    return NOTEBOOKS


@pytest.fixture(scope="session")
def server():
    """``with server(words, folder) as address``: a module of this Python that serves on a free port."""

    @contextmanager
    def opened(words, folder):
        port = free_port()
        with started([sys.executable, *words, f"--port={port}"], folder, port) as address:
            yield address

    return opened


@pytest.fixture(scope="session")
def voila(browser, tmp_path_factory):
    """Address of `dynsim explore`, which is Voilà."""
    port = free_port()
    command = [sys.executable, "-m", "dynsim", "explore", "toy", "--no-browser", "--port", str(port)]
    with started(command, tmp_path_factory.mktemp("voila"), port) as address:
        yield address


@pytest.fixture(scope="session")
def lab_setting(tmp_path_factory):
    """``lab_setting(name, text)`` writes a setting of JupyterLab's; `.folder` is where it runs."""
    folder = tmp_path_factory.mktemp("lab")
    place = folder / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    place.mkdir(parents=True)

    def write(name, **values):
        (place / f"{name}.jupyterlab-settings").write_text(json.dumps(values))

    write.folder = folder
    return write


@pytest.fixture(scope="session")
def lab(browser, lab_setting):
    """Address of a JupyterLab with a notebook that explores the toy."""
    import nbformat

    folder, port = lab_setting.folder, free_port()
    lab_setting("notification", fetchNews="false")
    cell = nbformat.v4.new_code_cell('import dynsim\n\ndynsim.explore("toy")')
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}), folder / "toy.ipynb")
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.news_url=",
        f"--ServerApp.root_dir={folder}", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    with started(command, folder, port) as address:
        yield address


def open_lab(page, address):
    """Open the notebook in JupyterLab and run its cell by keyboard."""
    from playwright.sync_api import TimeoutError

    page.goto(f"{address}lab/tree/toy.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell .cm-content")
    page.wait_for_selector(
        ".jp-NotebookPanel-toolbar [data-status=idle], .jp-Notebook-ExecutionIndicator[data-status=idle]"
    )
    # A key that comes before the notebook listens is lost, and one that comes before its kernel is known opens a
    # dialog: accept what is asked, and press until the prompt says that the cell runs.
    ran = "() => /[*0-9]/.test(document.querySelector('.jp-Notebook .jp-InputPrompt')?.textContent ?? '')"
    asked = []
    for _ in range(20):
        try:
            dialog = page.locator(".jp-Dialog")
            if dialog.count():
                asked.append(dialog.first.inner_text(timeout=6000))
                dialog.first.locator(".jp-mod-accept").click(timeout=6000)
            page.locator(".jp-Notebook .jp-Cell .cm-content").first.click(timeout=6000)
            page.keyboard.press("Shift+Enter")
            page.wait_for_function(ran, timeout=6000)
        except TimeoutError:
            continue
        return
    raise AssertionError(f"JupyterLab did not run the cell; it asked {asked}")


class View:
    """The explorer on a page, as a person sees it: sliders by their labels, the sentence, the curves."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(".dynsim-view")

    @property
    def start(self):
        return json.loads(self.root.get_attribute("data-start"))

    @property
    def parameters(self):
        return json.loads(self.root.get_attribute("data-parameters"))

    @property
    def last(self):
        return [float(value) for value in self.root.get_attribute("data-last").split(",")]

    @property
    def sentence(self):
        return self.page.locator(".dynsim-sentence").inner_text()

    def seen(self):
        """Start, parameters, end of the curves and sentence of one and the same frame."""
        return self.page.evaluate(
            "() => { const { start, parameters, last } = document.querySelector('.dynsim-view').dataset;"
            "return { start: JSON.parse(start), parameters: JSON.parse(parameters), last: last.split(',').map(Number),"
            "sentence: document.querySelector('.dynsim-sentence').textContent } }"
        )

    def curve(self, name):
        """Path of a drawn curve, in pixels."""
        return self.page.locator(f".dynsim-states path[data-name={name}]").get_attribute("d")

    def slider(self, label):
        return self.page.locator(f'.noUi-handle[role=slider][aria-label="{label}"]')

    def wait(self, condition, *arguments):
        """Wait until a JavaScript condition on the view's data attributes holds."""
        self.page.wait_for_function(
            "([condition, ...rest]) => new Function('data', 'rest', `return ${condition}`)"
            "(document.querySelector('.dynsim-view').dataset, rest)",
            arg=[condition, *arguments],
        )

    def wait_for_start(self, **values):
        for name, value in values.items():
            self.wait("Math.abs(JSON.parse(data.start)[rest[0]] - rest[1]) < 1e-9", name, value)

    def wait_for_slider(self, label, value):
        """Wait until a slider that follows shows a number: a key goes on from what it shows."""
        self.page.wait_for_function(
            "([label, text]) => [...document.querySelectorAll('.noUi-handle')].some(one =>"
            "one.getAttribute('aria-label') === label && one.getAttribute('aria-valuetext') === text)",
            arg=[label, f"{value:.2f}".replace("-", "\u2212")],
        )

    def press_and_wait(self, label, key, times=1):
        """Press, and wait until a later frame than the one before is complete; return what it shows."""
        before = json.dumps(self.seen(), sort_keys=True)
        self.press(label, key, times)
        for _ in range(600):
            self.settle()
            if json.dumps(self.seen(), sort_keys=True) != before:
                self.settle()  # the frame that was seen may have come after the first look
                return self.seen()
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{key} on {label} changed nothing")

    def press_one_by_one(self, label, key, name, values):
        """Press once per value that a state is to take, each when the one before is drawn: no press can be lost."""
        for value in values:
            self.press(label, key)
            self.wait_for_start(**{name: value})

    def choose_branch(self, branch):
        """Click a branch until it is the one that is drawn; a click that meets a button being made anew is lost."""
        from playwright.sync_api import TimeoutError

        for _ in range(10):
            self.page.get_by_role("button", name=branch, exact=True).click()
            try:
                self.page.wait_for_function(
                    "(name) => document.querySelector('.dynsim-view').dataset.branch === name",
                    arg=branch,
                    timeout=15_000,
                )
            except TimeoutError:
                continue
            self.settle()
            return
        raise AssertionError(f"no click chose the branch {branch}")

    def drag(self, steps, right, up):
        """Drag the start by mouse; return what its handle says when the button is let go, {state: value}."""
        box = self.page.locator(".dynsim-view .start .dot").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        for step in range(1, steps + 1):
            self.page.mouse.move(x + step * right, y - step * up)
        self.page.mouse.up()
        told = self.page.locator(".dynsim-view .start").get_attribute("aria-valuetext").replace("\u2212", "-")
        numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", told)]
        return dict(zip(("phi", "theta"), numbers, strict=True))

    def open(self, address):
        self.page.goto(address)
        self.settle()

    def open_in_lab(self, address):
        """Open the toy's notebook in JupyterLab and run its cell."""
        open_lab(self.page, address)
        self.settle()

    def reset(self):
        """Bring the page back to how it opens: through a system that shares no name with the toy."""
        if self.page.locator(".dynsim-told button:visible").count():
            self.page.locator(".dynsim-told button").click()
        self.page.get_by_role("button", name="linear", exact=True).click()
        self.choose("barlow", "s")
        self.choose("toy", "phi")
        self.settle()

    def choose(self, system, state):
        """Select a system and wait until one of its states is there."""
        self.page.get_by_label("System").select_option(system)
        self.wait("rest[0] in JSON.parse(data.start)", state)

    def settle(self):
        """Wait until the picture is complete."""
        self.page.wait_for_selector(".dynsim-view[data-settled=true]")

    def shot(self, name):
        """Keep what is seen, for a person to look at."""
        ARTEFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"explorer-{name}.png")

    def press(self, label, key, times=1):
        handle = self.slider(label)
        handle.focus()
        for _ in range(times):
            handle.press(key)


@pytest.fixture(scope="session")
def pages(browser):
    """``with pages(scheme) as view``: a fresh page."""

    @contextmanager
    def opened(scheme="light"):
        with new_page(browser, scheme) as page:
            yield View(page)

    return opened


@pytest.fixture(scope="module")
def one_page(pages, voila):
    with pages() as view:
        view.open(voila)
        yield view


@pytest.fixture
def in_voila(one_page):
    """Page of `dynsim explore toy`, as it is when it opens."""
    one_page.reset()
    return one_page


@pytest.fixture(scope="module")
def in_lab(pages, lab):
    """JupyterLab with the toy's notebook, its cell run."""
    with pages() as view:
        view.open_in_lab(lab)
        yield view
