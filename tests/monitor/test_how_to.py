"""The how-to page runs as it stands."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "your-own-run.md"


def test_the_blocks_run(capsys, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    space = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S):
        exec(block, space)
    assert space["healthy"].diagnose().kinds == ("healthy",)
    assert space["healthy"].alarm is None
    assert space["broken"].diagnose().collapsed is True
    assert space["broken"].alarm is not None
    assert space["found"].kinds == ("dimensional",)
    said = capsys.readouterr().out
    assert "τ_t = 0.12 ≥" in said
