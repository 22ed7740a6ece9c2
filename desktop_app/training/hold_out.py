"""A part of the listed pictures that a training does not see: settings are chosen on it."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from desktop_app.core.errors import ResourceError, UserInputError, display_path
from desktop_app.core.label_list import read_list

HELD_OUT_LIST = "held_out.csv"


def hold_out(files: Sequence[Path], table: Path, *, share: float, run: Path) -> list[int]:
    """Choose the pictures that stay for training, and list the others beside the run.

    A picture is held out by a digest of its set and group, so that a group (one photographer, one visit)
    stays whole; where a set knows no groups, by a digest of its own name. The same list gives the same part.

    Args:
        files: All pictures.
        table: CSV with the columns `file`, `label` and, if there, `set` and `group`.
        share: Of the listed pictures to hold out, about; (0, 1).
        run: Folder in which the held-out ones are listed, as `evaluate retrieval --labels` reads them.

    Returns:
        Rows of `files` to train on; pictures that the list does not name are among them.

    Raises:
        UserInputError: The list cannot be read, or names none of the pictures.
        ResourceError: The list of the held-out ones cannot be written.
    """
    listed = [row for row in read_list(table, ("file", "label")) if row["file"] and row["label"]]
    groups: dict[str, set[str]] = defaultdict(set)
    for row in listed:
        groups[row.get("set") or ""].add(row.get("group") or "")
    by_name: dict[str, list[int]] = defaultdict(list)
    for number, file in enumerate(files):
        by_name[file.name].append(number)
    held: dict[int, dict[str, str]] = {}
    found = 0
    for row in listed:
        name = Path(row["file"]).as_posix()
        fitting = [n for n in by_name[name.rpartition("/")[2]] if files[n].as_posix().endswith(name)]
        found += len(fitting)
        if fitting and _digest(row, groups) < share:
            held.update(dict.fromkeys(fitting, row))
    if not found:
        raise UserInputError(
            f"The list {display_path(table)} names none of the pictures, so none can be held out.",
            "Give the list that belongs to the pictures.",
        )
    _write(run / HELD_OUT_LIST, files, held)
    return [number for number in range(len(files)) if number not in held]


def _digest(row: dict[str, str], groups: dict[str, set[str]]) -> float:
    """A number in [0, 1) that follows from the group of a picture, or from its name."""
    set_name, group = row.get("set") or "", row.get("group") or ""
    key = f"{set_name}/{group if group and len(groups[set_name]) > 1 else row['file']}"
    return int(hashlib.sha256(key.encode("utf-8")).hexdigest()[:8], 16) / 2**32


def _write(target: Path, files: Sequence[Path], held: dict[int, dict[str, str]]) -> None:
    try:
        with target.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["file", "label", "set"])
            for number, row in held.items():
                writer.writerow([files[number].resolve(), row["label"], row.get("set") or ""])
    except OSError as error:
        raise ResourceError(f"{display_path(target)} cannot be written: {error.strerror}.") from error
