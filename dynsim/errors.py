"""Errors at the door: what was given, what was expected, what to do.

Every exception of the package derives from `DynsimError` and from the builtin that fits, so that both
``except DynsimError`` and ``except ValueError`` catch a wrong value. `bad` builds the message; no other
place composes one by hand.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself would double the cost of `dynsim --help`
    from collections.abc import Callable, Iterable
    from typing import Any, ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = [
    "BlowUp",
    "DynsimError",
    "InvalidType",
    "InvalidValue",
    "MissingExtra",
    "ParseError",
    "SolverFailure",
    "StepLimit",
    "Unfinished",
    "UnknownName",
    "bad",
    "explained",
    "missing_extra",
    "unknown",
]


_READABLE = 400  # characters of a list of names; of a longer one only the nearest names are shown


class DynsimError(Exception):
    """Base of every exception that dynsim raises on purpose.

    See Also
    --------
    ParseError, BlowUp, StepLimit, SolverFailure : the kinds that say more.

    Examples
    --------
    >>> import dynsim
    >>> try:
    ...     dynsim.system("toi")
    ... except dynsim.DynsimError as error:
    ...     print(type(error).__name__)
    UnknownName
    """


class InvalidValue(DynsimError, ValueError):
    """An argument has the right type but a value that cannot be used."""


class InvalidType(DynsimError, TypeError):
    """An argument has a type that cannot be used."""


class UnknownName(DynsimError, KeyError, ValueError):
    """A name that is not registered: a system, a figure, a state, a parameter."""

    __str__ = Exception.__str__  # that of KeyError would put the message into quotes


class MissingExtra(DynsimError, ImportError):
    """An optional dependency is not installed; the message says how to install it."""


class ParseError(DynsimError, ValueError):
    """Text that is not an expression.

    Attributes
    ----------
    position : int
        Zero-based index of the character at which reading stopped.

    See Also
    --------
    parse : what raises it.

    Examples
    --------
    >>> import dynsim
    >>> try:
    ...     dynsim.parse("1 + * 2")
    ... except dynsim.ParseError as error:
    ...     print(error.position)
    4
    """

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.position = position

    def __reduce__(self) -> tuple[type[ParseError], tuple[str, int], dict[str, Any]]:
        return type(self), (str(self), self.position), self.__dict__


class Unfinished(DynsimError):
    """A run that ended before its time.

    Attributes
    ----------
    time : float
        Flow time reached.
    dataset : xarray.Dataset
        The run up to there.
    """

    def __init__(self, message: str, time: float = float("nan"), dataset: Any = None) -> None:
        super().__init__(message)
        self.time = time
        self.dataset = dataset

    def __reduce__(self) -> tuple[type[Unfinished], tuple[str, float, Any]]:
        return type(self), (str(self), self.time, self.dataset)


class BlowUp(Unfinished, ArithmeticError):
    """A run left every bound, or its right-hand side stopped being finite; has `.time` and `.dataset`.

    See Also
    --------
    StepLimit, SolverFailure : other ways in which a run ends early.

    Examples
    --------
    >>> import dynsim
    >>> try:
    ...     dynsim.solve(dynsim.gradient_flow("-w^4", "w"), {"w": 1.0}, 3.0)
    ... except dynsim.BlowUp as error:
    ...     print(round(error.time, 3), "time" in error.dataset.dims)
    0.125 True
    """


class StepLimit(Unfinished, RuntimeError):
    """A run took too many steps; has `.time` and `.dataset`, whose last state is the one that was reached.

    See Also
    --------
    BlowUp, SolverFailure : other ways in which a run ends early.

    Examples
    --------
    >>> import dynsim
    >>> issubclass(dynsim.StepLimit, dynsim.DynsimError)
    True
    """


class SolverFailure(Unfinished, RuntimeError):
    """A solver could go no further although no state grew: the field jumps there, ends, or cannot be resolved.

    See Also
    --------
    BlowUp, StepLimit : other ways in which a run ends early.

    Examples
    --------
    >>> import dynsim
    >>> issubclass(dynsim.SolverFailure, dynsim.DynsimError)
    True
    """


def bad(
    argument: str,
    received: object,
    expected: str,
    advice: str = "",
    *,
    kind: type[DynsimError] = InvalidValue,
) -> DynsimError:
    """Build the one-line error for an argument that cannot be used.

    Parameters
    ----------
    argument : str
        Name of the argument as the caller knows it.
    received : object
        What was given; shown shortened.
    expected : str
        What would have been accepted.
    advice : str
        What to do, if there is something to say beyond `expected`.
    kind : type
        The exception class.

    Returns
    -------
    DynsimError
        To be raised by the caller.

    Examples
    --------
    >>> from dynsim.errors import bad
    >>> print(bad("branch", "half", "'stop', 'full' or 'target'"))
    branch: got 'half', expected 'stop', 'full' or 'target'
    """
    if len(advice) > _READABLE:  # such as what a system says of a long path
        advice = _short(advice, _READABLE)
    message = f"{argument}: got {_show(received)}, expected {expected}"
    return kind(" ".join((f"{message}; {advice}" if advice else message).splitlines()))


def unknown(argument: str, received: object, known: Iterable[object], advice: str = "") -> DynsimError:
    """Build the error for a name that is not among the known ones, with the closest suggestion.

    Examples
    --------
    >>> from dynsim.errors import unknown
    >>> print(unknown("system", "toi", ["toy", "scalar"]))
    system: got 'toi', expected one of scalar, toy; did you mean 'toy'?
    """
    from difflib import get_close_matches  # an error may take its time, start-up may not

    names = sorted(str(name) for name in known)
    close = [name for name in names if name.lower() == str(received).lower()]
    close += get_close_matches(str(received), names, n=3)
    hint = f"did you mean '{close[0]}'?" if close else advice
    listed = ", ".join(names) or "(none)"
    if len(listed) > _READABLE:
        listed = f"{len(names)} names such as {', '.join(close or names[:5])}"
    return bad(argument, received, f"one of {listed}", hint, kind=UnknownName)


def explained(page: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make the errors of a function point to the page of the documentation that explains what it takes.

    The page is a note of the exception (PEP 678): Python shows it under the message, the command line behind it.

    Examples
    --------
    >>> from dynsim.errors import explained, bad
    >>> @explained("how-to/a-study-file")
    ... def read(number):
    ...     raise bad("number", number, "a positive number")
    >>> try:
    ...     read(-1)
    ... except ValueError as error:
    ...     print(error, error.__notes__)
    number: got -1, expected a positive number ['see docs/how-to/a-study-file.md']
    """
    from functools import wraps

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def inner(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except DynsimError as error:
                error.__notes__ = [f"see docs/{page}.md"]  # the outermost function knows what the user was about
                raise

        return inner

    return decorate


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtra:
    """Build the error for an absent optional dependency.

    Examples
    --------
    >>> from dynsim.errors import missing_extra
    >>> print(missing_extra("torch", "networks", "real networks"))
    real networks need torch, which is not installed; install it with: pip install "dynsim[networks]"
    """
    return MissingExtra(
        f'{purpose} need {package}, which is not installed; install it with: pip install "dynsim[{extra}]"'
    )


def _show(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # a broken __repr__ must not hide the real error
        text = f"<{type(value).__name__}>"
    return _short(text, 80)


def _short(text: str, limit: int) -> str:
    """Text on one line, without its middle where it is longer."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    tail = limit // 2  # the end of a path says more than its middle
    return f"{text[: limit - tail - 1]}…{text[-tail:]}"
