"""Imports point down only, nested ones included."""

import ast
from pathlib import Path

import pytest

import dynsim

ROOT = Path(dynsim.__file__).parent

# From the ground up. Rooms on one line are siblings: neither imports the other.
LAYERS = [
    {"budget", "errors"},
    {"deprecation"},
    {"field", "progress", "records", "registry", "status", "storage", "table"},
    {"verdict"},
    {"symbolic"},
    {"integrate"},
    {"analysis"},
    {"systems", "networks"},
    {"methods"},
    {"studies", "monitor"},
    {"testing"},
    {"drawing"},
    {"gallery"},
    {"ledger"},
    {"explorer"},
    {"pages"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: height for height, rooms in enumerate(LAYERS) for room in rooms}
FILES = sorted(ROOT.rglob("*.py"))


def imported(path):
    """Every dynsim module that a file imports, at any depth of nesting, TYPE_CHECKING included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    assert room in FLOOR, f"{room} is on no floor: add it to LAYERS"
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "dynsim" or len(parts) < 2 or parts[1] == "__version__":
            continue
        assert parts[1] in FLOOR, f"{path.name} imports {name} from the package's face, not from its home"
        down = FLOOR[parts[1]] < FLOOR[room] or parts[1] == room
        assert down, f"{path.relative_to(ROOT)} imports {name}, which is not below it"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_networks_and_the_monitor_import_torch(path):
    if path.relative_to(ROOT).parts[0] in ("networks", "monitor"):
        return
    assert not [name for name in imported(path) if name.split(".")[0] == "torch"]


def test_the_layer_test_can_fail(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from dynsim.gallery.plotting import plot\n")
    assert list(imported(bad)) == ["dynsim.gallery.plotting.plot"]


def test_no_dumping_ground():
    forbidden = {"utils", "util", "helpers", "helper", "common", "core", "misc"}
    assert not [path for path in ROOT.rglob("*") if path.stem in forbidden]


def test_files_stay_short():
    assert not [(str(p), n) for p in FILES if (n := len(p.read_text(encoding="utf-8").splitlines())) > 400]
