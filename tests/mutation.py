"""Break one guard at a time, and see whether the tests of its room notice.

    python tests/mutation.py [--sample 300] [--seed 0] [--room symbolic] [--list] [--seconds 120] [--part 1/3]

A guard is what stands between a call and a wrong answer: an ``if`` that raises or leaves, the strictness of its
comparisons with whole numbers, its "and" and "or", and a tolerance that a module names. A mutant never takes the way
out, swaps < and ≤, "and" and "or", or makes the tolerance a hundred times larger or smaller. It is killed if a test of
its room fails; tests that name what was changed go first. The sample is seeded; what survives, or is not killed in
time, is printed as a change of a line.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OF_ANYTHING = "tests/networks/test_measures_of_anything.py"
ROOMS = {
    "symbolic": ("dynsim/symbolic", ("tests/symbolic", "tests/systems")),
    "analysis": ("dynsim/analysis", ("tests/analysis",)),
    "integrate": ("dynsim/integrate", ("tests/integrate",)),
    "measures": (
        "dynsim/networks/measures",
        ("tests/networks/test_measures.py", OF_ANYTHING),
    ),
    "studies": ("dynsim/studies", ("tests/studies",)),
}
LEFT_OUT = ("dynsim/integrate/engine",)  # its kernels are held to SciPy to the last digits
EVERYWHERE = ("tests/test_errors.py", "tests/test_distributions.py", "tests/test_budget.py", "tests/test_malformed.py")
LEAVING = ast.Raise | ast.Return | ast.Continue | ast.Break
STRICT = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
SIGNS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


@dataclass(frozen=True)
class Mutant:
    """One place, and what stands there instead; offsets in bytes."""

    room: str
    path: str
    line: int
    start: int
    end: int
    new: str
    function: str

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.new.encode() + source[self.end :]

    def told(self, source: bytes) -> str:
        """The line before and after."""
        before = source.splitlines()[self.line - 1].decode().strip()
        after = self.apply(source).splitlines()[self.line - 1].decode().strip()
        return f"{self.path}:{self.line} in {self.function}\n    - {before}\n    + {after}"


def _counts(node: ast.expr) -> bool:
    """Whether it is a whole number, so that strictness matters: between floats < and ≤ are alike."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "len"
    return isinstance(node, ast.Constant) and type(node.value) is int


def mutants_of(room: str, path: Path) -> list[Mutant]:
    """Every mutant of a file."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: list[Mutant] = []

    def add(start: tuple[int, int], end: tuple[int, int], new: str, function: str) -> None:
        first, last = (starts[line - 1] + column for line, column in (start, end))
        found.append(Mutant(room, str(path.relative_to(ROOT)), start[0], first, last, new, function))

    def span(node: ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
        return (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)

    def between(one: ast.expr, other: ast.expr, old: str, new: str, function: str) -> None:
        """Change the sign between two expressions."""
        begin = starts[(one.end_lineno or 0) - 1] + (one.end_col_offset or 0)
        end = starts[other.lineno - 1] + other.col_offset
        place = source[begin:end].find(old.encode())
        if place >= 0:
            first = begin + place
            line = source[:first].count(b"\n") + 1
            found.append(Mutant(room, str(path.relative_to(ROOT)), line, first, first + len(old), new, function))

    def guard(node: ast.If, function: str) -> None:
        add(*span(node.test), "False", function)
        for part in ast.walk(node.test):
            if isinstance(part, ast.BoolOp):
                old, new = ("and", "or") if isinstance(part.op, ast.And) else ("or", "and")
                between(part.values[0], part.values[1], old, new, function)
            elif isinstance(part, ast.Compare):
                sides = [part.left, *part.comparators]
                for sign, one, other in zip(part.ops, sides, sides[1:], strict=False):
                    if type(sign) in SIGNS and (_counts(one) or _counts(other)):
                        between(one, other, SIGNS[type(sign)], STRICT[SIGNS[type(sign)]], function)

    def visit(node: ast.AST, function: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = child.name if isinstance(child, ast.FunctionDef | ast.ClassDef) else function
            if isinstance(child, ast.If) and isinstance(child.body[-1], LEAVING):
                guard(child, inner)
            visit(child, inner)

    tree = ast.parse(source)
    visit(tree, "the module")
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and type(node.value.value) is float:
            name = ast.unparse(node.targets[0])
            factor = random.Random(f"{path.name} {name}").choice((100.0, 0.01))
            add(*span(node.value), repr(node.value.value * factor), name)
    return found


def all_mutants(rooms: list[str]) -> list[Mutant]:
    found = []
    for room in rooms:
        for path in sorted((ROOT / ROOMS[room][0]).rglob("*.py")):
            if not str(path.relative_to(ROOT)).startswith(LEFT_OUT):
                found += mutants_of(room, path)
    return found


def judges(mutant: Mutant) -> list[str]:
    """Test files of the room, those first that name the function or its module."""
    files = [
        path
        for place in (*ROOMS[mutant.room][1], *EVERYWHERE)
        for path in (sorted((ROOT / place).rglob("test_*.py")) if (ROOT / place).is_dir() else [ROOT / place])
    ]
    stem = Path(mutant.path).stem

    def named(path: Path) -> tuple[int, int, int]:
        text = path.read_text(encoding="utf-8")
        alike = stem in path.stem or path.stem.removeprefix("test_") in stem
        return -2 * alike - (stem in text) - (mutant.function.lstrip("_") in text), len(text), 0

    return [mutant.path, *(str(path.relative_to(ROOT)) for path in sorted(files, key=named))]


def verdict(mutant: Mutant, copy: Path, seconds: float) -> tuple[str, float]:
    """Killed or survived, and the seconds it took."""
    place = copy / mutant.path
    source = (ROOT / mutant.path).read_bytes()
    ast.parse(mutant.apply(source))  # what cannot be read would count as killed
    place.write_bytes(mutant.apply(source))
    began = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}

    def limited() -> None:
        """Seconds of the processor, so that other work on the machine does not decide."""
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))

    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not long", *judges(mutant)]
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, preexec_fn=limited)
        word = {0: "survived", 1: "killed", 2: "killed"}.get(done.returncode, f"broken: {done.stderr[-300:]}")
        if done.returncode == -getattr(signal, "SIGXCPU", 0):
            word = "not killed in time"
    finally:
        place.write_bytes(source)
    return word, time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--room", action="append", choices=list(ROOMS))
    parser.add_argument("--seconds", type=float, default=120.0, help="of the processor, per mutant")
    parser.add_argument("--part", default="1/1", help="of the sample: 2/5 is the second fifth")
    parser.add_argument("--list", action="store_true", help="say what would be changed")
    options = parser.parse_args()
    everything = all_mutants(options.room or list(ROOMS))
    sample = random.Random(options.seed).sample(everything, min(options.sample, len(everything)))
    part, parts = map(int, options.part.split("/"))
    sample = sample[part - 1 :: parts]
    print(f"{len(everything)} places, {len(sample)} of them here", flush=True)
    survivors, tally = [], {"killed": 0}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        if not options.list:
            copy.mkdir()
            for name in ("dynsim", "tests", "benchmarks", "docs", "notebooks"):
                shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "_build"))
            for name in ("pyproject.toml", "README.md", "Makefile", "CHANGELOG.md"):
                shutil.copy(ROOT / name, copy / name)
        for mutant in sample:
            told = mutant.told((ROOT / mutant.path).read_bytes())
            if options.list:
                print(told)
                continue
            word, took = verdict(mutant, copy, options.seconds)
            tally[word.split(":")[0]] = tally.get(word.split(":")[0], 0) + 1
            print(f"{word}, {took:.0f} s: {told}", flush=True)
            if word != "killed":
                survivors.append(told)
    if not options.list:
        print(f"\n{tally}: {100 * tally['killed'] / max(1, len(sample)):.0f} % killed; left:")
        print("\n".join(survivors))
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
