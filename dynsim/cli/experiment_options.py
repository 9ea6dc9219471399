"""An Experiment on the command line: a file, and one option for every field."""

from __future__ import annotations

import argparse
import ast
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["add_config", "add_fields", "experiment_fields", "experiment_of"]


def add_config(parser: argparse.ArgumentParser) -> None:
    """CONFIG and --seeds."""
    parser.add_argument(
        "config", metavar="CONFIG", nargs="?", help="experiment as .toml or .json; options override it"
    )
    parser.add_argument("--seeds", type=_seeds, default=3, metavar="N|LIST", help="5, or 0,3,7; default: 3")


def add_fields(parser: argparse.ArgumentParser) -> None:
    """One option for every field of an Experiment, grouped and explained as its docstring does."""
    for heading, text, fields in experiment_fields():
        group = parser.add_argument_group(heading.replace("_", "-"), text.replace("%", "%%"))
        for name, annotation, default in fields:
            _add(group, name, annotation, default)


def experiment_of(args: argparse.Namespace) -> Any:
    """Return the experiment that the command describes: of its file, with what the options change."""
    from dynsim.cli.arguments import assignments
    from dynsim.networks import Experiment

    given = {
        name: getattr(args, f"field_{name}")
        for _, _, fields in experiment_fields()
        for name, _, _ in fields
        if getattr(args, f"field_{name}") is not None
    }
    if "augmentation" in given:
        texts = [text for text in given["augmentation"] if text != "none"]
        given["augmentation"] = assignments("--augmentation", texts)
    if "knobs" in given:
        given["knobs"] = assignments("--knobs", given["knobs"])
    if args.config is None:
        return Experiment(**given)
    return Experiment.load(args.config).but(**given)


def _add(group: Any, name: str, annotation: str, default: Any) -> None:
    """Add the option of one field; what is not given stays as the experiment has it."""
    option, shown = f"--{name.replace('_', '-')}", _shown(default)
    settings: dict[str, Any] = {"dest": f"field_{name}", "default": None, "help": shown}
    if annotation.startswith("bool"):
        settings["action"] = argparse.BooleanOptionalAction
    elif annotation.startswith("Mapping"):
        settings |= {"action": "append", "metavar": "NAME=VALUE,…", "help": f"or 'none'; {shown}"}
    elif annotation.startswith("tuple"):
        settings |= {"type": _names, "metavar": "NAMES"}
    elif annotation == "int | str":
        settings |= {"type": _whole_or_word, "metavar": "N|WORD"}
    elif annotation.startswith("int"):
        settings |= {"type": int, "metavar": "N"}
    elif annotation == "float | str":
        settings |= {"type": _number_or_text, "metavar": "X|TEXT"}
    elif annotation.startswith("float"):
        settings |= {"type": float, "metavar": "X"}
    else:
        settings["metavar"] = "NAME"
    group.add_argument(option, **settings)


def _shown(default: Any) -> str:
    if default is None:
        return "default: the usual"
    if isinstance(default, dict):
        return "default: " + ",".join(f"{name}={value:g}" for name, value in default.items())
    if isinstance(default, tuple):
        return "default: " + ",".join(default)
    return f"default: {default:g}" if isinstance(default, float) else f"default: {default}"


def _seeds(text: str) -> int | list[int]:
    try:
        return [int(word) for word in text.split(",") if word.strip()] if "," in text else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"got '{text}', expected a number of seeds or a list such as 0,3,7") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _whole_or_word(text: str) -> int | str:
    return int(text) if text.lstrip("+-").isdigit() else text


def experiment_fields() -> list[tuple[str, str, list[tuple[str, str, Any]]]]:
    """Groups of fields as the docstring has them: (heading, explanation, [(name, annotation, default), …]).

    Examples
    --------
    >>> from dynsim.cli.experiment_options import experiment_fields
    >>> [fields for heading, _, fields in experiment_fields() if heading.startswith("steps")]
    [[('steps', 'int', 300), ('batch', 'int | str', 64)]]
    """
    path = os.path.join(os.path.dirname(__file__), "..", "networks", "experiment.py")
    with open(path, encoding="utf-8") as source:
        module = ast.parse(source.read())
    record = next(node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Experiment")
    constants = _literals(module)
    known = {
        node.target.id: (node.target.id, ast.unparse(node.annotation), _default(node.value, constants))
        for node in record.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    groups = []
    for heading, text in _documented(ast.get_docstring(record) or ""):
        groups.append((heading, text, [known.pop(name) for name in heading.split(", ")]))
    if known:
        groups.append(("more", "", list(known.values())))
    return groups


def _literals(module: ast.Module) -> dict[str, Any]:
    """Constants of the module that are plain data."""
    found = {}
    for node in module.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        try:
            found[ast.unparse(target)] = ast.literal_eval(node.value)
        except ValueError:
            continue
    return found


def _default(value: ast.expr | None, constants: dict[str, Any]) -> Any:
    """Default of a field: a literal, a constant, or a ``field(default_factory=lambda: constant)``."""
    for node in ast.walk(value) if value is not None else ():
        if isinstance(node, ast.Name) and node.id in constants:
            return constants[node.id]
    try:
        return ast.literal_eval(value) if value is not None else None
    except ValueError:
        return None


def _documented(text: str) -> list[tuple[str, str]]:
    """Headings and explanations of the numpydoc section Parameters, without types and markup."""
    section = text.split("Parameters\n----------\n")[1].split("\n\n")[0]
    found: list[tuple[str, str]] = []
    for line in section.splitlines():
        if not line.startswith(" "):
            found.append((line.partition(" : ")[0].strip(), ""))
        else:
            heading, before = found[-1]
            found[-1] = (heading, re.sub("[`]", "", f"{before} {line.strip()}").strip())
    return found
