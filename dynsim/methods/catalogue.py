"""The methods by name: those of dynsim, of installed packages, and those a user registers."""

from __future__ import annotations

from typing import Any

from dynsim.errors import InvalidType, InvalidValue, bad
from dynsim.methods.method import Method
from dynsim.registry import Registry
from dynsim.table import Table

__all__ = ["METHODS", "list_methods", "method"]

METHODS: Registry[type[Method] | Method] = Registry(
    "method",
    {
        "simsiam": "dynsim.methods.simsiam:SimSiam",
        "byol": "dynsim.methods.byol:Byol",
        "direct-set": "dynsim.methods.direct_set:DirectSet",
        "no-predictor": "dynsim.methods.no_predictor:NoPredictor",
        "fixed-predictor": "dynsim.methods.fixed_predictor:FixedPredictor",
        "vicreg": "dynsim.methods.vicreg:VicReg",
        "visreg": "dynsim.methods.visreg:VisReg",
        "barlow": "dynsim.methods.barlow:Barlow",
        "barlow-simon": "dynsim.methods.barlow_simon:BarlowSimon",
        "w-mse": "dynsim.methods.w_mse:WMse",
        "spectral": "dynsim.methods.spectral:Spectral",
        "infonce": "dynsim.methods.infonce:InfoNce",
        "simclr": "dynsim.methods.simclr:SimClr",
        "lejepa": "dynsim.methods.lejepa:LeJepa",
        "dino": "dynsim.methods.dino:Dino",
        "swav": "dynsim.methods.swav:Swav",
        "next-latent": "dynsim.methods.next_latent:NextLatent",
        "data2vec": "dynsim.methods.data2vec:Data2Vec",
    },
)


def method(name: str, **knobs: Any) -> Method:
    """Return a method of the field with its knobs; what is left out has the published default.

    Parameters
    ----------
    name : str
        One of `list_methods`.
    **knobs
        The method's own settings, such as ``tau=0.5`` of InfoNCE; ``method(name).knobs`` shows all.

    Returns
    -------
    Method

    Raises
    ------
    UnknownName
        No such method, or a knob it does not have.
    InvalidType, InvalidValue
        A knob out of its range.

    See Also
    --------
    features : the same for the features of a data set.

    Examples
    --------
    >>> import dynsim
    >>> vicreg = dynsim.method("vicreg", mu=10)
    >>> vicreg.knobs["mu"], vicreg.knobs["epsilon"]
    (10.0, 0.0001)
    >>> round(vicreg.amplitude(nu=0.5).value, 6)  # (μ/(4sν))² − ε
    0.0399
    """
    if not isinstance(name, str):
        raise bad("method", name, "a name", "list_methods() shows all", kind=InvalidType)
    found = METHODS[name]
    if isinstance(found, Method):
        return type(found)(**{**found.knobs, **knobs})
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise bad("method", found, "a dynsim.Method or a class derived from it", kind=InvalidType)
    return found(**knobs)


def list_methods() -> Table:
    """Table of the methods: what a feature needs to survive, what is learned first, what kills it, where it is from.

    Returns
    -------
    Table
        Columns name, summary, survives, learned_first, killed_by, knobs, reference, code.

    See Also
    --------
    method : one of them.

    Examples
    --------
    >>> import dynsim
    >>> "lejepa" in dynsim.list_methods()["name"]
    True
    """
    columns = ("name", "summary", "survives", "learned_first", "killed_by", "knobs", "reference", "code")
    rows = []
    for name, found in METHODS.loaded():
        if isinstance(found, InvalidValue):  # of an installed package, which breaks its own line only
            rows.append({**dict.fromkeys(columns, ""), "name": name, "summary": str(found)})
            continue
        knobs = ", ".join(f"{key} = {knob.default}" for key, knob in found.KNOBS.items())
        rows.append(
            {
                "name": name,
                "summary": found.summary,
                "survives": found.survives_if,
                "amplitude": found.ends_at,
                "learned_first": found.learned_first,
                "killed_by": found.killed_by,
                "knobs": knobs,
                "reference": found.reference,
                "code": found.code,
            }
        )
    return Table(rows)
