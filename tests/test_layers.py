"""Imports point down only, nested ones included."""

import ast
import sys
from pathlib import Path

import pytest

import dynsim

ROOT = Path(dynsim.__file__).parent

# From the ground up. Rooms on one line are siblings: neither imports the other.
LAYERS = [
    {"budget", "errors"},
    {"arguments", "choices", "deprecation", "names"},
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


def files_entered(function):
    """Files of dynsim in which a function is entered while `function` runs; import is over before it is counted."""
    function()
    entered = set()

    def note(frame, event, _):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(ROOT) and frame.f_code.co_name != "<module>":
            entered.add(str(path.relative_to(ROOT)))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return entered


def test_a_stranger_follows_a_loss_to_its_field_through_eight_files():
    walk = files_entered(lambda: dynsim.gradient_flow("(phi*theta - sg(theta))^2/2", ["phi", "theta"]).field())
    assert "symbolic/grammar.py" in walk  # the text was really read
    assert len(walk) <= 8, sorted(walk)


def test_no_two_classes_have_one_name():
    homes = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not {name: places for name, places in homes.items() if len(places) > 1}


def test_progress_is_spelt_out_once():
    text = "Callable[[int, int, str], None]"
    assert [path.name for path in FILES if text in path.read_text(encoding="utf-8")] == ["progress.py"]


def test_numbers_come_from_expressions_in_one_place():
    """Only symbolic/ calls SymPy's compiler, and of its own only `VectorFunction` and `evaluate` are used."""
    texts = {path: path.read_text(encoding="utf-8") for path in FILES}
    assert {path.parent.name for path, text in texts.items() if "lambdify" in text} == {"symbolic"}
    users = [path for path, text in texts.items() if "symbolic.numeric" in text]
    taken = {name for path in users for name in imported(path) if name.startswith("dynsim.symbolic.numeric.")}
    assert {name.rpartition(".")[2] for name in taken} == {"VectorFunction", "evaluate"}
