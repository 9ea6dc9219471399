"""Figures as files: the same data gives the same file, and one that shows the same already is left alone."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dynsim.drawing.animation import animated
from dynsim.drawing.style import styled
from dynsim.drawing.words import as_text
from dynsim.errors import bad
from dynsim.records import as_json, provenance

__all__ = ["FORMATS", "NUMBER_TOLERANCE", "PIXEL_TOLERANCE", "Saved", "same_picture", "save_figure"]

FORMATS = ("png", "svg", "pdf", "gif")
# Two pictures show the same when no channel of a pixel differs by more than this many of its 255 levels (a curve
# that another processor computes to other last digits changes the shade of its edge by one or two) …
PIXEL_TOLERANCE = 24
# … and no number of an SVG by more than this many points, 1/1440 of an inch, all other text being equal.
NUMBER_TOLERANCE = 0.05


class Saved(NamedTuple):
    """A file of a figure, and whether it was kept because it shows the same already."""

    path: Path
    kept: bool


def save_figure(
    figure: Any,
    name: str,
    folder: Any,
    formats: Iterable[str],
    data: xr.Dataset,
    *,
    dpi: float = 200,
    force: bool = False,
) -> list[Saved]:
    """Write a figure in every format; each file appears whole or not at all.

    Parameters
    ----------
    figure : matplotlib Figure
    name : str
        Stem of the file names.
    folder : path
        Made if absent.
    formats : iterable of {"png", "svg", "pdf", "gif"}
        A GIF moves: flow time passes in it.
    data : xarray.Dataset
        What was drawn; its provenance goes into the file's metadata, without the versions of libraries.
    dpi : float
        Pixels per inch of PNG, and of pictures inside the others; a GIF has half as many.
    force : bool
        Write also where the file that is there shows the same to `PIXEL_TOLERANCE` or `NUMBER_TOLERANCE`.

    Returns
    -------
    list of Saved

    Raises
    ------
    InvalidValue
        Another format, a folder that cannot be written, or a GIF of a figure in which nothing moves.
    """
    formats = list(formats)
    for kind in formats:
        if kind not in FORMATS:
            raise bad("format", kind, f"one of {', '.join(FORMATS)}")
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise bad("out", str(folder), "a folder that can be written", str(error)) from error
    done = []
    for kind in formats:
        content = _content(figure, kind, name, data, dpi)
        path = folder / f"{name}.{kind}"
        kept = not force and path.is_file() and same_picture(path.read_bytes(), content, kind)
        if not kept:
            temporary = folder / f".{name}.{os.getpid()}.tmp"
            try:
                temporary.write_bytes(content)
                os.replace(temporary, path)
            except OSError as error:
                raise bad("out", str(path), "a file that can be written", str(error)) from error
            finally:
                temporary.unlink(missing_ok=True)
        done.append(Saved(path, kept))
    return done


def same_picture(old: bytes, new: bytes, kind: str) -> bool:
    """Whether two files show the same to the tolerances of this module; what cannot be read is another picture.

    Examples
    --------
    >>> from dynsim.drawing.files import same_picture
    >>> same_picture(b'<path d="M 1.00 2"/>', b'<path d="M 1.01 2"/>', "svg")
    True
    >>> same_picture(b'<path d="M 1.00 2"/>', b'<path d="M 1.20 2"/>', "svg")
    False
    """
    if old == new:
        return True
    try:
        if kind == "png":
            return _same_pixels(old, new)
        if kind == "gif":
            return _same_frames(old, new)
        return kind == "svg" and _same_drawing(old.decode(), new.decode())
    except (OSError, ValueError, SyntaxError, KeyError):
        return False


def _content(figure: Any, kind: str, name: str, data: xr.Dataset, dpi: float) -> bytes:
    if kind == "gif":
        with styled():
            return animated(figure, dpi=dpi / 2)
    buffer = BytesIO()
    with styled():
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=_metadata(kind, name, data))
    if kind != "svg":
        return buffer.getvalue()
    return _readable(_shortened(_numbered(buffer.getvalue().decode())), figure, name).encode()


def _same_pixels(old: bytes, new: bytes) -> bool:
    from PIL import Image

    pictures = [Image.open(BytesIO(content)) for content in (old, new)]
    if not _same_text(*(str(sorted(picture.info.items())) for picture in pictures), relative=1e-6):
        return False
    one, other = (np.asarray(picture.convert("RGBA"), dtype=int) for picture in pictures)
    return one.shape == other.shape and int(np.abs(one - other).max(initial=0)) <= PIXEL_TOLERANCE


def _same_frames(old: bytes, new: bytes) -> bool:
    from PIL import Image, ImageSequence

    films = [
        [np.asarray(frame.convert("RGB"), dtype=int) for frame in ImageSequence.Iterator(Image.open(BytesIO(content)))]
        for content in (old, new)
    ]
    return len(films[0]) == len(films[1]) and all(
        one.shape == other.shape and int(np.abs(one - other).max(initial=0)) <= PIXEL_TOLERANCE
        for one, other in zip(*films, strict=True)
    )


_EMBEDDED = re.compile(r'(?<=data:image/png;base64,)[A-Za-z0-9+/=\s]+(?=")')
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def _same_drawing(old: str, new: str) -> bool:
    rasters = [_EMBEDDED.findall(text) for text in (old, new)]
    if len(rasters[0]) != len(rasters[1]):
        return False
    pairs = zip(*rasters, strict=True)
    if not all(a == b or _same_pixels(base64.b64decode(a), base64.b64decode(b)) for a, b in pairs):
        return False
    shapes, words = zip(*(_parted(_EMBEDDED.sub("", text)) for text in (old, new)), strict=True)
    return words[0] == words[1] and _same_text(*shapes, absolute=NUMBER_TOLERANCE)


def _parted(svg: str) -> tuple[str, str]:
    """Tags, in which numbers are places, and the text between them, in which they are what is said."""
    return " ".join(re.findall(r"<[^>]*>", svg)), " ".join(re.findall(r">([^<]*)<", svg))


def _same_text(old: str, new: str, *, absolute: float = 0.0, relative: float = 0.0) -> bool:
    """Whether two texts are equal but for numbers that differ by no more than the tolerance."""
    if _NUMBER.sub("#", old) != _NUMBER.sub("#", new):
        return False
    one, other = (np.array([float(number) for number in _NUMBER.findall(text)]) for text in (old, new))
    return bool(np.all(np.abs(one - other) <= absolute + relative * np.abs(one)))


def _numbered(svg: str) -> str:
    """Name clip paths, markers and collections by their order: matplotlib names them by a hash of their last bits."""
    numbers: dict[str, str] = {}
    name = r"[A-Za-z]\w*?[0-9a-f]{10}"
    return re.sub(
        rf'(?<=\bid="){name}(?=")|(?<=url\(#){name}(?=\))|(?<=href="#){name}(?=")',
        lambda found: numbers.setdefault(found[0], f"part{len(numbers)}"),
        svg,
    )


def _shortened(svg: str) -> str:
    """Write places to a hundredth of a point: a third of the size, and nobody sees the millionths."""

    def rounded(found: re.Match[str]) -> str:
        return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")

    places = r'(?<=\sd=")[^"]*|(?<=\s[xy]=")[^"]*'
    return re.sub(places, lambda path: re.sub(r"\d+\.\d{3,}", rounded, path[0]), svg)


def _readable(svg: str, figure: Any, name: str) -> str:
    """Give a screen reader a title and a description: what is written over and under the figure."""
    title = as_text(figure.get_suptitle()) or name
    words = as_text(figure.get_supxlabel())
    inside = f"\n <title>{escape(title)}</title>\n <desc>{escape(words)}</desc>"
    return re.sub(r"<svg\b([^>]*)>", lambda tag: f'<svg role="img"{tag[1]}>{inside}', svg, count=1)


def _metadata(kind: str, name: str, data: xr.Dataset) -> dict[str, Any]:
    # No dates, no versions of libraries (the Dataset has them): the same data must give the same file anywhere.
    about = as_json({key: value for key, value in provenance(data).items() if key != "versions"})
    if kind == "png":
        return {"Title": f"dynsim {name}", "Description": about, "Software": None}
    if kind == "svg":
        return {"Title": f"dynsim {name}", "Description": about, "Date": None, "Creator": None}
    return {"Title": f"dynsim {name}", "Subject": about, "CreationDate": None, "Producer": None, "Creator": None}
