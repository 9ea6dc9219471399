"""The same ensemble on every core: dynsim by its threads, every peer as one process per core.

Each process is held to its core, has its share of the starts and times itself; the slowest counts.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from multiprocessing import get_context
from time import perf_counter

from ensemble_peers import MANY, PEERS, PROBLEMS, calls

HELD = hasattr(os, "sched_setaffinity")
CORES = sorted(os.sched_getaffinity(0)) if HELD else list(range(os.cpu_count() or 1))


def hold(*cores):
    """Keep this process to some cores, where the system can."""
    if HELD:
        os.sched_setaffinity(0, cores)


@contextmanager
def processes():
    """One waiting process per core."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=hold, initargs=(core,))
            )
            for core in CORES
        ]


@cache
def made(name, problem, tolerance, **threads):
    return PEERS[name][0](PROBLEMS[problem], tolerance, **threads)


def wall(name, problem, tolerance, times, first, last, **threads):
    """Seconds for the starts from `first` to `last`."""
    run, starts = made(name, problem, tolerance, **threads), PROBLEMS[problem].starts(last)[:, first:]
    before = perf_counter()
    for part in calls(name, last - first, times):
        run(starts[:, part], times)
    return perf_counter() - before


def timers(pools, name, problem, tolerance, times, count):
    """Two functions that give seconds: for `count` starts on one core, and for as many on each core at once."""
    what = name, problem, tolerance, times
    if name == "dynsim":
        one = partial(wall, *what, 0, count, threads=1)
        every = partial(wall, *what, 0, count * len(CORES), threads=len(CORES))
        one(), every()
        return one, every

    def at_once(share):
        waiting = [pool.submit(wall, *what, i * share, (i + 1) * share) for i, pool in enumerate(pools)]
        return max(each.result() for each in waiting)

    at_once(MANY)  # makes the solvers
    return lambda: pools[0].submit(wall, *what, 0, count).result(), partial(at_once, count)


def least(clock, enough=0.5):
    """The least seconds of calls in a row, enough of them to find their memory in place."""
    spent = []
    while sum(spent) < enough:
        spent.append(clock())
    return min(spent)
