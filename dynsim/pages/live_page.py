"""A live view as one HTML file: sliders, phase plane, curves and outcome, without a kernel and without a network."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import sympy
from sympy.printing.mathml import MathMLPresentationPrinter

from dynsim.analysis.algebra.first_integrals import first_integrals
from dynsim.errors import DynsimError, bad
from dynsim.explorer.equations import readable
from dynsim.explorer.message import styles
from dynsim.explorer.presets import presets_of
from dynsim.explorer.setting import Setting
from dynsim.explorer.sources import METHOD
from dynsim.explorer.steps import slider_step
from dynsim.explorer.subject import Subject, filled, is_steady, subject
from dynsim.pages.javascript import function_body, javascript, product_rule
from dynsim.registry import Registry
from dynsim.storage import write_text
from dynsim.symbolic.expectation import Expectation
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.printing import tidy, unicode_name, unicode_text
from dynsim.symbolic.quadrature import TOLD

__all__ = ["PAGES", "live_page", "mathml", "write_live_page"]

_EXPLORER = ("numbers", "panel", "curves", "legend", "plane")  # the drawing code, shared with the live explorer
_PAGE = ("functions", "numerics", "frames", "page")
MOST_STATES = 4
LONGEST_RULE = 250_000


def live_page(setting: Setting, *, title: str | None = None) -> str:
    """Return the page of a setting as HTML.

    Everything is computed in the page from expressions printed here: fields, Jacobians, losses and, where one is
    known as an expression, the exact rule of where a run ends. Its Content-Security-Policy allows the page's own
    script and style by hash and nothing else; user text enters as JSON and as code printed from the parsed tree.

    Parameters
    ----------
    setting : Setting
        What is explored and where the sliders stand at first.
    title : str, optional
        By default the name of the system, or the loss.

    Raises
    ------
    InvalidValue
        A flow of more than four states, or one with functions that a page cannot compute.

    Examples
    --------
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.pages.live_page import live_page
    >>> page = live_page(Setting("toy"))
    >>> page[:15], "Content-Security-Policy" in page, len(page) < 400_000
    ('<!doctype html>', True, True)

    See Also
    --------
    dynsim.explore : the same with a kernel, and with everything that the analysis can say.
    """
    setting = filled(setting)
    about = subject(setting)
    if about.equations is None:
        raise bad("system_or_loss", "a Field", "a flow with equations", "Python functions cannot be put into a page")
    if len(about.flow.states) > MOST_STATES:
        raise bad("system_or_loss", setting.source, f"at most {MOST_STATES} states in a page",
                  f"it has {len(about.flow.states)}; use the explorer in a notebook")  # fmt: skip
    shown: dict[str, Subject] = {}
    for branch in about.branches:
        shown[branch] = subject(replace(setting, branch=branch))
    # What moves in time is put into the equations; the numbers in it become parameters of the page.
    timed = {branch: one.flow.with_parameters(setting.parameters) for branch, one in shown.items()}
    branches = {branch: one.flow if setting.schedules else shown[branch].flow for branch, one in timed.items()}
    values = timed[setting.branch].values
    title = title or _title(setting, about)
    data = json.dumps(_data(setting, about, values), ensure_ascii=True).replace("<", "\\u003c")
    tables: list[np.ndarray] = []
    flows = ",\n".join(f"{json.dumps(name)}: {_flow_code(one, values, tables)}" for name, one in branches.items())
    script = "\n".join(
        ['"use strict";', f"const DATA = {data};", *map(_source, _PAGE[:2]),
         f"const TABLES = [{', '.join(map(product_rule, tables))}];", f"const FLOWS = {{{flows}}};",
         *[_source(name, "explorer") for name in _EXPLORER], *map(_source, _PAGE[2:])]
    )  # fmt: skip
    style = (files("dynsim.explorer") / "browser" / "view.css").read_text(encoding="utf-8") + _source(
        "page", end="css"
    )
    policy = f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; base-uri 'none'"
    return _TEMPLATE.format(
        policy=policy,
        title=escape(title),
        summary=escape(about.reference),
        style=style,
        script=script,
        equations="".join(_equations(name, one, setting) for name, one in branches.items()),
        limits=escape(_limits(branches)),
    )


def write_live_page(setting: Setting, path: Any, *, title: str | None = None) -> Path:
    """Write the page; the file appears whole or not at all.

    Raises
    ------
    InvalidValue
        As `live_page`, or a path that does not end in .html or lies in no folder that can be written.
    """
    target = Path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise bad("path", str(path), "a name that ends in .html")
    return write_text(target, live_page(setting, title=title))


# Looked up by name from the explorer, which lies below the pages made of it.
PAGES: Registry[Callable[..., Path]] = Registry("page", {"live": write_live_page})


def _source(name: str, room: str = "pages", end: str = "js") -> str:
    return (files(f"dynsim.{room}") / "browser" / f"{name}.{end}").read_text(encoding="utf-8")


def _digest(content: str) -> str:
    """Hash of an inline script or style as a Content-Security-Policy names it."""
    return f"sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _ends(flow: Flow) -> dict[str, sympy.Expr]:
    """The exact rule of where a run ends as expressions, with a state that the rule leaves open as NaN."""
    return {} if flow.exact is None else flow.exact.ends(flow.states, flow.parameters)


def _title(setting: Setting, about: Subject) -> str:
    if about.summary and about.named:
        return f"{setting.source.removeprefix(METHOD)}: {about.summary}"
    if not isinstance(setting.source, str):
        return f"the flow {about.flow.name}" if about.flow.name else unicode_text(about.flow.loss or about.flow.rhs)
    return f"loss {setting.source}" if about.flow.loss is not None else setting.source


def _data(setting: Setting, about: Subject, values: Mapping[str, float]) -> dict[str, Any]:
    """Everything of the page that is plain data."""
    drawn = styles(about)
    role = {name: role for role, names in about.flow.roles.items() for name in names}

    def described(name: str, value: float) -> dict[str, Any]:
        low, high = about.ranges.get(name) or (min(0.0, 2 * value), max(0.0, 2 * value) or 1.0)
        return {
            "name": name, "label": unicode_name(name), "value": value, "low": low, "high": high,
            "step": slider_step(low, high),
        }  # fmt: skip

    states = [
        {
            **described(name, setting.initial[name]),
            "style": drawn[name],
            "role": role.get(name, ""),
            "view": list(about.view[name]),
        }
        for name in about.flow.states
    ]
    return {
        "states": states,
        "parameters": [described(name, value) for name, value in values.items()],
        "branches": list(about.branches),
        "branch": setting.branch,
        "plane": list(setting.plane or about.plane),
        "t_end": setting.t_end,
        "time": setting.time,
        "compare": setting.compare,
        "steady": is_steady(setting),
        "presets": [
            {
                "name": name,
                "initial": [one.initial[state] for state in about.flow.states],
                "values": [one.parameters[parameter] for parameter in values],
                "branch": one.branch,
                "t_end": one.t_end,
                "compare": one.compare,
            }
            for name, one in (presets_of(setting) if not setting.schedules else {}).items()
        ],
    }


def _flow_code(flow: Flow, parameters: Collection[str], tables: list[np.ndarray]) -> str:
    """Object literal with the functions of one branch; `y` and `p` are in the order of the page's data."""
    loss = flow.observables.get("loss")
    expressions = [flow.rhs, flow.jacobian, *([loss] if loss is not None else [])]
    places = {name: f"p[{index}]" for index, name in enumerate(parameters)}
    places |= {name: f"y[{index}]" for index, name in enumerate(flow.states)}
    symbols = set().union(*(sympy.sympify(item).free_symbols for item in expressions))
    names = {symbol: "t" if symbol.name == "t" else places[symbol.name] for symbol in symbols}

    def body(items: Sequence[Any]) -> str:
        return f"(t, y, p, out) => {{ {function_body(items, names, tables=tables)} }}"

    parts = [f"f: {body(list(flow.rhs))}", f"jacobian: {body(list(flow.jacobian))}"]
    if loss is not None:
        parts.append(f"loss: {body([loss])}")
    if ends := _ends(flow):
        start = {sympy.Symbol(f"{name}(0)"): f"y[{index}]" for index, name in enumerate(flow.states)}
        known = {**start, **{sympy.Symbol(name): places[name] for name in parameters}}
        rule = f"end: (y, p) => [{', '.join(javascript(ends[name], known) for name in flow.states)}]"
        parts += [rule] if len(rule) < LONGEST_RULE else []  # a page is mailed; without its rule it integrates
    return "{\n  " + ",\n  ".join(parts) + "\n}"


class _MathML(MathMLPresentationPrinter):
    """Presentation MathML with the letters that dynsim prints everywhere."""

    def _print_Symbol(self, symbol: sympy.Symbol, style: str = "plain") -> Any:
        letter = self.dom.createElement("mi")
        # The printer's text nodes are written as they are.
        letter.appendChild(self.dom.createTextNode(escape(unicode_name(symbol.name))))
        return letter


def mathml(expression: Any) -> str:
    """Presentation MathML of an expression, without the enclosing ``<math>``.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.pages.live_page import mathml
    >>> mathml(sympy.Symbol("theta") ** 2)
    '<msup><mi>&#952;</mi><mn>2</mn></msup>'
    """
    return str(_MathML().doprint(sympy.sympify(expression)))


def _line(left: str, right: str) -> str:
    return f'<math display="block"><mrow>{left}<mo>=</mo>{right}</mrow></math>'


def _equations(branch: str, flow: Flow, setting: Setting) -> str:
    rows = [
        _line(f"<msup><mi>{escape(unicode_name(name))}</mi><mo>′</mo></msup>", mathml(tidy(entry)))
        for name, entry in zip(flow.states, flow.rhs, strict=True)
    ]
    try:
        conserved: Sequence[Any] = first_integrals(flow)
    except DynsimError:
        conserved = ()
    symbols = [flow.symbols[name] for name in flow.states]
    kept = [_line(mathml(readable(item, symbols)), "<mtext>constant</mtext>") for item in conserved]
    hidden = "" if branch == setting.branch else " hidden"
    law = "<h2>Conserved</h2>" + "".join(kept) if kept else ""
    told = f"<p>{escape(str(flow.expectation))}</p>" if flow.expectation > TOLD else ""
    return f'<div data-branch-block="{escape(branch)}"{hidden}><h2>The flow</h2>{"".join(rows)}{told}{law}</div>'


def _limits(branches: Mapping[str, Flow]) -> str:
    ruled = [name for name, one in branches.items() if _ends(one)]
    averages = any(one.rhs.has(Expectation) for one in branches.values())
    where = f"by an exact rule ({', '.join(ruled)})" if ruled else "by integration until it rests"
    return (
        f"Where a run ends is decided {where}, else by integration. Orbits have a relative tolerance of 1e-10"
        f"{' (of 1e-7 where a step takes long)' if averages else ''}. "
        "Equilibria are searched from a grid by Newton's method in the box shown: none is proven to be the last."
        f"{' Averages E[·] are sums over the nodes of a quadrature.' if averages else ''}"
    )


_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main class="dynsim-page">
<h1>{title}</h1>
<p class="summary">{summary}</p>
<div class="layout">
<div id="dynsim-controls"></div>
<div id="dynsim" class="dynsim-explorer"></div>
</div>
<div class="equations">{equations}</div>
<footer><p>{limits}</p><p>Made with dynsim.</p></footer>
</main>
<script>{script}</script>
</body>
</html>
"""
