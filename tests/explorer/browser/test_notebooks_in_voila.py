"""The notebooks as web pages: Voilà runs them as they are, and shows prose, pictures and explorers."""

import pytest


@pytest.fixture(scope="module")
def served(browser, server, notebooks, tmp_path_factory):
    words = ["-m", "voila", str(notebooks.parent), "--no-browser", "--Voila.ip=127.0.0.1"]
    with server(words, tmp_path_factory.mktemp("voila-notebooks")) as address:
        yield f"{address}voila/render/notebooks/"


@pytest.mark.parametrize(
    ("name", "explorers"),
    [
        ("03-basins-and-bifurcations", 2),
        pytest.param("01-why-no-collapse", 2, marks=pytest.mark.long),
        pytest.param("07-gan-and-friends", 4, marks=pytest.mark.long),
    ],
)
def test_a_notebook_is_a_page(pages, served, name, explorers):
    with pages() as view:
        view.page.goto(f"{served}{name}.ipynb")
        view.page.wait_for_function(
            "(count) => document.querySelectorAll('.dynsim-view[data-settled=true]').length === count", arg=explorers
        )
        assert "Traceback" not in view.page.inner_text("body")
        view.page.wait_for_function("() => [...document.images].every((one) => one.complete)")
        widths = view.page.evaluate("() => [...document.images].map((one) => [one.src, one.naturalWidth])")
        assert widths
        assert all(width > 0 for _, width in widths), widths
        view.shot(f"voila-notebook-{name[:2]}")
