"""Registries: the members of each extension point, in explicit tables that an installed package can extend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar, cast

from dynsim.errors import InvalidType, InvalidValue, bad, unknown

__all__ = ["TABLES", "Registry", "register", "registry"]

Member = TypeVar("Member")

# kind of member → where the table of that kind is. Looking up a name by kind is what lets a room accept the
# name of something that is made above it, as `solve("toy", …)` does.
TABLES = {
    "system": "dynsim.systems.catalogue:SYSTEMS",
    "method": "dynsim.methods.catalogue:METHODS",
    "page": "dynsim.pages.live_page:PAGES",
    "figure": "dynsim.gallery.catalogue:FIGURES",
    "claim": "dynsim.ledger.catalogue:CLAIMS",
    "measure": "dynsim.networks.measures:MEASURES",
    "encoder": "dynsim.networks.encoders:ENCODERS",
    "predictor": "dynsim.networks.predictors:PREDICTORS",
    "objective": "dynsim.networks.objectives:OBJECTIVES",
    "optimiser": "dynsim.integrate.optimisers.catalogue:OPTIMISERS",
    "network-optimiser": "dynsim.networks.optimisers:OPTIMISERS",
    "augmentation": "dynsim.networks.augmentations:AUGMENTATIONS",
    "initialisation": "dynsim.networks.initialisations:INITIALISATIONS",
    "data": "dynsim.networks.images:DATASETS",
}


class Registry(Mapping[str, Member], Generic[Member]):
    """Members of one kind by name: those of dynsim, those of installed packages, those registered at run time.

    Parameters
    ----------
    kind : str
        What a member is, as messages call it: "system", "measure", …
    members : mapping
        Name → the member itself, or ``"package.module:attribute"``, which is imported on first use.
    group : str, optional
        Entry-point group of installed packages; by default ``dynsim.<kind>s``.

    Examples
    --------
    >>> from dynsim.registry import Registry
    >>> shapes = Registry("shape", {"square": 4, "pi": "math:pi"})
    >>> shapes["pi"], sorted(shapes)
    (3.141592653589793, ['pi', 'square'])
    >>> shapes["squares"]
    Traceback (most recent call last):
        ...
    dynsim.errors.UnknownName: ...
    """

    def __init__(self, kind: str, members: Mapping[str, Member | str], *, group: str | None = None) -> None:
        self.kind = kind
        self.group = group or f"dynsim.{kind}s"
        self._members: dict[str, Member | str] = dict(members)
        self._entry_points: dict[str, Any] | None = None
        self._added: set[str] = set()
        self.broken: dict[str, str] = {}

    def _installed(self) -> dict[str, Any]:
        if self._entry_points is None:
            from importlib.metadata import entry_points

            self._entry_points = {point.name: point for point in entry_points(group=self.group)}
        return self._entry_points

    def __getitem__(self, name: str) -> Member:
        """Return a member.

        Raises
        ------
        UnknownName
            Naming the closest member.
        InvalidValue
            The member comes from an installed package that cannot be loaded.
        """
        if name not in self:
            raise unknown(self.kind, name, tuple(self))
        if name not in self._members:
            self._members[name] = self._loaded_entry_point(name)
        member = self._members[name]
        if isinstance(member, str):
            module, _, attribute = member.partition(":")
            member = self._members[name] = getattr(import_module(module), attribute)
        return cast("Member", member)

    def _loaded_entry_point(self, name: str) -> Member:
        try:
            return cast("Member", self._installed()[name].load())
        except Exception as error:  # whatever a foreign package raises breaks that package's member only
            self.broken[name] = f"{type(error).__name__}: {error}"
            raise InvalidValue(
                f"{self.kind} '{name}' comes from the installed package of entry point "
                f"{self._installed()[name].value!r}, which cannot be loaded: {self.broken[name]}"
            ) from error

    def loaded(self) -> Iterator[tuple[str, Member | InvalidValue]]:
        """Every name with its member, or with the error that says why it cannot be loaded: a list shows either."""
        for name in self:
            try:
                yield name, self[name]
            except InvalidValue as error:
                yield name, error

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._members or name in self._installed())

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._members, *self._installed())))

    def __len__(self) -> int:
        return len(set(self._members) | set(self._installed()))

    def register(self, name: str, member: Member) -> Member:
        """Add a member for this process; what was added under the same name before is replaced.

        Raises
        ------
        InvalidValue
            A member of dynsim or of an installed package has the name, or it is no plain word of letters, digits
            and hyphens.
        """
        if not (isinstance(name, str) and name.replace("-", "").replace("_", "").isalnum()):
            raise bad("name", name, "letters, digits and hyphens")
        if name in self and name not in self._added:
            raise bad("name", name, f"a name that no {self.kind} has", "choose another one")
        self._members[name] = member
        self._added.add(name)
        return member

    def remove(self, name: str) -> None:
        """Take away a member again, such as one that a test registered."""
        self._members.pop(name, None)
        self._added.discard(name)


def registry(kind: str) -> Registry[Any]:
    """Table of one kind of member, imported on first use.

    Raises
    ------
    UnknownName
        No such kind.

    Examples
    --------
    >>> from dynsim.registry import registry
    >>> registry("nothing")
    Traceback (most recent call last):
        ...
    dynsim.errors.UnknownName: ...
    """
    if kind not in TABLES:
        raise unknown("kind of member", kind, TABLES)
    module, _, attribute = TABLES[kind].partition(":")
    return cast("Registry[Any]", getattr(import_module(module), attribute))


def register(member: Member, name: str | None = None) -> Member:
    """Add a system, method, figure, measure, encoder, predictor, objective or optimiser of your own.

    It then has the rights of those that dynsim brings: its name works wherever a name of its kind does, in this
    process. An installed package adds members for good with entry points in the groups ``dynsim.systems``,
    ``dynsim.methods``, ``dynsim.figures`` and so on.

    Parameters
    ----------
    member : System, Method, Figure, Measure, …
        Its class says what kind of member it is.
    name : str, optional
        By default ``member.name``.

    Returns
    -------
    The member.

    Raises
    ------
    InvalidType, InvalidValue
        Something of no such kind; a name that is taken or is no plain word.

    See Also
    --------
    dynsim.list_systems, dynsim.list_optimisers : What is there.

    Examples
    --------
    >>> import dynsim
    >>> def build(branch, variant):
    ...     return dynsim.gradient_flow("(w - sg(w)^2)^2/2", ["w"], branch=branch)
    >>> _ = dynsim.register(dynsim.System("square", "mine", "w chases its own square", "made up", build))
    >>> dynsim.system("square").rhs
    Matrix([[w**2 - w]])
    """
    own = (cls for cls in type(member).__mro__ if cls.__module__.startswith("dynsim."))
    kind = next((cls.__name__.lower() for cls in own if cls.__name__.lower() in TABLES), None)
    if kind is None:
        raise bad("member", member, f"one of {', '.join(word.capitalize() for word in TABLES)}", kind=InvalidType)
    registry(kind).register(getattr(member, "name", "") if name is None else name, member)
    return member
