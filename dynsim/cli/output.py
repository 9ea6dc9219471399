"""How results leave: JSON on standard output, netCDF or CSV in a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import TemporaryFile

from dynsim.errors import bad
from dynsim.storage import looked_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["TABLES", "check_out", "listed", "print_json", "rows_of", "write_dataset"]

TABLES = (".nc", ".csv")


def listed(kind: str, make: Callable[[], Any]) -> Any:
    """Plain data that a command lists of all members of a kind, kept on disk.

    To make it imports every member and with it SymPy, which takes longer than all else that a listing does. The entry
    belongs to the text of the room's files; where an installed package adds members, nothing is kept.
    """
    import hashlib
    from importlib.metadata import entry_points

    import dynsim
    from dynsim.integrate.engine.cache import cached
    from dynsim.registry import TABLES

    if entry_points(group=f"dynsim.{kind}s"):
        return make()
    room = Path(dynsim.__file__).parent / TABLES[kind].split(".")[1]
    source = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(room.glob("*.py")))).hexdigest()
    key = f"list of {kind}s|{dynsim.__version__}|{source}"
    return json.loads(cached(key, lambda: json.dumps(make(), ensure_ascii=False).encode()))


def print_json(value: Any) -> None:
    """Print plain data as JSON; what JSON does not know becomes its text, NaN and infinity become null."""
    print(json.dumps(_finite(value), indent=2, default=str, ensure_ascii=False))


def _finite(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def rows_of(dataset: Any, count: int) -> list[dict[str, float]]:
    """`count` rows, evenly spread, of the variables that depend on time, or on the step, alone."""
    import numpy as np

    axis = _axis(dataset)
    columns = ["time"] if axis == "time" else [axis, "time"]
    names = [*columns, *(name for name in dataset.data_vars if dataset[name].dims == (axis,))]
    chosen = np.unique(np.linspace(0, dataset.sizes[axis] - 1, count).round().astype(int))
    return [{name: dataset[name][i].item() for name in names} for i in chosen]


def _axis(dataset: Any) -> str:
    return next((name for name in ("feature", "step") if name in dataset.dims), "time")


def check_out(option: str, path: str | None, suffixes: tuple[str, ...]) -> None:
    """Refuse a file that cannot be written, before any work is done.

    Raises
    ------
    InvalidValue
        Another suffix, no such folder, a folder of that name, or no right to write there.
    """
    if path is None:
        return
    expected = f"a name that ends in {' or '.join(suffixes)}"
    target = looked_at(option, path, expected)
    if target.suffix not in suffixes:
        raise bad(option, path, expected)
    if target.is_dir():
        raise bad(option, path, "the name of a file, not of a folder that is there")
    folder = target.resolve().parent
    if not folder.is_dir():
        raise bad(option, path, "a file in an existing folder")
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise bad(option, path, "a file in a folder that can be written", str(error)) from None


def write_dataset(dataset: Any, path: str) -> Path:
    """Write ``.nc`` (everything) or ``.csv``; the file appears whole or not at all.

    A table has what depends on time, or on the step, alone; of branches it has all points.
    """
    from dynsim.storage import save_dataset

    check_out("--out", path, TABLES)
    target = Path(path)
    if target.suffix == ".nc":
        return save_dataset(dataset, target)
    axis = _axis(dataset)
    names = [name for name in dataset.data_vars if axis not in dataset.dims or dataset[name].dims == (axis,)]
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        table = dataset[names].to_dataframe()
        (table if axis in dataset.dims else table.dropna()).to_csv(temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target
