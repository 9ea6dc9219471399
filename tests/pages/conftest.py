"""A real browser with the network off."""

import pytest


@pytest.fixture
def opened(browser, tmp_path):
    """``opened(html)`` opens a page from disk with the network off; script errors and requests fail the test."""
    contexts, problems = [], []

    def open_page(html, width=1280, height=800, errors=False):
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        if not errors:
            page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("request", lambda one: None if one.url.startswith("file:") else problems.append(one.url))
        page.goto(f"file://{path}")
        page.wait_for_selector("#dynsim[data-settled]", timeout=60_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems, problems
