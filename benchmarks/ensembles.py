"""Ensembles by dynsim and by every peer that is installed, side by side, in microseconds per trajectory.

    python benchmarks/ensembles.py [--peers heyoka,scipy] [--rounds 5] [--out ensembles.png]

Solvers take turns in one process that is held to one core; CPU time counts there, so that a busy machine disturbs
little. Every solver runs at several tolerances; its largest error over the same 10,000 starts is *measured* against
the closed form (the toy) or a run at 1e-13, and the times that are compared are read off at equal measured errors, on
the line through the points around it. Then dynsim runs on all cores, and what compilation costs is measured in fresh
processes. Peers: heyoka (batches of 8), diffrax (Dopri8, vmap), numbalsoda (dop853), torchode (Dopri5), SciPy (DOP853
on the concatenated system).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
import xarray as xr  # noqa: E402
from ensemble_peers import PEERS, Problem  # noqa: E402

import dynsim  # noqa: E402

PROBLEMS = [
    Problem("toy stop", dynsim.system("toy"), 30.0),
    Problem("toy full", dynsim.system("toy", branch="full"), 30.0),
    Problem("byol", dynsim.system("byol"), 30.0),
]
TOLERANCES = [10.0**-e for e in range(4, 14)]
TARGETS = (1e-6, 1e-8, 1e-10)
POINTS = 200
MANY = 10_000
FINEST = {"torchode": 1e-9}  # a method of order 5 needs minutes below


def reference(problem, starts, times):
    initial = xr.Dataset({s: ("member", row) for s, row in zip(problem.flow.states, starts, strict=True)})
    if problem.flow.exact is not None and problem.flow.exact.solution is not None:
        run = dynsim.ensemble(problem.flow, initial, times=times, method="exact")
    else:
        run = dynsim.ensemble(problem.flow, initial, times=times, rtol=1e-13, atol=1e-15)
    return np.array([run[s].values for s in problem.flow.states])


def cpu_time(run, *arguments):
    before = time.process_time()
    result = run(*arguments)
    return time.process_time() - before, result


def work_and_precision(problem, peers, count, times, rounds):
    """``{peer: [(largest error, seconds of CPU), …]}`` over the tolerances, the peers in turn."""
    starts = problem.starts(count)
    exact = reference(problem, starts, times)
    points = {name: [] for name in peers}
    for tolerance in TOLERANCES:
        spent = {name: [] for name in peers}
        here = [name for name in peers if tolerance >= FINEST.get(name, 0.0)]
        errors, runs = {}, {name: PEERS[name][0](problem, tolerance, 1) for name in here}
        for name, run in runs.items():
            errors[name] = float(np.max(np.abs(run(starts, times) - exact)))  # compiles, too
        for _ in range(rounds):
            for name, run in runs.items():
                spent[name].append(cpu_time(run, starts, times)[0])
        for name in here:
            points[name].append((errors[name], statistics.median(spent[name])))
    return points


def at_error(points, target):
    """Seconds at a measured error, on the line through the neighbours in logarithms; NaN outside."""
    inside = sorted((e, s) for e, s in points if np.isfinite(e) and e > 0)
    below, above = [p for p in inside if p[0] <= target], [p for p in inside if p[0] > target]
    if not below or not above:
        return np.nan
    (e0, s0), (e1, s1) = below[-1], above[0]
    share = (np.log(target) - np.log(e0)) / (np.log(e1) - np.log(e0))
    return float(np.exp(np.log(s0) + share * (np.log(s1) - np.log(s0))))


def large(problem, name, count, times, tolerance, threads):
    """Wall and CPU seconds for many starts, in pieces of `MANY` where all points are kept."""
    starts = problem.starts(count)
    run = PEERS[name][0](problem, tolerance, threads)
    run(starts[:, :MANY], times)
    size = MANY if len(times) > 1 else count
    before = time.perf_counter(), time.process_time()
    for first in range(0, count, size):
        run(starts[:, first : first + size], times)
    return time.perf_counter() - before[0], time.process_time() - before[1]


FIRST = """
import time, json, numpy as np, xarray, dynsim
from dynsim.integrate.ensemble import ensemble
flow = dynsim.system(*{system}, branch={branch!r})
import llvmlite.binding, dynsim.integrate.engine.compiled
start = {{name: np.linspace(-1, 1, 10) for name in flow.states}}
ensemble(dynsim.system("scalar"), {{"phi": 0.1, "theta": 0.1}}, 1.0, method="scipy")
before = time.process_time()
ensemble(flow, start, 1.0, method="compiled")
print(time.process_time() - before)
"""


def first_calls(problem):
    """CPU seconds of the first call in a new process, with an empty cache and with a filled one."""
    name, branch = problem.flow.name, problem.flow.branch
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "DYNSIM_CACHE": folder, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", FIRST.format(system=[name], branch=branch)]
        return [float(subprocess.check_output(command, env=environment, text=True)) for _ in range(2)]


def single(problem, rounds=300):
    """Median and least microseconds of one trajectory with all points, after the first call."""
    times, start = np.linspace(0.0, problem.t_end, POINTS), dict.fromkeys(problem.flow.states, 0.3)
    spent = []
    for _ in range(rounds):
        before = time.perf_counter()
        dynsim.ensemble(problem.flow, start, times=times)
        spent.append(1e6 * (time.perf_counter() - before))
    return statistics.median(spent[1:]), min(spent[1:])


def measure(options):
    """Everything on one core, printed as it comes."""
    peers = [n for n, (_, needs) in PEERS.items() if n in options.peers and all(map(find_spec, needs))]
    print("absent:", ", ".join(n for n in options.peers if n not in peers) or "none")
    found = {}
    for problem in PROBLEMS:
        last, grid = np.array([problem.t_end]), np.linspace(0.0, problem.t_end, POINTS)
        for label, count, times in (("final", MANY, last), (f"{POINTS} points", MANY, grid), ("single", 1, grid)):
            taking_part = [n for n in peers if n != "torchode" or count * len(times) < options.torch]
            points = work_and_precision(problem, taking_part, count, times, options.rounds)
            found[f"{problem.name}, {count} × {label}"] = points
            print(
                f"\n{problem.name}, {count} starts, {label}: µs of CPU per trajectory at equal measured largest error"
            )
            print(f"{'':12s}" + "".join(f"{target:>12.0e}{'ratio':>8s}" for target in TARGETS))
            own = [at_error(points["dynsim"], target) for target in TARGETS]
            for name in taking_part:
                here = [at_error(points[name], target) for target in TARGETS]
                cells = (f"{1e6 * s / count:12.3f}{s / o:8.1f}" for s, o in zip(here, own, strict=True))
                print(f"{name:12s}" + "".join(cells), flush=True)
    return found


def everything_else(options):
    print("\n1,000,000 starts at tolerance 1e-8, µs per trajectory: CPU on one core; wall on one core and on all")
    for problem in PROBLEMS:
        for times in (np.array([problem.t_end]), np.linspace(0.0, problem.t_end, POINTS)):
            count = options.large if len(times) == 1 else options.large // 10
            one, every = [], []
            for _ in range(3):
                one.append(large(problem, "dynsim", count, times, 1e-8, 1))
                every.append(large(problem, "dynsim", count, times, 1e-8, CORES))
            wall, cpu = (1e6 / count * statistics.median(x[i] for x in one) for i in (0, 1))
            all_wall = 1e6 / count * statistics.median(x[0] for x in every)
            case = f"{problem.name:9s} {count:9,d} × {len(times):3d}"
            gain = f"{wall / all_wall:.2f} times as fast on {CORES} cores"
            print(f"{case}   {cpu:7.3f}   {wall:7.3f}   {all_wall:7.3f}   {gain}", flush=True)
    print("\nfirst call in a new process, ms of CPU: flow never seen before, machine code found on disk")
    for problem in PROBLEMS:
        fresh, cached = zip(*(first_calls(problem) for _ in range(3)), strict=True)
        print(
            f"{problem.name:9s} {1e3 * statistics.median(fresh):7.0f} {1e3 * statistics.median(cached):7.0f}",
            flush=True,
        )
    print(f"\none trajectory with {POINTS} points, as a Dataset, µs: median, least")
    for problem in PROBLEMS:
        print(f"{problem.name:9s} {single(problem)[0]:7.0f} {single(problem)[1]:7.0f}", flush=True)


def draw(found, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(PROBLEMS), figsize=(12, 4.2), layout="constrained", sharey=True)
    for axis, problem in zip(axes, PROBLEMS, strict=True):
        for index, (name, points) in enumerate(found[f"{problem.name}, {MANY} × final"].items()):
            errors, seconds = np.array(points).T
            axis.loglog(errors, 1e6 * seconds / MANY, marker="osD^vP"[index % 6], label=name, color=f"C{index}")
        axis.set(title=problem.name, xlabel="largest error, measured")
        axis.invert_xaxis()
    axes[0].set_ylabel(f"CPU time per trajectory (µs), {MANY:,} starts")
    axes[0].legend()
    figure.savefig(path, dpi=150)
    print("figure:", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default=",".join(PEERS), type=lambda text: ["dynsim", *text.split(",")])
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--torch", default=100_000, type=int, help="largest number of outputs asked of torchode")
    parser.add_argument("--large", default=1_000_000, type=int)
    parser.add_argument("--out", help="where to write the figure")
    parser.add_argument("--json", help="where to write the numbers")
    parser.add_argument("--part", choices=("all", "turns", "rest"), default="all")
    options = parser.parse_args()
    print(f"{CORES} cores, load {os.getloadavg()[0]:.1f}")
    if options.part != "rest":
        everywhere = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None
        if everywhere:
            os.sched_setaffinity(0, {min(everywhere)})
        found = measure(options)
        if everywhere:
            os.sched_setaffinity(0, everywhere)
        if options.json:
            Path(options.json).write_text(json.dumps(found))
        if options.out:
            draw(found, options.out)
    if options.part != "turns":
        everything_else(options)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
