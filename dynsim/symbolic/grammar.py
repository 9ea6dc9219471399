"""The grammar of a loss typed as text: from text to tokens, from tokens to a tree. Nothing is evaluated here.

::

    sum       product (("+" | "-") product)*
    product   factor (("*" | "/") factor)*
    factor    ("+" | "-")* operand superscript? (("^" | "**") factor)?      so -x^-y^2 is -(x^(-(y^2)))
    operand   number | name | function "(" arguments ")" | "(" sum ")" | list
    list      "[" arguments "]"
    arguments sum ("," sum)*

A text is read twice: as an expression (`parser`) and, on a network, as an objective; both read this one tree.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from string import ascii_letters, digits
from typing import Literal

from dynsim.errors import ParseError, bad
from dynsim.names import NAME_LENGTH, is_name, letter_name

__all__ = [
    "Call",
    "List",
    "Name",
    "Node",
    "Number",
    "Power",
    "Product",
    "Reader",
    "Sum",
    "Token",
    "refuse",
    "tokens",
    "tree",
]

DEPTH = 100
DIGITS = 400
EXPONENT = 400

_NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]+))?")
_OPERATOR = re.compile(r"\*\*|[-+*/^(),;~\[\]]")
# Each maps to one character, so that positions stay those of the text as typed.
_SAME = str.maketrans("−·⋅×÷", "-***/")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_SUPERSCRIPT = re.compile("⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_RAISED = frozenset("⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_IN_NAMES = frozenset(f"{ascii_letters}{digits}_₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class Token:
    """One piece of the text: what it is, how it reads, and where it starts."""

    kind: Literal["number", "name", "operator", "superscript", "end"]
    text: str
    position: int


def refuse(position: int, found: str, expected: str, advice: str = "") -> ParseError:
    """Build the error for text that cannot be read: where, what was found, what was expected."""
    error = ParseError(str(bad(f"text, position {position}", found, expected, advice)), position)
    error.__notes__ = ["see docs/tutorial/2-your-own-loss.md"]
    return error


def tokens(text: str) -> Iterator[Token]:
    """Cut the text into tokens, the last of which is the end.

    Raises
    ------
    ParseError
        At the first character that begins no token.
    """
    plain = text.translate(_SAME)
    position = 0
    while position < len(plain):
        character = plain[position]
        if character.isspace():
            position += 1
            continue
        if match := _NUMBER.match(plain, position):
            token, end = Token("number", _bounded_number(match), position), match.end()
        elif match := _OPERATOR.match(plain, position):
            operator = match.group().replace("**", "^")
            token, end = Token("operator", operator, position), match.end()
        elif match := _SUPERSCRIPT.match(plain, position):
            power = match.group().translate(_SUPERSCRIPTS)
            if len(power) > DIGITS:
                raise refuse(position, f"{power[:8]}…", f"an exponent of at most {DIGITS} digits")
            token, end = Token("superscript", power, position), match.end()
        elif _is_letter(character):
            name, end = _read_name(plain, position)
            token = Token("name", name, position)
        else:
            expected = "a number, a name that begins with a letter, an operator or a parenthesis"
            raise refuse(position, text[position], expected)
        yield token
        position = end
    yield Token("end", "the end of the text", len(text))


def _is_letter(character: str) -> bool:
    return character in ascii_letters or letter_name(character) is not None


def _bounded_number(match: re.Match[str]) -> str:
    number, exponent = match.group(), match.group(1)
    if len(number) > DIGITS or abs(int(exponent or 0)) > EXPONENT:
        expected = f"a number of at most {DIGITS} characters with an exponent of at most {EXPONENT}"
        raise refuse(match.start(), number, expected)
    return number


def _read_name(text: str, start: int) -> tuple[str, int]:
    pieces: list[str] = []
    before = "_"
    end = start
    for end in range(start, len(text) + 1):
        character = text[end] if end < len(text) else " "
        if character == "²" and pieces == ["sigma"] and text[end + 1 : end + 2] not in _RAISED:
            # σ² is how the variance sigma2 is printed, so that is what it reads as; (σ)² is a square
            pieces.append("2")
            continue
        greek = letter_name(character)
        if (greek and before.isalnum()) or (letter_name(before) and _is_letter(character)):
            # αθ would silently become the one symbol alphatheta
            raise refuse(end, text[start : end + 1], "one name", f"for a product write {before}*{character}")
        if not greek and character not in _IN_NAMES:
            break
        pieces.append(greek or character.translate(_SUBSCRIPTS))
        before = character
    name = "".join(pieces)
    if not is_name(name):
        expected = f"a name of at most {NAME_LENGTH} letters, digits and single underscores"
        raise refuse(start, name, expected)
    return name, end


@dataclass(frozen=True)
class Number:
    """A number as it was typed."""

    position: int
    literal: str


@dataclass(frozen=True)
class Name:
    """A symbol, or the constant pi."""

    position: int
    name: str


@dataclass(frozen=True)
class Sum:
    """Terms to be added; a subtracted term is a product with −1."""

    position: int
    terms: tuple[Node, ...]


@dataclass(frozen=True)
class Product:
    """Factors to be multiplied, each with whether it divides and where its operator stands.

    A product inside a product is one product, so ``x/(2*(a + b))`` and ``-(a + b)*x`` keep the sum whole.
    """

    position: int
    factors: tuple[tuple[Node, bool, int], ...]


@dataclass(frozen=True)
class Power:
    """A base raised to an exponent."""

    position: int
    base: Node
    exponent: Node


@dataclass(frozen=True)
class Call:
    """A function of the fixed list, applied."""

    position: int
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class List:
    """Several expressions in brackets."""

    position: int
    items: tuple[Node, ...]


Node = Number | Name | Sum | Product | Power | Call | List


def tree(text: str, functions: Collection[str]) -> Node:
    """Read the text as one expression; an identifier followed by "(" must be one of `functions`."""
    reader = Reader(text, functions)
    result = reader.sum(0)
    if reader.token.kind != "end":
        raise reader.unexpected("an operator or the end of the text")
    return result


class Reader:
    """Recursive descent with one token of foresight; the depth is bounded, so the stack is."""

    def __init__(self, text: str, functions: Collection[str], tuples: bool = False) -> None:
        self._tuples = tuples  # whether (a, b) is a list, as it is among the values of a distribution
        self._tokens: Iterator[Token] = tokens(text)
        self._functions = functions
        self.token = next(self._tokens)

    def advance(self) -> Token:
        """Return the token at hand and go on to the next."""
        token = self.token
        self.token = next(self._tokens, token)
        return token

    def at(self, *operators: str) -> bool:
        """Whether the token at hand is one of these operators."""
        return self.token.kind == "operator" and self.token.text in operators

    def unexpected(self, expected: str) -> ParseError:
        """Build the error for a token that does not fit."""
        advice = ""
        if self.token.kind in ("number", "name") or self.at("("):
            advice = "a product needs a *" if "operator" in expected else ""
        elif self.at(","):
            advice = "a comma only separates the arguments of a function"
        return refuse(self.token.position, self.token.text, expected, advice)

    def go_to(self, depth: int) -> None:
        """Refuse to go deeper than the limit."""
        if depth > DEPTH:
            raise refuse(self.token.position, self.token.text, f"at most {DEPTH} levels of nesting")

    def sum(self, depth: int = 0) -> Node:
        """Read a sum, the loosest of all operations."""
        self.go_to(depth)
        start = self.token.position
        terms = [self.product(depth)]
        while self.at("+", "-"):
            operator = self.advance()
            term = self.product(depth)
            terms.append(_negative(term, operator.position) if operator.text == "-" else term)
        return terms[0] if len(terms) == 1 else Sum(start, tuple(terms))

    def product(self, depth: int) -> Node:
        """Read a product."""
        start = self.token.position
        first = self.factor(depth)
        if not self.at("*", "/"):
            return first
        factors = [*_factors(first, False, start)]
        while self.at("*", "/"):
            operator = self.advance()
            factors += _factors(self.factor(depth), operator.text == "/", operator.position)
        return Product(start, tuple(factors))

    def factor(self, depth: int, opening: int = 1) -> Node:
        """Read a factor with its signs and its power."""
        start, negative = self.token.position, False
        while self.at("+", "-"):
            negative ^= self.advance().text == "-"
        result = self.operand(depth, opening)
        if self.token.kind == "superscript":
            token = self.advance()
            result = Power(token.position, result, _integer(token))
        if self.at("^"):
            operator = self.advance()
            self.go_to(depth + 1)
            # x^(…) is one level deeper, not two
            result = Power(operator.position, result, self.factor(depth + 1, opening=0))
        return _negative(result, start) if negative else result

    def operand(self, depth: int, opening: int) -> Node:
        """Read what binds tightest."""
        if self.token.kind == "number":
            token = self.advance()
            return Number(token.position, token.text)
        if self.token.kind == "name":
            token = self.advance()
            return self.call(token, depth) if self.at("(") else Name(token.position, token.text)
        start = self.token.position
        if self.at("["):
            return List(start, self.arguments(depth + 1, "]"))
        if not self.at("("):
            raise self.unexpected("a number, a name, a function or '('")
        if self._tuples:
            inside = self.arguments(depth + opening)
            return inside[0] if len(inside) == 1 else List(start, inside)
        self.advance()
        result = self.sum(depth + opening)
        self.close("an operator or ')'")
        return result

    def call(self, function: Token, depth: int) -> Node:
        """Read the arguments of a function whose name was read."""
        if function.text not in self._functions:
            once = {name.lower(): name for name in sorted(self._functions)}.values()
            known = f"one of the functions {', '.join(once)}"
            advice = f"for a product write {function.text}*(...)"
            raise refuse(function.position, f"{function.text}(", known, advice)
        return Call(function.position, function.text, self.arguments(depth + 1))

    def arguments(self, depth: int = 0, closing: str = ")") -> tuple[Node, ...]:
        """Read what stands in parentheses or brackets, the opening one being the token at hand."""
        self.advance()
        inside = [self.sum(depth)]
        while self.at(","):
            self.advance()
            inside.append(self.sum(depth))
        self.close(f"an operator, ',' or '{closing}'", closing)
        return tuple(inside)

    def name(self) -> str:
        """Read a name that is no function."""
        if self.token.kind != "name":
            raise self.unexpected("a name")
        return self.advance().text

    def close(self, expected: str, closing: str = ")") -> None:
        """Read the closing parenthesis or bracket."""
        if not self.at(closing):
            raise self.unexpected(expected)
        self.advance()


def _integer(token: Token) -> Node:
    number = Number(token.position, token.text.removeprefix("-"))
    return _negative(number, token.position) if token.text.startswith("-") else number


def _negative(node: Node, position: int) -> Product:
    return Product(position, ((Number(position, "-1"), False, position), *_factors(node, False, position)))


def _factors(node: Node, divides: bool, position: int) -> tuple[tuple[Node, bool, int], ...]:
    if isinstance(node, Product):
        return tuple((factor, inner != divides, where) for factor, inner, where in node.factors)
    return ((node, divides, position),)
