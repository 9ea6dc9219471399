"""The user's own images: a folder, with or without one folder per class, or an .npz file."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from dynsim.errors import DynsimError, bad
from dynsim.networks.images import Images

__all__ = ["read_folder", "read_npz"]

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
_GREY = {"1", "L", "LA"}
_TEST_FOLDERS = ("test", "val", "valid", "validation")
_MOST_PIXELS = 50_000_000  # of one picture
_MOST_BYTES = 2**35  # of the arrays of one file
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
            if sum(item.file_size for item in file.zip.infolist()) > _MOST_BYTES:
                raise bad("data", str(path), f"arrays of at most {_MOST_BYTES >> 30} GiB")
            arrays = {name: file[name] for name in file.files}
    except DynsimError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, AttributeError, EOFError, MemoryError) as error:
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
    """A folder of images: one folder per class, in alphabetical order, or all in it, without classes.

    Folders ``train`` and ``test`` (or ``val``, ``valid``, ``validation``) with these in each are the split. Files that
    are hidden or no images are left out. Pictures with transparency keep it as a fourth channel.

    Raises
    ------
    InvalidValue, InvalidType
        Naming the file or folder that does not fit.
    """
    names = {entry.name for entry in _entries(path) if entry.is_dir()}
    held_out = next((name for name in _TEST_FOLDERS if name in names), None)
    if "train" in names and held_out:
        classes = _classes(path / "train")
        if _classes(path / held_out) != classes:
            wanted = ", ".join(classes) or "none"
            raise bad("data", str(path / held_out), f"the classes of {path / 'train'}: {wanted}")
        train, labels = _read(path / "train", classes)
        test, test_labels = _read(path / held_out, classes)
        one, other = _same_channels(train, test)
        if not classes:
            return Images.of(one, test=other, name=str(path))
        return Images.of(one, labels, test=other, test_labels=test_labels, name=str(path))
    classes = _classes(path)
    images, labels = _read(path, classes)
    return Images.of(_same_channels(images)[0], labels if classes else None, name=str(path))


def _entries(path: Path) -> list[Path]:
    """What is visible in a folder, by name; what systems leave behind in copies is not."""
    return sorted(entry for entry in path.iterdir() if not entry.name.startswith(".") and entry.name != "__MACOSX")


def _pictures_in(path: Path) -> list[Path]:
    return [entry for entry in _entries(path) if entry.suffix.lower() in _SUFFIXES and entry.is_file()]


def _classes(path: Path) -> list[str]:
    """Names of the class folders; none where the images lie in the folder itself."""
    names = [entry.name for entry in _entries(path) if entry.is_dir()]
    loose = _pictures_in(path)
    if names and loose:
        expected = "images in one folder per class, or all in one folder"
        raise bad("data", str(path), expected, f"'{loose[0].name}' lies beside folders")
    if not names and not loose:
        raise bad("data", str(path), f"a folder with images ({', '.join(sorted(_SUFFIXES))})")
    return names


def _read(path: Path, classes: list[str]) -> tuple[list[np.ndarray], np.ndarray]:
    pictures: list[np.ndarray] = []
    labels: list[int] = []
    for label, folder in enumerate([path / name for name in classes] or [path]):
        files = _pictures_in(folder)
        if not files:
            raise bad("data", str(folder), f"a folder with images ({', '.join(sorted(_SUFFIXES))})")
        for file in files:
            picture = _picture(file)
            if pictures and picture.shape[:2] != pictures[0].shape[:2]:
                size, first = ("×".join(map(str, p.shape[:2])) for p in (picture, pictures[0]))
                raise bad(f"image {file}", f"{size} pixels", f"{first} pixels like the first image", "resize it first")
            pictures.append(picture)
            labels.append(label)
    return pictures, np.array(labels)


def _picture(file: Path) -> np.ndarray:
    """Bytes of shape (height, width, channels): 1 grey, 3 colours, 4 colours and transparency."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                if image.mode.startswith(("I", "F")):
                    raise bad(f"image {file}", f"mode {image.mode}", "8 bits per channel", "convert it first")
                if image.width * image.height > _MOST_PIXELS:
                    size = f"{image.width} × {image.height} pixels"
                    raise bad(f"image {file}", size, f"at most {_MOST_PIXELS:,} pixels", "resize it first")
                if "A" in image.getbands() or "transparency" in image.info:
                    with_alpha = np.asarray(image.convert("RGBA"))
                    if with_alpha[..., 3].min() < 255:
                        return with_alpha
                return np.atleast_3d(np.asarray(image.convert("L" if image.mode in _GREY else "RGB")))
    except DynsimError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise bad(f"image {file}", "a picture of very many pixels", f"at most {_MOST_PIXELS:,}", "resize it") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, MemoryError, EOFError) as error:
        raise bad(f"image {file}", "an unreadable file", "an image", str(error)) from None


def _same_channels(*sets: list[np.ndarray]) -> list[np.ndarray]:
    """Sets of pictures as arrays (N, height, width, channels), all with as many channels as the richest has."""
    most = max(picture.shape[2] for pictures in sets for picture in pictures)

    def widened(picture: np.ndarray) -> np.ndarray:
        if picture.shape[2] == 1 and most > 1:
            picture = np.repeat(picture, 3, axis=2)
        if picture.shape[2] == 3 and most == 4:
            picture = np.concatenate([picture, np.full_like(picture[..., :1], 255)], axis=2)
        return picture

    return [np.stack([widened(picture) for picture in pictures]) for pictures in sets]
