"""Paths of a noisy flow as a Dataset: over starts, parameters and seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import xarray as xr
from sympy import Expr

from dynsim.errors import InvalidType, bad
from dynsim.integrate.grid import Grid, grid_of
from dynsim.integrate.noise.compiled import CompiledPaths, compiled_paths
from dynsim.integrate.noise.derivation import NoisyFlow
from dynsim.integrate.noise.steppers import Minibatches, Stepper, Stochastic, stepper_of
from dynsim.integrate.validation import cores, count, times_of, tolerance
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.status import Status, status_attributes

__all__ = ["Paths", "noisy_ensemble"]

BLOCK = 4096  # paths at a time; the numbers do not depend on it
SHARED = 256  # of one member: from so many on its start and parameters are handed over once
PIECE, WORK = 2**15, 2**24  # paths of one member at a time, and steps of all of them
MOST_STEPS = 2**40
_MOST_SEEDS = 10**8
LARGEST = 1e100  # beyond it a path has blown up: cubic coefficients reach it from 1e6 in a few steps


class Paths:
    """Everything that paths of one noisy flow share: grid, seeds, step, method.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        Whatever does not fit, before any step is made.
    """

    def __init__(
        self,
        noisy: NoisyFlow,
        initial: Mapping[Any, Any],
        parameters: Mapping[Any, Any] | None,
        seeds: Any,
        dt: Any,
        method: str,
        increments: str | None,
        workers: Any,
    ) -> None:
        self.noisy = noisy
        self.seeds = _seeds(seeds)
        self.grid: Grid = grid_of(noisy.equations, initial, parameters)
        if "seed" in self.grid.dims:
            raise bad("dimension", "seed", "another name", "the paths of a noisy flow have it")
        self.method, self.step = stepper_of(noisy, self.grid, method, increments)
        self.code: CompiledPaths | None = None
        self.reason = ""
        self.workers = count("workers", workers, cores())
        steps = np.unique(self._setting("[lr]"))
        if not (np.isfinite(steps).all() and (steps > 0).all()):
            raise bad("lr", steps, "a positive, finite step")
        if self.method != "minibatch":
            self.dt = float(steps[0]) if dt is None else tolerance("dt", dt)
        elif dt is not None:
            raise bad("dt", dt, "no dt beside method 'minibatch'", "its steps are of length lr")
        elif len(steps) > 1:
            raise bad("lr", steps, "one value with method 'minibatch'", "call it once for every lr")
        else:
            self.dt = float(steps[0])
        self._check()

    def compile(self, leaves: tuple[Expr, bool] | None = None) -> None:
        """Make machine code of the step, where that can be done; otherwise `reason` says why not."""
        self.code, self.reason = compiled_paths(self.step, self.grid.flow, leaves)

    @property
    def size(self) -> int:
        """Number of paths."""
        return self.grid.size * len(self.seeds)

    def _setting(self, name: str) -> np.ndarray:
        flow = self.grid.flow
        y, values = self.members(0, self.grid.size)
        expression = flow.observables[name]
        if "t" in {symbol.name for symbol in expression.free_symbols}:
            raise bad(
                name.strip("[]"), expression, "a number", "a step or a batch that depends on the time is no case"
            )
        return flow.compiled.function([expression])(0.0, y, list(values.values()))[0]

    def _check(self) -> None:
        """Refuse what no path could start with."""
        batch = self._setting("[batch]")
        if not (np.isfinite(batch).all() and (batch > 0).all()):
            raise bad("batch", batch, "a positive, finite number of samples")
        y, values = self.members(0, self.grid.size)
        if isinstance(self.step, Stochastic):
            self.step.check(0.0, y, values)
        elif isinstance(self.step, Minibatches):
            self.step.batch(values, y.shape[1])

    def members(self, start: int, stop: int, repeat: int = 1) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts and parameters of members, each `repeat` times."""
        grid = self.grid

        def over(name: str) -> np.ndarray:
            return np.repeat(grid.members(name, start, stop).astype(float), repeat)

        y = np.array([over(name) for name in self.noisy.states])
        values = {name: over(name) if grid.spans[name] else grid.values[name].item() for name in grid.flow.parameters}
        return y, values

    def blocks(self, steps: int) -> list[tuple[int, int]]:
        """Paths ``start … stop − 1`` that are computed together; of one member, where it has many paths."""
        many = len(self.seeds)
        if self.code is None or many < SHARED:
            return [(first, min(first + BLOCK, self.size)) for first in range(0, self.size, BLOCK)]
        size = max(SHARED, min(PIECE, WORK // max(steps, 1) // SHARED * SHARED))
        return [
            (member * many + first, member * many + min(first + size, many))
            for member in range(self.grid.size)
            for first in range(0, many, size)
        ]

    def run(self, start: int, stop: int, intervals: list[tuple[float, float, int]], results: Any) -> None:
        """Carry a block through the machine code; `results` are arrays over its paths."""
        assert self.code is not None
        many, count = len(self.seeds), stop - start
        columns = self.code.whole(count)
        if many < SHARED:
            y, values, own = self.part(start, stop)
            seeds = np.concatenate([own, np.repeat(own[-1:], columns - count)])
        else:
            y, values = self.members(start // many, start // many + 1)
            seeds = self.seeds[start % many : start % many + columns]
            seeds = np.concatenate([seeds, np.zeros(columns - len(seeds), dtype=np.uint64)])
            columns = self.code.program.width
        self.code.program(count, self.code.table(y, values, columns), seeds, intervals, results)

    def part(self, start: int, stop: int) -> tuple[np.ndarray, dict[str, Any], np.ndarray]:
        """Starts, parameters and seeds of these paths; the seeds of a member lie side by side."""
        many = len(self.seeds)
        first, last = start // many, -(-stop // many)
        inside = slice(start - first * many, stop - first * many)
        y, values = self.members(first, last, many)
        seeds = np.tile(self.seeds, last - first)[inside]
        return y[:, inside], {name: v[inside] if np.ndim(v) else v for name, v in values.items()}, seeds

    def each(self, task: Callable[[int, int], None], steps: int, progress: Progress | None) -> None:
        """Run `task` on every block, shared by the workers."""
        blocks, done = self.blocks(steps), 0

        def finished(block: tuple[int, int]) -> None:
            nonlocal done
            done += block[1] - block[0]
            if progress is not None:
                progress(done, self.size, "paths")

        if self.workers == 1 or len(blocks) == 1:
            for block in blocks:
                task(*block)
                finished(block)
            return
        with ThreadPoolExecutor(min(self.workers, len(blocks))) as pool:
            for block, _ in zip(blocks, pool.map(lambda block: task(*block), blocks), strict=True):
                finished(block)

    def intervals(self, times: np.ndarray) -> list[tuple[float, float, int]]:
        """``(from, step, number of steps)`` up to each of the times.

        A stochastic equation is stepped to every time exactly, by equal steps of at most `dt`; a path of minibatches
        holds the state after the last step that is not later.
        """
        found, before = [], 0.0
        if self.method == "minibatch":
            made = 0
            for time in times:
                total = int(np.floor(time / self.dt * (1 + 1e-12) + 1e-9))
                found.append((made * self.dt, self.dt, total - made))
                made = total
        else:
            for time in times:
                number = int(np.ceil((time - before) / self.dt * (1 - 1e-12)))
                found.append((before, (time - before) / max(number, 1), number))
                before = float(time)
        steps = sum(number for _, _, number in found)
        if steps >= MOST_STEPS:
            raise bad("dt", self.dt, f"a step that makes fewer than {MOST_STEPS:.0e} steps")
        return found

    def describe(self) -> dict[str, Any]:
        """Provenance."""
        flow = self.grid.flow
        return {
            "kind": "noise",
            "flow": self.noisy.about(),
            "parameters": self.grid.describe_parameters(flow.parameters),
            "initial": self.grid.describe(self.noisy.states),
            "method": self.method,
            "dt": self.dt,
            "engine": "numpy" if self.code is None else "compiled",
            **({"engine_reason": self.reason} if self.reason else {}),
        }


def noisy_ensemble(
    noisy: NoisyFlow,
    initial: Mapping[Any, Any],
    t_end: Any,
    times: Any,
    *,
    parameters: Mapping[Any, Any] | None,
    seeds: Any,
    dt: Any,
    method: str,
    increments: str | None,
    workers: Any,
    progress: Progress | None,
) -> xr.Dataset:
    """Paths of a noisy flow: what `ensemble` does with one."""
    paths = Paths(noisy, initial, parameters, seeds, dt, method, increments, workers)
    paths.compile()
    record = times_of(t_end, times, count=1)
    intervals = paths.intervals(record)
    states = np.full((len(record), len(noisy.states), paths.size), np.nan)
    status = np.full(paths.size, Status.NOT_RUN, dtype=np.int8)
    steps = np.zeros(paths.size, dtype=np.int64)

    def task(start: int, stop: int) -> None:
        if paths.code is not None:
            none = np.zeros(0)
            paths.run(start, stop, intervals, (states[..., start:stop], none, status[start:stop], steps[start:stop]))
            return
        y, values, seeds = paths.part(start, stop)
        ended = started(y)
        y = np.where(ended == Status.OK, y, np.nan)
        made, index = np.zeros(stop - start, dtype=np.int64), 0
        for column, (begin, length, number) in enumerate(intervals):
            for i in range(number):
                y = moved(paths.step, index, begin + i * length, length, y, seeds, values, ended)
                index += 1
                made += ended == Status.OK
                if not (ended == Status.OK).any():
                    break
            states[column, :, start:stop] = y
        status[start:stop], steps[start:stop] = ended, made

    paths.each(task, sum(number for _, _, number in intervals), progress)
    shape = (*paths.grid.shape, len(paths.seeds))
    dims = (*paths.grid.dims, "seed")
    over = () if times is None else ("time",)
    variables = {
        name: ((*dims, *over), states[0, index].reshape(shape))
        if times is None
        else ((*dims, *over), np.moveaxis(states[:, index].reshape(len(record), *shape), 0, -1))
        for index, name in enumerate(noisy.states)
    }
    time = xr.Variable(over, record if over else record[0], {"long_name": "flow time"})
    data = xr.Dataset(variables, {**paths.grid.coords, "seed": paths.seeds, "time": time})
    data["status"] = (dims, status.reshape(shape), status_attributes())
    data["steps"] = (dims, steps.reshape(shape), {"long_name": "steps"})
    return stamp(data, **paths.describe())


def started(y: np.ndarray) -> np.ndarray:
    """Status of paths before their first step."""
    return np.where(np.isfinite(y).all(axis=0), Status.OK, Status.INVALID_START).astype(np.int8)


def moved(
    step: Stepper,
    index: int,
    t: float,
    dt: float,
    y: np.ndarray,
    seeds: np.ndarray,
    values: Mapping[str, Any],
    ended: np.ndarray,
) -> np.ndarray:
    """States after one step, NaN where a path has ended; how it did is written into `ended`."""
    with np.errstate(all="ignore"):
        after = step(index, t, dt, y, seeds, values)
        fine = (np.abs(after) < LARGEST).all(axis=0)
        if fine.all():
            return after
        lost = ~fine & (ended == Status.OK)
        # A number that is none beside a moderate state comes from outside the domain of the coefficients.
        outside = np.isnan(after).any(axis=0) & (np.abs(y).max(axis=0) < np.sqrt(LARGEST))
        ended[lost] = np.where(outside, Status.NOT_FINITE, Status.BLOW_UP)[lost]
        return np.where(ended == Status.OK, after, np.nan)


def _seeds(seeds: Any) -> np.ndarray:
    """How many seeds, counted from 0, or which."""
    if seeds is None:
        seeds = 1000
    if isinstance(seeds, bool) or not isinstance(seeds, int | np.integer | Iterable | np.ndarray):
        raise bad("seeds", seeds, "a number of seeds, or a sequence of them", kind=InvalidType)
    if isinstance(seeds, int | np.integer):
        if not 1 <= seeds <= _MOST_SEEDS:
            raise bad("seeds", seeds, "at least one seed" if seeds < 1 else f"at most {_MOST_SEEDS:.0e} seeds")
        return np.arange(seeds, dtype=np.uint64)
    try:
        if isinstance(seeds, range) and len(seeds) > _MOST_SEEDS:
            raise bad("seeds", seeds, f"at most {_MOST_SEEDS:.0e} seeds")
        found = np.asarray(seeds)
    except (TypeError, ValueError):
        raise bad("seeds", seeds, "a number of seeds, or a sequence of them", kind=InvalidType) from None
    if found.ndim != 1 or found.size == 0 or found.dtype.kind not in "iu" or (found < 0).any():
        raise bad("seeds", seeds, "whole numbers from 0 on")
    return found.astype(np.uint64)
