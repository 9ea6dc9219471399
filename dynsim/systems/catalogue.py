"""The catalogue of systems: those of dynsim, those of installed packages, those a user registers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dynsim.arguments import a_word
from dynsim.choices import Branch
from dynsim.errors import InvalidType, InvalidValue, bad, unknown
from dynsim.registry import Registry
from dynsim.symbolic.flow import BRANCHES, Flow
from dynsim.symbolic.sources import with_loss
from dynsim.table import Table

__all__ = ["SYSTEMS", "System", "entry_of", "list_systems", "system"]


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
        ``build(branch, variant, **structure)`` returns a `Flow` that ``describe`` has told defaults and ranges of
        every state and parameter and a view of every state. Without observables of its own it records its loss.
    branches : tuple of str
        Those that make sense for it.
    variants : tuple of str
        Names for `variant`; the first is the default. Empty: the system has none.
    structure : tuple of str
        Names of structure keywords, such as "k" or "L".

    See Also
    --------
    register : add one.
    system : its flow.

    Examples
    --------
    >>> import dynsim
    >>> def build(branch, variant):
    ...     return dynsim.gradient_flow("(w - sg(w)^2)^2/2", ["w"], branch=branch)
    >>> dynsim.System("square", "mine", "w chases its own square", "made up", build).flow().rhs
    Matrix([[w**2 - w]])
    """

    name: str
    family: str
    summary: str
    reference: str
    build: Callable[..., Flow]
    branches: tuple[Branch, ...] = BRANCHES
    variants: tuple[str, ...] = ()
    structure: tuple[str, ...] = ()

    def flow(self, branch: Branch = "stop", variant: str | None = None, **structure: Any) -> Flow:
        """Build the flow after checking branch, variant and structure at the door."""
        a_word("branch", branch, self.branches, f"one of {', '.join(self.branches)} for system '{self.name}'")
        if variant is not None:
            a_word(f"variant of '{self.name}'", variant, self.variants)
        for key in structure:
            if key not in self.structure:
                raise unknown(f"structure of '{self.name}'", key, self.structure)
        chosen = variant if variant is not None else (self.variants[0] if self.variants else None)
        flow = self.build(branch, chosen, **structure)
        flow = flow.describe(name=self.name, variant=chosen, branch=branch, reference=self.reference)
        return flow if flow.observables else with_loss(flow)


SYSTEMS: Registry[System] = Registry(
    "system",
    {
        "toy": "dynsim.systems.toy:TOY",
        "scalar": "dynsim.systems.scalar:SCALAR",
        "byol": "dynsim.systems.scalar:BYOL",
        "eigenmode": "dynsim.systems.eigenmode:EIGENMODE",
        "modes": "dynsim.systems.linear_networks:MODES",
        "optimal-predictor": "dynsim.systems.linear_networks:OPTIMAL_PREDICTOR",
        "direct-set": "dynsim.systems.linear_networks:DIRECT_SET",
        "deep-linear": "dynsim.systems.deep_linear:DEEP_LINEAR",
        "jepa": "dynsim.systems.deep_linear:JEPA",
        "mae": "dynsim.systems.deep_linear:MAE",
        "euclidean": "dynsim.systems.closed_form_predictor:EUCLIDEAN",
        "cosine": "dynsim.systems.closed_form_predictor:COSINE",
        "barlow": "dynsim.systems.contrastive:BARLOW",
        "spectral-contrastive": "dynsim.systems.contrastive:SPECTRAL_CONTRASTIVE",
        "alternating": "dynsim.systems.alternatives:ALTERNATING",
        "xbar": "dynsim.systems.alternatives:XBAR",
        "dirac-gan": "dynsim.systems.dirac_gan:DIRAC_GAN",
    },
)


def system(name: str, *, branch: Branch = "stop", variant: str | None = None, **structure: Any) -> Flow:
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

    See Also
    --------
    list_systems : what there is.
    gradient_flow : of a loss of your own.

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
    if not isinstance(name, str):
        raise bad("system", name, "a name", "list_systems() shows all", kind=InvalidType)
    return SYSTEMS[name]


def list_systems() -> Table:
    """Table of the systems: name, family, one line, reference.

    See Also
    --------
    system : one of them.

    Examples
    --------
    >>> import dynsim
    >>> "toy" in dynsim.list_systems()["name"]
    True
    """
    columns = ("name", "family", "summary", "reference")
    rows = sorted((_row(name) for name in SYSTEMS), key=lambda row: row["family"])
    return Table(rows, columns)


def _row(name: str) -> dict[str, str]:
    """One line of the table; a system of a package that cannot be loaded says so there, and breaks nothing else."""
    try:
        entry = SYSTEMS[name]
    except InvalidValue as error:
        return {"name": name, "family": "not loaded", "summary": str(error), "reference": ""}
    return {key: getattr(entry, key) for key in ("name", "family", "summary", "reference")}
