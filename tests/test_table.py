from dynsim.table import Table


def test_rows_columns_text_and_html():
    table = Table([{"a": 1, "b": "<x>"}, {"a": 2.5, "b": "y"}])
    assert len(table) == 2
    assert table[1]["a"] == 2.5
    assert table["b"] == ["<x>", "y"]
    assert str(table).splitlines()[0].split() == ["a", "b"]
    assert "&lt;x&gt;" in table._repr_html_()


def test_empty():
    assert str(Table([], ("a", "b"))) == "a  b"
