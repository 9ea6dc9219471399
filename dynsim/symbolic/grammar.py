"""The grammar of a loss typed as text: from tokens to a tree. Nothing is evaluated here.

::

    sum       product (("+" | "-") product)*
    product   factor (("*" | "/") factor)*
    factor    ("+" | "-")* operand superscript? (("^" | "**") factor)?      so -x^-y^2 is -(x^(-(y^2)))
    operand   number | name | function "(" sum ("," sum)* ")" | "(" sum ")"
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from dynsim.errors import ParseError
from dynsim.symbolic.tokens import Token, refuse, tokens

__all__ = ["Call", "Name", "Node", "Number", "Power", "Product", "Sum", "tree"]

DEPTH = 100


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


Node = Number | Name | Sum | Product | Power | Call


def tree(text: str, functions: Collection[str]) -> Node:
    """Read the text as one expression; an identifier followed by "(" must be one of `functions`."""
    reader = _Reader(text, functions)
    result = reader.sum(0)
    if reader.token.kind != "end":
        raise reader.unexpected("an operator or the end of the text")
    return result


class _Reader:
    """Recursive descent with one token of foresight; the depth is bounded, so the stack is."""

    def __init__(self, text: str, functions: Collection[str]) -> None:
        self._tokens: Iterator[Token] = tokens(text)
        self._functions = functions
        self.token = next(self._tokens)

    def advance(self) -> Token:
        token = self.token
        self.token = next(self._tokens, token)
        return token

    def at(self, *operators: str) -> bool:
        return self.token.kind == "operator" and self.token.text in operators

    def unexpected(self, expected: str) -> ParseError:
        advice = ""
        if self.token.kind in ("number", "name") or self.at("("):
            advice = "a product needs a *" if "operator" in expected else ""
        elif self.at(","):
            advice = "a comma only separates the arguments of a function"
        return refuse(self.token.position, self.token.text, expected, advice)

    def go_to(self, depth: int) -> None:
        if depth > DEPTH:
            raise refuse(self.token.position, self.token.text, f"at most {DEPTH} levels of nesting")

    def sum(self, depth: int) -> Node:
        self.go_to(depth)
        start = self.token.position
        terms = [self.product(depth)]
        while self.at("+", "-"):
            operator = self.advance()
            term = self.product(depth)
            terms.append(_negative(term, operator.position) if operator.text == "-" else term)
        return terms[0] if len(terms) == 1 else Sum(start, tuple(terms))

    def product(self, depth: int) -> Node:
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
        if self.token.kind == "number":
            token = self.advance()
            return Number(token.position, token.text)
        if self.token.kind == "name":
            token = self.advance()
            return self.call(token, depth) if self.at("(") else Name(token.position, token.text)
        if not self.at("("):
            raise self.unexpected("a number, a name, a function or '('")
        self.advance()
        result = self.sum(depth + opening)
        self.close("an operator or ')'")
        return result

    def call(self, function: Token, depth: int) -> Node:
        if function.text not in self._functions:
            once = {name.lower(): name for name in sorted(self._functions)}.values()
            known = f"one of the functions {', '.join(once)}"
            advice = f"for a product write {function.text}*(...)"
            raise refuse(function.position, f"{function.text}(", known, advice)
        self.advance()
        arguments = [self.sum(depth + 1)]
        while self.at(","):
            self.advance()
            arguments.append(self.sum(depth + 1))
        self.close("an operator, ',' or ')'")
        return Call(function.position, function.text, tuple(arguments))

    def close(self, expected: str) -> None:
        if not self.at(")"):
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
