"""What a random symbol of a loss is drawn from, and how it is declared.

A distribution is told by its parameters, which may be symbols; what is averaged over it is worked out in `averaging`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import sympy

from dynsim.errors import InvalidType, ParseError, bad
from dynsim.symbolic.expressions import expression, name_of, substitute
from dynsim.symbolic.grammar import List, Node, Reader, refuse
from dynsim.symbolic.parser import FUNCTION_NAMES, build

__all__ = [
    "Discrete",
    "Distribution",
    "Normal",
    "Random",
    "Uniform",
    "names_in",
    "random_text",
    "read_random",
    "substituted",
]

MOST_VALUES = 4096
_TOLERANCE = 1e-9  # how far numbers given as probabilities may add up to something else than 1


@dataclass(frozen=True)
class Normal:
    """The normal distribution N(μ, σ²): its second argument is the *variance*, not the standard deviation.

    Parameters
    ----------
    mean, variance : number, text or expression
        May contain parameters of the loss.

    Raises
    ------
    InvalidValue
        A variance that is a negative number.

    Examples
    --------
    >>> from dynsim import Normal
    >>> str(Normal(0, "lambda_d"))
    'normal(0, lambda_d)'

    See Also
    --------
    Uniform, Discrete, gradient_flow
    """

    mean: Any
    variance: Any

    def __post_init__(self) -> None:
        """Read both parameters."""
        _read(self, "Normal", "mean", "variance")
        if self.variance.is_number and self.variance < 0:
            advice = "the second argument of Normal is the variance σ²"
            raise bad("variance of Normal", self.variance, "a variance that is not negative", advice)

    def __str__(self) -> str:
        """Print the distribution as it is declared in text."""
        return f"normal({self.mean}, {self.variance})"

    @property
    def free_symbols(self) -> set[sympy.Symbol]:
        """The parameters the distribution depends on."""
        return set(self.mean.free_symbols | self.variance.free_symbols)

    def moment(self, order: int) -> sympy.Expr:
        """E[x^order], by E[x^k] = μ E[x^(k−1)] + (k−1) σ² E[x^(k−2)].

        Examples
        --------
        >>> from dynsim import Normal
        >>> Normal(0, "v").moment(4)
        3*v**2
        """
        below, result = sympy.S.Zero, sympy.S.One
        for k in range(1, order + 1):
            below, result = result, sympy.expand(self.mean * result + (k - 1) * self.variance * below)
        return result


@dataclass(frozen=True)
class Uniform:
    """The uniform distribution on the interval from `low` to `high`.

    Parameters
    ----------
    low, high : number, text or expression
        May contain parameters of the loss.

    Raises
    ------
    InvalidValue
        Two numbers of which the first is not the smaller.

    Examples
    --------
    >>> from dynsim import Uniform
    >>> Uniform(0, "a").moment(2)
    a**2/3

    See Also
    --------
    Normal, Discrete, gradient_flow
    """

    low: Any
    high: Any

    def __post_init__(self) -> None:
        """Read both ends."""
        _read(self, "Uniform", "low", "high")
        width = self.high - self.low
        if width.is_number and not width > 0:
            raise bad("Uniform", f"{self.low}, {self.high}", "a low end below the high end")

    def __str__(self) -> str:
        """Print the distribution as it is declared in text."""
        return f"uniform({self.low}, {self.high})"

    @property
    def free_symbols(self) -> set[sympy.Symbol]:
        """The parameters the distribution depends on."""
        return set(self.low.free_symbols | self.high.free_symbols)

    def moment(self, order: int) -> sympy.Expr:
        """E[x^order] = Σ low^i high^(order−i) / (order+1), which has no pole where the interval shrinks to a point."""
        terms = [self.low**i * self.high ** (order - i) for i in range(order + 1)]
        return sympy.expand(sympy.Add(*terms) / (order + 1))


@dataclass(frozen=True)
class Discrete:
    """A distribution on finitely many values, of one random symbol or of several jointly.

    Parameters
    ----------
    values : sequence
        Numbers, texts or expressions; for a joint distribution one tuple of them per outcome.
    probabilities : sequence
        As many; they add up to 1, for all values of their parameters.

    Raises
    ------
    InvalidValue
        Probabilities that are negative or do not add up to 1, outcomes of different lengths.

    Examples
    --------
    >>> from dynsim import Discrete
    >>> Discrete([1, -1], ["(1+r)/2", "(1-r)/2"]).moment(1)
    r

    See Also
    --------
    Normal, Uniform, gradient_flow
    """

    values: Any
    probabilities: Any

    def __post_init__(self) -> None:
        """Read outcomes and probabilities."""
        if not isinstance(self.values, list | tuple) or not isinstance(self.probabilities, list | tuple):
            raise bad("Discrete", self.values, "a list of values and a list of probabilities", kind=InvalidType)
        rows = [row if isinstance(row, tuple | list) else (row,) for row in self.values]
        values = tuple(tuple(expression("value of Discrete", item) for item in row) for row in rows)
        shares = tuple(expression("probability of Discrete", item) for item in self.probabilities)
        if not 0 < len(values) <= MOST_VALUES or len(values) != len(shares):
            received = f"{len(values)} values and {len(shares)} probabilities"
            raise bad("Discrete", received, f"as many of both, between 1 and {MOST_VALUES}")
        if len({len(row) for row in values}) != 1:
            raise bad("Discrete", [len(row) for row in values], "outcomes of one length")
        for share in shares:
            if share.is_number and share < 0:
                raise bad("probability of Discrete", share, "a probability that is not negative")
        total = sympy.expand(sympy.Add(*shares))
        if not (total.is_number and abs(float(total) - 1) < _TOLERANCE) and sympy.simplify(total - 1) != 0:
            raise bad("probabilities of Discrete", total, "probabilities that add up to 1")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "probabilities", shares)

    def __str__(self) -> str:
        """Print the distribution as it is declared in text."""
        rows = [f"({', '.join(map(str, row))})" if len(row) > 1 else str(row[0]) for row in self.values]
        return f"discrete([{', '.join(rows)}], [{', '.join(map(str, self.probabilities))}])"

    @property
    def width(self) -> int:
        """How many random symbols it is a joint distribution of."""
        return len(self.values[0])

    @property
    def free_symbols(self) -> set[sympy.Symbol]:
        """The parameters the distribution depends on."""
        parts = [*self.probabilities, *(item for row in self.values for item in row)]
        return {symbol for part in parts for symbol in part.free_symbols}

    def moment(self, *orders: int) -> sympy.Expr:
        """E[x^order], or E[x^i y^j …] of a joint distribution."""
        terms = [
            share * sympy.Mul(*(item**order for item, order in zip(row, orders, strict=True)))
            for row, share in zip(self.values, self.probabilities, strict=True)
        ]
        return sympy.expand(sympy.Add(*terms))


Distribution = Normal | Uniform | Discrete


def substituted(distribution: Distribution, values: Mapping[str, Any]) -> Distribution:
    """Return the distribution with its parameters replaced by name."""
    from_dict = {field.name: getattr(distribution, field.name) for field in fields(distribution)}

    def put(part: Any) -> Any:
        return tuple(map(put, part)) if isinstance(part, tuple) else substitute(part, values)

    return type(distribution)(**{name: put(part) for name, part in from_dict.items()})


Random = dict[str | tuple[str, ...], Distribution]
"""Random symbol, or tuple of jointly distributed ones → what it is drawn from."""

KINDS: dict[str, Any] = {"normal": Normal, "uniform": Uniform, "discrete": Discrete}


def _read(distribution: Any, kind: str, *parts: str) -> None:
    for part in parts:
        value = expression(f"{part} of {kind}", getattr(distribution, part))
        object.__setattr__(distribution, part, value)


def names_in(random: Random) -> tuple[str, ...]:
    """Every random symbol's name, in the order of declaration."""
    return tuple(name for key in random for name in (key if isinstance(key, tuple) else (key,)))


def random_text(random: Random) -> str:
    """Print a declaration so that `read_random` reads it back.

    Examples
    --------
    >>> from dynsim.symbolic.distributions import random_text, read_random
    >>> random_text(read_random("x ~ normal(0, λ_d), s~discrete([1, -1], [1/2, 1/2])"))
    'x ~ normal(0, lambda_d), s ~ discrete([1, -1], [1/2, 1/2])'
    """
    lines = []
    for key, value in random.items():
        names = f"({', '.join(key)})" if isinstance(key, tuple) else key
        lines.append(f"{names} ~ {value}")
    return ", ".join(lines)


def read_random(random: Any) -> Random:
    """Read the declaration of random symbols.

    Parameters
    ----------
    random : mapping, str or None
        ``{name: distribution}``, a tuple of names for a joint `Discrete`; or text,
        ``"x ~ normal(0, lambda_d), n ~ uniform(-1, 1), (a, b) ~ discrete([(1, 1), (-1, -1)], [1/2, 1/2])"``.

    Returns
    -------
    dict
        Greek names spelled out. Empty for None.

    Raises
    ------
    ParseError, InvalidType, InvalidValue
        Text that is no declaration (with the position), a name declared twice, `t` (which is the flow time), a
        joint distribution of another width than its names, a distribution that depends on a random symbol.

    Examples
    --------
    >>> from dynsim.symbolic.distributions import read_random
    >>> read_random("x ~ normal(0, 1), n ~ uniform(-1, 1)")["n"].moment(2)
    1/3
    """
    if random is None:
        return {}
    if isinstance(random, str):
        pairs = list(_declarations(random))
    elif isinstance(random, Mapping):
        pairs = [(_key(key), value, -1) for key, value in random.items()]
    else:
        raise bad("random", random, "{name: distribution} or text such as 'x ~ normal(0, 1)'", kind=InvalidType)
    result: Random = {}
    for key, distribution, position in pairs:
        names = key if isinstance(key, tuple) else (key,)
        for name in names:
            if name in names_in(result) or names.count(name) > 1:
                raise _refused(position, name, "every random symbol declared once")
            if name == "t":
                raise _refused(position, name, "another name", "t is the flow time; call it x")
        if not isinstance(distribution, Distribution):
            expected = "Normal, Uniform or Discrete"
            raise bad(f"random['{key}']", distribution, expected, kind=InvalidType)
        width = distribution.width if isinstance(distribution, Discrete) else 1
        if width != len(names):
            expected = f"{len(names)} values per outcome, one for each of {', '.join(names)}"
            raise _refused(position, f"a distribution of {width}", expected, "only Discrete is joint")
        result[key] = distribution
    for key, distribution in result.items():
        for symbol in distribution.free_symbols:
            if symbol.name in names_in(result):
                advice = "write the loss in independent symbols, such as x + n1, or use a joint Discrete"
                raise bad(f"random['{key}']", symbol.name, "parameters that are not random", advice)
    return result


def _refused(position: int, found: str, expected: str, advice: str = "") -> Exception:
    return bad("random", found, expected, advice) if position < 0 else refuse(position, found, expected, advice)


def _key(key: Any) -> str | tuple[str, ...]:
    if isinstance(key, tuple | list):
        names = tuple(str(_key(part)) for part in key)
        return names if len(names) != 1 else names[0]
    return name_of("random", key)


def _declarations(text: str) -> Iterator[tuple[str | tuple[str, ...], Distribution, int]]:
    """Every ``name ~ kind(…)`` of a text, with its position."""
    reader = Reader(text, FUNCTION_NAMES | KINDS.keys(), tuples=True)
    while True:
        position = reader.token.position
        if reader.at("("):
            reader.advance()
            names = [reader.name()]
            while reader.at(","):
                reader.advance()
                names.append(reader.name())
            reader.close("',' or ')'")
            key: str | tuple[str, ...] = tuple(names) if len(names) > 1 else names[0]
        else:
            key = reader.name()
        if not reader.at("~"):
            raise reader.unexpected("'~' and a distribution, such as x ~ normal(0, 1)")
        reader.advance()
        yield key, _distribution(reader), position
        if reader.token.kind == "end":
            return
        if not reader.at(",", ";"):
            raise reader.unexpected("',' and the next random symbol, or the end of the text")
        reader.advance()


def _distribution(reader: Reader) -> Distribution:
    position, kind = reader.token.position, reader.name()
    if kind.lower() not in KINDS:
        known = "normal(mean, variance), uniform(low, high) or discrete([values], [probabilities])"
        raise refuse(position, kind, known)
    if not reader.at("("):
        raise reader.unexpected(f"'(' and the parameters of {kind}")
    arguments = [_built(node) for node in reader.arguments()]
    if len(arguments) != 2:
        raise refuse(position, f"{kind} with {len(arguments)} parameters", "2 parameters")
    try:
        distribution: Distribution = KINDS[kind.lower()](*arguments)
    except ParseError:
        raise
    except ValueError as error:
        raise ParseError(f"random, position {position}: {error}", position) from None
    return distribution


def _built(node: Node) -> Any:
    return (
        [tuple(_built(part)) if isinstance(part, List) else build(part) for part in node.items]
        if isinstance(node, List)
        else build(node)
    )
