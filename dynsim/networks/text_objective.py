"""A loss typed as text, on a network: the tree that `dynsim.parse` reads too, checked for shapes and run on tensors.

Symbols: ``z1 z2`` encoder outputs (batch × dim), ``p1 p2`` the predictor's, ``t1 t2`` the teacher's, ``s1 s2``
prototype scores, ``centre`` the running mean of teacher outputs, ``dim``, ``batch``; every other name is a knob. Every
expression has one of six kinds; what does not fit is refused with its position before anything is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import pi
from typing import TYPE_CHECKING, Any

from dynsim.errors import bad
from dynsim.networks.text_functions import (
    ENTRYWISE,
    FEATURES,
    FUNCTIONS,
    GRAM,
    NUMBER,
    SAMPLE,
    SQUARE,
    VECTOR,
)
from dynsim.symbolic.grammar import Call, List, Name, Node, Number, Power, Product, Sum, refuse, tree

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SYMBOLS", "TextObjective"]

SYMBOLS = dict.fromkeys(("z1", "z2", "p1", "p2", "t1", "t2", "s1", "s2"), FEATURES)
SYMBOLS |= {"centre": VECTOR, "dim": NUMBER, "batch": NUMBER, "pi": NUMBER}
"""What a symbol of the text stands for; any other name is a knob, a number."""
CHARACTERS = 10_000
MOST_ENTRIES = 2**27  # of all matrices of one loss together: half a gigabyte in single precision

Values = Mapping[str, Any]
Run = Callable[[Values, Values], Any]  # from the values outside and inside of stop-gradients to a tensor


@dataclass(frozen=True)
class _Part:
    """One part of a text: its kind, and how its tensor (seeds, batch or 1, features or 1) is computed."""

    kind: str
    run: Run


@dataclass(frozen=True)
class TextObjective:
    """A loss of a network from text.

    Parameters
    ----------
    text : str
        In the symbols and functions below. What is left per sample is averaged over the batch.
    knobs : mapping, optional
        ``{name: number}`` for every name that is no symbol.

    Raises
    ------
    ParseError
        The text cannot be read, or two kinds do not go together: the message says where.
    InvalidValue
        A knob that is not in the text.

    Notes
    -----
    Over features: ``sum mean dot sq norm unit cos softmax logsoftmax logsumexp`` (of a matrix, sum and mean take all
    entries, logsumexp each row); over the batch ``E var std``, and ``cov(z1, z2)``, ``corr(z1, z2)`` of all pairs of
    features, of one argument with itself (variances divide by batch − 1, as in torch); matrices
    ``gram diag offdiag trace``; ``sinkhorn(s, epsilon)`` (three iterations) and ``whiten`` (Cholesky) where no
    formula will do; ``exp log sqrt relu abs sigmoid softplus tanh sin smooth_l1 max min …`` entry by entry.

    Examples
    --------
    >>> from dynsim.networks.text_objective import TextObjective
    >>> TextObjective("sq(p1 - sg(z2))/2").kind
    'one number per sample'
    >>> TextObjective("weight*sum(offdiag(cov(z1))^2)/dim", {"weight": 2}).kind
    'a number'
    >>> TextObjective("var(E(sq(z1)))")
    Traceback (most recent call last):
        ...
    dynsim.errors.ParseError: text, position 4: got 'a number', expected what differs from sample to sample
    """

    text: str
    knobs: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the text and check every kind in it."""
        if not isinstance(self.text, str) or len(self.text) > CHARACTERS:
            raise bad("objective", self.text, f"a text of at most {CHARACTERS} characters")
        reader = _Reading({name: float(value) for name, value in self.knobs.items()})
        root = tree(self.text, _NAMES)
        part = reader.part(root)
        if part.kind not in (NUMBER, SAMPLE):
            raise refuse(
                root.position, part.kind, "a number, or one per sample", "take the sum, mean, sq or norm of it"
            )
        for knob in self.knobs:
            if knob not in reader.used:
                raise bad("knobs", knob, f"knobs of the text {self.text}", "leave it out")
        if not reader.used & {"z1", "z2", "p1", "p2", "s1", "s2"}:
            raise refuse(root.position, "a loss of no output", "z1, z2, p1, p2, s1 or s2", "nothing would be trained")
        object.__setattr__(self, "_part", part)
        object.__setattr__(self, "_matrices", tuple(reader.matrices))
        object.__setattr__(self, "symbols", frozenset(reader.used & set(SYMBOLS)))

    symbols: frozenset[str] = frozenset()

    @property
    def kind(self) -> str:
        """What the text is before it is averaged over the batch."""
        return self._part.kind  # type: ignore[attr-defined, no-any-return]

    def check_size(self, seeds: int, batch: int, dim: int) -> None:
        """Refuse matrices that would not fit into memory, before the first of them is made.

        Raises
        ------
        InvalidValue
            All batch × batch and dim × dim matrices together have more than 2^27 entries.
        """
        sides = [batch if kind == GRAM else dim for kind in self._matrices]  # type: ignore[attr-defined]
        entries = seeds * sum(side**2 for side in sides)
        if entries > MOST_ENTRIES:
            received = f"matrices of {max(sides)} × {max(sides)} for {seeds} seeds, {entries:.2g} numbers in all"
            raise bad(
                "objective", received, f"at most {MOST_ENTRIES:.2g}", "take a smaller batch or dim, or fewer seeds"
            )

    def loss(self, outside: Mapping[str, Tensor], inside: Mapping[str, Tensor] | None = None) -> Tensor:
        """Compute one loss per seed.

        Parameters
        ----------
        outside : mapping
            ``{symbol: tensor}`` of shape (seeds, batch, features); `centre` has a batch of 1.
        inside : mapping, optional
            The same for what stands inside a stop-gradient; by default detached. Live tensors give the full gradient;
            live ones inside and detached ones outside give the second branch.
        """
        within = {name: value.detach() for name, value in outside.items()} if inside is None else inside
        some = next(iter(outside.values()))
        sizes = {"dim": float(some.shape[2]), "batch": float(some.shape[1]), "pi": pi}
        value = self._part.run({**sizes, **outside}, {**sizes, **within})  # type: ignore[attr-defined]
        return value.mean((1, 2)) if hasattr(value, "mean") else some.new_full((len(some),), value)


class _Reading:
    """From a tree to a checked part, leaves first."""

    def __init__(self, knobs: Mapping[str, float]) -> None:
        self.knobs = knobs
        self.used: set[str] = set()
        self.matrices: list[str] = []

    def part(self, node: Node) -> _Part:
        if isinstance(node, Number):
            top, _, bottom = node.literal.partition("/")
            number = float(top) / float(bottom or 1)
            return _Part(NUMBER, lambda *_: number)
        if isinstance(node, Name):
            return self.name(node)
        if isinstance(node, List):
            raise refuse(node.position, "a list", "one expression", "the features are the list here")
        if isinstance(node, Sum):
            return self.entrywise(node.terms, lambda *x: sum(x[1:], x[0]))
        if isinstance(node, Power):
            return self.entrywise((node.base, node.exponent), lambda base, exponent: base**exponent)
        if isinstance(node, Product):
            marks = [divides for _, divides, _ in node.factors]

            def product(*x: Any) -> Any:
                result: Any = 1.0
                for value, divides in zip(x, marks, strict=True):
                    result = result / value if divides else result * value
                return result

            return self.entrywise([part for part, *_ in node.factors], product)
        return self.call(node)

    def name(self, node: Name) -> _Part:
        name = node.name
        if name not in SYMBOLS and name not in self.knobs:
            raise refuse(node.position, name, f"one of {', '.join(SYMBOLS)}, or a knob", "give it a value in knobs")
        self.used.add(name)
        if name in SYMBOLS:
            return _Part(SYMBOLS[name], lambda outside, _: outside[name])
        value = self.knobs[name]
        return _Part(NUMBER, lambda *_: value)

    def entrywise(self, nodes: Sequence[Node], function: Callable[..., Any]) -> _Part:
        parts, kind = [self.part(node) for node in nodes], NUMBER
        for node, part in zip(nodes, parts, strict=True):
            if part.kind in (kind, NUMBER):
                continue
            if kind == NUMBER:
                kind = part.kind
            elif {kind, part.kind} <= {SAMPLE, FEATURES, VECTOR}:
                kind = FEATURES
            else:
                raise refuse(node.position, part.kind, f"what goes together with {kind}")
        return _Part(kind, _applied(function, parts))

    def call(self, node: Call) -> _Part:
        name, given = node.function, node.arguments
        if name in ("sg", "stop_gradient"):
            self.count(node, 1, 1)
            held = self.part(given[0])
            return _Part(held.kind, lambda _, inside: held.run(inside, inside))
        if name in ENTRYWISE and not (name == "cos" and len(given) == 2):
            self.count(node, *ENTRYWISE[name][:2])
            return self.entrywise(given, ENTRYWISE[name][2])
        least, most, rows = FUNCTIONS[name]
        self.count(node, least, most)
        parts = [self.part(argument) for argument in given]
        kinds = tuple(part.kind for part in parts)
        for allowed, result, function in rows:
            if all(kind in choice for kind, choice in zip(kinds, allowed, strict=False)):
                if result in (GRAM, SQUARE):
                    self.matrices.append(result)
                return _Part(result, _applied(function, parts))
        for index, (argument, kind) in enumerate(zip(given, kinds, strict=True)):
            choices = [choice for allowed, *_ in rows for choice in allowed[min(index, len(allowed) - 1)]]
            if kind not in choices:
                raise refuse(argument.position, kind, _EXPECTED.get(name, " or ".join(dict.fromkeys(choices))))
        raise refuse(node.position, f"{name} of {' and '.join(kinds)}", "two of a kind")

    def count(self, node: Call, least: int, most: int) -> None:
        if not least <= len(node.arguments) <= most:
            expected = "1 argument" if most == 1 else f"{least} to {most} arguments"
            raise refuse(node.position, f"{node.function} with {len(node.arguments)}", expected)


def _applied(function: Callable[..., Any], parts: Sequence[_Part]) -> Run:
    return lambda outside, inside: function(*(part.run(outside, inside) for part in parts))


_EXPECTED = dict.fromkeys(("E", "var", "std", "cov", "corr"), "what differs from sample to sample")
_NAMES = frozenset({*ENTRYWISE, *FUNCTIONS, "sg", "stop_gradient"})
