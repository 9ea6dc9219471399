"""Paths of a noisy flow as a Dataset: over starts, parameters and seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import xarray as xr

from dynsim.errors import InvalidType, bad
from dynsim.integrate.grid import Grid, grid_of
from dynsim.integrate.noise.derivation import NoisyFlow
from dynsim.integrate.noise.steppers import Minibatches, Stepper, Stochastic, stepper_of
from dynsim.integrate.validation import cores, count, times_of, tolerance
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.status import Status, status_attributes

__all__ = ["Paths", "noisy_ensemble"]

BLOCK = 4096  # paths at a time; the numbers do not depend on it
MOST_STEPS = 2**40
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

    def blocks(self) -> list[tuple[int, int]]:
        """Paths ``start … stop − 1`` that are computed together."""
        return [(first, min(first + BLOCK, self.size)) for first in range(0, self.size, BLOCK)]

    def part(self, start: int, stop: int) -> tuple[np.ndarray, dict[str, Any], np.ndarray]:
        """Starts, parameters and seeds of these paths; the seeds of a member lie side by side."""
        many = len(self.seeds)
        first, last = start // many, -(-stop // many)
        inside = slice(start - first * many, stop - first * many)
        y, values = self.members(first, last, many)
        seeds = np.tile(self.seeds, last - first)[inside]
        return y[:, inside], {name: v[inside] if np.ndim(v) else v for name, v in values.items()}, seeds

    def each(self, task: Callable[[int, int], None], progress: Progress | None) -> None:
        """Run `task` on every block, shared by the workers."""
        blocks, done = self.blocks(), 0
        with ThreadPoolExecutor(min(self.workers, len(blocks)) or 1) as pool:
            for (start, stop), _ in zip(blocks, pool.map(lambda block: task(*block), blocks), strict=True):
                done += stop - start
                if progress is not None:
                    progress(done, self.size, "paths")

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
    record = times_of(t_end, times, count=1)
    intervals = paths.intervals(record)
    states = np.full((len(noisy.states), paths.size, len(record)), np.nan)
    status = np.full(paths.size, Status.NOT_RUN, dtype=np.int8)
    steps = np.zeros(paths.size, dtype=np.int64)

    def task(start: int, stop: int) -> None:
        y, values, seeds = paths.part(start, stop)
        ended = started(y)
        made, index = np.zeros(stop - start, dtype=np.int64), 0
        for column, (begin, length, number) in enumerate(intervals):
            for i in range(number):
                y = moved(paths.step, index, begin + i * length, length, y, seeds, values, ended)
                index += 1
                made += ended == Status.OK
                if not (ended == Status.OK).any():
                    break
            states[:, start:stop, column] = y
        status[start:stop], steps[start:stop] = ended, made

    paths.each(task, progress)
    shape = (*paths.grid.shape, len(paths.seeds))
    dims = (*paths.grid.dims, "seed")
    over = () if times is None else ("time",)
    if times is None:
        states = states[:, :, 0]
    variables = {
        name: ((*dims, *over), values.reshape(shape + values.shape[1:]))
        for name, values in zip(noisy.states, states, strict=True)
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
    if isinstance(seeds, bool) or (not isinstance(seeds, int | np.integer) and np.ndim(seeds) != 1):
        raise bad("seeds", seeds, "a number of seeds, or a sequence of them", kind=InvalidType)
    if isinstance(seeds, int | np.integer):
        if seeds < 1:
            raise bad("seeds", seeds, "at least one seed")
        return np.arange(seeds, dtype=np.uint64)
    found = np.asarray(seeds)
    if found.size == 0 or found.dtype.kind not in "iu" or (found < 0).any():
        raise bad("seeds", seeds, "whole numbers from 0 on")
    return found.astype(np.uint64)
