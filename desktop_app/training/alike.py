"""Which pictures of a training belong together: by capture time, folder, person, list of labels."""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image as PillowImage
from torch import Tensor

from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.label_list import read_list
from desktop_app.training.config import Similarity

# Pictures that follow each other within this time are one burst.
BURST_GAP_S = 10.0
_EXIF_BLOCK, _TAKEN_AT, _TAKEN_PART = 0x8769, 0x9003, 0x9291
NEEDS_LIST = (Similarity.LABELS, Similarity.GROUPS)


class AlikeSets:
    """Sets of pictures that count as alike; a picture in no set is alike to itself only.

    Args:
        kinds: (N,) the set of each picture, from 0.
        families: (N,) what kind of set it is, from 0; None: all sets are of one.
    """

    def __init__(self, kinds: Tensor, families: Tensor | None = None) -> None:
        self.kinds = kinds
        self.families = families if families is not None else torch.zeros_like(kinds)
        order = torch.argsort(kinds, stable=True)
        counts = torch.bincount(kinds, minlength=int(kinds.max()) + 1 if len(kinds) else 0)
        starts = counts.cumsum(0) - counts
        self._order, self._counts, self._starts = order, counts, starts
        self._place = torch.empty_like(order)
        self._place[order] = torch.arange(len(order))

    @property
    def shared(self) -> int:
        """Pictures that share their set with another one."""
        return int((self._counts[self.kinds] > 1).sum())

    def members(self) -> list[Tensor]:
        """Rows of each set, in the order of the sets."""
        return list(self._order.split(self._counts.tolist()))

    def partners(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """For each picture another one of its set, or itself where it is alone; (B,)."""
        kinds = self.kinds[rows]
        counts, starts = self._counts[kinds], self._starts[kinds]
        chance = torch.rand(len(rows), generator=generator)
        step = 1 + (chance * (counts - 1).clamp_min(1)).long().clamp_max((counts - 2).clamp_min(0))
        moved = starts + (self._place[rows] - starts + step) % counts
        return self._order[torch.where(counts > 1, moved, self._place[rows])]


def find_alike(files: Sequence[Path], similarity: Similarity, *, table: Path | None = None) -> AlikeSets:
    """The sets that a choice of similarity makes of the pictures.

    Args:
        files: The pictures.
        similarity: The choice.
        table: CSV with the columns `file` and `label`, for `labels` and `groups`, and if given for `people`.

    Raises:
        UserInputError: The list is missing or unusable, or no two pictures are alike by this choice.
    """
    if similarity in (Similarity.VIEWS, Similarity.CROPS):
        return AlikeSets(torch.arange(len(files)))
    if similarity in NEEDS_LIST or (similarity is Similarity.PEOPLE and table is not None):
        if table is None:
            raise UserInputError(
                f"What is alike by {similarity} has to be listed.", "Give the list with --labels FILE.csv."
            )
        names = labels_of(files, table)
    elif similarity is Similarity.BURSTS:
        names = burst_names([captured_at(file) for file in files])
    else:
        names = [file.parent.as_posix() for file in files]
    sets = AlikeSets(_numbered(names), _numbered([name.rpartition("/")[0] or "/" for name in names]))
    if not sets.shared:
        raise UserInputError(
            f"By the choice '{similarity}' no two of the {len(files)} pictures belong together.",
            "Choose another similarity, for example views.",
        )
    if similarity is not Similarity.BURSTS and len(set(names)) < 2:
        raise UserInputError(
            f"By the choice '{similarity}' all pictures belong together: there is nothing to differ from.",
            "Give pictures of at least two kinds, or choose views.",
        )
    return sets


def held_out_people(people: Sequence[str], count: int) -> set[str]:
    """People of several pictures that a training leaves out, so that choices can be made on them.

    The same names give the same choice on every machine: those whose names have the smallest digests.
    """
    pictures = Counter(name for name in people if name)
    several = [name for name, number in pictures.items() if number > 1]
    return set(sorted(several, key=lambda name: hashlib.sha256(name.encode()).digest())[:count])


def burst_names(times: Sequence[float | None]) -> list[str]:
    """Names the burst of each time: those that follow within seconds share one; "" where none is known."""
    order = sorted((time, row) for row, time in enumerate(times) if time is not None)
    names = [""] * len(times)
    before, burst = float("-inf"), -1
    for time, row in order:
        if time - before > BURST_GAP_S:
            burst += 1
        before = time
        names[row] = f"burst {burst}"
    return names


def captured_at(file: Path) -> float | None:
    """The time that the camera wrote into a file, in seconds; None when there is none."""
    try:
        with PillowImage.open(file) as picture:
            block = picture.getexif().get_ifd(_EXIF_BLOCK)
        text, part = str(block[_TAKEN_AT]), str(block.get(_TAKEN_PART, "0"))
        stamp = datetime.datetime.strptime(text.strip("\0 "), "%Y:%m:%d %H:%M:%S")
        return stamp.replace(tzinfo=datetime.UTC).timestamp() + float(f"0.{part.strip() or '0'}")
    except (OSError, KeyError, ValueError, SyntaxError, TypeError, PillowImage.DecompressionBombError):
        return None


def labels_of(files: Sequence[Path], table: Path) -> list[str]:
    """The label of each picture; "" for one that the list does not name.

    Where the list has a column `set`, a label counts within its set: `set/label`. One that only repeats the
    name of the set says nothing and counts as none.

    Args:
        files: The pictures.
        table: CSV with the columns `file`, a path or the end of one, `label` (without it, `person`) and, if
            there, `set`.

    Raises:
        UserInputError: The list cannot be read, lacks a column, or contradicts itself.
    """
    rows = read_list(table, ("file",))
    if not rows:
        raise UserInputError(f"The list {display_path(table)} names no pictures.")
    column = next((name for name in ("label", "person") if name in rows[0]), "")
    if not column:
        raise UserInputError(f"The list {display_path(table)} needs a column label, or person.")
    found: dict[str, str] = {}
    for row in rows:
        name, label = Path(row["file"]).as_posix(), row[column]
        if row.get("set"):
            label = "" if label in ("", row["set"]) else f"{row['set']}/{label}"
        if found.get(name, label) != label:
            raise UserInputError(
                f"The list {display_path(table)} contradicts itself: "
                f"{name} is '{found[name]}' and '{label}'.",
                "Give each file one label.",
            )
        found[name] = label
    by_end: dict[str, dict[str, str]] = defaultdict(dict)
    for name, label in found.items():
        by_end[name.rpartition("/")[2]][name] = label
    names = []
    for file in files:
        whole = file.as_posix()
        fitting = [n for n in by_end.get(file.name, {}) if whole == n or whole.endswith("/" + n)]
        names.append(found[max(fitting, key=len)] if fitting else "")
    return names


def _numbered(names: Sequence[str]) -> Tensor:
    """Equal names get one number; each empty name gets one of its own."""
    numbers: dict[object, int] = {}
    keys: list[object] = [name or ("alone", row) for row, name in enumerate(names)]
    return torch.tensor([numbers.setdefault(key, len(numbers)) for key in keys], dtype=torch.long)
