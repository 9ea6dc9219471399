"""The numbers of the article are computed, and it opens as one file."""

import re
from math import sqrt
from pathlib import Path

import pytest

import dynsim
from dynsim.errors import DynsimError
from dynsim.pages.article import article_numbers, filled, write_article
from dynsim.pages.drawings import floors, house, two_branches

ARTICLE = Path(dynsim.__file__).parents[1] / "docs" / "article.md"
pytestmark = pytest.mark.skipif(not ARTICLE.exists(), reason="the article is not part of an installed package")
TYPED = {"0", "1", "2", "2020"}  # the view 1, the lines φ = 1 and θ = 0, the year of a source


def prose(text):
    """The article without formulas, links, pictures and what is filled in."""
    links = r"\[(?:arXiv|kexue)[^]]*\]\([^)]*\)|\]\([^)]*\)"
    text = re.sub(rf"{links}|\{{\{{.*?\}}\}}|\$\$.*?\$\$|<[^>]+>", " ", text, flags=re.S)
    return re.sub(r"(?:view|half) \d", " ", text)


def test_no_number_is_typed():
    assert set(re.findall(r"\d+(?:\.\d+)?", prose(ARTICLE.read_text(encoding="utf-8")))) <= TYPED
    assert "0.8" in re.findall(r"\d+(?:\.\d+)?", prose("θ ends at 0.8"))


def test_every_number_is_used_and_known():
    names = set(re.findall(r"\{\{ *(\w+) *\}\}", ARTICLE.read_text(encoding="utf-8")))
    assert names == set(article_numbers())
    with pytest.raises(DynsimError, match="no_such_number"):
        filled("{{ no_such_number }}")


def test_the_article_is_read_in_ten_minutes():
    words = [word for word in prose(ARTICLE.read_text(encoding="utf-8")).split() if re.search(r"[A-Za-zα-ω]", word)]
    assert 2000 <= len(words) <= 3000


def test_numbers_agree_with_the_laws():
    numbers = article_numbers()
    assert float(numbers["stop_theta"]) == pytest.approx(sqrt(0.65), abs=1e-4)  # θ² − φ² is conserved, φ ends at 1
    assert float(numbers["full_phi"]) == pytest.approx(1 - sqrt(0.15), abs=1e-4)  # (1 − φ)² − θ², θ ends at 0
    assert float(numbers["target_phi"]) == pytest.approx(0.605, abs=1e-4)  # 1 − φ − θ²/2
    assert float(numbers["law_drift"]) < 1e-9
    # Areas of the square that the rules give by integration: see the boundaries in the explanation.
    shares = [float(numbers[f"{branch}_share"].rstrip("%")) for branch in ("stop", "full", "target")]
    assert shares == pytest.approx([32.94030, 61.11111, 70.83333], abs=0.6)
    # u = p satisfies the quadratic whose double root is the fold.
    for root in (float(numbers["upper"]), float(numbers["lower"])):
        assert (1 + 0.1) * root**2 - root + 0.1 == pytest.approx(0, abs=1e-3)
    assert numbers["decay_lives"] == "lives"
    assert numbers["decay_strong_lives"] == "dies"
    assert numbers["escapes_noisy"] == "collapses"


def test_the_article_as_one_file(tmp_path):
    pytest.importorskip("myst_parser")
    pages = tmp_path / "pages"
    (pages / "live").mkdir(parents=True)
    (pages / "figures").mkdir()
    for name in re.findall(r'<iframe[^>]* src="([^"]+)"', ARTICLE.read_text(encoding="utf-8")):
        (pages / name).write_text('<!doctype html><p title="a">live & well</p>', encoding="utf-8")
    for name in re.findall(r'<img[^>]* src="([^"]+)"', ARTICLE.read_text(encoding="utf-8")):
        (pages / name).write_bytes(b"\x89PNG")
    page = write_article(ARTICLE, tmp_path / "one.html", pages=pages).read_text(encoding="utf-8")
    assert "<title>Why does it not collapse?</title>" in page
    assert "{{" not in page
    assert 'srcdoc="&lt;!doctype html&gt;&lt;p title=&quot;a&quot;&gt;live &amp; well&lt;/p&gt;"' in page
    sources = re.findall(r'\b(?:src|href)="([^"]+)"', page)
    assert sources
    assert all(source.startswith(("https://", "data:image/png;base64,", "#")) for source in sources)
    assert "<math" in page
    assert page.count("<svg") == 1
    assert article_numbers()["stop_theta"] in page


def test_the_house_stands_as_the_imports_say():
    level = {room: height for height, rooms in enumerate(floors()) for room in rooms}
    assert level["errors"] == 0
    assert level["symbolic"] < level["integrate"] < level["analysis"] < level["gallery"] < level["pages"]
    assert all(f">{room}<" in house() for room in level)


def test_drawings_stand_in_markdown():
    for drawing in (house(), two_branches()):
        assert "\n\n" not in drawing  # an empty line would end the block of HTML
        assert 'role="img" aria-label="' in drawing
