"""Every public name exists, and no submodule shadows one."""

import importlib
import pkgutil

import pytest

import dynsim


def import_everything():
    for module in pkgutil.walk_packages(dynsim.__path__, "dynsim."):
        if module.name != "dynsim.__main__":
            importlib.import_module(module.name)


def test_no_public_name_is_shadowed():
    import_everything()
    for name in dynsim.__all__:
        value = getattr(dynsim, name)
        assert name == "__version__" or callable(value), f"{name} is {value!r}"


def test_public_names_have_docstrings_with_examples():
    for name in dynsim.__all__:
        doc = getattr(dynsim, name).__doc__ or ""
        assert len(doc.strip()) > 20, name


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no attribute 'sloved'"):
        _ = dynsim.sloved


def test_dir_lists_public_names():
    assert set(dynsim.__all__) <= set(dir(dynsim))
