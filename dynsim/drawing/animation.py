"""Figures that move: orbits and curves over flow time grow along with it, and become the frames of a GIF."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np

from dynsim.errors import bad

__all__ = ["FRAMES", "animated", "moves"]

FRAMES = 40
_EACH, _LAST = 80, 2000  # milliseconds
_COLOURS = 128
_ARRIVED = 0.995  # of its length on the page: what an orbit does afterwards cannot be seen
_TIME_AXIS = "flow time t"
_ATTRIBUTE = "_dynsim_time"


def moves(artist: Any, time: Any) -> None:
    """Say at what flow time each point of a line is reached, or when an annotation appears.

    Parameters
    ----------
    artist : matplotlib Line2D or Annotation
    time : array-like or float
        One per point of the line; a number for an annotation.
    """
    setattr(artist, _ATTRIBUTE, np.asarray(time, dtype=float))


def animated(figure: Any, *, dpi: float = 100, frames: int = FRAMES) -> bytes:
    """GIF of a figure in which flow time passes, evenly until every orbit has arrived; the last frame is the figure.

    The same figure gives the same bytes.

    Parameters
    ----------
    figure : matplotlib Figure
        It is the same afterwards.
    dpi : float
        Pixels per inch.
    frames : int

    Raises
    ------
    InvalidValue
        Nothing in it moves with flow time.
    """
    from PIL import Image

    lines, notes = _moving(figure)
    if not lines:
        expected = "png, svg or pdf for a figure in which nothing moves with flow time"
        raise bad("format", "gif", expected, "runs, orbits and portraits move, as `portrait` or `article` do")
    # The layout is settled by the whole figure, and held while its lines grow.
    figure.draw_without_rendering()
    engine = figure.get_layout_engine()
    figure.set_layout_engine("none")
    whole = [(line, np.asarray(line.get_xdata(orig=False), float), np.asarray(line.get_ydata(orig=False), float))
             for line, _ in lines]  # fmt: skip
    heads = [_head(line, x[:1], y[:1]) for line, x, y in whole]
    end = max(_arrival(line.axes, x, y, time) for (line, x, y), (_, time) in zip(whole, lines, strict=True))
    pictures = []
    try:
        for now in np.linspace(0.0, end, frames):
            for (line, x, y), (_, time), head in zip(whole, lines, heads, strict=True):
                past = max(1, int(np.searchsorted(time, now * (1 + 1e-12), side="right")))
                line.set_data(x[:past], y[:past])
                head.set_data(x[past - 1 : past], y[past - 1 : past])
            for note, appears in notes:
                note.set_visible(bool(appears <= now))
            pictures.append(_picture(figure, dpi))
    finally:
        for (line, x, y), head in zip(whole, heads, strict=True):
            line.set_data(x, y)
            head.remove()
        for note, _ in notes:
            note.set_visible(True)
    pictures.append(_picture(figure, dpi))
    figure.set_layout_engine(engine)
    last = pictures[-1].quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    colours = np.reshape(last.getpalette(), (-1, 3))
    shown = [_indexed(one, colours) for one in pictures]
    buffer = BytesIO()
    durations = [_EACH] * frames + [_LAST]
    shown[0].save(buffer, "GIF", save_all=True, append_images=shown[1:], duration=durations, loop=0, disposal=1)
    return buffer.getvalue()


def _moving(figure: Any) -> tuple[list[tuple[Any, np.ndarray]], list[tuple[Any, float]]]:
    """Lines with the times of their points, in the order in which they were drawn, and annotations with theirs."""
    lines, notes = [], []
    for axes in figure.axes:
        for line in axes.get_lines():
            time = getattr(line, _ATTRIBUTE, None)
            if time is None and axes.get_xlabel() == _TIME_AXIS and line.get_transform() == axes.transData:
                time = np.asarray(line.get_xdata(orig=False), dtype=float)
            if time is not None and len(time) > 2 and np.all(np.diff(time) >= 0):
                lines.append((line, time))
        notes += [(text, float(getattr(text, _ATTRIBUTE))) for text in axes.texts if hasattr(text, _ATTRIBUTE)]
    return lines, notes


def _head(line: Any, x: Any, y: Any) -> Any:
    (head,) = line.axes.plot(x, y, "o", color=line.get_color(), markersize=4.5, zorder=line.get_zorder() + 1,
                             scalex=False, scaley=False)  # fmt: skip
    return head


def _arrival(axes: Any, x: np.ndarray, y: np.ndarray, time: np.ndarray) -> float:
    """When a line has covered nearly all of the length that is seen of it; over an axis of time only heights count."""
    across = np.zeros_like(x) if np.array_equal(time, x) else x
    points = axes.transData.transform(np.column_stack([across, y]))
    points = np.where(np.isfinite(points), points, np.nan)
    steps = np.nan_to_num(np.hypot(*np.diff(points, axis=0).T))
    length = np.cumsum(steps)
    if not length[-1] > 0:
        return float(time[1])
    return float(time[1 + int(np.searchsorted(length, _ARRIVED * length[-1]))])


def _indexed(picture: Any, colours: np.ndarray) -> Any:
    """A picture in the nearest of the given colours; Pillow's own search takes others, and makes white paper grey."""
    from PIL import Image

    pixels = np.asarray(picture, dtype=np.int64)
    codes, where = np.unique(pixels @ np.array([65536, 256, 1]), return_inverse=True)
    used = np.stack([codes // 65536, codes // 256 % 256, codes % 256], axis=1)
    nearest = ((used[:, None] - colours) ** 2).sum(axis=2).argmin(axis=1)
    found = Image.fromarray(nearest[where].reshape(pixels.shape[:2]).astype(np.uint8))
    found.putpalette(colours.ravel().tolist())
    return found


def _picture(figure: Any, dpi: float) -> Any:
    from PIL import Image

    buffer = BytesIO()
    figure.savefig(buffer, format="rgba", dpi=dpi)
    # The renderer rounds the size of its canvas down.
    width, height = (int(inches * dpi) for inches in figure.get_size_inches())
    return Image.frombytes("RGBA", (width, height), buffer.getvalue()).convert("RGB")
