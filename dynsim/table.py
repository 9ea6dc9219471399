"""A small table that reads well as text, in a notebook and in a program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

__all__ = ["Table"]


class Table(Sequence[Mapping[str, Any]]):
    """Rows with the same columns; behaves as a sequence of dicts and prints as aligned text.

    Parameters
    ----------
    rows : iterable of mapping
        Each with the same keys, which are the column names.
    columns : sequence of str, optional
        Needed only for a table that may be empty.

    Examples
    --------
    >>> from dynsim.table import Table
    >>> table = Table([{"name": "toy", "states": 2}, {"name": "byol", "states": 3}])
    >>> print(table)
    name  states
    toy   2
    byol  3
    >>> table["name"]
    ['toy', 'byol']
    >>> print(table.to_markdown())
    | name | states |
    | --- | --- |
    | toy | 2 |
    | byol | 3 |
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
        self.rows = tuple(dict(row) for row in rows)
        self.columns = tuple(columns) or (tuple(self.rows[0]) if self.rows else ())

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        """Return a row by position, or a column by name."""
        if isinstance(key, str):
            return [row[key] for row in self.rows]
        return self.rows[key]

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)

    def __str__(self) -> str:
        cells = [self.columns, *([_cell(row[name]) for name in self.columns] for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        return "\n".join(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells
        )

    __repr__ = __str__

    def to_markdown(self) -> str:
        """GitHub-flavoured Markdown, with ``|`` in cells escaped."""
        lines = [self.columns, ["---"] * len(self.columns)]
        lines += [
            [_cell(row[name]).replace("|", "\\|").replace("\n", " ") for name in self.columns] for row in self.rows
        ]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a pandas.DataFrame with the same columns; pandas comes with xarray."""
        import pandas

        return pandas.DataFrame(list(self.rows), columns=list(self.columns))

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_cell(row[name]))}</td>" for name in self.columns) + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
