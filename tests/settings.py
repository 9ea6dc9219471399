"""The tests on other machines, as far as one can be another: processor, threads, language, home, browser, path.

    python tests/settings.py [NAME …] [--list] [--whole] [--jobs N]

Without names every setting runs the quick part of the tests. `make test-all` runs them so, and the whole first tier
under "everything", which differs from the usual setting in all respects at once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUICK = (
    "tests/symbolic/test_printing.py",
    "tests/systems/test_toy_solution.py",
    "tests/integrate/engine",
    "tests/integrate/test_ensemble.py",
    "tests/integrate/test_events.py",
    "tests/integrate/test_storage.py",
    "tests/networks/test_branches.py",
    "tests/networks/test_image_prior.py",
    "tests/cli/test_output.py",
    "tests/test_lazy_imports.py",
    "tests/test_table.py",
)
"""What depends most on the machine: machine code, sums, symbols in sets, files, letters."""

Change = Callable[[dict[str, str], Path], Path]
"""Changes the environment, may use an empty folder, returns where the tests run."""


def oldest_processor(environment: dict[str, str], place: Path) -> Path:
    """NumPy without any feature beyond its baseline, torch without vectors of its own."""
    from numpy._core import _multiarray_umath as numpy_core

    there = [name for name in numpy_core.__cpu_dispatch__ if numpy_core.__cpu_features__.get(name)]
    environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(there)
    environment["ATEN_CPU_CAPABILITY"] = "default"
    return ROOT


def avx2(environment: dict[str, str], place: Path) -> Path:
    """Torch with vectors of 256 bits, NumPy as it likes."""
    environment["ATEN_CPU_CAPABILITY"] = "avx2"
    return ROOT


def threads(count: int) -> Change:
    """Return a change to so many threads for products of matrices."""

    def change(environment: dict[str, str], place: Path) -> Path:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[name] = str(count)
        return ROOT

    return change


def plain_letters(environment: dict[str, str], place: Path) -> Path:
    """A terminal and files without UTF-8 unless somebody asks for it."""
    for name in [
        name for name in environment if name.startswith("LC_") or name in ("LANG", "LANGUAGE", "PYTHONIOENCODING")
    ]:
        del environment[name]
    environment.update(LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    return ROOT


def hash_seed(seed: int) -> Change:
    """Return a change to another order of sets of text."""

    def change(environment: dict[str, str], place: Path) -> Path:
        environment["PYTHONHASHSEED"] = str(seed)
        return ROOT

    return change


def sealed_home(environment: dict[str, str], place: Path) -> Path:
    """A home and a cache into which nobody can write, not even root: they lie below a file."""
    (place / "file").write_text("no folder")
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "DYNSIM_CACHE"):
        environment[name] = str(place / "file" / name.lower())
    return ROOT


def no_browser(environment: dict[str, str], place: Path) -> Path:
    """The same commands, browsers apart."""
    for folder in reversed(environment["PATH"].split(os.pathsep)):
        for command in sorted(Path(folder).glob("*")) if Path(folder).is_dir() else ():
            link = place / command.name
            link.unlink(missing_ok=True)
            if command.name not in BROWSERS:
                link.symlink_to(command)
    environment["PATH"] = str(place)
    return ROOT


def path_with_space(environment: dict[str, str], place: Path) -> Path:
    """A copy of the repository's files in a folder whose name has a space."""
    listed = subprocess.check_output(["git", "ls-files", "-z", "-c", "-o", "--exclude-standard"], cwd=ROOT, text=True)
    target = place / "my work"
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    environment["PYTHONPATH"] = str(target)
    return target


def everything(environment: dict[str, str], place: Path) -> Path:
    """All of them at once."""
    for change in (oldest_processor, threads(4), plain_letters, hash_seed(4242)):
        change(environment, place)
    for index, change in enumerate((sealed_home, no_browser)):
        (place / str(index)).mkdir()
        change(environment, place / str(index))
    return path_with_space(environment, place)


SETTINGS: dict[str, Change] = {
    "oldest-processor": oldest_processor,
    "avx2": avx2,
    "one-thread": threads(1),
    "two-threads": threads(2),
    "four-threads": threads(4),
    "plain-letters": plain_letters,
    "hash-seed-1": hash_seed(1),
    "hash-seed-4242": hash_seed(4242),
    "sealed-home": sealed_home,
    "no-browser": no_browser,
    "path-with-space": path_with_space,
    "everything": everything,
}


def run(name: str, whole: bool, jobs: int) -> tuple[str, int, float, str]:
    """Run the tests under a setting: its name, the status of pytest, seconds, the last line or all that failed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment.setdefault("OMP_NUM_THREADS", "1")
        where = SETTINGS[name](environment, Path(folder))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not long"]
        command += (
            ["-n", str(jobs), "--dist", "loadfile"] if whole else [path for path in QUICK if (ROOT / path).exists()]
        )
        done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, errors="replace")
    lines = done.stdout.splitlines()[-60:] + done.stderr.splitlines()[-10:]
    said = "\n".join(lines) if done.returncode else next((line for line in reversed(lines) if line.strip()), "")
    return name, done.returncode, time.monotonic() - began, said


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="settings; default: all")
    parser.add_argument("--list", action="store_true", help="print what each setting changes")
    parser.add_argument("--whole", action="store_true", help="the whole first tier instead of its quick part")
    parser.add_argument(
        "--jobs", type=int, default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    )
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in SETTINGS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(SETTINGS)}")
    if options.list:
        for name, change in SETTINGS.items():
            print(f"{name:18} {(change.__doc__ or name.replace('-', ' ')).strip()}")
        return 0
    failed = 0
    with ThreadPoolExecutor(1 if options.whole else options.jobs) as pool:
        for name, status, seconds, said in pool.map(
            lambda name: run(name, options.whole, options.jobs), options.names or SETTINGS
        ):
            print(f"{name:18} {'FAILED' if status else 'passed':7} {seconds:5.0f} s  {said}", flush=True)
            failed += status != 0
    print(f"{len(options.names or SETTINGS)} settings, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
