"""Ensembles by dynsim and by every peer that is installed, side by side, in microseconds per trajectory.

    python benchmarks/ensembles.py [--peers heyoka scipy] [--part turns large cores rest] [--json FILE] [--out PNG]

turns   One core, 1 and 10,000 starts. Solvers take turns in one process that is held to one core; CPU time counts, so
        that a busy machine disturbs little. Every solver runs at several tolerances; its largest error over the same
        starts is *measured* against the closed form (the toy) or a run at 1e-15, and the times that are compared are
        read off at equal measured errors, on the line through the points around it.
large   One core, 1,000,000 starts (100,000 where 200 points are kept), each solver at the tolerance at which its
        10,000 starts had an error of 1e-8; the largest error over all is measured again, and the time is moved to
        1e-8 along the solver's own curve. Who is slow gets fewer starts: the table says how many.
cores   Wall time at the same tolerances on one core and on all, dynsim by threads, a peer as one process per core;
        the least of a few rounds. Other work on the machine counts here: run it on an idle one.
rest    The first call of a new flow in a fresh process, and one trajectory as the user gets it.

Peers: heyoka (batches of 8), diffrax (Dopri8, vmap), numbalsoda (dop853), torchode (Dopri5), SciPy (DOP853 on the
concatenated system). They record the states; dynsim also what else its Dataset holds (the loss and other observables).
A first call is compilation and one run at the coarsest tolerance.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
from ensemble_cores import CORES, hold, least, processes, timers  # noqa: E402
from ensemble_peers import MANY, PEERS, PROBLEMS  # noqa: E402
from ensemble_turns import read_off, very_many, work_and_precision  # noqa: E402

import dynsim  # noqa: E402

PARTS = ("turns", "large", "cores", "rest")
TARGETS = (1e-6, 1e-8, 1e-10, 1e-12)
TARGET = 1e-8
POINTS = 200
LABELS = ("final", f"{POINTS} points")


def record(problem, label):
    """The times of a case: its end alone, or all points."""
    return np.array([problem.t_end]) if label == "final" else np.linspace(0.0, problem.t_end, POINTS)


def key(problem, label, count=MANY):
    return f"{problem.name}, {count} × {label}"


def turns(curves, peers, options):
    """Work and precision of everything on one core, printed as it comes."""
    for problem in PROBLEMS.values():
        for count, label in ((MANY, LABELS[0]), (MANY, LABELS[1]), (1, LABELS[1])):
            points, first = work_and_precision(problem, peers, count, record(problem, label), options.rounds)
            curves[key(problem, label, count)] = points
            print(f"\n{problem.name}, {count:,} starts, {label}: µs of CPU per trajectory at equal measured error")
            print(" " * 12 + "".join(f"{target:>12.0e}{'ratio':>8s}" for target in TARGETS) + "   first call, ms")
            own = [read_off(points["dynsim"], target)[1] for target in TARGETS]
            for name in peers:
                here = [read_off(points[name], target)[1] for target in TARGETS]
                cells = (f"{1e6 * s / count:12.3f}{s / o:8.1f}" for s, o in zip(here, own, strict=True))
                print(f"{name:12s}{''.join(cells)}{1e3 * first[name]:17.0f}", flush=True)


def cases(curves, peers, options):
    """Problem, label, starts and the curves of those that reach the target; curves that lack are measured."""
    for problem in PROBLEMS.values():
        for label, count in zip(LABELS, (options.large, options.large // 10), strict=True):
            here = key(problem, label)
            if here not in curves:
                curves[here], _ = work_and_precision(problem, peers, MANY, record(problem, label), 1)
            reach = {n: p for n, p in curves[here].items() if n in peers and np.isfinite(read_off(p, TARGET)[0])}
            yield problem, label, count, reach


def large(curves, peers, options):
    """Very many starts on one core, printed as it comes; the numbers are returned for the figure."""
    found, at = {}, f"at {TARGET:.0e}"
    for problem, label, count, reach in cases(curves, peers, options):
        tolerances = {name: read_off(points, TARGET)[0] for name, points in reach.items()}
        measured = very_many(problem, tolerances, count, record(problem, label), options.rounds, options.budget)
        found[key(problem, label)] = measured
        # what it takes to come from the measured error to the target: the curve, as far on the other side of it
        moved = {
            name: 1e6 * seconds * read_off(reach[name], TARGET**2 / error)[1] / read_off(reach[name], TARGET)[1]
            for name, (_, error, seconds) in measured.items()
        }
        print(f"\n{problem.name}, {count:,} starts, {label}: µs of CPU per trajectory on one core")
        print(f"{'':12s}{'starts':>10s}{'tolerance':>11s}{'error':>9s}{'µs':>9s}{at:>10s}{'ratio':>8s}")
        for name, (starts, error, seconds) in measured.items():
            times = f"{1e6 * seconds:9.3f}{moved[name]:10.3f}{moved[name] / moved['dynsim']:8.1f}"
            print(f"{name:12s}{starts:10,d}{tolerances[name]:11.1e}{error:9.1e}{times}", flush=True)
        for name in [name for name in peers if name not in reach]:
            print(f"{name:12s}does not come down to this error", flush=True)
    return found


def cores(curves, peers, options):
    """Wall time on one core and on all, printed as it comes."""
    with processes() as pools:
        for problem, label, count, reach in cases(curves, peers, options):
            shares, clocks, spent = {}, {}, {name: [] for name in reach}
            for name, points in reach.items():
                tolerance, seconds = read_off(points, TARGET)
                turn = min(count / len(CORES) / MANY, options.wall / seconds)
                shares[name] = max(1, int(turn)) * MANY  # no piece of another size, which some would compile again
                clocks[name] = timers(pools, name, problem.name, tolerance, record(problem, label), shares[name])
            for _ in range(options.rounds):
                for name, (one, every) in clocks.items():
                    spent[name].append((least(one), least(every)))
            print(f"\n{problem.name}, {label}: µs of wall time per trajectory, load {os.getloadavg()[0]:.1f}")
            print(f"{'':12s}{'starts':>10s}{'one core':>10s}{f'{len(CORES)} cores':>10s}{'gain':>7s}{'ratio':>8s}")
            found = {name: 1e6 / shares[name] * np.min(spent[name], axis=0) / (1, len(CORES)) for name in reach}
            for name, (one, every) in found.items():
                ratios = f"{one / every:7.2f}{every / found['dynsim'][1]:8.1f}"
                print(f"{name:12s}{len(CORES) * shares[name]:10,d}{one:10.3f}{every:10.3f}{ratios}", flush=True)


FIRST = """
import time, json, numpy as np, xarray, dynsim
from dynsim.integrate.ensemble import ensemble
flow = dynsim.system(*{system}, branch={branch!r})
import llvmlite.binding, dynsim.integrate.engine.program
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


def rest():
    print("\nfirst call in a new process, ms of CPU: flow never seen before, machine code found on disk")
    for problem in PROBLEMS.values():
        fresh, cached = zip(*(first_calls(problem) for _ in range(3)), strict=True)
        print(
            f"{problem.name:9s} {1e3 * statistics.median(fresh):7.0f} {1e3 * statistics.median(cached):7.0f}",
            flush=True,
        )
    print(f"\none trajectory with {POINTS} points, as a Dataset, µs: median, least")
    for problem in PROBLEMS.values():
        print("{:9s} {:7.0f} {:7.0f}".format(problem.name, *single(problem)), flush=True)


def draw(curves, found, path):
    """Work and precision for 10,000 starts; a star where very many starts were measured."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(PROBLEMS), figsize=(12, 7.5), layout="constrained", sharex=True, sharey="row")
    for row, label in zip(axes, LABELS, strict=True):
        for axis, problem in zip(row, PROBLEMS.values(), strict=True):
            stars = found.get(key(problem, label), {})
            for index, (name, points) in enumerate(curves.get(key(problem, label), {}).items()):
                _, errors, seconds = np.array(points).T
                look = {"marker": "osD^vP"[index % 6], "color": f"C{index}"}
                axis.loglog(errors, 1e6 * seconds / MANY, label=name, **look)
                if name in stars:
                    _, error, each = stars[name]
                    axis.plot(error, 1e6 * each, "*", ms=14, color=look["color"], mec="black", zorder=3)
            axis.set(title=f"{problem.name}, {label}", xlim=(1e-2, 1e-12))
        row[0].set_ylabel("CPU time per trajectory (µs)")
    for axis in axes[-1]:
        axis.set_xlabel("largest error, measured")
    axes[0, 0].plot([], [], "*", ms=14, color="white", mec="black", label="very many starts")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(PEERS) + 1)
    figure.suptitle(f"Work and precision on one core, {MANY:,} starts")
    figure.savefig(path, dpi=150)
    print("figure:", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=PEERS, help="dynsim is always among them")
    parser.add_argument("--part", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--rounds", default=3, type=int)
    parser.add_argument("--large", default=1_000_000, type=int, help="how many starts are very many")
    parser.add_argument("--budget", default=40.0, type=float, help="seconds for a solver at very many starts")
    parser.add_argument("--wall", default=2.0, type=float, help="seconds for a solver's turn on all cores")
    parser.add_argument("--json", type=Path, help="keep the numbers here; parts that do not run are taken from it")
    parser.add_argument("--out", help="where to write the figure")
    options = parser.parse_args()
    asked = dict.fromkeys(["dynsim", *options.peers])
    peers = [name for name in asked if all(map(find_spec, PEERS[name][1]))]
    for name in peers:
        list(map(import_module, PEERS[name][1]))  # no first call pays for that
    print(f"{len(CORES)} cores, load {os.getloadavg()[0]:.1f}")
    print("absent:", ", ".join(name for name in asked if name not in peers) or "none")
    kept = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    curves = kept.setdefault("curves", {})
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DYNSIM_CACHE"] = folder  # a first call is a first call
        hold(CORES[0])
        if "turns" in options.part:
            turns(curves, peers, options)
        if "large" in options.part:
            kept["large"] = large(curves, peers, options)
        hold(*CORES)
        if "cores" in options.part:
            cores(curves, peers, options)
        if "rest" in options.part:
            rest()
    if options.json:
        options.json.write_text(json.dumps(kept))
    if options.out:
        draw(curves, kept.get("large", {}), options.out)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
