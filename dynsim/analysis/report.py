"""Everything that can be said of a flow in one page: equations, integrals, equilibria, time scales, outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynsim.analysis.algebra.equilibria import equilibria
from dynsim.analysis.algebra.first_integrals import first_integrals
from dynsim.analysis.numerics.outcome import outcome
from dynsim.analysis.numerics.singular_limit import singular_limit
from dynsim.analysis.numerics.timescales import timescales
from dynsim.errors import BlowUp, DynsimError
from dynsim.integrate.solve import solve
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.printing import text
from dynsim.symbolic.sources import as_flow

__all__ = ["report"]


def report(
    flow: Flow,
    initial: Mapping[Any, Any] | None = None,
    parameters: Mapping[Any, Any] | None = None,
    *,
    t_end: float = 60.0,
) -> dict[str, Any]:
    """Collect the analyses of a flow as plain data.

    Parameters
    ----------
    flow : Flow
    initial : mapping, optional
        A start; with one, the outcome and the time scales along the run are included.
    parameters : mapping, optional
        ``{parameter: number}``; what is left out takes the system's default.
    t_end : float
        Flow time of that run.

    Returns
    -------
    dict
        "flow", "is_gradient", "parameters"; "first_integrals" (text) for any parameters, with a note where the
        search was cut off, and "first_integrals_here" at these; "equilibria" (rows), "complete" and a note;
        "limits", what a very fast predictor and a very slow teacher make of the flow; and with a start also
        "outcome" and "timescales" (a few numbers; `dynsim.timescales` gives them along the whole run).

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        As the single analyses do.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.analysis.report import report
    >>> report(dynsim.system("toy"))["first_integrals"]
    ['-alpha*theta**2 + phi**2']
    """
    flow = as_flow(flow)
    found = equilibria(flow, parameters)
    values = flow.values(parameters)
    general, here = first_integrals(flow), first_integrals(flow.fix(values))
    told: dict[str, Any] = {
        "flow": flow.about(),
        "is_gradient": flow.is_gradient,
        "parameters": {name: float(value) for name, value in values.items()},
        "first_integrals": [text(item) for item in general],
        "first_integrals_note": general.note,
        "first_integrals_here": [text(item) for item in here],
        "equilibria": [item.row() for item in found],
        "complete": found.complete,
        "note": found.note,
        "limits": _limits(flow, values),
    }
    if initial:
        told["outcome"] = str(outcome(flow, initial, parameters))
        told["timescales"] = _along_a_run(flow, initial, parameters, t_end)
    return told


def _limits(flow: Flow, values: Mapping[str, Any]) -> list[str]:
    """What the limits of the usual rates say, where they separate fast from slow."""
    told = []
    for name, towards in (("alpha", "large"), ("beta", "small")):
        if name in flow.parameters:
            others = {key: value for key, value in values.items() if key != name}
            try:
                told.append(str(singular_limit(flow, name, towards, parameters=others)))
            except DynsimError:  # this rate separates nothing here
                continue
    return told


def _along_a_run(flow: Flow, initial: Mapping[Any, Any], parameters: Any, t_end: float) -> dict[str, Any]:
    try:
        run = solve(flow, initial, t_end, parameters=parameters)
    except BlowUp as error:
        return {"the run diverges at flow time": error.time}
    scales = timescales(flow, run)
    result: dict[str, Any] = {}
    for name, values in scales.data_vars.items():
        if values.ndim == 0:
            result[str(name)] = float(values)
        elif str(name).startswith(("relative", "absolute")):
            result[f"{name} at the start"] = float(values[0])
    if "eigenvalue" in scales:
        result["eigenvalues at the end"] = [float(value) for value in np.atleast_1d(scales["eigenvalue"][-1])]
        result["ends on a line of equilibria"] = bool(scales["line_of_equilibria"][-1])
    return result
