"""The article *Why does it not collapse?*: its numbers, computed when it is built, and the article as one file."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from dynsim.analysis.algebra.first_integrals import first_integrals
from dynsim.analysis.numerics.basins import basins
from dynsim.analysis.numerics.outcome import outcome
from dynsim.analysis.numerics.timescales import timescales
from dynsim.choices import Branch
from dynsim.errors import bad
from dynsim.gallery.catalogue import FIGURES
from dynsim.gallery.plotting import stored_file
from dynsim.integrate.solve import solve
from dynsim.integrate.training_settings import training_parameters
from dynsim.methods.catalogue import method
from dynsim.pages.drawings import two_branches
from dynsim.storage import open_dataset, write_text
from dynsim.symbolic.flow import BRANCHES
from dynsim.systems.catalogue import system

__all__ = ["article_numbers", "filled", "write_article"]

START = {"phi": 0.6, "theta": 0.1}
FAILS = {"phi": 1.5, "theta": 0.5}
ESCAPES = {"phi": 0.9, "theta": 0.5}
NOISE = 0.1
DECAY, STRONG = 0.1, 0.25
HALF_WIDTH = 1.5
RELIABILITIES = (0.9, 0.5, 0.1)
# Stored runs of networks whose verdicts the article quotes.
QUOTED = ("collapse-table", "counter-examples", "network-ema", "network-weight-decay", "optimisers-network", "xbar")
# The methods of the table, with the settings for which the answer is shown.
SHOWN: Mapping[str, Mapping[str, float]] = {
    "simsiam": {"eta": 0.05}, "fixed-predictor": {}, "no-predictor": {}, "vicreg": {}, "infonce": {},
    "lejepa": {"dim": 16, "batch": 8},
}  # fmt: skip


@cache
def article_numbers() -> Mapping[str, str]:
    """Return every number and drawing of the article by name, as the text that stands in it.

    Examples
    --------
    >>> from dynsim.pages.article import article_numbers
    >>> numbers = article_numbers()
    >>> numbers["stop_theta"], numbers["full_phi"], numbers["target_phi"]
    ('0.8062', '0.6127', '0.6050')
    """
    return {
        **_toy(), **_failures(), **_noise_and_decay(), **_speeds(), **_networks(), "features_table": _features(),
        "branches_drawing": two_branches(),
    }  # fmt: skip


def _toy() -> dict[str, str]:
    numbers = {"phi_start": f"{START['phi']:g}", "theta_start": f"{START['theta']:g}"}
    for branch in BRANCHES:
        flow = system("toy", branch=branch)
        end = outcome(flow, START)
        numbers |= {f"{branch}_{name}": f"{value:.4f}" for name, value in end.limit.items()}
        numbers[f"{branch}_share"] = f"{_collapse_share(branch):.0%}"
    run = solve(system("toy"), START, times=np.linspace(0.0, 40.0, 4001))
    peak = int(np.argmax(run["loss"].values))
    numbers |= {
        "loss_start": f"{float(run['loss'][0]):.4f}",
        "loss_peak": f"{float(run['loss'][peak]):.4f}",
        "loss_factor": f"{float(run['loss'][peak] / run['loss'][0]):.0f}",
        "theta_peak": f"{float(run['theta'][peak]):.2f}",
        "law_start": f"{START['theta'] ** 2 - START['phi'] ** 2:.2f}".replace("-", "−"),
        "stop_theta_squared": f"{1 + START['theta'] ** 2 - START['phi'] ** 2:.2f}",
    }
    (law,) = first_integrals(system("toy"))
    parts = run["phi"].values ** 2 - run["theta"].values ** 2
    if not {str(name) for name in law.free_symbols} >= {"phi", "theta"} or np.ptp(parts) > 1e-9:
        raise bad("law", law, "the conserved function that the article names")
    numbers["law_drift"] = f"{np.ptp(parts):.0e}"
    return numbers


def _collapse_share(branch: Branch) -> float:
    """Share of a square of starts that collapse, by the exact rule at the midpoints of a grid."""
    count = 300
    side = ((np.arange(count) + 0.5) / count * 2 - 1) * HALF_WIDTH
    found = basins(system("toy", branch=branch), {"phi": side, "theta": side})
    return float((np.abs(found["limit_theta"]) < 1e-9).mean())


def _failures() -> dict[str, str]:
    fails, escapes = outcome(system("toy"), FAILS), outcome(system("toy", branch="full"), ESCAPES)
    if not fails.collapsed or escapes.collapsed:
        raise bad("start", (FAILS, ESCAPES), "one that collapses with stop-gradient and one that escapes without it")
    noisy = outcome(system("scalar", branch="full"), ESCAPES, {"sigma2": NOISE, "eta_p": 0.0, "eta_s": 0.0})
    return {
        **{f"fails_{name}": f"{value:g}" for name, value in FAILS.items()},
        **{f"escapes_{name}": f"{value:g}" for name, value in ESCAPES.items()},
        "half_width": f"{HALF_WIDTH:g}", "fails_end": f"{fails.limit['phi']:.4f}",
        "escapes_end": f"{escapes.limit['theta']:.4f}",
        "escapes_noisy": "collapses" if noisy.collapsed else "survives", "noise": f"{NOISE:g}",
    }  # fmt: skip


def _noise_and_decay() -> dict[str, str]:
    gain = 1 + NOISE
    roots = np.roots([gain, -1.0, DECAY])
    settings = training_parameters(lr=0.05, momentum=0.9, weight_decay=1e-4)
    simsiam = method("simsiam")
    live = [bool(simsiam.survives(lambda_d=1.0, lambda_s=gain, eta=eta).value) for eta in (DECAY, STRONG)]
    return {
        "decay": f"{DECAY:g}", "fold": f"{1 / (4 * gain):.4f}", "upper": f"{roots.max():.4f}",
        "lower": f"{roots.min():.4f}", "decay_lives": "lives" if live[0] else "dies",
        "decay_strong": f"{STRONG:g}", "decay_strong_lives": "lives" if live[1] else "dies",
        "usual_decay": f"{settings['eta_s']:g}", "weakest": f"{2 * settings['eta_s'] ** 0.5:.2f}",
    }  # fmt: skip


def _speeds() -> dict[str, str]:
    numbers = {}
    for branch in BRANCHES:
        flow = system("toy", branch=branch)
        found = timescales(flow, solve(flow, START, t_end=200.0))
        numbers[f"{branch}_speed"] = f"{1 / float(found['relative_speed_ratio'][0]):.0f}"
        numbers[f"{branch}_half_phi"] = f"{float(found['half_life_phi']):.2f}"
        numbers[f"{branch}_half_theta"] = f"{float(found['half_life_theta']):.2f}"
    return numbers


def _networks() -> dict[str, str]:
    numbers = {}
    for name in QUOTED:
        verdict = FIGURES[name].verdict(open_dataset(stored_file(name)))
        numbers["verdict_" + name.replace("-", "_")] = f"**{verdict.word}**: {verdict.headline}"
    return numbers


def _features() -> str:
    """Which of three features live, method by method, as a Markdown table."""
    head = " | ".join(f"r = {value:g}" for value in RELIABILITIES)
    lines = [f"| method | setting | {head} |", "| --- | --- |" + " --- |" * len(RELIABILITIES)]
    for name, setting in SHOWN.items():
        alive = method(name).survives(lambda_d=np.array(RELIABILITIES), lambda_s=1.0, **setting).value
        said = ", ".join(f"{key} = {value:g}" for key, value in setting.items()) or "its defaults"
        marks = " | ".join("lives" if one else "dies" for one in np.broadcast_to(alive, len(RELIABILITIES)))
        lines.append(f"| `{name}` | {said} | {marks} |")
    return "\n".join(lines)


def filled(text: str) -> str:
    """Put the numbers into the text of the article.

    Raises
    ------
    InvalidValue
        A name that has no number.
    """
    numbers = article_numbers()

    def value(match: re.Match[str]) -> str:
        if match[1] not in numbers:
            raise bad("article", match[0], f"one of {', '.join(sorted(numbers))}")
        return numbers[match[1]]

    return re.sub(r"\{\{ *(\w+) *\}\}", value, text)


def write_article(source: Any, path: Any, *, pages: Any) -> Path:
    """Write the article as one HTML file that holds its live pages and opens from disk.

    Parameters
    ----------
    source : path
        The article in Markdown.
    path : path
        Of the HTML file.
    pages : path
        The folder that holds what its iframes and pictures name.

    Returns
    -------
    Path
    """
    from docutils.core import publish_parts
    from docutils.writers.html5_polyglot import Writer
    from myst_parser.docutils_ import Parser

    root = Path(pages)
    text = filled(Path(source).read_text(encoding="utf-8"))
    settings = {
        "myst_enable_extensions": ["dollarmath"], "math_output": "MathML", "embed_stylesheet": False,
        "stylesheet_path": None, "report_level": 5, "myst_suppress_warnings": ["myst"],
    }  # fmt: skip
    body = publish_parts(text, parser=Parser(), writer=Writer(), settings_overrides=settings)
    page = body["html_body"]
    page = re.sub(r'(<iframe\b[^>]*?) src="([^"]+)"', lambda m: f'{m[1]} srcdoc="{_quoted(root / m[2])}"', page)
    page = re.sub(r'(<img\b[^>]*?) src="([^":]+\.png)"', lambda m: f'{m[1]} src="{_data(root / m[2])}"', page)
    # In one file there is no site around: links to other pages become their words.
    page = re.sub(r'<a\b[^>]*href="(?!https?:|#)[^"]*"[^>]*>(.*?)</a>', r"\1", page, flags=re.S)
    title = escape(str(body["title"]))
    write_text(Path(path), _SHELL.replace("TITLE", title).replace("BODY", page))
    return Path(path)


def _quoted(path: Path) -> str:
    return escape(path.read_text(encoding="utf-8"), quote=True)


def _data(path: Path) -> str:
    return "data:image/png;base64," + b64encode(path.read_bytes()).decode("ascii")


_SHELL = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE</title>
<style>
:root { color-scheme: light dark; }
body { font: 17px/1.6 Georgia, serif; max-width: 800px; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { font-family: system-ui, sans-serif; line-height: 1.2; }
table { border-collapse: collapse; } td, th { border-bottom: 1px solid #8888; padding: .3em .7em; text-align: left; }
iframe { width: 100%; height: 1440px; border: 1px solid #8888; border-radius: 4px; }
img, svg { max-width: 100%; height: auto; } img { background: #fff; }
math[display="block"] { overflow-x: auto; margin: .7em 0; }
pre { overflow-x: auto; }
</style></head>
<body>BODY</body></html>
"""
