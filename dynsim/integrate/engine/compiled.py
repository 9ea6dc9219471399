"""The compiled engine as `ensemble` calls it: members in pieces over threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from weakref import WeakKeyDictionary

from dynsim.integrate.concatenated import by_radau
from dynsim.integrate.engine.lowering import unsupported
from dynsim.integrate.engine.program import program
from dynsim.integrate.members import MOST_STEPS, STEP_LIMIT, STIFF, Batch, Run
from dynsim.symbolic.flow import Flow

__all__ = ["by_compiled", "by_compiled_or_radau", "obstacle"]

PIECE = 4096  # members per task: enough that lanes which run empty at its end do not count,
OUTPUTS = 2**19  # but not more outputs than stay in the processor's cache from being cleared to being written
LEAST = 512
MOST_STATES = 40


_obstacles: WeakKeyDictionary[Flow, str] = WeakKeyDictionary()


def obstacle(flow: Flow) -> str:
    """Why a flow cannot be compiled, or the empty text."""
    if flow not in _obstacles:
        name = unsupported(list(flow.rhs))
        large = f"{len(flow.states)} states are more than {MOST_STATES}" if len(flow.states) > MOST_STATES else ""
        _obstacles[flow] = large or (f"no machine code for '{name}'" if name else "")
    return _obstacles[flow]


def by_compiled(batch: Batch, run: Run) -> int:
    """Fill `run` with DOP853, every member with steps of its own."""
    _integrate(batch, run)
    run.status[run.status == STIFF] = STEP_LIMIT
    return 0


def by_compiled_or_radau(batch: Batch, run: Run) -> int:
    """The same, and members that are stiff are done again with an implicit method."""
    _integrate(batch, run)
    return by_radau(batch, run)


def _integrate(batch: Batch, run: Run) -> None:
    assert isinstance(batch.flow, Flow)
    code = program(batch.flow, dense=len(batch.times) > 1)
    integrate = code.task(batch, run, MOST_STEPS)

    def task(first: int, stop: int) -> None:
        run.part(first, stop).clear()
        integrate(first, stop)

    count = batch.y0.shape[1]
    size = max(LEAST, min(PIECE, OUTPUTS // (len(run.outputs) * len(batch.times))))
    pieces = [(first, min(first + size, count)) for first in range(0, count, size)]
    if batch.threads == 1 or len(pieces) < 2:
        for piece in pieces:
            task(*piece)
    else:
        with ThreadPoolExecutor(min(batch.threads, len(pieces))) as pool:
            list(pool.map(lambda piece: task(*piece), pieces))
    if not code.observes:
        run.observe(batch)
