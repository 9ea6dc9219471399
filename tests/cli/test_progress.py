import io
import sys

from dynsim.cli.progress_line import bar, reporter


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_fills():
    lengths = [bar(share / 10).count("█") for share in range(11)]
    assert lengths == sorted(lengths)
    assert (lengths[0], lengths[-1]) == (0, len(bar(1.0)))
    assert bar(-1.0) == bar(0.0)
    assert bar(2.0) == bar(1.0)


def test_one_line_on_a_terminal_that_is_cleared(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with reporter("train") as progress:
        progress(1, 100, "first")
        progress(50, 100, "second")
    lines = screen.getvalue().split("\r\033[K")
    assert "\n" not in screen.getvalue()
    assert ["first" in lines[1], "second" in lines[2], lines[3]] == [True, True, ""]
    assert f"train {bar(0.5)} 50/100" in lines[2]
    assert ":" in lines[2].split("(")[1]
    assert "left)" in lines[2]


def test_what_a_checkpoint_had_done_is_not_counted_as_speed(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with reporter("train") as progress:
        progress(900, 1000, "")
        assert "left" not in screen.getvalue()
        progress(950, 1000, "")
    assert "left" in screen.getvalue()


def test_nothing_where_there_is_no_terminal(capsys):
    with reporter("train") as progress:
        progress(1, 2, "half")
    assert capsys.readouterr().err == ""
