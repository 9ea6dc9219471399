"""The catalogue of systems: those of this folder, those of installed packages, those a user registers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from dynsim.errors import InvalidType, InvalidValue, bad, unknown
from dynsim.registry import listed
from dynsim.symbolic.branches import BRANCHES
from dynsim.symbolic.flow import Flow
from dynsim.table import Table

__all__ = ["System", "entry_of", "list_systems", "register", "system"]


@dataclass(frozen=True)
class System:
    """One entry of the catalogue.

    Parameters
    ----------
    name, family : str
        The name users type, and the heading under which it is listed.
    summary, reference : str
        One line each: what it is, and the paper it comes from.
    build : callable
        ``build(branch, variant, **structure)`` returns a `Flow` with defaults, ranges, view and observables.
    branches : tuple of str
        Those that make sense for it.
    variants : tuple of str
        Names for `variant`; the first is the default. Empty: the system has none.
    structure : tuple of str
        Names of structure keywords, such as "k" or "L".
    """

    name: str
    family: str
    summary: str
    reference: str
    build: Callable[..., Flow]
    branches: tuple[str, ...] = BRANCHES
    variants: tuple[str, ...] = ()
    structure: tuple[str, ...] = ()

    def flow(self, branch: str = "stop", variant: str | None = None, **structure: Any) -> Flow:
        """Build the flow after checking branch, variant and structure at the door."""
        if branch not in self.branches:
            raise bad("branch", branch, f"one of {', '.join(self.branches)} for system '{self.name}'")
        if variant is not None and variant not in self.variants:
            raise unknown(f"variant of '{self.name}'", variant, self.variants)
        for key in structure:
            if key not in self.structure:
                raise unknown(f"structure of '{self.name}'", key, self.structure)
        chosen = variant if variant is not None else (self.variants[0] if self.variants else None)
        flow = self.build(branch, chosen, **structure)
        return flow.describe(name=self.name, variant=chosen, branch=branch, reference=self.reference)


_registered: dict[str, System] = {}


@cache
def _shipped() -> dict[str, System]:
    """Systems of this folder and of installed packages (entry-point group ``dynsim.systems``)."""
    modules = [import_module(path) for path in listed("dynsim.systems").values()]
    found = [item for module in modules for item in getattr(module, "SYSTEMS", ())]
    for point in entry_points(group="dynsim.systems"):
        loaded = point.load()
        found += [loaded] if isinstance(loaded, System) else list(loaded)
    return {item.name: item for item in found}


def _catalogue() -> dict[str, System]:
    return {**_shipped(), **_registered}


def register(entry: System) -> System:
    """Add a system to the catalogue for this process; a registered name then works everywhere.

    An installed package registers its systems with an entry point in the group ``dynsim.systems``.

    Raises
    ------
    InvalidType, InvalidValue
        Something that is no `System`, or a name that is taken.

    Examples
    --------
    >>> import dynsim
    >>> def build(branch, variant):
    ...     return dynsim.gradient_flow("(w - sg(w)^2)^2/2", ["w"], branch=branch)
    >>> _ = dynsim.register(dynsim.System("square", "mine", "w chases its own square", "made up", build))
    >>> dynsim.system("square").rhs
    Matrix([[w**2 - w]])
    """
    if not isinstance(entry, System):
        raise bad("system", entry, "a dynsim.System(name, family, summary, reference, build)", kind=InvalidType)
    if entry.name in _shipped():
        raise bad("name", entry.name, "a name that no shipped system has", "choose another", kind=InvalidValue)
    _registered[entry.name] = entry
    return entry


def system(name: str, *, branch: str = "stop", variant: str | None = None, **structure: Any) -> Flow:
    """Return a system of the catalogue as a `Flow`.

    Parameters
    ----------
    name : str
        One of `list_systems`.
    branch : {"stop", "full", "target"}
    variant : str, optional
        A published variant of the system.
    **structure
        Sizes, such as ``k=3`` modes or ``L=2`` layers.

    Raises
    ------
    UnknownName, InvalidType, InvalidValue
        An unknown system, variant or structure keyword; a branch that makes no sense for it.

    Examples
    --------
    >>> import dynsim
    >>> flow = dynsim.system("toy", branch="full")
    >>> flow.states, flow.parameters
    (('phi', 'theta'), ('alpha',))
    """
    return entry_of(name).flow(branch, variant, **structure)


def entry_of(name: str) -> System:
    """Return the catalogue's entry of a name: its branches, variants and structure.

    Raises
    ------
    UnknownName
        No such system.

    Examples
    --------
    >>> from dynsim.systems.catalogue import entry_of
    >>> entry_of("byol").branches
    ('stop',)
    """
    entries = _catalogue()
    if not isinstance(name, str):
        raise bad("system", name, "a name", "list_systems() shows all", kind=InvalidType)
    if name not in entries:
        raise unknown("system", name, entries, "list_systems() shows all")
    return entries[name]


def list_systems() -> Table:
    """Table of the systems: name, family, one line, reference.

    Examples
    --------
    >>> import dynsim
    >>> "toy" in dynsim.list_systems()["name"]
    True
    """
    entries = sorted(_catalogue().values(), key=lambda item: item.family)
    columns = ("name", "family", "summary", "reference")
    return Table(({key: getattr(item, key) for key in columns} for item in entries), columns)
