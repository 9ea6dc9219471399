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
    with pytest.raises(AttributeError, match="no attribute 'sloved'; did you mean 'solve'"):
        _ = dynsim.sloved
    with pytest.raises(AttributeError, match="did you mean 'optimise'"):
        _ = dynsim.optimize


def test_dir_lists_the_public_names_and_only_them():
    assert set(dir(dynsim)) == {*dynsim.__all__, "monitor", "networks", "testing"}


def test_star_import_gives_the_public_names():
    space = {}
    exec("from dynsim import *", space)
    assert set(dynsim.__all__) <= set(space)


USER = """
import dynsim

flow = dynsim.gradient_flow("(phi*theta - sg(theta))^2/2", ["phi", "theta"])
run = dynsim.solve(flow, {"phi": 0.6, "theta": 0.1}, 3.0)
reveal_type(dynsim.outcome(flow, {"phi": 0.6, "theta": 0.1}))
dynsim.slove(flow, {}, 3.0)
dynsim.solve(flow, {}, 3.0, metod="RK45")
"""


@pytest.mark.long
def test_a_type_checker_sees_the_public_names(tmp_path):
    api = pytest.importorskip("mypy.api")
    (tmp_path / "user.py").write_text(USER)
    out, _, _ = api.run(
        ["--strict", "--cache-dir", str(tmp_path / "cache"), "--follow-imports=silent", str(tmp_path / "user.py")]
    )
    mistakes = [line for line in out.splitlines() if "user.py" in line]
    assert any("Outcome" in line for line in mistakes), out
    assert any("slove" in line and "error" in line for line in mistakes), out
    assert any("metod" in line and "error" in line for line in mistakes), out
    assert sum("error" in line for line in mistakes) == 2, out
