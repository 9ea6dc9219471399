"""A diagnosis as one self-contained HTML page: text, evidence, and pictures as inline SVG; no script."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import floor, log10
from typing import Any

import numpy as np
import xarray as xr

from dynsim.monitor.observation import Observation
from dynsim.table import Table

__all__ = ["report"]

# Okabe & Ito's colours, which the colour-blind tell apart.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#000000")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 340, 220, 52, 34, 24
_SHOWN = ("loss", "spread", "rankme", "participation", "norm_ratio", "knn", "mean_entropy", "entropy_of_mean",
          "agreement", "noise_share", "teacher_moved", "mean_share")  # fmt: skip
_MOST_POINTS = 1000
_SHOWN_RANGE = 1e-6  # of features, relative to the largest
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:0 auto;padding:1rem;color:#222;background:#fff}"
    "h1{font-size:1.6rem}h2{font-size:1.1rem;margin:1.2rem 0 .3rem}p,li{max-width:46rem}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.15rem .7rem;text-align:left;"
    "border-bottom:1px solid #ddd}.pictures{display:flex;flex-wrap:wrap;gap:1rem}svg{max-width:100%;height:auto}"
    "svg text{font:11px system-ui,sans-serif;fill:#333}.axis{stroke:#999;stroke-width:1;fill:none}"
    "figure{margin:0}.scroll{overflow-x:auto}"
)


def report(sections: Mapping[str, Any], evidence: Table, seen: Observation, decay: float | None = None) -> str:
    """Return the page.

    Parameters
    ----------
    sections : mapping
        Heading → text or list of texts; "title" names the page.
    evidence : Table
    seen : Observation
    decay : float, optional
        The weight decay η of the encoder, where it is known.
    """
    policy = f"default-src 'none'; style-src '{_digest(_STYLE)}'; base-uri 'none'; form-action 'none'"
    body = []
    for heading, content in sections.items():
        if heading == "title" or not content:
            continue
        if isinstance(content, str):
            body.append(f"<h2>{escape(heading)}</h2><p>{escape(content)}</p>")
        else:
            items = "".join(f"<li>{escape(item)}</li>" for item in content)
            body.append(f"<h2>{escape(heading)}</h2><ol>{items}</ol>")
    pictures = "".join(f"<figure>{picture}</figure>" for picture in _pictures(seen, decay))
    if pictures:
        body.append(f'<h2>Pictures</h2><div class="pictures">{pictures}</div>')
    body.append(f'<h2>Evidence</h2><div class="scroll">{evidence._repr_html_()}</div>')
    title = escape(f"Diagnosis: {sections['title']}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        + "\n".join(body)
        + "\n</main>\n<footer><p>Made with dynsim.</p></footer>\n</body>\n</html>\n"
    )


def _digest(content: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _pictures(seen: Observation, decay: float | None) -> Iterator[str]:
    if seen.features is not None:
        finite = seen.features[np.isfinite(seen.features).all(1)]
        if len(finite) > 1 and (size := np.abs(finite).max()) > 0:
            centred = finite / size - (finite / size).mean(0)
            values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
            yield _spectrum(values[::-1])
            labels = seen.labels if seen.labels is not None and len(finite) == len(seen.features) else None
            yield _map(centred @ vectors[:, ::-1][:, :2], values[::-1], labels)
            if seen.thresholds is not None and np.isfinite(seen.thresholds).all() and seen.thresholds.any():
                yield _features(seen.thresholds, values, seen.when, decay)
    yield from _course(seen.course)


def _spectrum(values: np.ndarray) -> str:
    """Eigenvalues of the covariance, relative to the largest, on a logarithmic axis."""
    shares = np.maximum(values, 0) / values[0] if values[0] > 0 else np.zeros_like(values)
    y = np.log10(np.maximum(shares, 1e-12))
    return _plot("spectrum", "dimension", "log₁₀ λ/λ₁", [(np.arange(1, len(y) + 1.0), y, _COLOURS[0])])


def _map(points: np.ndarray, values: np.ndarray, labels: np.ndarray | None) -> str:
    if points.shape[1] < 2:
        points = np.column_stack((points[:, 0], np.zeros(len(points))))
    shares = values[:2].sum() / max(values.sum(), 1e-300)
    chosen = np.unique(np.linspace(0, len(points) - 1, min(len(points), _MOST_POINTS)).astype(int))
    frame = _Frame("map of the embedding", f"first two principal components ({shares:.0%})", "", points)
    marks = []
    for i in chosen:
        colour = _COLOURS[0 if labels is None else int(labels[i]) % len(_COLOURS)]
        x, y = frame.at(*points[i])
        marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}" fill-opacity="0.6"/>')
    return frame.svg("".join(marks))


def _features(thresholds: np.ndarray, variances: np.ndarray, when: str, decay: float | None) -> str:
    """Threshold of each feature against its variance at the end, largest with largest, and the decay as a line.

    Features left of the line are predicted to die, those right of it to live.
    """
    x, y = np.sort(thresholds)[::-1], np.sort(variances)[::-1]
    x, y = np.maximum(x, _SHOWN_RANGE * x[0]), np.maximum(y / y[0], _SHOWN_RANGE)
    points = np.log10(np.column_stack((x, y)))
    line = decay if decay and decay > 0 else None
    shown = points if line is None else np.vstack((points, [np.log10(line), points[0, 1]]))
    legend = "" if line is None else " (predicted: ● lives, ○ dies)"
    frame = _Frame(f"predicted against observed features{legend}", f"predicted: log₁₀ λ_d²/(4λ_s) {when}",
                   "observed: log₁₀ λ/λ₁", shown)  # fmt: skip
    marks = []
    for one, point in zip(x, points, strict=True):
        lives = line is None or one >= line
        place = 'cx="{:.1f}" cy="{:.1f}"'.format(*frame.at(*point))
        fill = f'fill="{_COLOURS[0]}"' if lives else f'fill="none" stroke="{_COLOURS[1]}"'
        marks.append(f'<ellipse {place} rx="3" ry="3" {fill}/>')
    if line is not None:
        at = frame.at(float(np.log10(line)), 0.0)[0]
        left = at < _LEFT + 60
        marks.append(f'<path class="axis" stroke-dasharray="4 3" d="M{at:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        marks.append(f'<text x="{at + (4 if left else -4):.0f}" y="{_TOP + 8}" '
                     f'text-anchor="{"start" if left else "end"}">η = {_short(line)}</text>')  # fmt: skip
    return frame.svg("".join(marks))


def _course(course: xr.Dataset) -> Iterator[str]:
    along = next((str(name) for name in course.dims), None)
    if along is None or course.sizes[along] < 2:
        return
    x = np.asarray(course[along].values, dtype=float)
    for name in (name for name in _SHOWN if name in course and course[name].dims == (along,)):
        y = np.asarray(course[name].values, dtype=float)
        if np.isfinite(y).sum() > 1:
            yield _plot(name.replace("_", " "), along, "", [(x, y, _COLOURS[0])])


class _Frame:
    """Axes with two labelled ends each, and where a point lies in them."""

    def __init__(self, title: str, xlabel: str, ylabel: str, points: np.ndarray) -> None:
        self.title, self.xlabel, self.ylabel = title, xlabel, ylabel
        finite = points[np.isfinite(points).all(1)]
        low, high = finite.min(0), finite.max(0)
        margin = np.where(high > low, 0.04 * (high - low), np.maximum(0.05 * np.abs(high), 1e-12))
        self.first, self.last = low, high  # what is labelled; the axes reach a little further
        self.low, self.high = low - margin, high + margin

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point."""
        share = (np.array([x, y]) - self.low) / (self.high - self.low)
        wide, tall = _WIDTH - _LEFT - 10, _HEIGHT - _BOTTOM - _TOP
        return _LEFT + float(share[0]) * wide, _HEIGHT - _BOTTOM - float(share[1]) * tall

    def svg(self, marks: str) -> str:
        """The picture with marks in it."""
        base, right = _HEIGHT - _BOTTOM, _WIDTH - 10
        (left, bottom), (end, top) = self.at(*self.first), self.at(*self.last)
        texts: list[tuple[float, float, str, str]] = [(_LEFT, 14, "start", self.title)]
        texts += [((_LEFT + right) / 2, _HEIGHT - 4, "middle", self.xlabel)]
        texts += [
            (_LEFT - 4, bottom + 4, "end", _short(self.first[1])),
            (_LEFT - 4, top + 4, "end", _short(self.last[1])),
        ]
        texts += [(left, base + 14, "start", _short(self.first[0])), (end, base + 14, "end", _short(self.last[0]))]
        words = "".join(
            f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
            for x, y, anchor, text in texts
        )
        if self.ylabel:
            middle = (_TOP + base) / 2
            words += (f'<text x="14" y="{middle:.0f}" text-anchor="middle" '
                      f'transform="rotate(-90 14 {middle:.0f})">{escape(self.ylabel)}</text>')  # fmt: skip
        axis = f'<path class="axis" d="M{_LEFT} {_TOP}V{base}H{right}"/>'
        label = escape(self.title, quote=True)
        return (
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
            f'aria-label="{label}">{axis}{marks}{words}</svg>'
        )


def _plot(title: str, xlabel: str, ylabel: str, lines: Sequence[tuple[np.ndarray, np.ndarray, str]]) -> str:
    frame = _Frame(title, xlabel, ylabel, np.concatenate([np.column_stack((x, y)) for x, y, _ in lines]))
    marks = []
    for x, y, colour in lines:
        known = np.isfinite(x) & np.isfinite(y)
        points = " ".join("{:.1f},{:.1f}".format(*frame.at(a, b)) for a, b in zip(x[known], y[known], strict=True))
        marks.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return frame.svg("".join(marks))


def _short(value: float) -> str:
    if value == 0 or abs(value) < 1e-9:
        return "0"
    if value == round(value) and abs(value) < 1e5:
        return f"{value:.0f}"
    size = floor(log10(abs(value)))
    return f"{value:.{max(0, 2 - size)}f}" if -3 <= size < 5 else f"{value:.1e}"
