"""What is built is what is needed and nothing else, and works where nothing but it is there."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
hatchling = pytest.importorskip("hatchling.build", reason="needs the extra 'dev'")
WITHIN = {".py", ".pyi", ".typed", ".js", ".css", ".nc", ".json", ".toml", ".ipynb"}
MEGABYTES = 3.0  # of the wheel; most of it is the stored runs of the gallery


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A wheel and a source distribution, each built from the working tree."""
    folder = tmp_path_factory.mktemp("dist")
    make = (
        "import sys; from hatchling import build as b; print(b.build_wheel(sys.argv[1]), b.build_sdist(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", make, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    wheel, source = done.stdout.split()
    return folder / wheel, folder / source


def members(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_the_package_and_the_notebooks(built):
    wheel = built[0]
    names = members(wheel)
    assert {Path(name).parts[0] for name in names} == {"dynsim"}
    assert {Path(name).suffix for name in names} <= WITHIN
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]
    kept = subprocess.run(["git", "ls-files", "dynsim"], cwd=ROOT, capture_output=True, text=True)
    if kept.returncode == 0 and kept.stdout:
        there = {name for name in kept.stdout.split() if (ROOT / name).exists()}
        assert there <= names
    notebooks = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {Path(name).name for name in names if name.endswith(".ipynb")} == notebooks
    assert wheel.stat().st_size < MEGABYTES * 1e6


def test_the_source_distribution_builds_the_same_wheel(built, tmp_path):
    wheel, source = built
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    make = "import sys; from hatchling import build; print(build.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", make, str(tmp_path)], cwd=unpacked, capture_output=True, text=True, check=True
    )
    assert members(tmp_path / done.stdout.strip()) == members(wheel)
    assert (unpacked / "tests" / "test_distributions.py").exists()


def test_what_is_installed_works_from_any_folder(built, tmp_path):
    """The wheel is unpacked beside nothing of the clone; only its dependencies come from this environment."""
    site = tmp_path / "site"
    with zipfile.ZipFile(built[0]) as archive:
        archive.extractall(site)
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()

    def dynsim(*argv):
        return subprocess.run(
            [sys.executable, "-m", "dynsim", *argv],
            cwd=elsewhere,
            capture_output=True,
            text=True,
            timeout=240,
            env={**os.environ, "PYTHONPATH": str(site)},
        )

    found = subprocess.run(
        [sys.executable, "-c", "import dynsim; print(dynsim.__file__)"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(site)},
    )
    assert found.stdout.strip() == str(site / "dynsim" / "__init__.py")
    assert "0.8062" in dynsim("outcome", "toy").stdout
    assert dynsim("notebooks", "mine").returncode == 0
    assert {path.name for path in (elsewhere / "mine").iterdir()} == {
        path.name for path in (ROOT / "notebooks").glob("*.ipynb")
    }
    drawn = dynsim("plot", "prior", "--format", "svg", "--out", "drawn")
    assert drawn.returncode == 0, drawn.stderr
    assert (elsewhere / "drawn" / "prior.svg").exists()
