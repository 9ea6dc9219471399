"""What an ensemble costs on one core and how wrong it is, for several solvers in turn, in CPU time."""

import statistics
import time

import numpy as np
import xarray as xr
from ensemble_peers import MANY, PEERS, calls

import dynsim

TOLERANCES = [10.0**-e for e in range(4, 15)]
FINEST = {"torchode": 1e-11}  # a method of order 5 is slow below
TURN, CALLS, ENOUGH = 0.3, 20, 1.0
"""A turn lasts so many seconds or calls; who has run for so many seconds needs no further turn."""


def reference(problem, starts, times):
    initial = xr.Dataset({s: ("member", row) for s, row in zip(problem.flow.states, starts, strict=True)})
    if problem.flow.exact is not None and problem.flow.exact.solution is not None:
        run = dynsim.ensemble(problem.flow, initial, times=times, method="exact")
    else:
        run = dynsim.ensemble(problem.flow, initial, times=times, rtol=1e-15, atol=1e-17, method="compiled")
    return np.array([run[s].values for s in problem.flow.states])


def cpu_time(run, *arguments):
    before = time.process_time()
    result = run(*arguments)
    return time.process_time() - before, result


def largest(result, exact):
    return float(np.max(np.abs(result - exact)))


def first_call(name, problem, starts, times):
    PEERS[name][0](problem, TOLERANCES[0])(starts, times)


def turn(run, starts, times):
    """Seconds of several calls in a row, so that most of them find their code and memory in place."""
    spent = []
    while sum(spent) < TURN and len(spent) < CALLS:
        spent.append(cpu_time(run, starts, times)[0])
    return spent


def work_and_precision(problem, peers, count, times, rounds):
    """``{peer: [(tolerance, largest error, seconds), …]}``, the peers in turn, and the seconds of each first call."""
    starts = problem.starts(count)
    first = {name: cpu_time(first_call, name, problem, starts, times)[0] for name in peers}
    exact = reference(problem, starts, times)
    points = {name: [] for name in peers}
    for tolerance in TOLERANCES:
        runs = {n: PEERS[n][0](problem, tolerance) for n in peers if tolerance >= FINEST.get(n, 0.0)}
        errors = {name: largest(run(starts, times), exact) for name, run in runs.items()}  # compiles, too
        spent = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                if sum(spent[name]) < ENOUGH:
                    spent[name] += turn(run, starts, times)
        for name in runs:
            points[name].append((tolerance, errors[name], statistics.median(spent[name])))
    return points, first


def read_off(points, target):
    """Tolerance and seconds at a measured error, on the line through the neighbours in logarithms; NaN outside."""
    inside = sorted((e, t, s) for t, e, s in points if np.isfinite(e) and e > 0)
    below, above = [p for p in inside if p[0] <= target], [p for p in inside if p[0] > target]
    if not below or not above:
        return np.nan, np.nan
    low, high = np.log(below[-1]), np.log(above[0])
    _, tolerance, seconds = np.exp(low + (np.log(target) - low[0]) / (high[0] - low[0]) * (high - low))
    return float(tolerance), float(seconds)


def very_many(problem, tolerances, count, times, rounds, budget):
    """``{peer: (starts, largest error, seconds per trajectory)}``, each at its tolerance, the peers in turn.

    A turn is all starts at once, or `MANY` of them where all points are kept. A solver takes no turn that would lead
    it over its budget of seconds; where the first does, it ends early.
    """
    starts, whole = problem.starts(count), len(times) == 1
    runs = {name: PEERS[name][0](problem, tolerance) for name, tolerance in tolerances.items()}
    for run in runs.values():
        run(starts[:, :MANY], times)
    spent, last, done, worst = (dict.fromkeys(runs, 0) for _ in range(4))
    for index, piece in enumerate([slice(0, count)] * rounds if whole else calls("dynsim", count, times)):
        here = starts[:, piece]
        if index == 0 or not whole:
            exact = reference(problem, here, times)
        for name, run in runs.items():
            if spent[name] + last[name] > budget:
                continue
            before = spent[name]
            for part in calls(name, here.shape[1], times):
                if spent[name] <= budget:
                    seconds, result = cpu_time(run, here[:, part], times)
                    spent[name] += seconds
                    done[name] += part.stop - part.start
                    worst[name] = float(np.maximum(worst[name], largest(result, exact[:, part])))
            last[name] = spent[name] - before
    return {name: (min(done[name], count), worst[name], spent[name] / done[name]) for name in runs}
