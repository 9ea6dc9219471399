"""What the documentation site is generated from: pages that say what the product itself knows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import dynsim
from dynsim.analysis.algebra.first_integrals import first_integrals
from dynsim.errors import DynsimError
from dynsim.explorer.setting import Setting
from dynsim.explorer.subject import subject
from dynsim.gallery.catalogue import list_figures
from dynsim.ledger.catalogue import claims
from dynsim.methods.catalogue import list_methods, method
from dynsim.names import RESERVED
from dynsim.pages.judge import judge_page
from dynsim.pages.live_page import write_live_page
from dynsim.storage import write_text
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.printing import latex, tidy
from dynsim.systems.catalogue import SYSTEMS, list_systems

__all__ = ["GROUPS", "generated_pages", "write_site_sources"]

# Public names by what a user wants to do; a test holds that every public name is here once.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "What flow does my loss generate?": (
        "gradient_flow", "Flow", "Field", "parse", "stop_gradient", "Descend", "Track", "Hold", "Move",
        "Normal", "Uniform", "Discrete",
    ),
    "Which published system or method?": (
        "system", "list_systems", "System", "matrix_flow", "method", "list_methods", "Method", "Fact", "features",
        "training_parameters", "register",
    ),
    "Where does a run go?": ("solve", "ensemble", "Event", "Terminal", "outcome", "Outcome", "provenance"),
    "What is known exactly?": (
        "first_integrals", "count_integrals", "Count", "conservation", "equilibria", "Equilibrium", "separatrices",
        "singular_limit", "timescales",
    ),
    "What happens as a parameter varies?": (
        "continuation", "Continuation", "fold_curve", "hopf_curve", "limit_cycles", "Cycle", "basins", "portrait",
        "collapse_fraction", "resilience",
    ),
    "Has my own run collapsed?": ("diagnose", "Diagnosis"),
    "What does gradient noise do?": ("noisy_flow", "NoisyFlow", "escape_time"),
    "What do finite steps do?": (
        "optimise", "modified_flow", "list_optimisers", "stable_step_size", "step_size_bifurcation",
    ),
    "How do I see it?": ("draw", "plot", "list_figures", "explore"),
    "What was claimed, and does it hold?": ("claims", "claim", "Claim"),
    "Thousands of runs?": ("run_study",),
    "What went wrong?": ("DynsimError", "ParseError", "BlowUp", "StepLimit", "SolverFailure"),
}  # fmt: skip


def generated_pages() -> frozenset[str]:
    """Return what the build generates, as paths without suffix below the documentation's root."""
    names = {
        "generated/reference": [name for group in GROUPS.values() for name in group],
        "generated/systems": list_systems()["name"],
        "generated/methods": list_methods()["name"],
    }
    pages = {f"{folder}/{name}" for folder, members in names.items() for name in (*members, "index")}
    pages |= {
        "generated/gallery",
        "generated/claims",
        "generated/judge",
        "generated/reserved-names",
        "why-does-it-not-collapse",
        *(f"live/{name}" for name in names["generated/systems"]),
    }
    return frozenset(pages | {f"figures/{name}.png" for name in list_figures()["name"]})


def write_site_sources(folder: Any) -> None:
    """Write the generated pages as Markdown: reference, systems, methods, claims, gallery, reserved names.

    Parameters
    ----------
    folder : path
        Emptied first; nothing else may be kept there.
    """
    root = Path(folder)
    shutil.rmtree(root, ignore_errors=True)
    for part in ("reference", "systems", "methods", "extra/live", "extra/figures"):
        (root / part).mkdir(parents=True)
    for name, text in _pages(root):
        write_text(root / name, text)


def _pages(root: Path) -> Iterator[tuple[str, str]]:
    yield from _reference()
    yield from _systems(root)
    yield from _methods()
    yield from _claims()
    yield from _gallery(root)
    yield "reserved-names.md", _reserved_names()
    yield "judge.md", judge_page()


def _reserved_names() -> str:
    lines = ["# Reserved names", "", "No state, parameter or observable may be called so: results use these names."]
    rows = [f"| `{name}` | {meaning} |" for name, meaning in RESERVED.items()]
    return "\n".join([*lines, "", "| name | what it is |", "| --- | --- |", *rows, ""])


def _reference() -> Iterator[tuple[str, str]]:
    index = ["# Reference", "", "Every public name, by the question it answers.", ""]
    for question, names in GROUPS.items():
        index += [f"## {question}", ""]
        for name in names:
            summary = (getattr(dynsim, name).__doc__ or "").strip().split("\n")[0]
            index.append(f"- [`{name}`]({name}.md): {summary}")
            kind = "autoclass" if isinstance(getattr(dynsim, name), type) else "autofunction"
            members = "\n   :members:\n" if kind == "autoclass" else "\n"
            body = f"# {name}\n\n```{{eval-rst}}\n.. {kind}:: dynsim.{name}{members}```\n"
            yield f"reference/{name}.md", body
        index.append("")
    listed = [name for group in GROUPS.values() for name in group]
    yield "reference/index.md", "\n".join([*index, _toctree(listed, hidden=True)])


def _systems(root: Path) -> Iterator[tuple[str, str]]:
    table = list_systems()
    lines = ["# Systems", "", "One page each, with its equations and a live view.", ""]
    for row in table:
        name = row["name"]
        lines.append(f"- [`{name}`]({name}.md): {row['summary']}")
        yield f"systems/{name}.md", _system(root, name, row)
    yield "systems/index.md", "\n".join([*lines, "", _toctree(table["name"], hidden=True)])


def _system(root: Path, name: str, row: Mapping[str, Any]) -> str:
    entry = SYSTEMS[name]
    lines = [f"# {name}", "", f"{row['summary']}.", "", f"*Source:* {row['reference']}", ""]
    for branch in entry.branches:
        flow = entry.flow(branch=branch)
        lines += [f"## branch `{branch}`" if len(entry.branches) > 1 else "## Equations", ""]
        if len(flow.states) > 6:
            lines += [f"{len(flow.states)} states: {', '.join(flow.states)}.", ""]
            continue
        for state, velocity in zip(flow.states, flow.rhs, strict=True):
            lines += ["$$", rf"\dot{{{latex(flow.symbols[state])}}} = {latex(tidy(velocity))}", "$$", ""]
        lines += _laws(flow)
    defaults = ", ".join(
        f"`{key}` = {value:g}" for key, value in entry.flow(branch=entry.branches[0]).defaults.items()
    )
    lines += [f"*Defaults:* {defaults or 'none'}.", "", "```python", f'flow = dynsim.system("{name}")', "```", ""]
    setting = Setting(name, branch=entry.branches[0])
    try:
        write_live_page(setting, root / "extra" / "live" / f"{name}.html")
        title = f"live view of the system {name}"
        lines += ["## Live", "", f'<iframe class="live" src="../../live/{name}.html" title="{title}"></iframe>', ""]
    except DynsimError:
        states = len(subject(setting).flow.states)
        lines += [f"*No live view in a page: {states} states, or functions that a page cannot compute.*", ""]
    return "\n".join(lines)


def _laws(flow: Flow) -> list[str]:
    """Say what a flow of at most three states conserves, whatever its parameters, and whether that is all."""
    if len(flow.states) > 3:
        return []
    found = first_integrals(flow)
    if not found:
        return []
    rest = "" if found.complete else " There may be more: the search is bounded."
    laws = ", ".join(f"${latex(tidy(law))}$" for law in found)
    return [f"*Conserved:* {laws}.{rest}", ""]


def _methods() -> Iterator[tuple[str, str]]:
    table, seen = list_methods(), _networks()
    lines = ["# Methods", "", "The periodic table of collapse: which features live, method by method.", ""]
    titles = ("method", "survives iff", "ends at", "learned first", "what kills it", "linear network", "MLP")
    lines += [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for row in table:
        cells = (str(row[key]) for key in ("survives", "amplitude", "learned_first", "killed_by"))
        told = " | ".join(text.replace("|", "\\|") for text in (*cells, *seen.get(row["name"], ("–", "–"))))
        lines.append(f"| [{row['name']}]({row['name']}.md) | {told} |")
        yield f"methods/{row['name']}.md", _method(row)
    lines += [
        "",
        "Networks: of the features farther than 5 % from their threshold, how many live or die as theory has it, ",
    ]
    lines[-1] += "the rank correlation of the order, the median error of the amplitude; see the figure `methods`."
    yield "methods/index.md", "\n".join([*lines, "", _toctree(table["name"], hidden=True)])


def _networks() -> dict[str, tuple[str, str]]:
    """What linear networks and MLPs did, by method, from the stored run of the figure `methods`."""
    from dynsim.gallery.methods import scores
    from dynsim.gallery.plotting import data_for

    found: dict[str, tuple[str, str]] = {}
    for name, row in scores(data_for("methods", {})).items():
        linear = f"{row['right']:.0%} of {row['features']:.0f}, order ρ = {row['order']:.2f}, ± {row['error']:.1%}"
        found[name.partition(",")[0]] = found.get(name.partition(",")[0], (linear, f"{row['mlp']:.0%}"))
    return found


def _method(row: Mapping[str, Any]) -> str:
    one = method(row["name"])
    knobs = "".join(f"- `{name}` = {value}\n" for name, value in dict(one.knobs).items()) or "none\n"
    parts = [
        f"# {row['name']}\n\n{row['summary']}.\n",
        f"*Paper:* {row['reference']}\n\n*Public code:* {row['code']}\n",
        f"## Loss\n\n```text\n{one.loss}\n```\n",
        f"In one aligned mode:\n\n```text\n{one.mode}\n```\n" if one.mode else "",
        f"## Which features live\n\n- survives iff {row['survives']}\n- ends at {row['amplitude']}\n"
        f"- learned first: {row['learned_first']}\n"
        f"- what kills it: {row['killed_by']}\n",
        f"## Knobs\n\n{knobs}",
        "## Assumptions\n\n" + "".join(f"- {item}\n" for item in one.assumptions),
        f'```python\nmethod = dynsim.method("{row["name"]}")\n'
        "print(method.survives(lambda_d=0.6, lambda_s=1.0))\n```\n",
    ]
    return "\n".join(part for part in parts if part)


def _claims() -> Iterator[tuple[str, str]]:
    """One page: the sentences that hold, hold under conditions and do not hold, side by side, by source."""
    table = claims()
    lines = [
        "# Claims", "",
        f"{len(table)} checkable sentences of the article behind dynsim, of papers and of public code, in our own "
        "words. The verdicts are computed; `dynsim claims ID --check` computes one anew.", "",
    ]  # fmt: skip
    for paper in dict.fromkeys(table["paper"]):
        rows = [row for row in table if row["paper"] == paper]
        lines += [f"## {paper}", ""]
        for row in rows:
            lines += [
                f"**{row['claim']}**", "",
                f"*{row['verdict']}*: {row['headline']}", "",
                f"{row['source']} · decided by: {row['decided_by']} · "
                f"`dynsim claims {row['id']} --check`, about {row['cost']:g} s", "",
            ]  # fmt: skip
    yield "claims.md", "\n".join(lines)


def _gallery(root: Path) -> Iterator[tuple[str, str]]:
    pictures = Path(dynsim.__file__).parents[1] / "figures"
    lines = ["# Gallery", "", "Every figure, and the command that draws it.", ""]
    grid, sections = ['<div class="gallery">'], []
    for row in list_figures():
        name = row["name"]
        sections += [f"## {name}", "", f"{row['summary']}.", ""]
        picture = pictures / f"{name}.png"
        if picture.exists():
            shutil.copy(picture, root / "extra" / "figures" / picture.name)
            image = f'<img src="../figures/{name}.png" alt="{escape(row["summary"], quote=True)}" loading="lazy">'
            sections += [image, ""]
            grid.append(f'<a href="#{name}">{image}<span>{name}</span></a>')
        sections += [
            "```sh",
            f"dynsim plot {name}",
            "```",
            "",
            "```python",
            f'figure = dynsim.plot("{name}")',
            "```",
            "",
        ]
    lines += ["\n".join([*grid, "</div>"]), "", *sections]
    yield "gallery.md", "\n".join(lines)


def _toctree(names: Any, *, hidden: bool) -> str:
    option = ":hidden:\n" if hidden else ""
    return "```{toctree}\n" + option + "\n" + "\n".join(names) + "\n```\n"
