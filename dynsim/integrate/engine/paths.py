"""The loops that carry noisy paths through their steps, a vector of them at once, and the machine code of it.

All paths of a block make the same steps, so that a group of them stays together to the end. Where a path ends by a
condition instead, its lane takes the next path of the block at once, with a step number of its own.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
import sympy
from llvmlite import ir

from dynsim.integrate.engine import machine
from dynsim.integrate.engine.cache import cached, source
from dynsim.integrate.engine.lanes import DOUBLE, I8, I64, POINTER, Lanes, Slots
from dynsim.integrate.engine.lowering import Recipe
from dynsim.integrate.engine.schemes import MinibatchStep, StochasticStep
from dynsim.status import Status

__all__ = ["PathProgram", "path_program"]

LARGEST = 1e100  # beyond it a path has blown up
_ENTRY = "paths"
_IDLE = -1
_SIGNATURE = (
    ("count", I64),  # paths
    ("table", POINTER),  # starts, parameters and entries of a constant root: table[row · columns + spread · path]
    ("columns", I64),
    ("spread", I64),  # 1, or 0 where all paths have the same start and parameters
    ("seeds", POINTER),  # uint64; as the rows of the table to be read in whole vectors
    ("begin", POINTER),  # of every interval: its beginning, …
    ("length", POINTER),  # … the length of its steps …
    ("number", POINTER),  # … and their number
    ("intervals", I64),
    ("out", POINTER),  # out[(interval · states + state) · out_stride + path], prefilled with NaN; or times of leaving
    ("out_stride", I64),
    ("watched", POINTER),  # until when a path was looked at, where a condition ends it
    ("status", POINTER),  # int8
    ("steps", POINTER),  # int64: made before a path was lost, or all
)
_CTYPES: dict[str, Any] = {"i64": ctypes.c_int64, "ptr": ctypes.c_void_p}
_FUNCTION = ctypes.CFUNCTYPE(None, *(_CTYPES[str(kind)] for _, kind in _SIGNATURE))  # releases the GIL

Step = StochasticStep | MinibatchStep
Condition = tuple[sympy.Expr, bool]
"""What becomes negative where a path leaves; whether 0 counts as negative."""


@cache
def path_program(step: Step, size: int, leaves: Condition | None) -> PathProgram:
    """Machine code of a step of paths with `size` states; with a condition, until it holds."""
    width = machine.width()
    key = f"{sympy.srepr(leaves)}|{_text(step)}|{size}|{width}|{machine.description()}|{source()}"
    return PathProgram(
        cached(key, lambda: machine.compiled(_PathKernel(step, size, leaves, width).module, loops=True)), width
    )


def _text(step: Step) -> str:
    """Everything that a step consists of, as text."""
    return "|".join(f"{name}={sympy.srepr(value)}" for name, value in sorted(vars(step).items()) if name != "laws") + (
        ";".join(f"{law.kind}{sympy.srepr(law.symbols)}{sympy.srepr(law.parts)}" for law in step.laws)
        if isinstance(step, MinibatchStep)
        else ""
    )


class PathProgram:
    """Machine code, loaded."""

    def __init__(self, code: bytes, width: int) -> None:
        address, self._keep = machine.load(code, _ENTRY)
        self._run = _FUNCTION(address)
        self.width = width

    def __call__(
        self,
        count: int,
        table: np.ndarray,
        seeds: np.ndarray,
        intervals: list[tuple[float, float, int]],
        results: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    ) -> None:
        """Carry paths through all intervals.

        Parameters
        ----------
        count : int
        table : array of shape ``(states + parameters + entries of a constant root, columns)``
            As many columns as paths, up to whole vectors; or one vector of columns, shared by all paths.
        seeds : array of uint64
            Up to whole vectors.
        intervals : list of (begin, length of a step, number of steps)
        results : out, watched, status, steps
            Arrays into which is written, contiguous over paths.
        """
        begin, length = (np.array([interval[i] for interval in intervals], dtype=float) for i in (0, 1))
        number = np.array([interval[2] for interval in intervals], dtype=np.int64)
        out, watched, status, steps = results
        columns, rows = table.shape[1], out.strides[-2] // 8 if out.ndim > 1 else 0
        spread = int(columns > self.width or columns >= count)
        assert table.flags.c_contiguous
        assert min(len(seeds), columns if spread else len(seeds)) >= -(-count // self.width) * self.width
        at = [int(array.ctypes.data) for array in (table, seeds, begin, length, number, out, watched, status, steps)]
        self._run(count, at[0], columns, spread, *at[1:5], len(intervals), at[5], rows, *at[6:])


class _PathKernel:
    def __init__(self, step: Step, size: int, leaves: Condition | None, width: int) -> None:
        self.size, self.parameters = size, len(step.arguments) - size - 1
        self.given = step.given
        self.module = ir.Module("dynsim")
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [kind for _, kind in _SIGNATURE]), _ENTRY)
        self.argument = dict(zip((name for name, _ in _SIGNATURE), function.args, strict=True))
        for name, argument in self.argument.items():
            if argument.type == POINTER and name in ("out", "watched", "status", "steps"):
                argument.add_attribute("noalias")
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        v = self.v = Lanes(self.builder, width)
        self.states, self.values = Slots(v, size), Slots(v, self.parameters + self.given)
        self.seeds, self.status = Slots(v, kind=v.integer), Slots(v, kind=v.integer)
        self.made, self.path = Slots(v, kind=v.integer), Slots(v, kind=v.integer)
        self.step = step.emitter(v)
        if leaves is None:
            self._recorded()
        else:
            self._until(Recipe([leaves[0]], step.arguments), or_equal=leaves[1])

    # Memory

    def _address(self, name: str, index: Any, kind: Any = DOUBLE) -> Any:
        return self.builder.gep(self.argument[name], [index], source_etype=kind)

    def _at(self, row: int, path: Any) -> Any:
        """Index into the table."""
        b = self.builder
        return b.add(b.mul(I64(row), self.argument["columns"]), b.mul(path, self.argument["spread"]))

    def _vector(self, name: str, index: Any, kind: Any) -> Any:
        return self.builder.load(self._address(name, index, kind.element), typ=kind, align=8)

    def _write(self, name: str, index: Any, value: Any) -> None:
        """Store the lanes of the group in which there are paths."""
        self.v.store_chosen(self.within, value, self._address(name, index, value.type.element))

    def _scalar(self, name: str, index: Any, kind: Any = DOUBLE) -> Any:
        return self.builder.load(self._address(name, index, kind), typ=kind)

    # One step

    def _advance(self, index: Any, t: Any, dt: Any) -> tuple[list[Any], Any]:
        """States one step later, and the lanes in which they are moderate numbers."""
        v = self.v
        values = self.values.load_all()
        parameters, root = values[: self.parameters], values[self.parameters :]
        after = self.step(self.seeds.load(), index, t, dt, self.states.load_all(), parameters, root)
        fine = v.always(True)
        for value in after:
            fine = v.both(fine, v.less(v.abs(value), v.const(LARGEST)))
        return after, fine

    def _why_lost(self, after: list[Any]) -> Any:
        """Status of what was lost: a number that is none beside a moderate state comes from outside the domain."""
        v = self.v
        no_number, moderate = v.always(False), v.always(True)
        for value, before in zip(after, self.states.load_all(), strict=True):
            no_number = v.either(no_number, v.builder.fcmp_unordered("uno", value, value))
            moderate = v.both(moderate, v.less(v.abs(before), v.const(LARGEST**0.5)))
        codes = v.integers(int(Status.NOT_FINITE)), v.integers(int(Status.BLOW_UP))
        return v.select(v.both(no_number, moderate), *codes)

    def _alive(self) -> Any:
        return self.builder.icmp_signed("==", self.status.load(), self.v.integers(int(Status.OK)))

    # Steps that all paths make, states kept at the end of every interval

    def _recorded(self) -> None:
        v, b = self.v, self.builder
        total = b.alloca(I64)
        before, group, after = b.block, b.append_basic_block("group"), b.append_basic_block("leave")
        body, done = b.append_basic_block("group_body"), b.append_basic_block("group_done")
        b.branch(group)
        b.position_at_end(group)
        first = b.phi(I64)
        first.add_incoming(I64(0), before)
        b.cbranch(b.icmp_signed("<", first, self.argument["count"]), body, after)

        b.position_at_end(body)
        lanes = ir.Constant(v.integer, list(range(v.width)))
        self.within = b.icmp_signed("<", b.add(v.splat(first), lanes), v.splat(self.argument["count"]))
        self.seeds.store(self._vector("seeds", first, v.integer))
        for i in range(self.values.count):
            self.values.store(self._vector("table", self._at(self.size + i, first), v.real), i)
        start = [self._vector("table", self._at(i, first), v.real) for i in range(self.size)]
        whole = v.finite(start)
        ok, invalid = v.integers(int(Status.OK)), v.integers(int(Status.INVALID_START))
        self.status.store(v.select(whole, ok, invalid))
        self.made.store(v.integers(0))
        self.states.store_all([v.select(whole, value, v.const(float("nan"))) for value in start])
        b.store(I64(0), total)
        with v.counted(self.argument["intervals"]) as column:
            begin, length = (self._scalar(name, column) for name in ("begin", "length"))
            dt = v.splat(length)
            with v.counted(self._scalar("number", column, I64)) as turn:
                index = b.load(total, typ=I64)
                t = v.splat(b.fadd(begin, b.fmul(b.sitofp(turn, DOUBLE), length)))
                moved, fine = self._advance(index, t, dt)
                self._keep(moved, fine, index, done)
                b.store(b.add(index, I64(1)), total)
            for i in range(self.size):
                row = b.add(b.mul(column, I64(self.size)), I64(i))
                place = b.add(b.mul(row, self.argument["out_stride"]), first)
                self._write("out", place, self.states.load(i))
        alive = self._alive()
        self.made.store(v.select(alive, v.splat(b.load(total, typ=I64)), self.made.load()))
        b.branch(done)
        b.position_at_end(done)
        self._write("status", first, b.trunc(self.status.load(), ir.VectorType(I8, v.width)))
        self._write("steps", first, self.made.load())
        first.add_incoming(b.add(first, I64(v.width)), b.block)
        b.branch(group)
        b.position_at_end(after)
        b.ret_void()

    def _keep(self, moved: list[Any], fine: Any, index: Any, done: Any) -> None:
        """Take the step; note what was lost in it, and leave the group when nothing is left."""
        v, b = self.v, self.builder
        usual, rare, on = (b.append_basic_block(name) for name in ("usual", "lost", "on"))
        b.cbranch(b.icmp_unsigned("==", v.chosen(fine), I64(2**v.width - 1)), usual, rare)
        b.position_at_end(usual)
        self.states.store_all(moved)
        b.branch(on)
        b.position_at_end(rare)
        alive = self._alive()
        lost = v.without(alive, fine)
        self.status.store(v.select(lost, self._why_lost(moved), self.status.load()))
        self.made.store(v.select(lost, v.splat(index), self.made.load()))
        left = v.both(alive, fine)
        self.states.store_all([v.select(left, value, v.const(float("nan"))) for value in moved])
        b.cbranch(b.icmp_unsigned("==", v.chosen(left), I64(0)), done, on)
        b.position_at_end(on)

    # Steps until a condition holds

    def _until(self, recipe: Recipe, or_equal: bool) -> None:
        v, b = self.v, self.builder
        length, most = self._scalar("length", I64(0)), self._scalar("number", I64(0), I64)
        dt, limit = v.splat(length), v.splat(most)
        queue = b.alloca(I64)
        b.store(I64(0), queue)
        self.path.store(v.integers(_IDLE))
        for slots in (self.status, self.made, self.seeds):
            slots.store(v.integers(0))
        for reals in (self.states, self.values):
            reals.store_all([v.const(0.0)] * reals.count)
        entry, refill, check, step, leave = (
            b.block,
            *(b.append_basic_block(name) for name in ("refill", "check", "step", "leave")),
        )
        b.branch(refill)

        b.position_at_end(refill)
        vacant = b.phi(I64)
        vacant.add_incoming(I64(2**v.width - 1), entry)
        with v.each_lane(vacant) as lane:
            path = self.path.get(lane)
            with b.if_then(b.icmp_signed(">=", path, I64(0))):
                self._ended(lane, path, length)
            self._next(lane, queue)
        occupied = b.icmp_signed(">=", self.path.load(), v.integers(0))
        b.cbranch(b.icmp_unsigned("==", v.chosen(occupied), I64(0)), leave, check)

        # Lanes whose path has left, was lost in the last step, or has made all its steps, take another.
        b.position_at_end(check)
        made, status = self.made.load(), self.status.load()
        t = v.mul(b.sitofp(made, v.real), dt)
        (value,) = recipe.emit(v, [*self.states.load_all(), *self.values.load_all()[: self.parameters], t])
        gone = (v.at_most if or_equal else v.less)(value, v.const(0.0))
        running = b.icmp_signed("==", status, v.integers(int(Status.OK)))
        gone = v.both(gone, running)
        self.status.store(v.select(gone, v.integers(int(Status.EVENT)), status))
        over = v.either(b.icmp_signed(">=", made, limit), v.either(gone, b.not_(running)))
        occupied = b.icmp_signed(">=", self.path.load(), v.integers(0))
        done = v.chosen(v.both(over, occupied))
        vacant.add_incoming(done, b.block)
        b.cbranch(b.icmp_unsigned("!=", done, I64(0)), refill, step)

        b.position_at_end(step)
        index = self.made.load()
        t = v.mul(b.sitofp(index, v.real), dt)
        moved, fine = self._advance(index, t, dt)
        with b.if_then(b.icmp_unsigned("!=", v.chosen(fine), I64(2**v.width - 1)), likely=False):
            lost = v.without(self._alive(), fine)
            self.status.store(v.select(lost, self._why_lost(moved), self.status.load()))
        self.states.store_all(moved)
        self.made.store(b.add(index, v.integers(1)))
        b.branch(check)
        b.position_at_end(leave)
        b.ret_void()

    def _ended(self, lane: Any, path: Any, length: Any) -> None:
        """Write down when and how a lane's path ended."""
        b = self.builder
        status, made = self.status.get(lane), self.made.get(lane)
        time = b.fmul(b.sitofp(made, DOUBLE), length)
        b.store(time, self._address("watched", path))
        b.store(b.trunc(status, I8), self._address("status", path, I8))
        left = b.icmp_signed("==", status, I64(int(Status.EVENT)))
        b.store(b.select(left, time, DOUBLE(float("nan"))), self._address("out", path))

    def _next(self, lane: Any, queue: Any) -> None:
        """Move the next path that can start into a lane, or leave the lane idle."""
        b = self.builder
        look, some, take, unfit, none, after = (
            b.append_basic_block(name) for name in ("look", "some", "take", "unfit", "none", "fetched")
        )
        b.branch(look)
        b.position_at_end(look)
        path = b.load(queue, typ=I64)
        b.store(b.add(path, I64(1)), queue)
        b.cbranch(b.icmp_signed("<", path, self.argument["count"]), some, none)

        b.position_at_end(some)
        start = [self._scalar("table", self._at(i, path)) for i in range(self.size)]
        zero = DOUBLE(0.0)
        for value in start:
            zero = b.fadd(zero, b.fmul(value, DOUBLE(0.0)))
        b.cbranch(b.fcmp_ordered("==", zero, DOUBLE(0.0)), take, unfit)

        b.position_at_end(unfit)
        b.store(I8(int(Status.INVALID_START)), self._address("status", path, I8))
        b.store(DOUBLE(0.0), self._address("watched", path))
        b.branch(look)

        b.position_at_end(take)
        self.path.put(lane, path)
        for i, value in enumerate(start):
            self.states.put(lane, value, i)
        for i in range(self.values.count):
            self.values.put(lane, self._scalar("table", self._at(self.size + i, path)), i)
        self.seeds.put(lane, self._scalar("seeds", path, I64))
        self.status.put(lane, I64(int(Status.OK)))
        self.made.put(lane, I64(0))
        b.branch(after)

        b.position_at_end(none)
        self.path.put(lane, I64(_IDLE))
        b.branch(after)
        b.position_at_end(after)
