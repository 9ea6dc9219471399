"""What a folder offers: the modules in it, by name, without importing them."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from dynsim.errors import unknown

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
    path = import_module(package).__path__
    return {
        module.name.replace("_", "-"): f"{package}.{module.name}"
        for module in iter_modules(path)
        if not module.ispkg and not module.name.startswith("_")
    }


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
