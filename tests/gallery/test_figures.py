"""Every figure: draws on what it is given, the same bytes twice, a verdict, a caption."""

import inspect
import re
from functools import cache

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import dynsim
from dynsim import DynsimError
from dynsim.drawing.files import FORMATS, _numbered, save_figure
from dynsim.drawing.style import SIZES
from dynsim.drawing.words import CAPTION_LENGTH, as_text
from dynsim.gallery.catalogue import ENTRIES, FIGURES
from dynsim.gallery.plotting import data_for, stored_file
from dynsim.storage import save_dataset

NAMES = sorted(FIGURES)
FULL = [name for name in sorted(FIGURES) if FIGURES[name].draw_full]


@cache
def data_of(name):
    """Data of a figure as bare `dynsim plot` gets it, or from a smaller run where its experiment names one."""
    figure = FIGURES[name]
    for extra in figure.needs:
        pytest.importorskip({"networks": "torch"}.get(extra, extra))
    return data_for(name, figure.small if not figure.from_store else {})


@pytest.mark.parametrize("name", NAMES)
def test_figure_contract(name):
    """Computed, concluded and drawn at text width and in a column: the verdict is the title, the front is small."""
    figure, data, entry = FIGURES[name], data_of(name), ENTRIES[name]
    assert (figure.name, figure.summary, figure.cost, figure.needs) == (name, entry.summary, entry.cost, entry.needs)
    assert figure.stored == entry.stored
    assert figure.cost > 0
    assert next(iter(inspect.signature(figure.compute).parameters)) == "progress"
    assert dynsim.provenance(data)["versions"]
    verdict = figure.verdict(data)
    assert not {"nan", "inf"} & set(str(verdict).lower().replace(",", " ").split())
    assert len(verdict.facts) >= 1
    picture = dynsim.plot(name, data=data)
    assert as_text(picture.get_suptitle()) == as_text(verdict.headline)
    panels = [axes for axes in picture.axes if axes.get_label() != "<colorbar>"]
    assert 1 <= len(panels) <= 3
    assert any(axes.has_data() for axes in panels)
    assert 0 < len(picture.get_supxlabel().split()) <= CAPTION_LENGTH, "draw ends with caption(figure, data, …)"
    column = dynsim.plot(name, data=data, size="column", caption=False)
    assert not column.get_supxlabel()
    assert column.get_figwidth() == SIZES["column"][0]
    for drawn in (picture, column):
        texts = drawn.findobj(lambda artist: isinstance(artist, Text) and artist.get_text().strip())
        assert min(text.get_fontsize() for text in texts) >= 7


@pytest.mark.parametrize("name", FULL)
def test_all_panels_on_a_subfigure(name):
    left, _ = Figure(figsize=(14, 7), layout="constrained").subfigures(1, 2)
    front = dynsim.plot(name, data=data_of(name))
    assert dynsim.plot(name, data=data_of(name), figure=left, full=True) is left
    assert len(left.axes) > len(front.axes)


@pytest.mark.parametrize("name", ["article-stop", "basins", "portrait", "step-size"])
def test_the_same_data_give_the_same_file(name, tmp_path):
    data = data_of(name)
    # Every format is drawn from the same artists: all three for one figure, the cheapest for the others.
    formats = FORMATS if name == "article-stop" else ("svg",)
    first = save_figure(dynsim.plot(name, data=data), name, tmp_path / "a", formats, data, dpi=80)
    second = save_figure(dynsim.plot(name, data=data), name, tmp_path / "b", formats, data, dpi=80)
    for one, other in zip(first, second, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes(), f"{one.path.name} differs between two drawings"


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_costly_figures_ship_their_run(name):
    if FIGURES[name].from_store:
        assert stored_file(name).exists()
        assert stored_file(name).stat().st_size <= 200_000


def test_the_last_bits_of_a_layout_do_not_name_parts_of_a_picture():
    svg = '<g clip-path="url(#pAA)"/><use href="#mBB"/><clipPath id="pAA"/><path id="mBB"/><text>pAA</text>'
    one, other = (svg.replace("AA", first).replace("BB", "0123456789") for first in ("abcdef0123", "57de50798e"))
    assert _numbered(one).partition("<text>")[0] == _numbered(other).partition("<text>")[0]
    assert _numbered(one).count("part0") == _numbered(one).count("part1") == 2
    assert "<text>pabcdef0123" in _numbered(one)


def test_text_of_a_picture_is_text_with_a_description(tmp_path):
    data = data_of("article-stop")
    (saved,) = save_figure(dynsim.plot("article-stop", data=data), "x", tmp_path, ("svg",), data)
    svg = saved.path.read_text(encoding="utf-8")
    headline = FIGURES["article-stop"].verdict(data).headline
    assert f"<title>{headline}</title>" in svg
    assert "<desc>Dotted: limits" in svg
    assert 'role="img"' in svg
    assert re.search(r"<text[^>]*>flow time t</text>", svg)
    assert '"versions"' not in svg
    paths = " ".join(re.findall(r'\sd="([^"]*)"', svg))
    assert re.search(r"\d\.\d", paths)
    assert not re.search(r"\d\.\d{3}", paths), "hundredths of a point are enough"


def moved(data, factor):
    return data.assign(theta=data["theta"] * factor)


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_file_that_shows_the_same_is_kept(kind, tmp_path):
    data = data_of("article-stop")

    def save(data, **options):
        return save_figure(dynsim.plot("article-stop", data=data), "x", tmp_path, (kind,), data, dpi=80, **options)[0]

    first = save(data)
    assert not first.kept
    before = first.path.read_bytes()
    assert save(moved(data, 1 + 1e-9)).kept, "last digits"
    assert first.path.read_bytes() == before
    assert not save(moved(data, 1 + 1e-9), force=True).kept
    assert not save(moved(data, 1.05)).kept, "another curve"
    assert not save(data.assign_attrs(outcome_reason="another word")).kept, "another caption"
    first.path.write_bytes(b"damaged")
    assert not save(data).kept


def test_saved_data_redraw(tmp_path):
    path = save_dataset(data_of("article-stop"), tmp_path / "run.nc")
    a = save_figure(dynsim.plot("article-stop", data=path), "x", tmp_path / "a", ("png",), data_of("article-stop"))
    b = save_figure(dynsim.plot("article-stop"), "x", tmp_path / "b", ("png",), data_of("article-stop"))
    assert a[0].path.read_bytes() == b[0].path.read_bytes()


def test_provenance_travels_in_the_file(tmp_path):
    (saved,) = save_figure(dynsim.plot("article-stop"), "x", tmp_path, ("svg",), data_of("article-stop"))
    text = saved.path.read_text(encoding="utf-8")
    assert "kexue.fm" in text
    assert "DOP853" in text
    assert not list(tmp_path.glob("*.tmp"))


def test_user_settings_do_not_leak_in(tmp_path):
    import matplotlib

    (plain,) = save_figure(dynsim.plot("article-stop"), "x", tmp_path / "a", ("png",), data_of("article-stop"))
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9}):
        (other,) = save_figure(dynsim.plot("article-stop"), "x", tmp_path / "b", ("png",), data_of("article-stop"))
        assert matplotlib.rcParams["font.size"] == 30
    assert plain.path.read_bytes() == other.path.read_bytes()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dynsim.plot("articel"), "figure"),
        (lambda: dynsim.plot("article-stop", steps=3), "steps"),
        (lambda: dynsim.plot("article-stop", data=3), "data"),
        (lambda: dynsim.plot("article-stop", data="/no/such/file.nc"), "existing"),
        (lambda: dynsim.plot("article-stop", data=data_of("article-stop"), branch="full"), "options"),
        (lambda: dynsim.plot("article-stop", data=data_of("loss-rise")), "its own"),
        (lambda: dynsim.plot("basins", parameters={"gamma": 1.0}), "parameter of figure"),
        (lambda: dynsim.plot("basins", branch="full"), "option of figure"),
        (lambda: dynsim.plot("article-stop", size="tiny"), "column"),
        (lambda: dynsim.plot("article-stop", width=0.1), "inches"),
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


@pytest.mark.parametrize(("name", "options"), [("noise", {"sigma2": 0.5}), ("step-size", {"eta": 0.25})])
def test_beyond_the_fold_there_is_nothing_to_draw(name, options):
    with pytest.raises(DynsimError, match="the fold"):
        data_for(name, options)
