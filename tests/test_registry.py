"""What a folder offers is found by listing it."""

import pytest

from dynsim import DynsimError
from dynsim.registry import find, listed


def test_listing():
    assert listed("dynsim.plots")["article-stop"] == "dynsim.plots.article_stop"
    assert "parts" not in listed("dynsim.plots")


def test_unknown():
    with pytest.raises(DynsimError, match="did you mean 'article-stop'"):
        find("figure", "article-stp", "dynsim.plots")
