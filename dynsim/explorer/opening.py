"""Open the explorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sympy

from dynsim.errors import InvalidType, bad, missing_extra
from dynsim.explorer.setting import Setting
from dynsim.explorer.short_text import from_text
from dynsim.symbolic.printing import text

if TYPE_CHECKING:
    from dynsim.explorer.app import Explorer

__all__ = ["explore"]


def explore(
    system_or_loss: Any = "toy",
    states: str | Sequence[Any] | None = None,
    *,
    branch: str = "stop",
    variant: str | None = None,
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
    t_end: float = 30.0,
    time: str = "linear",
    plane: Sequence[str] | None = None,
    more: Sequence[Sequence[float]] = (),
    restore: str | None = None,
) -> Explorer:
    """Open a system, or a loss of your own, with sliders for everything in it.

    Works in JupyterLab, in Voilà and in any front end that shows ipywidgets.

    Parameters
    ----------
    system_or_loss : str or expression
        One of `list_systems`, or a loss such as ``"(phi*theta - sg(theta))^2/2"``. Text is never run as code.
    states : str or sequence, optional
        What moves in a loss; default: phi, theta and xi as they occur.
    branch : {"stop", "full", "target"}
    variant : str, optional
        A published variant of a system.
    initial, parameters : mapping, optional
        ``{name: number}``; what is left out takes the system's default.
    t_end : float
        Flow time shown.
    time : {"linear", "log"}
        Scale of the time axes.
    plane : pair of states, optional
        Axes of the phase plane.
    more : sequence of starts, optional
        Further orbits, each a number per state.
    restore : str, optional
        A short text as the explorer's "Copy state" or its `text` gives it; excludes the other arguments.

    Returns
    -------
    Explorer
        An ipywidgets widget; `setting`, `picture`, `text`, `code`, `command` and `save_figure` read it.

    Raises
    ------
    ParseError, InvalidValue, InvalidType, UnknownName
        A text that is no loss, an unknown name, a value that is no number.
    MissingExtra
        ipywidgets or anywidget is not installed.

    Examples
    --------
    >>> import dynsim
    >>> view = dynsim.explore("toy", branch="full", initial={"theta": 0.2})
    >>> view.picture.verdict.sentence
    'θ → 0, φ → 0.6536 = 1 − √(−θ₀² + (1 − φ₀)²): collapse'
    """
    try:
        from dynsim.explorer.app import Explorer
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("anywidget", "ipywidgets", "traitlets"):
            raise missing_extra(str(error.name), "notebooks", "the explorer's sliders") from error
        raise
    if restore is not None:
        return Explorer(from_text(restore))
    if isinstance(system_or_loss, sympy.Basic):
        system_or_loss = text(system_or_loss)
    if not isinstance(system_or_loss, str):
        raise bad("system_or_loss", system_or_loss, "the name of a system, a loss as text or an expression",
                  kind=InvalidType)  # fmt: skip
    setting = Setting(
        system_or_loss,
        _names("states", states),
        branch,
        variant,
        initial or {},
        parameters or {},
        t_end,
        time,
        _names("plane", plane),
        tuple(tuple(float(value) for value in start) for start in more),
    )
    return Explorer(setting)


def _names(argument: str, given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    parts = given.replace(",", " ").split() if isinstance(given, str) else given
    try:
        return tuple(part.name if isinstance(part, sympy.Symbol) else str(part) for part in parts) or None
    except TypeError:
        raise bad(argument, given, "names of states", kind=InvalidType) from None
