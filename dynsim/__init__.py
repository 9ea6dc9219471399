"""dynsim: the dynamics of self-supervised learning, computed.

A loss with a stop-gradient in it becomes the gradient flow it generates; what can be known of that flow
exactly is said exactly, the rest is integrated, confronted with real networks and drawn.

Names are imported on first use, so that ``import dynsim`` costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

# public name -> module that defines it. A public name never equals a subpackage or module of dynsim.
_HOME = {
    "BlowUp": "dynsim.errors",
    "DynsimError": "dynsim.errors",
    "ParseError": "dynsim.errors",
    "StepLimit": "dynsim.errors",
    "Field": "dynsim.field",
    "provenance": "dynsim.records",
    "stop_gradient": "dynsim.symbolic.stop_gradient",
    "parse": "dynsim.symbolic.parser",
    "Descend": "dynsim.symbolic.rules",
    "Track": "dynsim.symbolic.rules",
    "Hold": "dynsim.symbolic.rules",
    "Move": "dynsim.symbolic.rules",
    "Flow": "dynsim.symbolic.flow",
    "gradient_flow": "dynsim.symbolic.branches",
    "System": "dynsim.systems.catalogue",
    "system": "dynsim.systems.catalogue",
    "list_systems": "dynsim.systems.catalogue",
    "register": "dynsim.systems.catalogue",
    "matrix_flow": "dynsim.systems.matrix_flow",
    "solve": "dynsim.integrate.solve",
    "ensemble": "dynsim.integrate.ensemble",
    "optimise": "dynsim.integrate.optimise",
    "stable_step_size": "dynsim.integrate.step_size",
    "step_size_bifurcation": "dynsim.integrate.step_size",
    "list_optimisers": "dynsim.integrate.optimisers.catalogue",
    "Terminal": "dynsim.integrate.events",
    "Outcome": "dynsim.analysis.outcome",
    "outcome": "dynsim.analysis.outcome",
    "timescales": "dynsim.analysis.timescales",
    "portrait": "dynsim.analysis.portrait",
    "Continuation": "dynsim.analysis.continuation",
    "continuation": "dynsim.analysis.continuation",
    "fold_curve": "dynsim.analysis.fold_curve",
    "first_integrals": "dynsim.analysis.first_integrals",
    "conservation": "dynsim.analysis.conservation",
    "Equilibrium": "dynsim.analysis.equilibrium",
    "equilibria": "dynsim.analysis.equilibria",
    "separatrices": "dynsim.analysis.separatrices",
    "basins": "dynsim.analysis.basins",
    "singular_limit": "dynsim.analysis.singular_limit",
    "explore": "dynsim.explorer.opening",
    "run_study": "dynsim.studies.running",
    "plot": "dynsim.plots.gallery.plot",
    "list_figures": "dynsim.plots.gallery.plot",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    if name in {"networks", "testing"}:
        return import_module(f"dynsim.{name}")
    raise AttributeError(f"module 'dynsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
