"""The loop that carries members through their steps, eight or so at a time.

Every lane holds one member with its own time and step size. When a member is done its lane stores the result
and fetches the next member of the queue, so that no lane waits for another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sympy
from llvmlite import ir

from dynsim.integrate.batch import SCALED, STIFF, STRUGGLE, TINY
from dynsim.integrate.engine.lanes import DOUBLE, I8, I32, I64, POINTER, Lanes, Slots
from dynsim.integrate.engine.lowering import Recipe
from dynsim.integrate.engine.method import SMALLEST, AttemptedStep, StepMethod, Vector, growth, perturbed
from dynsim.integrate.events import REST_RATE
from dynsim.status import Status

__all__ = ["ENTRY", "SIGNATURE", "build"]

_IDLE = -1
_T, _H, _MOST, _ACCEPTED, _Y = range(5)  # what a lane carries: …, states, what the method wants
_ROUNDOFF = 4e-15  # steps shorter than this times t no longer advance it


def build(
    rhs: Sequence[sympy.Expr],
    arguments: Sequence[sympy.Symbol],
    method: StepMethod,
    width: int,
    dense: bool,
    observables: Sequence[sympy.Expr] = (),
    follows: bool = False,
) -> ir.Module:
    """Module with the function `ENTRY` of `SIGNATURE`.

    Parameters
    ----------
    rhs : sequence of Expr
        One per state.
    arguments : sequence of Symbol
        The states, then the parameters, then the time.
    method : StepMethod
        Of the same right-hand side.
    width : int
        Members per vector.
    dense : bool
        Whether states are wanted at many times, or at the last one only.
    observables : sequence of Expr
        Recorded below the states; with `dense` only.
    follows : bool
        Whether the absolute tolerance of each state can follow its rounding, as that of `solve` does.
    """
    return _Kernel(rhs, arguments, method, width, dense, observables, follows).module


class _Kernel:
    def __init__(
        self, rhs: Any, arguments: Any, method: StepMethod, width: int, dense: bool, observables: Any, follows: bool
    ):
        self.method = method
        self.recipe = Recipe(rhs, arguments)
        self.observe = Recipe(observables, arguments)
        self.size = len(rhs)
        self.rows = self.size + len(observables)
        self.dense, self.follows = dense, follows
        self.module = ir.Module("dynsim")
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [kind for _, kind in SIGNATURE]), ENTRY)
        self.given = dict(zip((name for name, _ in SIGNATURE), function.args, strict=True))
        for name, argument in self.given.items():
            if argument.type == POINTER and name not in ("parameters", "times"):
                argument.add_attribute("noalias")
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.v, self.one_register = Lanes(self.builder, width), Lanes(self.builder, width // 2)
        self._emit(len(arguments) - len(rhs) - 1)

    # Memory

    def _at(self, base: str, index: Any, kind: Any = DOUBLE) -> Any:
        return self.builder.gep(self.given[base], [index], source_etype=kind)

    def _read(self, base: str, index: Any, kind: Any = DOUBLE) -> Any:
        return self.builder.load(self._at(base, index, kind), typ=kind)

    def _first_output(self, row: int, member: Any) -> Any:
        """Index of a member's first output in a row."""
        b = self.builder
        return b.add(b.mul(I64(row), self.given["out_stride"]), b.mul(member, self.given["n_times"]))

    # The function

    def _emit(self, n_parameters: int) -> None:
        v, b = self.v, self.builder
        self.member, self.recorded = Slots(v, kind=v.integer), Slots(v, kind=v.integer)
        self.state, self.values = Slots(v, _Y + self.size + self.method.carried), Slots(v, n_parameters)
        self.prepared, self.prepared_values = Slots(v, self.state.count), Slots(v, n_parameters)
        self.prepared_outputs = Slots(v, self.rows if self.dense else 0)
        self.code, self.unfit = Slots(v), Slots(v)
        self.due = Slots(v)  # the next time to record
        self.tolerance, self.noise = (Slots(v, self.size if self.follows else 0) for _ in range(2))
        self.scratch = Slots(v, self.size * self.method.dense_terms + 3 if self.dense else 0)
        self.queue = b.alloca(I64)
        b.store(I64(0), self.queue)
        self.member.store(v.integers(_IDLE))
        for slots in (self.state, self.values, self.code, self.due):
            slots.store_all([v.const(0.0)] * slots.count)
        self.rtol, self.atol = v.splat(self.given["rtol"]), v.splat(self.given["atol"])
        self.limit = v.splat(self.given["step_limit"])
        last = b.sub(self.given["n_times"], I64(1))
        self.t_end = v.splat(self._read("times", last))

        entry = b.block
        refill, step, leave = (b.append_basic_block(name) for name in ("refill", "step", "leave"))
        b.branch(refill)
        b.position_at_end(step)
        self.carried = [b.phi(v.real) for _ in range(self.state.count)]  # in registers while no lane is refilled
        b.position_at_end(refill)
        vacant = b.phi(I64, "vacant")
        vacant.add_incoming(I64(2**v.width - 1), entry)
        self._refill(vacant, step, leave)
        b.position_at_end(step)
        self._step(vacant, refill)
        b.position_at_end(leave)
        b.ret_void()

    # Refilling lanes

    def _refill(self, vacant: Any, step: Any, leave: Any) -> None:
        """Store what the vacant lanes hold and give them the next members."""
        v, b = self.v, self.builder
        with v.each_lane(vacant) as lane:
            member = self.member.get(lane)
            with b.if_then(b.icmp_signed(">=", member, I64(0))):
                self._store(lane, member)
            self._fetch(lane)
        enter = b.append_basic_block("enter")
        occupied = b.icmp_signed(">=", self.member.load(), v.integers(0))
        b.cbranch(b.icmp_unsigned("==", v.chosen(occupied), I64(0)), leave, enter)
        b.position_at_end(enter)
        for carried, value in zip(self.carried, self.state.load_all(), strict=True):
            carried.add_incoming(value, enter)
        b.branch(step)

    def _fetch(self, lane: Any) -> None:
        """Move the next prepared member into a lane, past those that cannot start; or leave the lane idle."""
        v, b = self.v, self.builder
        look, none, some, take, after = (
            b.append_basic_block(name) for name in ("look", "none", "some", "take", "fetched")
        )
        b.branch(look)
        b.position_at_end(look)
        member = b.load(self.queue, typ=I64)
        b.store(b.add(member, I64(1)), self.queue)
        b.cbranch(b.icmp_signed("<", member, self.given["count"]), some, none)

        b.position_at_end(some)
        place = b.and_(member, I64(v.width - 1))
        with b.if_then(b.icmp_unsigned("==", place, I64(0))):
            self._prepare(member)
        bad = b.fcmp_ordered("!=", self.unfit.get(place), DOUBLE(0.0))
        b.store(I8(int(Status.INVALID_START)), self._at("status", member, I8))
        b.cbranch(bad, look, take)

        b.position_at_end(take)
        self.member.put(lane, member)
        for source, target in ((self.prepared, self.state), (self.prepared_values, self.values)):
            for i in range(source.count):
                target.put(lane, source.get(place, i), i)
        follows = b.fcmp_ordered(">", self.given["rounding"], DOUBLE(0.0))
        for i in range(self.tolerance.count):
            self.tolerance.put(lane, b.select(follows, DOUBLE(TINY), self.given["atol"]), i)
            self.noise.put(lane, DOUBLE(0.0), i)
        if self.dense:
            self._record_start(lane, member, place)
        b.branch(after)

        b.position_at_end(none)
        self.member.put(lane, I64(_IDLE))
        self.state.put(lane, DOUBLE(0.0), _H)
        b.branch(after)
        b.position_at_end(after)

    def _prepare(self, first: Any) -> None:
        """Starts, slopes and first steps of the next `width` members, all at once."""
        v, b = self.v, self.builder
        last = b.sub(self.given["count"], I64(1))
        with v.each_lane(I64(2**v.width - 1)) as lane:
            member = b.add(first, lane)
            member = b.select(b.icmp_signed("<", member, last), member, last)  # past the end: the last one again
            for state in range(self.size):
                index = b.add(b.mul(I64(state), self.given["y0_stride"]), member)
                self.prepared.put(lane, self._read("y0", index), _Y + state)
            for i in range(self.values.count):
                stride = self._read("parameter_strides", I64(i), I64)
                base = self._read("parameters", I64(i), POINTER)
                value = b.load(b.gep(base, [b.mul(member, stride)], source_etype=I8), typ=DOUBLE)
                self.prepared_values.put(lane, value, i)
        y = [self.prepared.load(_Y + state) for state in range(self.size)]
        values, atol = self.prepared_values.load_all(), [self.atol] * self.size
        h, slope, carried = self.method.begin(v, values, y, self.t_end, self.rtol, atol)
        none = v.const(0.0)
        self.prepared.store_all([none, h, growth(v, none), none, *y, *carried])
        self.unfit.store(v.select(v.finite([*y, *slope]), v.const(0.0), v.const(1.0)))
        if self.dense:
            self.prepared_outputs.store_all(self._outputs(v, v.const(0.0), y, self.prepared_values.load_all()))

    def _outputs(self, v: Lanes, t: Any, y: list[Any], values: list[Any]) -> list[Any]:
        """What is recorded at time `t` of states `y`: themselves, then the observables."""
        return [*y, *self.observe.emit(v, [*y, *values, t])]

    def _store(self, lane: Any, member: Any) -> None:
        b = self.builder
        code = b.fptosi(self.code.get(lane), I8)
        b.store(code, self._at("status", member, I8))
        b.store(b.fptosi(self.state.get(lane, _ACCEPTED), I32), self._at("steps", member, I32))
        at = b.mul(member, I64(1 + self.size))
        b.store(self.state.get(lane, _T), self._at("reached", at))
        for state in range(self.size):
            b.store(self.state.get(lane, _Y + state), self._at("reached", b.add(at, I64(1 + state))))
        if not self.dense:
            with b.if_then(b.icmp_signed("<=", code, I8(int(Status.AT_REST)))):
                for state in range(self.size):
                    b.store(self.state.get(lane, _Y + state), self._at("out", self._first_output(state, member)))

    # Stepping

    def _step(self, vacant: Any, refill: Any) -> None:
        """One attempt in all lanes; on to the refill if some lane is done."""
        v, b = self.v, self.builder
        step = b.block
        values = self.values.load_all()
        t, h, most, accepted, *rest = self.carried
        y, carried = rest[: self.size], rest[self.size :]
        atol = self.tolerance.load_all() or [self.atol] * self.size
        left = v.sub(self.t_end, t)
        attempt, carried_new = self.method.attempt(v, values, t, h, most, left, y, carried, self.rtol, atol)
        t_new = v.select(attempt.final, self.t_end, v.add(t, attempt.h))
        occupied = b.icmp_signed(">=", self.member.load(), v.integers(0))
        if self.dense:
            attempt = self._record(occupied, attempt, values, t, t_new, atol)
        good = attempt.good
        h_new = self.method.next_size(v, attempt.h, attempt.error, most)
        accepted = v.add(accepted, v.select(good, v.const(1.0), v.const(0.0)))
        most = v.select(good, growth(v, accepted), v.const(1.0))
        advanced = zip((t_new, *attempt.y_new, *carried_new), (t, *y, *carried), strict=True)
        t_next, *moved = [v.select(good, new, old) for new, old in advanced]
        following = [t_next, h_new, most, accepted, *moved]
        if self.follows:
            self._follow(attempt, values, t_new, h_new, accepted)
        for carry, value in zip(self.carried, following, strict=True):
            carry.add_incoming(value, b.block)

        finished = v.both(good, attempt.final)
        floor = v.maximum(v.scale(t, _ROUNDOFF), v.const(SMALLEST))
        stuck = v.without(v.at_most(h_new, floor), good)
        exhausted = v.at_most(self.limit, accepted)
        done = v.chosen(v.both(occupied, v.either(finished, v.either(stuck, exhausted))))
        finish = b.append_basic_block("finish")
        b.cbranch(b.icmp_unsigned("!=", done, I64(0)), finish, step)

        b.position_at_end(finish)
        self.state.store_all(following)
        limited = v.const(Status.STEP_LIMIT)
        code = v.rarely(
            exhausted, limited, lambda: v.select(self.method.stiff(v, values, t, attempt), v.const(STIFF), limited)
        )
        code = v.select(stuck, v.const(Status.BLOW_UP), code)
        at_rest = v.select(
            self._resting(attempt.y_new, attempt.slope_new), v.const(Status.AT_REST), v.const(Status.OK)
        )
        self.code.store(v.select(finished, at_rest, code))
        vacant.add_incoming(done, b.block)
        b.branch(refill)

    def _resting(self, y: list[Any], slope: list[Any]) -> Any:
        v = self.v
        resting = v.always(True)
        for value, rate in zip(y, slope, strict=True):
            bound = v.add(v.scale(v.abs(value), REST_RATE), self.atol)
            resting = v.both(resting, v.at_most(v.abs(rate), bound))
        return resting

    def _follow(self, attempt: AttemptedStep, values: Vector, t: Any, h: Any, accepted: Any) -> None:
        """Set the tolerance of the next step from the rounding in a good one, as `solver` does around SciPy's."""
        v, b, y = self.v, self.builder, attempt.y_new
        with b.if_then(b.fcmp_ordered(">", self.given["rounding"], DOUBLE(0.0))):
            units = v.splat(self.given["rounding"])
            followed, struggles = v.less(accepted, v.const(STRUGGLE)), v.equal(accepted, v.const(STRUGGLE))
            settled = v.maximum(v.scale(v.largest([v.abs(value) for value in y]), SCALED), self.atol)
            shaken = self.recipe.emit(v, [*perturbed(v, accepted, y), *values, t])
            for i, (there, here) in enumerate(zip(shaken, attempt.slope_new, strict=True)):
                change = v.abs(v.sub(there, here))
                change = v.select(v.finite([change]), change, v.const(0.0))
                noise = v.maximum(change, v.scale(self.noise.load(i), 0.5))
                least = v.add(v.const(TINY), v.mul(v.mul(units, h), noise))
                least = v.select(struggles, settled, v.select(followed, least, self.tolerance.load(i)))
                self.noise.store(v.select(attempt.good, noise, self.noise.load(i)), i)
                self.tolerance.store(v.select(attempt.good, least, self.tolerance.load(i)), i)

    # Recording at given times

    def _record_start(self, lane: Any, member: Any, place: Any) -> None:
        """Record the start if time 0 is asked for."""
        b = self.builder
        at_zero = b.fcmp_ordered("==", self._read("times", I64(0)), DOUBLE(0.0))
        with b.if_then(at_zero):
            for row in range(self.rows):
                b.store(self.prepared_outputs.get(place, row), self._at("out", self._first_output(row, member)))
        first = b.zext(at_zero, I64)
        self.recorded.put(lane, first)
        self.due.put(lane, self._read("times", first))

    def _record(
        self, occupied: Any, attempt: AttemptedStep, values: Vector, t: Any, t_new: Any, atol: Vector
    ) -> AttemptedStep:
        """Interpolate at the times between t and t_new, in the lanes in which some are due.

        A step whose interpolant is not good enough there is no good step. Returns it as it then is.
        """
        v, b, good = self.v, self.builder, attempt.good
        due = v.both(occupied, v.both(good, v.at_most(self.due.load(), t_new)))
        before = b.block
        with b.if_then(b.icmp_unsigned("!=", v.chosen(due), I64(0))):
            terms, doubt = self.method.dense(v, values, t, attempt, self.rtol, atol)
            still_good, error = good, attempt.error
            if doubt is not None:
                doubt = v.select(due, doubt, v.const(0.0))
                doubtful = v.less(v.const(1.0), doubt)
                still_good, error = v.without(good, doubtful), v.maximum(doubt, attempt.error)
                due = v.without(due, doubtful)
            per_step = v.div(v.const(1.0), attempt.h)
            self.scratch.store_all([*(c for state in terms for c in state), t, per_step, t_new])
            with v.each_lane(v.chosen(due)) as lane:
                self._record_lane(lane)
            inside = b.block
        if doubt is None:
            return attempt
        merged = []
        for usual, changed in ((good, still_good), (attempt.error, error)):
            phi = b.phi(usual.type)
            phi.add_incoming(usual, before)
            phi.add_incoming(changed, inside)
            merged.append(phi)
        return replace(attempt, good=merged[0], error=merged[1])

    def _record_lane(self, lane: Any) -> None:
        """Evaluate one lane's polynomial at the due times, a register of them at once."""
        v, b = self.one_register, self.builder
        *coefficients, t, per_step, t_new = [v.splat(self.scratch.get(lane, i)) for i in range(self.scratch.count)]
        values = [v.splat(self.values.get(lane, i)) for i in range(self.values.count)]
        member, first, before = self.member.get(lane), self.recorded.get(lane), b.block
        rows = [self._first_output(row, member) for row in range(self.rows)]
        again, after = b.append_basic_block("times"), b.append_basic_block("times_done")
        b.branch(again)
        b.position_at_end(again)
        index = b.phi(I64)
        index.add_incoming(first, before)
        times = b.load(self._at("times", index), typ=v.real, align=8)
        inside = v.at_most(times, t_new)
        x = v.mul(v.sub(times, t), per_step)
        each = self.method.dense_terms
        y = [self.method.interpolate(v, coefficients[i : i + each], x) for i in range(0, len(coefficients), each)]
        for row, output in zip(rows, self._outputs(v, times, y, values), strict=True):
            v.store_chosen(inside, output, self._at("out", b.add(row, index)))
        following = b.add(index, b.ctpop(v.chosen(inside)))
        index.add_incoming(following, b.block)
        full = b.icmp_signed("==", b.sub(following, index), I64(v.width))
        b.cbranch(full, again, after)
        b.position_at_end(after)
        self.recorded.put(lane, following)
        self.due.put(lane, self._read("times", following))


ENTRY = "run"
SIGNATURE = (
    ("count", I64),  # members
    ("y0", POINTER),  # starts: y0[state · y0_stride + member]
    ("y0_stride", I64),
    ("parameters", POINTER),  # one pointer per parameter …
    ("parameter_strides", POINTER),  # … and 0 where all members share its value, else 8 bytes
    ("times", POINTER),  # increasing, then at least `width` times ∞
    ("n_times", I64),
    ("rtol", DOUBLE),
    ("atol", DOUBLE),
    ("rounding", DOUBLE),  # 0: `atol` is kept; else so many units of rounding are the tolerance, if the code follows
    ("step_limit", DOUBLE),
    ("out", POINTER),  # out[row · out_stride + member · n_times + time], prefilled with NaN; rows: states, observables
    ("out_stride", I64),
    ("status", POINTER),  # int8
    ("steps", POINTER),  # int32
    ("reached", POINTER),  # reached[member · (1 + states)]: time and states at which the member ended
)
