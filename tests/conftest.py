"""What several rooms' tests share: one real browser, and attempts to call what should refuse or answer."""

import shutil

import pytest

from dynsim.errors import DynsimError

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


LONGEST = 600  # characters of a message that is still read


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
