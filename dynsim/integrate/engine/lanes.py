"""Vector arithmetic in LLVM: one value holds one number per lane, and every lane is treated alike.

Products and sums carry the flag `contract` and nothing else: the processor may fuse them, but no
reordering is allowed, so a member's bits depend neither on its lane nor on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Any

from llvmlite import ir

__all__ = ["DOUBLE", "I8", "I32", "I64", "POINTER", "Lanes", "Slots"]

I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
DOUBLE = ir.DoubleType()
POINTER = ir.PointerType()
_CONTRACT = ("contract",)


class Lanes:
    """Emits vector instructions of `width` lanes at the builder's position."""

    def __init__(self, builder: ir.IRBuilder, width: int) -> None:
        self.builder = builder
        self.width = width
        self.real = ir.VectorType(DOUBLE, width)
        self.integer = ir.VectorType(I64, width)
        self.mask = ir.VectorType(I1, width)

    # Constants

    def const(self, value: float) -> ir.Constant:
        """The same number in every lane."""
        return ir.Constant(self.real, [float(value)] * self.width)

    def integers(self, value: int) -> ir.Constant:
        """The same integer in every lane."""
        return ir.Constant(self.integer, [value] * self.width)

    def constants(self, numbers: list[float]) -> Any:
        """Address of a table of numbers in the module, each table once."""
        module, kind = self.builder.module, ir.ArrayType(DOUBLE, len(numbers))
        name = f"table{hash(tuple(numbers)) & (2**63 - 1)}"
        table = module.globals.get(name)
        if table is None:
            table = ir.GlobalVariable(module, kind, name)
            table.global_constant, table.linkage = True, "internal"
            table.initializer = ir.Constant(kind, [DOUBLE(number) for number in numbers])
            table.type = POINTER
        return table

    def splat(self, scalar: Any) -> Any:
        """A scalar value in every lane."""
        vector = ir.VectorType(scalar.type, self.width)
        single = self.builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, I32(0))
        zeros = ir.Constant(ir.VectorType(I32, self.width), [0] * self.width)
        return self.builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), zeros)

    # Arithmetic

    def add(self, a: Any, b: Any) -> Any:
        """Sum."""
        return self.builder.fadd(a, b, flags=_CONTRACT)

    def sub(self, a: Any, b: Any) -> Any:
        """Difference."""
        return self.builder.fsub(a, b, flags=_CONTRACT)

    def mul(self, a: Any, b: Any) -> Any:
        """Product."""
        return self.builder.fmul(a, b, flags=_CONTRACT)

    def div(self, a: Any, b: Any) -> Any:
        """Quotient."""
        return self.builder.fdiv(a, b)

    def neg(self, a: Any) -> Any:
        """Opposite."""
        return self.builder.fneg(a)

    def scale(self, a: Any, number: float) -> Any:
        """Product with a constant."""
        return self.mul(a, self.const(number))

    def polynomial(self, x: Any, coefficients: Any) -> Any:
        """Horner's rule; coefficients from the constant term upwards."""
        *rest, result = [self.const(c) for c in coefficients]
        for c in reversed(rest):
            result = self.add(self.mul(result, x), c)
        return result

    def sum(self, terms: list[Any]) -> Any:
        """Sum of several, from the first to the last."""
        result, *rest = terms
        for term in rest:
            result = self.add(result, term)
        return result

    # Functions every processor has

    def sqrt(self, a: Any) -> Any:
        """Square root."""
        return self._intrinsic("sqrt", a)

    def abs(self, a: Any) -> Any:
        """Absolute value."""
        return self._intrinsic("fabs", a)

    def with_sign(self, a: Any, b: Any) -> Any:
        """The size of `a` with the sign of `b`."""
        return self._intrinsic("copysign", a, b)

    def floor(self, a: Any) -> Any:
        """Largest integer that is not greater."""
        return self._intrinsic("floor", a)

    def _intrinsic(self, name: str, *arguments: Any) -> Any:
        kind = ir.FunctionType(self.real, [self.real] * len(arguments))
        return self.builder.call(self._declared(f"llvm.{name}.v{self.width}f64", kind), arguments)

    def library(self, name: str, *arguments: Any) -> Any:
        """A function of the C library, one lane after the other."""
        function = self._declared(name, ir.FunctionType(DOUBLE, [DOUBLE] * len(arguments)))
        result = ir.Constant(self.real, ir.Undefined)
        for lane in range(self.width):
            scalars = [self.builder.extract_element(a, I32(lane)) for a in arguments]
            result = self.builder.insert_element(result, self.builder.call(function, scalars), I32(lane))
        return result

    def _declared(self, name: str, kind: ir.FunctionType) -> ir.Function:
        module = self.builder.module
        return module.globals.get(name) or ir.Function(module, kind, name)

    # Comparisons, all false where an operand is NaN

    def less(self, a: Any, b: Any) -> Any:
        """A < b."""
        return self.builder.fcmp_ordered("<", a, b)

    def at_most(self, a: Any, b: Any) -> Any:
        """A ≤ b."""
        return self.builder.fcmp_ordered("<=", a, b)

    def equal(self, a: Any, b: Any) -> Any:
        """A = b."""
        return self.builder.fcmp_ordered("==", a, b)

    def select(self, mask: Any, a: Any, b: Any) -> Any:
        """`a` where the mask is set, else `b`."""
        return self.builder.select(mask, a, b)

    def maximum(self, a: Any, b: Any) -> Any:
        """The larger; `b` where `a` is NaN."""
        return self.select(self.less(b, a), a, b)

    def largest(self, values: list[Any]) -> Any:
        """The largest of several."""
        return reduce(self.maximum, values)

    def minimum(self, a: Any, b: Any) -> Any:
        """The smaller; `b` where `a` is NaN."""
        return self.select(self.less(a, b), a, b)

    def both(self, a: Any, b: Any) -> Any:
        """Both masks."""
        return self.builder.and_(a, b)

    def either(self, a: Any, b: Any) -> Any:
        """One mask or the other."""
        return self.builder.or_(a, b)

    def always(self, truth: bool) -> ir.Constant:
        """The same truth in every lane."""
        return ir.Constant(self.mask, [int(truth)] * self.width)

    def without(self, a: Any, b: Any) -> Any:
        """`a` and not `b`."""
        return self.builder.and_(a, self.builder.not_(b))

    def finite(self, values: list[Any]) -> Any:
        """Mask of the lanes in which all values are finite: there, and only there, 0·x is 0."""
        zeros = self.sum([self.scale(value, 0.0) for value in values])
        return self.equal(zeros, self.const(0.0))

    # Bits

    def bits(self, a: Any) -> Any:
        """The numbers as 64-bit integers."""
        return self.builder.bitcast(a, self.integer)

    def from_bits(self, a: Any) -> Any:
        """64-bit integers as numbers."""
        return self.builder.bitcast(a, self.real)

    def chosen(self, mask: Any) -> Any:
        """Mask as an integer with one bit per lane."""
        return self.builder.zext(self.builder.bitcast(mask, ir.IntType(self.width)), I64)

    def store_chosen(self, mask: Any, value: Any, address: Any) -> None:
        """Store the chosen lanes side by side at an address; memory of the others is not touched."""
        element = value.type.element
        name = "f64" if element == DOUBLE else f"i{element.width}"
        kind = ir.FunctionType(ir.VoidType(), [value.type, POINTER, I32, self.mask])
        store = self._declared(f"llvm.masked.store.v{self.width}{name}.p0", kind)
        self.builder.call(store, [value, address, I32(1 if name == "i8" else 8), mask])

    def rarely(self, mask: Any, usual: Any, other: Callable[[], Any]) -> Any:
        """`usual`, but in the lanes of `mask` what `other` emits, which runs only if there are such lanes."""
        builder = self.builder
        before = builder.block
        with builder.if_then(builder.icmp_unsigned("!=", self.chosen(mask), I64(0)), likely=False):
            mixed = self.select(mask, other(), usual)
            inside = builder.block
        result = builder.phi(self.real)
        result.add_incoming(usual, before)
        result.add_incoming(mixed, inside)
        return result

    @contextmanager
    def counted(self, number: Any) -> Iterator[Any]:
        """Loop a scalar number of times; yields the turn, from 0."""
        builder = self.builder
        before = builder.block
        head, body, after = (builder.append_basic_block(name) for name in ("turns", "turn", "turns_done"))
        builder.branch(head)
        builder.position_at_end(head)
        turn = builder.phi(I64)
        turn.add_incoming(I64(0), before)
        builder.cbranch(builder.icmp_signed("<", turn, number), body, after)
        builder.position_at_end(body)
        yield turn
        turn.add_incoming(builder.add(turn, I64(1)), builder.block)
        builder.branch(head)
        builder.position_at_end(after)

    @contextmanager
    def each_lane(self, chosen: Any) -> Iterator[Any]:
        """Loop over the lanes whose bit is set; yields the lane's index."""
        builder = self.builder
        before = builder.block
        head, body, after = (builder.append_basic_block(name) for name in ("lanes", "lane", "lanes_done"))
        builder.branch(head)
        builder.position_at_end(head)
        left = builder.phi(I64)
        left.add_incoming(chosen, before)
        builder.cbranch(builder.icmp_unsigned("==", left, I64(0)), after, body)
        builder.position_at_end(body)
        yield builder.cttz(left, I1(1))
        left.add_incoming(builder.and_(left, builder.sub(left, I64(1))), builder.block)
        builder.branch(head)
        builder.position_at_end(after)


class Slots:
    """Variables that every lane has its own of, in memory: read whole as a vector, or one lane at a time."""

    def __init__(self, lanes: Lanes, count: int = 1, kind: Any = None) -> None:
        self.lanes = lanes
        self.vector = lanes.real if kind is None else kind
        self.count = count
        self.memory = lanes.builder.alloca(self.vector, size=count)
        self.memory.align = 64
        self.memory.type = POINTER  # LLVM's pointers have no type; llvmlite's alloca still pretends one

    def _at(self, index: Any) -> Any:
        place = I64(index) if isinstance(index, int) else index
        return self.lanes.builder.gep(self.memory, [place], source_etype=self.vector)

    def load(self, index: Any = 0) -> Any:
        """One variable of all lanes; which may be decided while the code runs."""
        return self.lanes.builder.load(self._at(index), typ=self.vector, align=self._align)

    def store(self, value: Any, index: int = 0) -> None:
        """Set one variable of all lanes."""
        self.lanes.builder.store(value, self._at(index), align=self._align)

    def load_all(self) -> list[Any]:
        """Every variable."""
        return [self.load(index) for index in range(self.count)]

    def store_all(self, values: list[Any]) -> None:
        """Set every variable."""
        for index, value in enumerate(values):
            self.store(value, index)

    @property
    def _align(self) -> int:
        return 64 if self.lanes.width >= 8 else 8 * self.lanes.width

    def _lane(self, lane: Any, index: int) -> Any:
        return self.lanes.builder.gep(self.memory, [I64(index), lane], source_etype=self.vector)

    def get(self, lane: Any, index: int = 0) -> Any:
        """One variable of one lane."""
        return self.lanes.builder.load(self._lane(lane, index), typ=self.vector.element)

    def put(self, lane: Any, value: Any, index: int = 0) -> None:
        """Set one variable of one lane."""
        self.lanes.builder.store(value, self._lane(lane, index))
