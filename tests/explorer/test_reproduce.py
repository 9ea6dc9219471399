"""What "Copy as …" gives runs, and gives the same view."""

import contextlib
import io
import shlex

import pytest

import dynsim
from dynsim.cli import main
from dynsim.cli.command_line import parser
from dynsim.explorer.picture import picture
from dynsim.explorer.reproduce import as_code, as_command
from dynsim.explorer.setting import Setting
from dynsim.explorer.subject import filled, subject

SETTINGS = [
    Setting("toy", branch="full", initial={"theta": 0.25}, parameters={"alpha": 3.0}, time="log"),
    Setting("toy", more=((0.2, 0.3), (-1.0, 0.5)), t_end=12.0),
    Setting("byol", plane=("theta", "xi")),
    Setting("dirac-gan", variant="r1"),
    Setting("(a*b - sg(b))^2/2", ("a", "b")),
    Setting("-w^4/4 + w^2", ("w",), initial={"w": 0.3}),
    Setting("(1 + sigma2)*phi^2*theta^2/2 - phi*theta*sg(xi)", initial={"xi": 0.4}),
]


QUICK = [SETTINGS[1], SETTINGS[3], SETTINGS[5]]


@pytest.mark.parametrize(
    "setting",
    [pytest.param(one, marks=[] if one in QUICK else [pytest.mark.long], id=one.source) for one in SETTINGS],
)
def test_code_opens_the_same_view(setting):
    pytest.importorskip("anywidget", reason="needs the extra 'notebooks'")
    setting = filled(setting)
    *lines, last = as_code(setting).split("\n")
    space: dict = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec("\n".join([*lines, f"view = {last}"]), space)  # our own output, not a user's text
    assert space["view"].setting == setting
    shown = picture(setting)
    for name in subject(setting).flow.states:
        assert float(space["run"][name][-1]) == pytest.approx(float(shown.states[name][-1]), abs=1e-5)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.source)
def test_command_describes_the_same_view(setting):
    from dynsim.cli.explore import _setting

    setting = filled(setting)
    words = shlex.split(as_command(setting))
    assert words[0] == "dynsim"
    assert _setting(parser("explore").parse_args(words[1:])) == setting


def test_command_gives_the_data_too(capsys):
    setting = filled(SETTINGS[0])
    assert main(shlex.split(as_command(setting, "outcome"))[1:]) == 0
    printed = capsys.readouterr().out
    end = dynsim.outcome(dynsim.system("toy", branch="full"), setting.initial, setting.parameters)
    assert f"{end.limit['phi']:.10g}" in printed


def test_the_saved_figure_is_the_command_lines_figure(tmp_path):
    from dynsim.explorer.saved_figure import write_figure

    saved = write_figure(filled(Setting("toy", branch="full")), tmp_path / "one-run.svg")
    command = ["plot", "one-run", "--out", str(tmp_path / "cli"), "--format", "svg", "--branch", "full", "--full"]
    assert main([*command, "--initial", "phi=0.6,theta=0.1", "--set", "alpha=1"]) == 0
    assert saved.read_bytes() == (tmp_path / "cli" / "one-run.svg").read_bytes()


def test_the_saved_figure_shows_the_further_orbits_and_the_scale_of_time():
    from dynsim.explorer.saved_figure import FIGURE, figure_options

    shown = filled(Setting("toy", time="log", more=((-0.8, 0.9), (1.3, 0.5))))
    figure = dynsim.plot(FIGURE, full=True, **figure_options(shown))
    plane = next(axes for axes in figure.axes if "varphi" in axes.get_xlabel() or "φ" in axes.get_xlabel())
    starts = [tuple(line.get_xydata()[0]) for line in plane.lines]
    assert {(0.6, 0.1), (-0.8, 0.9), (1.3, 0.5)} <= set(starts)
    assert {axes.get_xscale() for axes in figure.axes if axes is not plane} == {"log"}
    with pytest.raises(dynsim.DynsimError, match="more"):
        dynsim.plot(FIGURE, more=[(1.0,)])


def test_a_figure_needs_a_name_that_tells_its_format(tmp_path):
    from dynsim.explorer.saved_figure import write_figure

    with pytest.raises(dynsim.DynsimError, match=r"\.png"):
        write_figure(filled(Setting("toy")), tmp_path / "figure.bmp")
