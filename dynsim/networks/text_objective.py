"""A loss typed as text, on a network: the tree that `dynsim.parse` reads too, checked for shapes and run on tensors.

Symbols: ``z1 z2`` encoder outputs (batch × dim), ``p1 p2`` the predictor's, ``t1 t2`` the teacher's, ``s1 s2``
prototype scores, ``centre`` the running mean of teacher outputs, ``dim``, ``batch``; every other name is a knob. Every
expression has one of six kinds; what does not fit is refused with its position before anything is trained. In a text
with prototype scores the teacher's outputs are scores too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from math import pi, prod
from typing import TYPE_CHECKING, Any

from dynsim.errors import bad, explained
from dynsim.networks.text_functions import (
    ANGLES,
    ENTRYWISE,
    FEATURES,
    FUNCTIONS,
    GRAM,
    NUMBER,
    SAMPLE,
    SLICED,
    SLICES_OF_BATCH,
    SQUARE,
    VECTOR,
)
from dynsim.symbolic.grammar import Call, List, Name, Node, Number, Power, Product, Sum, refuse, tree

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SYMBOLS", "TextObjective", "check_size"]

SYMBOLS = dict.fromkeys(("z1", "z2", "p1", "p2", "t1", "t2", "s1", "s2"), FEATURES)
SYMBOLS |= {"centre": VECTOR, "dim": NUMBER, "batch": NUMBER, "pi": NUMBER}
"""What a symbol of the text stands for; any other name is a knob, a number."""
TRAINED = frozenset(("z1", "z2", "p1", "p2", "s1", "s2"))
CHARACTERS = 10_000
_STEP, _KEPT = " step", " kept"  # no name of a text has a space
MOST_ENTRIES = 2**27  # of all matrices of one loss together: half a gigabyte in single precision

Values = Mapping[str, Any]
Run = Callable[[Values, Values], Any]  # from the values outside and inside of stop-gradients to a tensor


@dataclass(frozen=True)
class _Part:
    """One part of a text: its kind, and how its tensor (seeds, batch or 1, features or 1) is computed."""

    kind: str
    run: Run
    width: str = ""  # how many features: "dim" or "prototypes", where it has a feature axis


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
    ``gram distances diag offdiag trace`` (distances: squared, of all pairs of samples); where no formula will do
    ``sinkhorn(s, epsilon)`` (three iterations), ``whiten`` (Cholesky), ``sigreg`` and ``sliced_wasserstein`` (over
    256 random slices, new ones at every step, the same for all seeds); ``batchnorm`` (with 10⁻⁵ added to
    variances); ``exp log sqrt relu abs sigmoid softplus tanh sin smooth_l1 max min …`` entry by entry.

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
    see docs/how-to/my-own-objective.md
    """

    text: str
    knobs: Mapping[str, float] = field(default_factory=dict)

    @explained("how-to/my-own-objective")
    def __post_init__(self) -> None:
        """Read the text and check every kind in it."""
        if not isinstance(self.text, str) or len(self.text) > CHARACTERS:
            raise bad("objective", self.text, f"a text of at most {CHARACTERS} characters")
        root = tree(self.text, _NAMES)
        names = set(_names(root))
        reader = _Reading(self.knobs, bool(names & {"s1", "s2"}), Counter(_calls(root)))
        part = reader.part(root)
        if part.kind not in (NUMBER, SAMPLE):
            raise refuse(
                root.position, part.kind, "a number, or one per sample", "take the sum, mean, sq or norm of it"
            )
        for knob in self.knobs:
            if knob not in reader.used:
                raise bad("knobs", knob, f"knobs of the text {self.text}", "leave it out")
        if not reader.used & TRAINED:
            raise refuse(root.position, "a loss of no output", "z1, z2, p1, p2, s1 or s2", "nothing would be trained")
        object.__setattr__(self, "_part", part)
        object.__setattr__(self, "matrices", tuple(reader.matrices))
        object.__setattr__(self, "symbols", frozenset(reader.used & set(SYMBOLS)))
        object.__setattr__(self, "stops", reader.stops)

    symbols: frozenset[str] = field(default=frozenset(), init=False)
    matrices: tuple[str, ...] = field(default=(), init=False)  # kinds of the large ones, as often as they are made
    stops: bool = field(default=False, init=False)  # whether there is a stop-gradient in it

    @property
    def kind(self) -> str:
        """What the text is before it is averaged over the batch."""
        return self._part.kind  # type: ignore[attr-defined]

    def check_size(self, seeds: int, batch: int, dim: int) -> None:
        """Refuse matrices that would not fit into memory, before the first of them is made.

        Raises
        ------
        InvalidValue
            All batch × batch and dim × dim matrices together have more than 2^27 entries.
        """
        check_size(self.matrices, seeds, batch, dim)

    def loss(
        self,
        outside: Mapping[str, Tensor],
        inside: Mapping[str, Tensor] | None = None,
        *,
        knobs: Mapping[str, float] | None = None,
        step: int = 0,
    ) -> Tensor:
        """Compute one loss per seed.

        Parameters
        ----------
        outside : mapping
            ``{symbol: tensor}`` of shape (seeds, batch, features); `centre` has a batch of 1.
        inside : mapping, optional
            The same for what stands inside a stop-gradient; by default detached. Live tensors give the full gradient;
            live ones inside and detached ones outside give the second branch.
        knobs : mapping, optional
            Values that differ from the knobs' own, where they follow a schedule.
        step : int
            Number of the step, from which random slices are drawn.
        """
        within = {name: value.detach() for name, value in outside.items()} if inside is None else inside
        some = next(iter(outside.values()))
        z = next((outside[name] for name in ("z1", "z2", "p1", "p2") if name in outside), some)
        rows = max(value.shape[1] for value in outside.values())  # the centre has one
        sizes = {"dim": float(z.shape[2]), "batch": float(rows), "pi": pi, _STEP: step}
        sizes |= self.knobs if knobs is None else {**self.knobs, **knobs}
        value = self._part.run({**sizes, **outside, _KEPT: {}}, {**sizes, **within, _KEPT: {}})  # type: ignore[attr-defined]
        return value.mean((1, 2)) if hasattr(value, "mean") else some.new_full((len(some),), value)


class _Reading:
    """From a tree to a checked part, leaves first."""

    def __init__(self, knobs: Mapping[str, float], scores: bool, calls: Mapping[str, int]) -> None:
        self.knobs, self.scores, self.calls, self.stops = knobs, scores, calls, False
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
        part, said = self.call(node), _said(node)
        if self.calls[said] == 1:
            return part

        def once(outside: Values, inside: Values) -> Any:
            """Compute what the text says several times once; `inside` has its own values within a stop-gradient."""
            kept = outside[_KEPT]
            if said not in kept:
                kept[said] = part.run(outside, inside)
            return kept[said]

        return replace(part, run=once)

    def name(self, node: Name) -> _Part:
        name = node.name
        if name not in SYMBOLS and name not in self.knobs:
            raise refuse(node.position, name, f"one of {', '.join(SYMBOLS)}, or a knob", "give it a value in knobs")
        self.used.add(name)
        width = ""
        if SYMBOLS.get(name) in (FEATURES, VECTOR):
            width = "prototypes" if name[0] == "s" or (self.scores and name[0] in "tc") else "dim"
        return _Part(SYMBOLS.get(name, NUMBER), lambda outside, _: outside[name], width)

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
        return _Part(kind, _applied(function, parts), self.width(nodes, parts))

    @staticmethod
    def width(nodes: Sequence[Node], parts: Sequence[_Part]) -> str:
        width = ""
        for node, part in zip(nodes, parts, strict=True):
            if width and part.width not in ("", width):
                advice = "beside prototype scores the teacher's outputs are scores too"
                raise refuse(node.position, f"features of size {part.width}", f"features of size {width}", advice)
            width = width or part.width
        return width

    def call(self, node: Call) -> _Part:
        name, given = node.function, node.arguments
        if name in ("sg", "stop_gradient"):
            self.count(node, 1, 1)
            held, self.stops = self.part(given[0]), True
            return _Part(held.kind, lambda _, inside: held.run(inside, inside), held.width)
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
                width = self.width(given, parts)
                if name in SLICED:
                    self.matrices.append(SLICES_OF_BATCH)
                    return _Part(result, _sliced(function, parts))
                return _Part(result, _applied(function, parts), width if result in _WIDE else "")
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


def _sliced(function: Callable[..., Any], parts: Sequence[_Part]) -> Run:
    return lambda outside, inside: function(outside[_STEP], *(part.run(outside, inside) for part in parts))


def _names(node: Any) -> Iterator[str]:
    """Every name in a tree."""
    if isinstance(node, Name):
        yield node.name
    elif isinstance(node, tuple):
        for one in node:
            yield from _names(one)
    elif is_dataclass(node):
        for item in fields(node):
            yield from _names(getattr(node, item.name))


def _said(node: Any) -> str:
    """A tree without its positions, as text."""
    if isinstance(node, tuple):
        return f"({' '.join(map(_said, node))})"
    if not is_dataclass(node):
        return repr(node)
    parts = " ".join(_said(getattr(node, item.name)) for item in fields(node) if item.name != "position")
    return f"{type(node).__name__}({parts})"


def _calls(node: Any) -> Iterator[str]:
    """Every call in a tree, as text."""
    if isinstance(node, Call):
        yield _said(node)
    if isinstance(node, tuple):
        for one in node:
            yield from _calls(one)
    elif is_dataclass(node):
        for item in fields(node):
            yield from _calls(getattr(node, item.name))


def check_size(matrices: Sequence[str], seeds: int, batch: int, dim: int) -> None:
    """Refuse a loss whose matrices, named by their kinds, would have more than 2^27 entries together.

    Raises
    ------
    InvalidValue
        With the side of the largest of them.

    Examples
    --------
    >>> from dynsim.networks.text_objective import check_size
    >>> check_size(["a batch × batch matrix"], seeds=3, batch=512, dim=64)
    """
    shapes = {GRAM: (batch, batch), SQUARE: (dim, dim), SLICES_OF_BATCH: (batch, ANGLES)}
    sizes = [shapes[kind] for kind in matrices]
    entries = seeds * sum(prod(size) for size in sizes)
    if entries > MOST_ENTRIES:
        rows, columns = max(sizes, key=prod)
        received = f"matrices of {rows} × {columns} for {seeds} seeds, {entries:.2g} numbers in all"
        raise bad("objective", received, f"at most {MOST_ENTRIES:.2g}", "take a smaller batch or dim, or fewer seeds")


_WIDE = (FEATURES, VECTOR, SQUARE)
_EXPECTED = dict.fromkeys(("E", "var", "std", "cov", "corr"), "what differs from sample to sample")
_NAMES = frozenset({*ENTRYWISE, *FUNCTIONS, "sg", "stop_gradient"})
