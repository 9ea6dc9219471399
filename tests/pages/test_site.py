"""The pages that the documentation generates know every public name, system, method and figure."""

import pytest

import dynsim
from dynsim.pages.site import GROUPS, write_site_sources
from dynsim.pages.sphinx_extension import mathml_of_latex


def test_every_public_name_answers_one_question():
    listed = [name for names in GROUPS.values() for name in names]
    assert sorted(listed) == sorted(set(dynsim.__all__) - {"__version__"})


@pytest.mark.long
def test_generated_pages(tmp_path):
    write_site_sources(tmp_path)
    for kind, names in {
        "systems": dynsim.list_systems()["name"],
        "methods": dynsim.list_methods()["name"],
        "reference": [name for group in GROUPS.values() for name in group],
    }.items():
        index = (tmp_path / kind / "index.md").read_text(encoding="utf-8")
        for name in names:
            assert f"({name}.md)" in index
            assert (tmp_path / kind / f"{name}.md").stat().st_size > 50
    assert r"\dot{\theta}" in (tmp_path / "systems" / "toy.md").read_text(encoding="utf-8")
    assert (tmp_path / "extra" / "live" / "toy.html").exists()
    claims = (tmp_path / "claims.md").read_text(encoding="utf-8")
    for row in dynsim.claims():
        assert f"`dynsim claims {row['id']} --check`" in claims
        assert f"*{row['verdict']}*: {row['headline']}" in claims
    for name in dynsim.list_figures()["name"]:
        assert f"dynsim plot {name}\n" in (tmp_path / "gallery.md").read_text(encoding="utf-8")


def test_formulas_become_mathml():
    pytest.importorskip("latex2mathml")
    inline, block = mathml_of_latex(r"\theta^2"), mathml_of_latex(r"\theta^2", display=True)
    assert "<msup>" in inline
    assert 'display="block"' in block
