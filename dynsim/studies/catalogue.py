"""The studies that come with the package, and what a person means by a study."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

from dynsim.errors import InvalidType, bad, explained, unknown
from dynsim.studies.study import Study

__all__ = ["shipped", "study_of"]


def shipped() -> dict[str, Path]:
    """Files of the studies that come with the package, by name.

    Examples
    --------
    >>> from dynsim.studies.catalogue import shipped
    >>> "decay-map" in shipped()
    True
    """
    folder = Path(str(files("dynsim.studies"))) / "studies"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


@explained("how-to/a-study-file")
def study_of(given: Any) -> Study:
    """Study that is given as one, as its fields, as the path of a file, or by the name of a shipped one.

    Raises
    ------
    UnknownName, InvalidValue, InvalidType
        No such study or file, or something else.

    Examples
    --------
    >>> from dynsim.studies.catalogue import study_of
    >>> list(study_of("decay-map").sizes)
    ['branch', 'alpha', 'sigma2', 'eta']
    """
    if isinstance(given, Study):
        return given
    if isinstance(given, Mapping):
        return Study.from_dict(given)
    if not isinstance(given, str | PathLike):
        raise bad("study", given, "a Study, its fields, a file or a name", kind=InvalidType)
    if str(given) in shipped():
        return Study.load(shipped()[str(given)])
    if Path(given).suffix in {".toml", ".json"}:
        return Study.load(Path(given))
    raise unknown("study", str(given), shipped(), "or the path of a .toml or .json file")
