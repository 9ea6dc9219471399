"""dynsim: the dynamics of self-supervised learning, computed.

A loss with a stop-gradient in it becomes the gradient flow it generates; what can be known of that flow
exactly is said exactly, the rest is integrated, confronted with real networks and drawn.

Names are imported on first use, so that ``import dynsim`` costs next to nothing.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.2.0"

# What users of other libraries type first.
_SPELLINGS = {
    "optimize": "optimise",
    "analyze": "analyse",
    "integrate": "solve",
    "simulate": "solve",
    "bifurcation": "continuation",
}


def _homes() -> dict[str, str]:
    """Public name → module that defines it, read from the stub, so that there is one list of them.

    A public name never equals a subpackage or module of dynsim.
    """
    with open(os.path.join(os.path.dirname(__file__), "__init__.pyi"), encoding="utf-8") as stub:
        words = [line.split() for line in stub if line.startswith("from dynsim")]
    return {name: module for _, module, _, name, *_ in words}


_HOME = _homes()
__all__ = ["__version__", *(name for name, module in _HOME.items() if module != "dynsim")]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOME:
        raise _no_such_name(name)
    module = _HOME[name]
    value = import_module(f"dynsim.{name}") if module == "dynsim" else getattr(import_module(module), name)
    globals()[name] = value
    return value


def _no_such_name(name: str) -> AttributeError:
    from difflib import get_close_matches

    close = [_SPELLINGS[name]] if name in _SPELLINGS else get_close_matches(name, _HOME, n=1)
    hint = f"; did you mean {close[0]!r}?" if close and not name.startswith("_") else ""
    return AttributeError(f"module 'dynsim' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return [*sorted(_HOME), "__version__"]
