"""The short benchmarks: one table, the target beside each figure, in less than ten minutes.

    python benchmarks/bench.py [ensembles] [trajectory] [commands] [networks] [gpu]

Everything is CPU time; contestants take alternating turns, medians are compared. A figure that falls short says
SHORT; a peer that is not installed is left out, and said to be. heyoka, the peer of the ensembles, is no dependency of
dynsim: ``pip install heyoka`` into the environment that runs this.

The last line says what share of the time the benchmarks had the processor. Other work beside them lengthens CPU time,
too (caches and memory are shared), and of two contestants not always by the same factor: measure on a quiet machine.
"""

import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from table import Row, print_table  # noqa: E402

STARTS = 10_000
WANTED = dict.fromkeys(("toy stop", "toy full", "byol"), (3.0, 3.0, 2.0, 1.0))
USUAL = (2.0, 2.0, 2.0, 1.0)
"""Times heyoka's speed at equal measured errors of 1e-6, 1e-8, 1e-10 and 1e-12, of some flows and of every other."""


def ensembles():
    """Rows of dynsim against heyoka's batches of eight."""
    if not find_spec("heyoka"):
        print("ensembles: heyoka is not installed: pip install heyoka", flush=True)
        return
    from ensemble_peers import PROBLEMS
    from ensemble_turns import read_off, work_and_precision
    from ensembles import LABELS, TARGETS, record

    for problem in PROBLEMS.values():
        for label in LABELS:
            points, _ = work_and_precision(problem, ["dynsim", "heyoka"], STARTS, record(problem, label), 1)
            for target, wanted in zip(TARGETS, WANTED.get(problem.name, USUAL), strict=True):
                own, other = (read_off(points[name], target)[1] for name in ("dynsim", "heyoka"))
                shown = f"{1e6 * own / STARTS:.2f} µs, heyoka {1e6 * other / STARTS:.2f} µs"
                yield Row(f"{problem.name}, {label}, error {target:.0e}", other / own, wanted, "at least", shown)


def trajectory():
    """Rows of one trajectory and of first calls."""
    from trajectory import rows

    return rows()


def commands():
    """Rows of the commands' start."""
    from startup import rows

    return rows(7)


def networks():
    """Rows of losses typed as text against those written by hand, and of a batch of seeds against plain loops."""
    if not find_spec("torch"):
        print("networks: torch is not installed", flush=True)
        return
    import torch
    from networks import batch_speeds, text_speeds

    torch.set_num_threads(1)
    for name, named, text, speed in text_speeds(rounds=5, steps=10):
        shown = f"{1e3 * named:.2f} and {1e3 * text:.2f} ms a step"
        yield Row(f"{name} as text over by hand", speed, 0.8, "at least", shown)
    for net, plain, together, speed, wanted in batch_speeds(rounds=5, steps=10):
        shown = f"{1e3 * plain:.2f} ms a plain step, {1e3 * together:.2f} ms one of 16 seeds"
        yield Row(f"{net}, 16 seeds over 16 plain loops, batch 64", speed, wanted, "at least", shown)


def gpu():
    """Rows of networks on a CUDA device."""
    if not find_spec("torch"):
        return
    import torch

    if not torch.cuda.is_available():
        print("gpu: no CUDA device is present", flush=True)
        return
    from gpu import rows

    yield from rows(torch.device("cuda"))


PARTS = {
    "ensembles": ("Ensembles: times the speed of heyoka, at equal measured error, one core", ensembles),
    "trajectory": ("One trajectory of 200 points, and first calls", trajectory),
    "commands": ("Commands: CPU over that of what must be imported", commands),
    "networks": ("Networks: steps per second, texts with one seed at batch 256", networks),
    "gpu": ("A CUDA device: steps per second at batch 4096", gpu),
}
QUIET = 0.9  # share of the time on the processor: one thread waits for nothing but other work


def spent():
    """CPU of this process and of those that it has waited for, in seconds."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def part(name):
    """Print and return the rows of one part, in a process of its own: what a peer leaves in memory slows the next."""
    title, measure = PARTS[name]
    return print_table(title, measure())


def main():
    chosen = sys.argv[1:] or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    began, cpu, rows = time.perf_counter(), spent(), []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DYNSIM_CACHE"] = folder
        for name in chosen:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                rows += pool.submit(part, name).result()
    short = sum(not row.met for row in rows)
    took = time.perf_counter() - began
    share = (spent() - cpu) / took
    told = "" if share >= QUIET else " — other work, or waiting for a device, took the rest"
    print(f"\n{len(rows)} figures, {short} short of their target; {took:.0f} s, {share:.0%} on the processor{told}")


if __name__ == "__main__":
    main()
