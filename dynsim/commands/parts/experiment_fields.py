"""The fields of `dynsim.networks.Experiment`, read from its source: what `--help` shows without importing NumPy."""

from __future__ import annotations

import ast
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["experiment_fields"]


def experiment_fields() -> list[tuple[str, str, list[tuple[str, str, Any]]]]:
    """Groups of fields as the docstring has them: (heading, explanation, [(name, annotation, default), …]).

    Examples
    --------
    >>> from dynsim.commands.parts.experiment_fields import experiment_fields
    >>> [fields for heading, _, fields in experiment_fields() if heading.startswith("steps")]
    [[('steps', 'int', 300), ('batch', 'int | str', 64)]]
    """
    path = os.path.join(os.path.dirname(__file__), "..", "..", "networks", "experiment.py")
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
