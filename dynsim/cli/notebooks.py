"""Copy the notebooks that come with dynsim into a folder of yours."""

from __future__ import annotations

import argparse
from importlib.resources import files
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `dynsim notebooks`."""
    parser.add_argument("folder", nargs="?", metavar="DIR", help="where to copy them; without it they are listed")
    parser.add_argument("--force", action="store_true", help="write over files that differ")


def run(args: argparse.Namespace) -> int:
    """List the notebooks or copy them; a file that was changed is kept unless asked otherwise."""
    from dynsim.errors import bad
    from dynsim.storage import looked_at, write_bytes

    notebooks = shipped()
    if args.folder is None:
        for notebook in notebooks:
            print(notebook.name)
        print("dynsim notebooks DIR copies them; then: jupyter lab DIR")
        return 0
    folder = looked_at("DIR", Path(args.folder).expanduser(), "a folder, there or to be made")
    if folder.exists() and not folder.is_dir():
        raise bad("DIR", args.folder, "a folder, there or to be made")
    taken = [notebook for notebook in notebooks if (folder / notebook.name).exists()]
    mine = [each.name for each in taken if (folder / each.name).read_bytes() != each.read_bytes()]
    if mine and not args.force:
        raise bad("DIR", ", ".join(mine), "no notebook there that you changed", "name another folder, or --force")
    folder.mkdir(parents=True, exist_ok=True)
    for notebook in notebooks:
        write_bytes(folder / notebook.name, notebook.read_bytes())
    print(f"{len(notebooks)} notebooks in {folder}; open them with: jupyter lab {folder}")
    return 0


def shipped() -> list[Traversable]:
    """Return the notebooks: of the installed package or, in a clone, of the folder beside it."""
    package = files("dynsim")
    found = package / "notebooks" if (package / "notebooks").is_dir() else Path(str(package)).parent / "notebooks"
    return sorted((each for each in found.iterdir() if each.name.endswith(".ipynb")), key=lambda each: each.name)
