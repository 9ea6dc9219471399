"""Every figure: draws on what it is given, the same bytes twice, a verdict, a caption."""

import inspect
from functools import cache

import pytest
from matplotlib.figure import Figure

import dynsim
from dynsim import DynsimError
from dynsim.drawing.files import FORMATS, _numbered_clips, save_figure
from dynsim.gallery.catalogue import ENTRIES, FIGURES
from dynsim.gallery.figure import STORED_ABOVE
from dynsim.gallery.plotting import data_for, stored_file
from dynsim.storage import save_dataset

NAMES = sorted(FIGURES)


@cache
def data_of(name):
    """Data of a figure as bare `dynsim plot` gets it, or from a smaller run where its experiment names one."""
    figure = FIGURES[name]
    for extra in figure.needs:
        pytest.importorskip({"networks": "torch"}.get(extra, extra))
    return data_for(name, figure.small if figure.cost < STORED_ABOVE else {})


@pytest.mark.parametrize("name", NAMES)
def test_figure_contract(name, tmp_path):
    data = data_of(name)
    figure = Figure(figsize=FIGURES[name].size, layout="constrained")
    assert dynsim.plot(name, data=data, figure=figure) is figure
    assert figure.axes
    assert any(axes.has_data() for axes in figure.axes)
    assert figure.get_supxlabel().strip(), "a figure says what it assumes"
    # Every format is drawn from the same artists: all three for one figure, the cheapest for the others.
    formats = FORMATS if name == "article-stop" else ("svg",)
    first = save_figure(figure, name, tmp_path / "a", formats, data)
    second = save_figure(dynsim.plot(name, data=data), name, tmp_path / "b", formats, data)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), f"{one.name} differs between two drawings"


@pytest.mark.parametrize("name", NAMES)
def test_draws_on_a_subfigure(name):
    whole = Figure(figsize=(14, 7), layout="constrained")
    left, _ = whole.subfigures(1, 2)
    dynsim.plot(name, data=data_of(name), figure=left)
    assert left.axes


@pytest.mark.parametrize("name", NAMES)
def test_computing_and_verdict(name):
    figure = FIGURES[name]
    entry = ENTRIES[name]
    assert (figure.name, figure.summary, figure.cost, figure.needs) == (name, entry.summary, entry.cost, entry.needs)
    assert figure.cost > 0
    assert next(iter(inspect.signature(figure.compute).parameters)) == "progress"
    sentence = figure.verdict(data_of(name))
    assert len(sentence) > 20
    assert "nan" not in sentence.lower().split()
    assert dynsim.provenance(data_of(name))["versions"]


@pytest.mark.parametrize("name", NAMES)
def test_costly_figures_ship_their_run(name):
    if FIGURES[name].cost >= STORED_ABOVE:
        assert stored_file(name).exists()
        assert stored_file(name).stat().st_size <= 200_000


def test_the_last_bits_of_a_layout_do_not_name_clip_paths():
    svg = (
        '<g clip-path="url(#pAA)"/><g clip-path="url(#pBB)"/><clipPath id="pAA"/><clipPath id="pBB"/><text>pAA</text>'
    )
    one, other = (svg.replace("AA", first).replace("BB", "0123456789") for first in ("abcdef0123", "57de50798e"))
    assert _numbered_clips(one).partition("<text>")[0] == _numbered_clips(other).partition("<text>")[0]
    assert _numbered_clips(one).count("clip0") == _numbered_clips(one).count("clip1") == 2
    assert "<text>pabcdef0123" in _numbered_clips(one)


def test_saved_data_redraw(tmp_path):
    path = save_dataset(data_of("article-stop"), tmp_path / "run.nc")
    a = save_figure(dynsim.plot("article-stop", data=path), "x", tmp_path / "a", ("png",), data_of("article-stop"))
    b = save_figure(dynsim.plot("article-stop"), "x", tmp_path / "b", ("png",), data_of("article-stop"))
    assert a[0].read_bytes() == b[0].read_bytes()


def test_provenance_travels_in_the_file(tmp_path):
    (path,) = save_figure(dynsim.plot("article-stop"), "x", tmp_path, ("svg",), data_of("article-stop"))
    text = path.read_text()
    assert "kexue.fm" in text
    assert "DOP853" in text
    assert not list(tmp_path.glob("*.tmp"))


def test_user_settings_do_not_leak_in(tmp_path):
    import matplotlib

    (plain,) = save_figure(dynsim.plot("article-stop"), "x", tmp_path / "a", ("png",), data_of("article-stop"))
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9}):
        (other,) = save_figure(dynsim.plot("article-stop"), "x", tmp_path / "b", ("png",), data_of("article-stop"))
        assert matplotlib.rcParams["font.size"] == 30
    assert plain.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dynsim.plot("articel"), "figure"),
        (lambda: dynsim.plot("article-stop", steps=3), "steps"),
        (lambda: dynsim.plot("article-stop", data=3), "data"),
        (lambda: dynsim.plot("article-stop", data="/no/such/file.nc"), "existing"),
        (lambda: dynsim.plot("article-stop", data=data_of("article-stop"), branch="full"), "options"),
        (lambda: dynsim.plot("article-stop", figure=3), "figure"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(DynsimError, match=words):
        call()


def test_a_corrupted_file_is_named(tmp_path):
    path = tmp_path / "bad.nc"
    path.write_bytes(b"not netcdf")
    with pytest.raises(DynsimError, match=r"bad\.nc"):
        dynsim.plot("article-stop", data=path)


def test_notebook_display():
    assert dynsim.plot("article-stop")._repr_png_().startswith(b"\x89PNG")
