"""The user's own images: a folder with one folder per class, or an .npz file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from dynsim.errors import DynsimError, bad
from dynsim.networks.images import Images

__all__ = ["read_folder", "read_npz"]

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
_GREY = {"1", "L", "LA"}
_KEYS = (
    ("images", "labels", "test_images", "test_labels"),
    ("x_train", "y_train", "x_test", "y_test"),
)


def read_npz(path: Path) -> Images:
    """Arrays ``images``, ``labels`` and, if there, ``test_images``, ``test_labels``; or Keras' names, ``x_train``, ….

    Raises
    ------
    InvalidValue, InvalidType
        Naming the file, what it holds and what was expected. Pickled objects are never loaded.
    """
    expected = "a readable .npz file of plain arrays"
    try:
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if isinstance(file, np.ndarray):
                raise bad("data", str(path), expected, "this is a single array, an .npy file")
            arrays = {name: file[name] for name in file.files}
    except DynsimError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, AttributeError, EOFError) as error:
        # NumPy's advice on pickles, which execute code, is not passed on.
        reason = "pickles are never loaded" if "pickle" in str(error) else str(error)
        raise bad("data", str(path), expected, reason) from None
    for keys in _KEYS:
        if keys[0] in arrays:
            images, labels, test, test_labels = (arrays.get(key) for key in keys)
            return Images.of(images, labels, test=test, test_labels=test_labels, name=str(path))
    expected = " or ".join(f"'{keys[0]}' (and '{keys[1]}')" for keys in _KEYS)
    raise bad(f"arrays of {path}", sorted(arrays), f"one named {expected}")


def read_folder(path: Path) -> Images:
    """One folder of images per class, in alphabetical order; or folders ``train`` and ``test`` with these in each.

    Raises
    ------
    InvalidValue, InvalidType
        Naming the file or folder that does not fit.
    """
    names = {entry.name for entry in path.iterdir() if entry.is_dir()}
    if {"train", "test"} <= names:
        classes = _classes(path / "train")
        if _classes(path / "test") != classes:
            raise bad("data", str(path / "test"), f"the classes of {path / 'train'}: {', '.join(classes)}")
        train, labels = _read(path / "train", classes)
        test, test_labels = _read(path / "test", classes)
        return Images.of(train, labels, test=test, test_labels=test_labels, name=str(path))
    images, labels = _read(path, _classes(path))
    return Images.of(images, labels, name=str(path))


def _classes(path: Path) -> list[str]:
    names = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise bad("data", str(path), "a folder that holds one folder of images per class")
    return names


def _read(path: Path, classes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    pictures: list[np.ndarray] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        before = len(pictures)
        for file in sorted((path / name).iterdir()):
            if file.suffix.lower() not in _SUFFIXES:
                continue
            picture = _picture(file)
            if pictures and picture.shape[:2] != pictures[0].shape[:2]:
                size, first = ("×".join(map(str, p.shape[:2])) for p in (picture, pictures[0]))
                raise bad(f"image {file}", f"{size} pixels", f"{first} pixels like the first image", "resize it first")
            pictures.append(picture)
            labels.append(label)
        if len(pictures) == before:
            raise bad("data", str(path / name), f"a folder with images ({', '.join(sorted(_SUFFIXES))})")
    return np.stack(list(_same_channels(pictures))), np.array(labels)


def _picture(file: Path) -> np.ndarray:
    """Bytes of shape (height, width) or (height, width, 3)."""
    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                raise bad(f"image {file}", f"mode {image.mode}", "8 bits per channel", "convert it first")
            return np.asarray(image.convert("L" if image.mode in _GREY else "RGB"))
    except DynsimError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise bad(f"image {file}", "an unreadable file", "an image", str(error)) from None


def _same_channels(pictures: list[np.ndarray]) -> Iterator[np.ndarray]:
    """All grey, or all coloured if one is."""
    coloured = any(picture.ndim == 3 for picture in pictures)
    for picture in pictures:
        yield np.repeat(picture[..., None], 3, axis=-1) if coloured and picture.ndim == 2 else picture
