"""`dynsim notebooks`: a user who installed dynsim gets them, and loses nothing that was changed."""

from pathlib import Path

from dynsim.cli import main

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_they_are_listed_and_copied(tmp_path, capsys):
    assert main(["notebooks"]) == 0
    assert capsys.readouterr().out.split("\n")[: len(NAMES)] == NAMES
    folder = tmp_path / "a" / "b"
    assert main(["notebooks", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert (folder / NAMES[0]).read_bytes() == (ROOT / "notebooks" / NAMES[0]).read_bytes()
    assert main(["notebooks", str(folder)]) == 0


def test_a_changed_notebook_is_kept(tmp_path, capsys):
    (tmp_path / NAMES[2]).write_text("mine")
    assert main(["notebooks", str(tmp_path)]) == 2
    assert NAMES[2] in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [NAMES[2]]
    assert main(["notebooks", str(tmp_path), "--force"]) == 0
    assert (tmp_path / NAMES[2]).read_text(encoding="utf-8") != "mine"


def test_a_file_is_no_folder(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["notebooks", str(tmp_path / "file")]) == 2
    assert "DIR" in capsys.readouterr().err
