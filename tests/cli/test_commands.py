"""The command line as a user runs it."""

import gc
import json
import subprocess
import sys

import pytest
import xarray as xr

from dynsim.cli import command_line, main


def in_a_process(*argv):
    return subprocess.run([sys.executable, "-m", "dynsim", *argv], capture_output=True, text=True, timeout=120)


def test_help_version_info(dynsim):
    assert "simulate" in in_a_process().stdout
    assert dynsim("--version").stdout.startswith("dynsim ")
    facts = json.loads(dynsim("info", "--json").stdout)
    assert facts["threads"] >= 1
    assert "numpy" in facts


def test_garbage_is_collected_as_often_as_before_once_a_command_is_done(monkeypatch):
    during = []

    def command(argv):
        during.append(gc.get_threshold()[0])
        raise RuntimeError(argv)

    monkeypatch.setattr(command_line, "_main", command)
    before = gc.get_threshold()
    try:
        for often, meanwhile in ((700, command_line.SELDOM), (0, 0), (10**6, 10**6)):
            gc.set_threshold(often, 11, 12)
            with pytest.raises(RuntimeError):
                main(["info"])
            assert gc.get_threshold() == (often, 11, 12)
            assert during.pop() == meanwhile
    finally:
        gc.set_threshold(*before)


def test_nothing_is_collected_when_a_command_has_ended():
    code = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 1000)); "
    code += "from dynsim.cli import main; main(['info', '--json']); main(['info', '--json'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"


def test_list(dynsim):
    out = in_a_process("list").stdout
    assert "toy" in out
    assert "kexue.fm" in out
    assert {"name", "family", "summary", "reference"} <= set(json.loads(dynsim("list", "--json").stdout)[0])


@pytest.mark.parametrize("what", ["toy", "(phi*theta - sg(theta))^2/2"])
def test_derive(dynsim, what):
    out = dynsim("derive", what).stdout
    assert "θ' = " in out
    assert "is not the gradient" in out
    assert r"\dot{\theta}" in dynsim("derive", what, "--latex").stdout
    data = json.loads(dynsim("derive", what, "--json", "--branch", "full").stdout)
    assert data["states"] == ["phi", "theta"]


def test_derived_python_runs(dynsim):
    source = dynsim("derive", "toy", "--python").stdout
    space = {}
    exec(source, space)
    assert list(space["rhs"](0.0, [0.6, 0.1], 1.0)) == pytest.approx([0.004, 0.024])


def test_simulate(dynsim, tmp_path):
    rows = dynsim("simulate", "toy", "--rows", "3", "--t-end", "60").stdout.splitlines()
    assert len(rows) == 4
    assert rows[-1].split()[:3] == ["60", "1", "0.806226"]
    done = dynsim("simulate", "toy", "--initial", "phi=0.6,theta=0.1", "--out", "run.nc", cwd=tmp_path)
    assert done.returncode == 0
    with xr.open_dataset(tmp_path / "run.nc") as data:
        assert data.sizes["time"] == 201
    dynsim("simulate", "toy", "--out", "run.csv", cwd=tmp_path)
    assert (tmp_path / "run.csv").read_text(encoding="utf-8").startswith("time,phi,theta")


def test_outcome(dynsim):
    assert "0.8062257748" in dynsim("outcome", "toy").stdout
    exact = dynsim("outcome", "toy", "--exact", "--initial", "phi=3/5,theta=1/10").stdout
    assert "sqrt(65)/10" in exact
    assert json.loads(dynsim("outcome", "toy", "--branch", "full", "--json").stdout)["collapsed"] is True


def test_plot(dynsim, tmp_path):
    done = dynsim("plot", "article-stop", "article-full", "--format", "png", "--out", str(tmp_path), "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["article-full.png", "article-stop.png"]
    assert "survives" in done.stdout
    changed = dynsim("plot", "article-stop", "--set", "alpha=10", "--format", "png", "--out", str(tmp_path / "b"))
    assert changed.returncode == 0
    assert (tmp_path / "b/article-stop.png").read_bytes() != (tmp_path / "article-stop.png").read_bytes()
    shorter = dynsim("plot", "article-stop", "--t-end", "3", "--format", "png", "--out", str(tmp_path / "c"))
    assert shorter.returncode == 0, shorter.stderr
    assert (tmp_path / "c/article-stop.png").read_bytes() != (tmp_path / "article-stop.png").read_bytes()
    counts = dynsim(
        "plot",
        "step-size",
        "--set",
        "resolution=5,settle=20,starts=400",
        "--format",
        "png",
        "--out",
        str(tmp_path / "d"),
    )
    assert counts.returncode == 0, counts.stderr
    assert "article-target" in dynsim("plot", "--list").stdout


def test_larger_versions_are_for_the_figures_that_have_one(dynsim, tmp_path):
    done = dynsim("plot", "article-stop", "article-full", "--full", "--format", "png", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.iterdir())) == 2


def test_a_failing_figure_does_not_stop_the_others(dynsim, tmp_path):
    done = dynsim(
        "plot",
        "timescales",
        "article-stop",
        "--branch",
        "stop",
        "--format",
        "png",
        "--out",
        str(tmp_path),
        "--jobs",
        "2",
    )  # the first takes no branch
    assert done.returncode == 1
    assert [p.name for p in tmp_path.iterdir()] == ["article-stop.png"]
    assert "timescales: failed" in done.stderr


@pytest.mark.parametrize(
    "argv",
    [
        ("derive", "toi"),
        ("derive", "phi*("),
        ("derive", "__import__('os').system('x')"),
        ("derive", "a*b"),
        ("simulate", "toy", "--initial", "psi=1"),
        ("simulate", "toy", "--initial", "phi"),
        ("simulate", "toy", "--set", "alpha=x"),
        ("simulate", "toy", "--set", "beta=1"),
        ("simulate", "toy", "--t-end", "nan"),
        ("simulate", "toy", "--method", "Euler"),
        ("simulate", "toy", "--rows", "1"),
        ("simulate", "toy", "--out", "run.txt"),
        ("simulate", "toy", "--out", "/no/such/folder/run.nc"),
        ("simulate", "(phi*theta - sg(theta))^2"),
        ("outcome", "toy", "--initial", "theta=1/0"),
        ("plot", "article-stp"),
        ("plot", "step-size", "--format", "gif"),
        ("plot", "article-stop", "--format", "bmp"),
        ("plot", "article-stop", "--jobs", "0"),
        ("plot", "article-stop", "--set", "beta=1"),
        ("plot", "article-stop", "--format", ""),
        ("simulate", "toy", "--out", ""),
        ("simulate", "toy", "--t-end", "soon"),
        ("derive",),
        ("derive", "toy", "--branch", "half"),
        ("derive", "toy", "--latex", "--python"),
        ("list", "toy"),
        ("bifurcate", "toy"),
        ("nonsense",),
        ("--nonsense",),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(dynsim, argv, tmp_path):
    done = dynsim(*argv, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("dynsim")


def test_a_diverging_run_is_status_1(dynsim):
    """A loss may begin with a minus sign."""
    for argv in (("-w^4/4", "--states", "w"), ("--states", "w", "--", "-w^4/4")):
        done = dynsim("simulate", "--initial", "w=1", *argv)
        assert done.returncode == 1
        assert "0.5" in done.stderr
    assert "w' = w³" in dynsim("derive", "-w^4/4", "--states", "w").stdout


def test_a_run_without_end_is_one_line_and_status_2(monkeypatch, capsys):
    for module in ("solver", "solve"):
        monkeypatch.setattr(f"dynsim.integrate.{module}.MOST_STEPS", 200)
    assert main(["simulate", "dirac-gan", "--t-end", "1e300"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dynsim: 200 steps reach flow time")


def test_a_missing_parameter_is_told_in_the_words_of_the_command_line(dynsim):
    done = dynsim("simulate", "a*w^2", "--states", "w", "--initial", "w=1")
    assert done.returncode == 2
    assert "a value for a; pass --set NAME=VALUE" in done.stderr


def test_a_closed_pipe_is_quiet():
    done = subprocess.run(
        f"{sys.executable} -m dynsim list --json | head -1", shell=True, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""


def test_a_picture_goes_where_it_is_said(dynsim, tmp_path):
    picture = tmp_path / "mine.png"
    done = dynsim("plot", "article-stop", "--out", str(picture), "--size", "column", "--no-caption", "-v")
    assert done.returncode == 0, done.stderr
    assert picture.is_file()
    assert "- exact:" in done.stdout
    assert "1 drawn, 0 failed" in done.stdout
    again = dynsim("plot", "article-stop", "--out", str(picture), "--size", "column", "--no-caption")
    assert "1 kept" in again.stdout
    assert dynsim("plot", "article-stop", "article-full", "--out", str(picture)).returncode == 2
