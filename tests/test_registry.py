"""What a folder offers is found by listing it."""

import pytest

from dynsim import DynsimError
from dynsim.registry import find, listed


def test_listing():
    assert listed("dynsim.systems")["toy"] == "dynsim.systems.toy"


def test_unknown():
    with pytest.raises(DynsimError, match="did you mean 'toy'"):
        find("system", "tyo", "dynsim.systems")
