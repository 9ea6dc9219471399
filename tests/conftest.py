"""What several rooms share: one real browser, the catalogue's flows, attempts to call what should refuse or answer."""

import shutil
import signal
import threading
from functools import cache
from importlib.util import find_spec

import pytest

from dynsim.errors import DynsimError, MissingExtra

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


EXTRAS = ("torch", "sklearn", "PIL", "llvmlite", "zarr", "ipywidgets", "anywidget", "dask", "lightning", "mlxtend")
ABSENT = [name for name in EXTRAS if find_spec(name) is None]
LONGEST = 600  # characters of a message that is still read


if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background so, and children inherit it: Ctrl-C could not be tested.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Skip what needs an extra that is not installed; where all are, such an error is a failure as any other."""
    try:
        return (yield)
    except MissingExtra as error:
        if ABSENT:
            pytest.skip(str(error))
        raise


@pytest.fixture(scope="session")
def attempt():
    """Make one attempt: what it returns, or None if an error of ours says in one readable line what was wrong."""

    def make(call, told=""):
        try:
            return call()
        except DynsimError as error:
            message = str(error)
        except Exception as error:
            raise AssertionError(f"{told[:160]}: {type(error).__name__}: {error}") from error
        assert "\n" not in message, told
        assert 0 < len(message) <= LONGEST, told
        return None

    return make


@pytest.fixture(scope="session")
def browser():
    """Chromium or Chrome as it is installed; one for all tests, for two would each want an event loop of their own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra 'dev'")
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium is installed; `make test` installs it where it may")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


@cache
def catalogue_flows():
    """Every flow the catalogue offers: system, variant and branch. They are shared: tests change none of them."""
    from dynsim.errors import InvalidValue
    from dynsim.systems.catalogue import SYSTEMS

    flows = []
    for name, entry in sorted(SYSTEMS.items()):
        for variant in entry.variants or (None,):
            for branch in entry.branches:
                try:
                    flow = entry.flow(branch, variant)
                except InvalidValue:  # a variant may have fewer branches than its system: see test_contract.py
                    continue
                flows.append(pytest.param(flow, id="-".join(filter(None, (name, variant, branch)))))
    return flows


@pytest.fixture
def offered():
    """Name, variant and branch of every flow of the catalogue."""
    return {(flow.name, flow.variant, flow.branch) for (flow,) in (param.values for param in catalogue_flows())}


RULES = {"solved_flow": ("solution",), "limited_flow": ("limit",), "ruled_flow": ("solution", "limit")}


def pytest_generate_tests(metafunc):
    """An argument `every_flow` takes every flow, one of `RULES` those with any of these exact rules."""
    if "every_flow" in metafunc.fixturenames:
        metafunc.parametrize("every_flow", catalogue_flows())
    for argument in RULES.keys() & set(metafunc.fixturenames):
        ruled = [
            p for p in catalogue_flows() if any(getattr(p.values[0].exact, name, None) for name in RULES[argument])
        ]
        metafunc.parametrize(argument, ruled)
