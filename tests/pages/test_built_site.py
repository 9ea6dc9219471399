"""The built documentation: no warning, no dead link, no request off the machine, no error in a real browser."""

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

import dynsim

ROOT = Path(dynsim.__file__).parents[1]
MAIN = ("index", "article", "why-does-it-not-collapse", "tutorial/1-the-article", "explanation/stop-gradient",
        "generated/gallery", "generated/systems/toy", "generated/methods/vicreg", "contributing")  # fmt: skip

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not (ROOT / "docs").exists(), reason="the documentation is not part of an installed package"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for package in ("sphinx", "furo", "myst_parser", "numpydoc", "sphinx_copybutton", "latex2mathml"):
        pytest.importorskip(package)
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(ROOT / "docs"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    return out


def test_every_link_of_the_built_site_has_a_target(site):
    dead = []
    for page in site.rglob("*.html"):
        text = re.sub(r'srcdoc="[^"]*"', "", page.read_text(encoding="utf-8"))
        for target in re.findall(r'<(?:a|img|iframe|link|script)\b[^>]*?\b(?:href|src)="([^"]+)"', text):
            file, _, anchor = unquote(unescape(target)).partition("#")
            if re.match(r"(https?|mailto|data):", file):
                continue
            there = (page.parent / file.split("?")[0]).resolve() if file else page
            if not there.exists() or (
                anchor and there.suffix == ".html" and f'id="{anchor}"' not in there.read_text(encoding="utf-8")
            ):
                dead.append((page.name, target))
    assert not dead


def test_nothing_is_fetched_from_elsewhere(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:img|iframe|script|source)\b[^>]*\bsrc="https?:', text), page
        assert not re.findall(r'<link\b[^>]*\brel="(?:stylesheet|preload|icon)"[^>]*\bhref="https?:', text), page


def test_no_number_of_the_article_is_left_open(site):
    for name in ("article", "why-does-it-not-collapse", "contributing"):
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        assert "{{" not in re.sub(r"<script.*?</script>|srcdoc=\"[^\"]*\"", "", text, flags=re.S)


@pytest.mark.parametrize("name", MAIN)
def test_main_pages_in_a_browser(site, browser, name):
    problems = []
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    local = ("file:", "data:", "about:", "blob:")
    page.on("request", lambda one: None if one.url.startswith(local) else problems.append(one.url))
    page.goto((site / f"{name}.html").as_uri())
    for frame in page.query_selector_all("iframe"):
        frame.scroll_into_view_if_needed()
        assert frame.get_attribute("title")
        frame.content_frame().wait_for_selector("#dynsim[data-settled]", timeout=60_000)
    assert page.title()
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("[...document.images].every((image) => image.hasAttribute('alt'))")
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
    context.close()
    assert not problems


def test_search_works_offline(site, browser):
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((site / "search.html").as_uri() + "?q=conserved")
    page.wait_for_selector("#search-results li a", timeout=30_000)
    context.close()
