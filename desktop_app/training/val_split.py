"""People who are kept for measuring stay out of every training set."""

from __future__ import annotations

import csv
import logging
from collections.abc import Sequence
from pathlib import Path

_log = logging.getLogger(__name__)

INDEX = "index.csv"
TRAINED_ON = "train"


def without_held_out(files: Sequence[Path], folders: Sequence[Path]) -> list[Path]:
    """The files that may be trained on.

    An `index.csv` with the columns `file` and `split`, in a folder of pictures, one above it or the one
    that holds it, may name pictures of another split than `train`: they are left out, and with them every
    listed picture of the same `person`.

    Args:
        files: Pictures.
        folders: Where they were looked for.

    Returns:
        The rest, in the same order.
    """
    held: set[Path] = set()
    for index in sorted(_indexes(files, folders)):
        held |= _held_out(index)
    kept = [file for file in files if file.resolve() not in held]
    if len(kept) < len(files):
        _log.info("%d pictures of held-out people left out", len(files) - len(kept))
    return kept


def _indexes(files: Sequence[Path], folders: Sequence[Path]) -> set[Path]:
    """Lists in the folders of the files, up to those that were named and the ones that hold them."""
    limits = {folder.resolve().parent for folder in folders}
    found: set[Path] = set()
    looked: set[Path] = set()
    for folder in {file.resolve().parent for file in files}:
        for place in (folder, *folder.parents):
            if place in looked:
                break
            looked.add(place)
            if (place / INDEX).is_file():
                found.add(place / INDEX)
            if place in limits:
                break
    return found


def _held_out(index: Path) -> set[Path]:
    try:
        with index.open(encoding="utf-8-sig", newline="") as handle:
            rows = list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        _log.info("%s is no list of pictures: %s", index.name, error)
        return set()
    if not rows or not {"file", "split"} <= set(rows[0]):
        return set()
    others = [row for row in rows if row["split"] != TRAINED_ON]
    people = {row["person"] for row in others if row.get("person")}
    named = [row for row in rows if row["split"] != TRAINED_ON or row.get("person") in people]
    return {(index.parent / row["file"]).resolve() for row in named if row["file"]}
