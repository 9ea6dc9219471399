"""Everything that can be said of a flow in one page: equations, integrals, equilibria, time scales, outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynsim.analysis.equilibria import equilibria
from dynsim.analysis.first_integrals import first_integrals
from dynsim.analysis.outcome import outcome
from dynsim.analysis.timescales import timescales
from dynsim.errors import BlowUp
from dynsim.integrate.solve import solve
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.printing import text

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
        "flow", "parameters", "first_integrals" (text), "equilibria" (rows), "complete", and with a start also
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
    found = equilibria(flow, parameters)
    told: dict[str, Any] = {
        "flow": flow.about(),
        "parameters": {name: float(value) for name, value in flow.values(parameters).items()},
        "first_integrals": [text(item) for item in first_integrals(flow)],
        "equilibria": [item.row() for item in found],
        "complete": found.complete,
    }
    if initial:
        told["outcome"] = str(outcome(flow, initial, parameters))
        told["timescales"] = _along_a_run(flow, initial, parameters, t_end)
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
