"""What a sweep costs beside the runs themselves: time per task, the driver's memory, and what a second worker brings.

    OMP_NUM_THREADS=1 python benchmarks/sweeps.py [overhead] [workers] [memory] [--tasks 10000] [--huge 1000000]

`overhead`: tasks of one member each, the pool beside a Dask LocalCluster of as many workers. "wall" is per task and
shares the machine with whatever else runs; "CPU" adds up driver and workers (of Dask the scheduler too); "run" is the
CPU time of the bare `ensemble` call that a task makes, which is no overhead.
`workers`: the same busy tasks with one worker and with two, in turns; the ratio means something on an idle machine.
`memory`: peak memory of the driver, each study in a process of its own, with an executor that does nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from statistics import median
from time import perf_counter, process_time
from typing import Any

import dynsim

WORKERS = 2


def study(tasks: int, **more: Any) -> dict[str, Any]:
    """The toy over a square grid, one member per task."""
    side = round(tasks**0.5)
    axes = {"alpha": {"geomspace": [0.1, 10.0, side]}, "theta0": {"linspace": [0.1, 1.0, side]}}
    return {"system": "toy", "t_end": 20.0, "chunk": 1, "axes": axes, "record": ["theta"], **more}


def busy(tasks: int, members: int) -> dict[str, Any]:
    """A flow without closed form, so many members per task."""
    axes = {"sigma2": {"linspace": [0.0, 1.0, tasks]}, "theta0": {"linspace": [0.1, 1.0, members]}}
    return {"system": "scalar", "parameters": {"eta_p": 0.1}, "t_end": 2e4, "chunk": members, "axes": axes}


def cpu() -> float:
    """CPU seconds of this process and of those that it has ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime


def timed(what: dict[str, Any], executor: Executor | None = None) -> tuple[float, float]:
    """Seconds from the first task that is finished to the last, and how many tasks lie between."""
    marks: list[tuple[float, int]] = []

    def note(done: int, total: int, told: str) -> None:
        if done:
            marks.append((perf_counter(), done))

    with tempfile.TemporaryDirectory() as folder:
        dynsim.run_study(what, f"{folder}/s.zarr", executor, note, workers=None if executor else WORKERS).close()
    return marks[-1][0] - marks[0][0], marks[-1][1] - marks[0][1]


@contextmanager
def dask() -> Iterator[Executor]:
    from distributed import Client, LocalCluster

    options = {"n_workers": WORKERS, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        client.wait_for_workers(WORKERS)
        yield client.get_executor(pure=False)


def bare_run(rounds: int = 200) -> float:
    flow, found = dynsim.system("toy"), []
    for _ in range(rounds):
        start = process_time()
        dynsim.ensemble(flow, {"phi": 0.6, "theta": 0.1}, 20.0, parameters={"alpha": 1.0}, workers=1)
        found.append(process_time() - start)
    return median(found)


def overhead(tasks: int) -> None:
    print(f"{tasks} tasks of one member, {WORKERS} workers; load {os.getloadavg()[0]:.1f}")
    print(f"{'executor':14} {'wall ms':>8} {'tasks/s':>8} {'CPU ms':>8} {'run ms':>8}")
    run = bare_run()
    before = cpu()
    seconds, done = timed(study(tasks))
    row("pool", seconds, done, cpu() - before, tasks, run)
    before = cpu()
    with dask() as executor:
        seconds, done = timed(study(tasks), executor)
    row("LocalCluster", seconds, done, cpu() - before, tasks, run)


def row(name: str, seconds: float, done: float, used: float, tasks: int, run: float) -> None:
    print(f"{name:14} {1e3 * seconds / done:8.2f} {done / seconds:8.0f} {1e3 * used / tasks:8.2f} {1e3 * run:8.2f}")


def workers(rounds: int, tasks: int, members: int) -> None:
    global WORKERS
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for count, times in found.items():
            WORKERS = count
            seconds, done = timed(busy(tasks, members))
            times.append(seconds / done)
    WORKERS = 2
    one, two = (median(times) for times in found.values())
    ratios = ", ".join(f"{a / b:.2f}" for a, b in zip(*found.values(), strict=True))
    load = os.getloadavg()[0]
    print(f"busy tasks of {1e3 * one:.0f} ms: two workers {one / two:.2f} × one ({ratios}); load {load:.1f}")


class Nobody(Executor):
    """Says of every task that it is done."""

    _max_workers = 2

    def submit(self, function: Any, /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result((1, ""))
        return future


def drive(tasks: int) -> None:
    """In a process of its own: what driving so many tasks adds to the peak memory of driving four."""

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    with tempfile.TemporaryDirectory() as folder:
        dynsim.run_study(study(4), f"{folder}/few.zarr", Nobody()).close()
        before, start = peak(), process_time()
        dynsim.run_study(study(tasks), f"{folder}/many.zarr", Nobody()).close()
        print(json.dumps([tasks, before, peak() - before, process_time() - start]))


def memory(huge: int) -> None:
    print(f"{'tasks':>9} {'peak before MB':>15} {'added MB':>9} {'driver ms per task':>19}")
    for tasks in sorted({1000, 10_000, 100_000, huge}):
        command = [sys.executable, __file__, "--drive", str(tasks)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        count, before, added, seconds = json.loads(told)
        print(f"{count:9d} {before:15.1f} {added:9.1f} {1e3 * seconds / count:19.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="overhead, workers, memory; default: all")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--huge", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--drive", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        drive(options.drive)
        return
    parts = options.parts or ["overhead", "workers", "memory"]
    if "overhead" in parts:
        overhead(options.tasks)
    if "workers" in parts:
        workers(options.rounds, tasks=60, members=16)
    if "memory" in parts:
        memory(options.huge)


if __name__ == "__main__":
    main()
