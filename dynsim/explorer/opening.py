"""Open the explorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sympy

from dynsim.arguments import a_mapping, a_number
from dynsim.choices import Branch
from dynsim.errors import InvalidType, bad, missing_extra
from dynsim.explorer.setting import Setting
from dynsim.explorer.short_text import from_text
from dynsim.explorer.sources import as_text
from dynsim.symbolic.printing import text
from dynsim.symbolic.sources import as_field

if TYPE_CHECKING:
    from dynsim.explorer.app import Explorer

__all__ = ["explore", "setting_of"]


def explore(
    system_or_loss: Any = "toy",
    states: str | Sequence[Any] | None = None,
    *,
    branch: Branch | None = None,
    variant: str | None = None,
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, Any] | None = None,
    t_end: float = 30.0,
    time: str = "linear",
    plane: Sequence[str] | None = None,
    more: Sequence[Sequence[float]] = (),
    compare: bool = False,
    restore: str | None = None,
    **options: Any,
) -> Explorer:
    """Open a system, or a loss of your own, with sliders for everything in it.

    Works in JupyterLab, in Voilà and in any front end that shows ipywidgets.

    Parameters
    ----------
    system_or_loss : str, expression, Flow, Field or mapping
        One of `list_systems`; "method:NAME" of `list_methods`; a loss such as ``"(phi*theta - sg(theta))^2/2"``;
        equations such as ``"x' = y; y' = -sin(x)"``; a Flow; a Field of numbers, of which only runs and arrows are
        shown; the rules of `Flow.of`. Text is never run as code.
    states : str or sequence, optional
        What moves in a loss; default: phi, theta and xi as they occur.
    branch : {"stop", "full", "target"}, optional
        By default "stop", or that of the Flow.
    variant : str, optional
        A published variant of a system.
    initial, parameters : mapping, optional
        ``{name: number}``; what is left out takes the system's default. A parameter may be text, an expression in the
        flow time t such as ``"0.2 + 1e-4*t"``.
    t_end : float
        Flow time shown.
    time : {"linear", "log"}
        Scale of the time axes.
    plane : pair of states, optional
        Axes of the phase plane.
    more : sequence of starts, optional
        Further orbits, each a number per state.
    compare : bool
        Show the runs of all branches from the one start.
    restore : str, optional
        A short text as the explorer's "Copy state" or its `text` gives it; excludes the other arguments.
    **options
        What `gradient_flow` takes besides (``random=…``, ``rates=…``, ``decay=…``, ``track=…``, ``roles=…``), or the
        structure of a system (``k=3``).

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

    See Also
    --------
    plot : a picture that stands still.
    portrait : the plane alone.

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
    return Explorer(
        setting_of(
            system_or_loss, states, branch, variant, options,
            initial=a_mapping("initial", initial), parameters=a_mapping("parameters", parameters), t_end=t_end,
            time=time, plane=_names("plane", plane), more=_orbits(more), compare=compare,
        )
    )  # fmt: skip


def _orbits(more: Any) -> tuple[tuple[float, ...], ...]:
    try:
        return tuple(tuple(a_number("more", value) for value in start) for start in more)
    except TypeError:
        raise bad("more", more, "starts, each a number per state", kind=InvalidType) from None


def setting_of(
    source: Any, states: Any, branch: Branch | None, variant: str | None, options: Mapping[str, Any], **shown: Any
) -> Setting:
    """Return the setting of anything that names a flow; a Flow that a text gives again becomes that text.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.explorer.opening import setting_of
    >>> setting_of(dynsim.system("toy", branch="full"), None, None, None, {}).branch
    'full'
    """
    if isinstance(source, sympy.Expr):
        source = text(source)
    if isinstance(source, Mapping) or hasattr(source, "equations"):  # anything else `Setting` refuses by its name
        given = as_field(source, states, branch=branch, variant=variant, **options)
        flow = given.equations
        told = {} if flow is None else as_text(flow) or {"branch": flow.branch}
        return Setting(**{"source": given, **told}, **shown)
    chosen = "stop" if branch is None else branch
    return Setting(source, _names("states", states), chosen, variant, options=options, **shown)


def _names(argument: str, given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    parts = given.replace(",", " ").split() if isinstance(given, str) else given
    try:
        return tuple(part.name if isinstance(part, sympy.Symbol) else str(part) for part in parts) or None
    except TypeError:
        raise bad(argument, given, "names of states", kind=InvalidType) from None
