"""From text to tokens: numbers, names, operators, each with its position."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_letters, digits
from typing import Literal

from dynsim.errors import ParseError, bad
from dynsim.symbolic.greek import letter_name

__all__ = ["Token", "is_name", "refuse", "tokens"]

NAME_LENGTH = 64
DIGITS = 400
EXPONENT = 400

_NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]+))?")
_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*_?")
_OPERATOR = re.compile(r"\*\*|[-+*/^(),]")
# Each maps to one character, so that positions stay those of the text as typed.
_SAME = str.maketrans("−·⋅×÷", "-***/")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_SUPERSCRIPT = re.compile("⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
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
    return ParseError(str(bad(f"text, position {position}", found, expected, advice)), position)


def is_name(text: str) -> bool:
    """Whether the text is one identifier that reads back as itself."""
    return len(text) <= NAME_LENGTH and _NAME.fullmatch(text) is not None


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
