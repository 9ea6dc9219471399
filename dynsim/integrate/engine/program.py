"""A flow as a machine-code function of starts, parameters and times; members in pieces over threads."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import sympy

from dynsim.integrate.batch import MOST_STEPS, ROUNDING, SCALED, STIFF, EnsembleArrays, Members
from dynsim.integrate.engine import kernel, machine
from dynsim.integrate.engine.cache import cached, source
from dynsim.integrate.engine.choice import chosen, first_order, order_for
from dynsim.integrate.engine.kernel import ENTRY, SIGNATURE
from dynsim.integrate.engine.lowering import unsupported
from dynsim.names import TIME
from dynsim.status import Status
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.functions import release

__all__ = ["OneStart", "Program", "by_compiled", "by_compiled_or_radau", "obstacle", "program"]

_CTYPES: dict[str, Any] = {"i64": ctypes.c_int64, "double": ctypes.c_double, "ptr": ctypes.c_void_p}
_FUNCTION = ctypes.CFUNCTYPE(None, *(_CTYPES[str(kind)] for _, kind in SIGNATURE))  # releases the GIL
_by_flow: WeakKeyDictionary[Flow, _Programs] = WeakKeyDictionary()
_ALONE = 4  # lanes for one start: the others only compute along, on a processor with wide vectors half of the time


class _Programs(NamedTuple):
    """The machine code of one flow, by use and order of the series, which it takes from an order on."""

    first: float
    loaded: dict[tuple[bool, bool, int], Program]


def program(flow: Flow, dense: bool, rtol: float, *, alone: bool = False) -> Program:
    """Compiled function of a flow, made on first use, with the same numbers either way.

    `dense`: for many times, or for the last one only; `rtol` decides the order of a series; `alone`: for one start, or
    for many side by side.
    """
    width = min(_ALONE, machine.width()) if alone else machine.width()
    mine = _by_flow.get(flow)
    if mine is None:
        mine = _by_flow[flow] = _Programs(first_order(flow.rhs), {})
    order = order_for(rtol)
    kind = dense, alone, order if order >= mine.first else 0
    if kind not in mine.loaded:
        named = [flow.symbols[name] for name in (*flow.states, *flow.parameters)]
        arguments = [*named, flow.symbols.get(TIME, sympy.Symbol(TIME))]
        places = {symbol: sympy.Symbol(f"x{i}") for i, symbol in enumerate(arguments)}
        observed = [release(item) for item in flow.observables.values()] if dense else []
        if unsupported(observed):
            observed = []
        rhs, observables = (tuple(entry.xreplace(places) for entry in entries) for entries in (flow.rhs, observed))
        mine.loaded[kind] = _loaded(rhs, tuple(places.values()), dense, observables, width, *kind[1:])
    return mine.loaded[kind]


@cache
def _loaded(
    rhs: tuple[sympy.Expr, ...],
    arguments: tuple[sympy.Symbol, ...],
    dense: bool,
    observables: tuple[sympy.Expr, ...],
    width: int,
    alone: bool,
    order: int,
) -> Program:
    equations, observed = (";".join(sympy.srepr(entry) for entry in entries) for entries in (rhs, observables))
    key = f"{equations}|{observed}|{len(arguments)}|{width}|{dense}|{alone}|{order}|{machine.description()}|{source()}"

    def make() -> bytes:
        method, lanes = chosen(rhs, arguments, order, width, alone)
        return machine.compiled(kernel.build(rhs, arguments, method, lanes, dense, observables, alone))

    code = cached(key, make)
    return Program(code, width, observes=bool(observables))


class Program:
    """Machine code, loaded; `observes`: it fills the observables, too."""

    def __init__(self, code: bytes, width: int, observes: bool) -> None:
        address, self._keep = machine.load(code, ENTRY)
        self.run = _FUNCTION(address)
        self.width = width
        self.observes = observes

    def task(self, batch: Members, run: EnsembleArrays, step_limit: int, reached: np.ndarray) -> Any:
        """``task(start, stop)`` integrates these members into `run`; any number may run at the same time."""
        y0 = np.ascontiguousarray(batch.y0)
        values = list(batch.values.values())
        if all(type(value) is float for value in values):
            shared = np.array([*values, 0.0])
            values, strides = [shared], np.zeros(len(values), np.int64)
            first = _address(shared)
            addresses = np.arange(first, first + 8 * len(strides), 8)
        else:
            values = [np.asarray(value, dtype=float, order="C") for value in values]
            strides = np.array([8 * value.ndim for value in values], dtype=np.int64)
            addresses = np.array([_address(value) for value in values], dtype=np.int64)
        times = np.full(len(batch.times) + self.width, np.inf)
        times[: len(batch.times)] = batch.times
        n_times, stride, out_stride = len(batch.times), y0.shape[1], run.outputs.strides[0] // 8
        starts, ticks, outputs, status, steps = map(_address, (y0, times, run.outputs, run.status, run.steps))
        ended, width = _address(reached), 8 * reached.shape[1]
        keep = (y0, values, times, reached)

        def task(start: int, stop: int, _keep: Any = keep) -> None:
            here = addresses + start * strides if start else addresses
            self.run(
                stop - start,
                starts + 8 * start,
                stride,
                _address(here),
                _address(strides),
                ticks,
                n_times,
                batch.rtol,
                batch.atol,
                0.0,
                step_limit,
                outputs + 8 * start * n_times,
                out_stride,
                status + start,
                steps + 4 * start,
                ended + width * start,
            )

        return task


class OneStart:
    """One start of a flow, whose states are asked for again and again, at other times.

    Parameters
    ----------
    flow : Flow
    y0 : array of shape ``(size,)``
    values : mapping
        ``{parameter: number}``.
    end : float
        Where the run ends, whatever times are asked for: so that the steps, and with them the states between, are
        always the same.
    rtol : float
    atol : float or None
        None: every state keeps its relative accuracy down to what rounding leaves of it, as by default in `solve`.
    """

    def __init__(
        self, flow: Flow, y0: np.ndarray, values: Mapping[str, Any], end: float, rtol: float, atol: float | None
    ) -> None:
        self._end = end
        self._code = program(flow, dense=True, rtol=rtol, alone=True)
        self._rows = len(y0) + (len(flow.observables) if self._code.observes else 0)
        self._status, self._steps = np.zeros(1, np.int8), np.zeros(1, np.int32)
        self._y0, constants = np.array(y0, dtype=float), np.array([*map(float, values.values()), 0.0])
        strides, reached = np.zeros(len(values), np.int64), np.empty((1, 1 + len(y0)))
        first = _address(constants)
        addresses = np.arange(first, first + 8 * len(values), 8)
        self._keep = constants, strides, reached, addresses
        self._before = 1, _address(self._y0), 1, _address(addresses), _address(strides)
        scaled = SCALED * (float(np.abs(self._y0).max(initial=0.0)) or 1.0)
        self._tolerances = rtol, *((scaled, ROUNDING) if atol is None else (atol, 0.0)), MOST_STEPS
        self._after = _address(self._status), _address(self._steps), _address(reached)

    @property
    def observes(self) -> bool:
        """Whether its outputs hold the observables."""
        return self._code.observes

    @property
    def status(self) -> Status:
        """How the last run ended."""
        return Status(int(self._status[0]))

    @property
    def steps(self) -> int:
        """Accepted steps of the last run."""
        return int(self._steps[0])

    def __call__(self, times: np.ndarray) -> np.ndarray | None:
        """States of shape ``(size, len(times))`` at times that do not decrease; None if the run stops early."""
        outputs = self.outputs(times)
        return None if outputs is None else outputs[: len(self._y0)]

    def outputs(self, times: np.ndarray) -> np.ndarray | None:
        """States and, below them, what `observes` says: all observables or none."""
        count = len(times) + 1
        at, outputs = np.full(count + self._code.width, np.inf), np.empty((self._rows, count))
        at[: count - 1], at[count - 1] = times, self._end
        self._status[0] = Status.OK
        where = _address(outputs), count
        self._code.run(*self._before, _address(at), count, *self._tolerances, *where, *self._after)
        return outputs[:, :-1] if self._status[0] in (0, 1) else None


def _address(array: np.ndarray) -> int:
    if array.size and array.flags.carray:  # four times as fast
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data))
    return int(array.ctypes.data)


PIECE = 4096  # members per task: enough that lanes which run empty at its end do not count,
OUTPUTS = 2**19  # but not more outputs than stay in the processor's cache from being cleared to being written
LEAST = 512
MOST_STATES = 40


_obstacles: WeakKeyDictionary[Flow, str] = WeakKeyDictionary()


def obstacle(flow: Flow) -> str:
    """Why a flow cannot be compiled, or the empty text."""
    found = _obstacles.get(flow)
    if found is None:
        name = unsupported(list(flow.rhs))
        large = f"{len(flow.states)} states are more than {MOST_STATES}" if len(flow.states) > MOST_STATES else ""
        found = _obstacles[flow] = large or (f"no machine code for '{name}'" if name else "")
    return found


def by_compiled(batch: Members, run: EnsembleArrays) -> int:
    """Fill `run`, every member with steps of its own."""
    if not _integrate(batch, run):
        run.status[run.status == STIFF] = Status.STEP_LIMIT
    return 0


def by_compiled_or_radau(batch: Members, run: EnsembleArrays) -> int:
    """The same, and members that are stiff are done again with an implicit method."""
    if _integrate(batch, run):
        return 0
    from dynsim.integrate.concatenated import by_radau  # SciPy's integrators, which few runs need

    return by_radau(batch, run)


def _integrate(batch: Members, run: EnsembleArrays) -> bool:
    """Fill `run`; whether every member came to its end."""
    count = batch.y0.shape[1]
    code = program(batch.flow.equations, len(batch.times) > 1, batch.rtol, alone=count == 1)
    reached = np.empty((count, 1 + len(batch.y0)))
    integrate = code.task(batch, run, MOST_STEPS, reached)

    def task(first: int, stop: int) -> None:
        run.part(first, stop).clear()
        integrate(first, stop)

    size = count if count == 1 else max(LEAST, min(PIECE, OUTPUTS // (len(run.outputs) * len(batch.times))))
    pieces = [(first, min(first + size, count)) for first in range(0, count, size)]
    if batch.workers == 1 or len(pieces) < 2:
        for piece in pieces:
            task(*piece)
    else:
        with ThreadPoolExecutor(min(batch.workers, len(pieces))) as pool:
            list(pool.map(lambda piece: task(*piece), pieces))
    if not code.observes:
        run.observe(batch)
    if run.gravest <= Status.AT_REST:
        return True
    run.explain(batch, np.flatnonzero(run.status == Status.BLOW_UP), reached[:, 0], reached[:, 1:].T)
    limited = np.flatnonzero((run.status == Status.STEP_LIMIT) | (run.status == STIFF))
    run.explain(batch, limited, reached[:, 0], reached[:, 1:].T, only=Status.SLIDING)
    return False
