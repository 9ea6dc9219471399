"""A verdict is short, uses the five words, and prints as one line."""

import pytest

from dynsim.errors import InvalidValue
from dynsim.table import Table
from dynsim.verdict import HEADLINE_LENGTH, Verdict


def test_a_headline_has_a_longest_length():
    assert str(Verdict("open", "x" * HEADLINE_LENGTH)) == "open: " + "x" * HEADLINE_LENGTH
    for wrong in ("", "x" * (HEADLINE_LENGTH + 1)):
        with pytest.raises(InvalidValue, match="headline"):
            Verdict("open", wrong)


def test_only_five_words():
    with pytest.raises(InvalidValue, match="holds under conditions"):
        Verdict("maybe", "a headline")


def test_html_escapes():
    shown = Verdict("measured", "a < b", Table([{"fact": "<script>", "value": 1.0}]))._repr_html_()
    assert "<script>" not in shown
    assert "a &lt; b" in shown
