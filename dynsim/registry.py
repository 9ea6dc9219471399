"""What a folder offers: the modules in it, by name, without importing them."""

from __future__ import annotations

import os
from importlib import import_module

from dynsim.errors import unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["find", "listed"]


def listed(package: str) -> dict[str, str]:
    """Public names in a package → module path: `article_stop.py` is listed as ``article-stop``.

    Subpackages are left out: they hold parts that the listed files share.

    Examples
    --------
    >>> from dynsim.registry import listed
    >>> listed("dynsim.systems")["toy"]
    'dynsim.systems.toy'
    """
    folders = import_module(package).__path__
    files = sorted(name for folder in folders for name in os.listdir(folder))
    modules = [name.removesuffix(".py") for name in files if name.endswith(".py") and not name.startswith("_")]
    return {name.replace("_", "-"): f"{package}.{name}" for name in modules}


def find(kind: str, name: str, package: str) -> ModuleType:
    """Import the module that a folder lists under `name`.

    Raises
    ------
    UnknownName
        Naming what the folder offers and the closest match.
    """
    names = listed(package)
    if name not in names:
        raise unknown(kind, name, names)
    return import_module(names[name])
