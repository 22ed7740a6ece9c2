"""Lists of pictures in CSV files: what each shows, who it is, which part of a set it belongs to."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from desktop_app.core.errors import UserInputError, display_path


def read_list(table: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a list; missing values are empty texts.

    Args:
        table: CSV file, UTF-8; its first line names the columns.
        needed: Columns that have to be there.

    Raises:
        UserInputError: The list cannot be read, or lacks a column.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, restkey="", restval="")
            columns = set(reader.fieldnames or ())
            rows = [{name: row[name] or "" for name in columns} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserInputError(f"The list {display_path(table)} cannot be read: {reason}.") from error
    if not set(needed) <= columns:
        word = "column" if len(needed) == 1 else "columns"
        raise UserInputError(
            f"The list {display_path(table)} needs the {word} {' and '.join(needed)}.",
            "The first line names the columns.",
        )
    return rows
