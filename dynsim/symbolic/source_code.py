"""A flow as Python source that a reader can paste into a program of their own."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING

import sympy

if TYPE_CHECKING:
    from dynsim.symbolic.flow import Flow

__all__ = ["python_source"]


def python_source(flow: Flow) -> str:
    """Source of ``rhs(t, y, <parameters>)`` for SciPy's integrators; names that Python reserves get an underscore.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.symbolic.source_code import python_source
    >>> print(python_source(dynsim.gradient_flow("lambda*w^2/2", ["w"])))
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def rhs(t, y, lambda_):
        w, = y
        return np.array([-lambda_*w])
    """
    taken = {"t", "y", "np", "rhs"}
    safe: dict[sympy.Symbol, sympy.Symbol] = {}
    for name in (*flow.states, *flow.parameters):
        new = name
        while keyword.iskeyword(new) or new in taken or not new.isidentifier():
            new = f"{new}_" if new.isidentifier() or keyword.iskeyword(new) else f"x{len(safe)}"
        taken.add(new)
        safe[flow.symbols[name]] = sympy.Symbol(new)
    printer = sympy.printing.numpy.NumPyPrinter({"fully_qualified_modules": True, "allow_unknown_functions": True})
    entries = ", ".join(printer.doprint(entry.xreplace(safe)).replace("numpy.", "np.") for entry in flow.rhs)
    states = ", ".join(safe[flow.symbols[name]].name for name in flow.states) + ("," if len(flow.states) == 1 else "")
    arguments = ", ".join(["t", "y", *(safe[flow.symbols[name]].name for name in flow.parameters)])
    return f"import numpy as np\n\n\ndef rhs({arguments}):\n    {states} = y\n    return np.array([{entries}])"
