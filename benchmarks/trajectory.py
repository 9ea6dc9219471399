"""One trajectory of 200 points: the engine's call, `ensemble`, `solve`, and the first call of large flows.

    python benchmarks/trajectory.py

CPU time, alternating turns of ten calls each, medians. `ensemble` is compared with one public ``xarray.Dataset(…)`` of
the same variables, `solve` with that `ensemble`: without events, with one that happens, with one that ends the run,
with three. A first call is made in a process of its own with an empty cache: equations to machine code and one run.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
import xarray as xr  # noqa: E402
from table import Row, print_table  # noqa: E402

import dynsim  # noqa: E402

POINTS, T_END = 200, 30.0

FIRST = """
import time, numpy as np, xarray, dynsim
from dynsim.integrate.ensemble import ensemble
import dynsim.integrate.engine.program
{flow}
ensemble(dynsim.system("toy"), {{"phi": np.linspace(0.1, 1, 5), "theta": 0.1}}, 1.0, method="compiled")
flow.compiled.velocity(0.0, np.zeros(len(flow.states)), [1.0] * len(flow.parameters))
before = time.process_time()
ensemble(flow, {{name: np.linspace(0.1, 0.2, 10) for name in flow.states[:1]}} | dict.fromkeys(flow.states[1:], 0.1),
         1.0, method="compiled")
print(time.process_time() - before)
"""
LARGE = {
    "300 operations": (
        'terms = [f"(x{i}*x{j} - {i + 1}/{j + 2})^2/{i + j + 2}" for i in range(8) for j in range(i)]\n'
        'flow = dynsim.gradient_flow(" + ".join(terms), [f"x{i}" for i in range(8)])'
    ),
    "400 nodes × 20 operations": (
        'flow = dynsim.gradient_flow("E((tanh(w*x + v*y + b) - x*y)^2/2)", ["w", "v", "b"],\n'
        '    random="x ~ uniform(-1, 1), y ~ uniform(-1, 1)")'
    ),
}


SOLVES = {"solve": 3.0, "solve, one event": 3.0, "solve, a terminal one": 3.0, "solve, three events": 5.0}
"""Times of the ensemble that the compiled solve may take."""


def alternating(contestants, rounds=60, calls=10):
    """Median seconds of each, in turns."""
    spent = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            run()
            before = time.process_time()
            for _ in range(calls):
                run()
            spent[name].append((time.process_time() - before) / calls)
    return {name: statistics.median(found) for name, found in spent.items()}


def contestants_of(name):
    from dynsim.integrate.engine.program import OneStart

    flow, times = dynsim.system(name), np.linspace(0.0, T_END, POINTS)
    start = dict.fromkeys(flow.states, 0.3)
    found = dynsim.ensemble(flow, start, times=times)
    arrays = {key: (values.dims, values.values) for key, values in found.items()}
    engine = OneStart(flow, np.full(len(flow.states), 0.3), flow.values(), T_END, 1e-10, 1e-12)
    event = f"{flow.states[0]} - 0.35"
    several = [event, f"{flow.states[1]} - 0.31", f"{flow.states[0]} - {flow.states[1]}"]

    def solve(*events):
        return lambda: dynsim.solve(flow, start, times=times, method="compiled", events=events)

    return {
        "engine": lambda: engine(times[:-1]),
        "Dataset": lambda: xr.Dataset(arrays, coords={"time": times}),
        "ensemble": lambda: dynsim.ensemble(flow, start, times=times),
        "solve": solve(),
        "solve, one event": solve(event),
        "solve, a terminal one": solve(dynsim.Terminal(event)),
        "solve, three events": solve(*several),
    }


def rows():
    """One row per figure."""
    for name in ("toy", "byol"):
        spent = {key: 1e6 * seconds for key, seconds in alternating(contestants_of(name)).items()}
        engine, ensemble = spent["engine"], spent["ensemble"]
        yield Row(f"{name}: the engine's call, µs", engine, 20.0, "at most", f"rtol 1e-10, {POINTS} points")
        shown = f"{ensemble:.0f} µs, Dataset {spent['Dataset']:.0f} µs"
        yield Row(f"{name}: ensemble over Dataset", ensemble / spent["Dataset"], 1.2, "at most", shown)
        for what, most in SOLVES.items():
            called = what if what != "solve" else "solve over ensemble"
            yield Row(f"{name}: {called}", spent[what] / ensemble, most, "at most", f"{spent[what]:.0f} µs")
    for name, text in LARGE.items():
        seconds = statistics.median(first_call(text) for _ in range(3))
        yield Row(f"first call, {name}, s", seconds, 1.0, "at most")


def first_call(text):
    """CPU seconds of the first call in a new process, nothing in the cache."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "DYNSIM_CACHE": folder, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", FIRST.format(flow=text)]
        return float(subprocess.check_output(command, env=environment, text=True))


def main():
    print_table("One trajectory, and first calls", rows())


if __name__ == "__main__":
    main()
