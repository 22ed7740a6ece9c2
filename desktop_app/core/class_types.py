"""The user's own classes of photos: marks, proposals with their confidence, export as tags."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from desktop_app.core.library_types import PhotoRow


class Mark(StrEnum):
    """What the user says of a photo and a class."""

    IS = "is"
    IS_NOT = "is_not"
    NONE = "none"
    """Take the mark back."""


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """One class.

    Attributes:
        class_id: Row key.
        name: As the user wrote it; also the tag that is exported.
        members: Photos marked as members.
        others: Photos marked as none.
        answered: Marks that answer a proposal, among both.
    """

    class_id: int
    name: str
    members: int
    others: int
    answered: int = 0


@dataclass(frozen=True, slots=True)
class ClassesRequest:
    """Ask for all classes. Answer: `ClassList`."""


@dataclass(frozen=True, slots=True)
class CreateClassRequest:
    """Make a class, or do nothing when there is one of that name. Answer: `ClassList`."""

    name: str


@dataclass(frozen=True, slots=True)
class RenameClassRequest:
    """Give a class another name. Answer: `ClassList`."""

    class_id: int
    name: str


@dataclass(frozen=True, slots=True)
class RemoveClassRequest:
    """Forget a class and its marks; the photos stay. Answer: `ClassList`."""

    class_id: int


@dataclass(frozen=True, slots=True)
class MarkPhotosRequest:
    """Say of photos whether they are of a class. Answer: `ClassList`.

    Attributes:
        class_id: The class.
        photo_ids: Photos of the library.
        mark: What they are; a later mark replaces an earlier one.
        is_answer: The marks accept or reject proposals.
    """

    class_id: int
    photo_ids: tuple[int, ...]
    mark: Mark
    is_answer: bool = False


@dataclass(frozen=True, slots=True)
class ClassList:
    """All classes, by name.

    Attributes:
        classes: The classes.
        changed: The class that the request made or changed, or 0.
    """

    classes: tuple[ClassInfo, ...]
    changed: int = 0


@dataclass(frozen=True, slots=True)
class ProposeRequest:
    """Ask which other photos belong to a class. Answer: `Proposals`.

    Attributes:
        class_id: The class.
        most: Proposals at most.
        min_confidence: Least confidence, 0 to 1.
    """

    class_id: int
    most: int = 60
    min_confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A photo that may be of the class; `confidence` is the chance that it is, 0 to 1."""

    row: PhotoRow
    confidence: float


@dataclass(frozen=True, slots=True)
class Proposals:
    """What a probe makes of the marks of one class.

    Attributes:
        class_info: The class.
        proposals: Unmarked photos, the surest first.
        members: Photos marked as members, the newest mark first.
        others: Photos marked as none, the newest mark first.
        expected: Members among the unmarked photos, estimated.
        searched: Unmarked photos that were judged.
        is_calibrated: Enough photos were marked to say how sure each proposal is.
        warnings: What the user should know: contradicting marks, marks that tell nothing.
        seconds: Wall time.
    """

    class_info: ClassInfo
    proposals: tuple[Proposal, ...]
    members: tuple[PhotoRow, ...]
    others: tuple[PhotoRow, ...]
    expected: float
    searched: int
    is_calibrated: bool
    warnings: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class ExportTagsRequest:
    """Write classes as tags. Answer: `TagsExported`.

    Attributes:
        table: CSV file to write, or None.
        writes_sidecars: Also write an XMP sidecar beside each photo; the photo itself is not touched.
        class_ids: Which classes; empty: all.
        min_confidence: Also export proposals from this confidence on, 0 to 1; None: marked photos only.
    """

    table: Path | None
    writes_sidecars: bool = False
    class_ids: tuple[int, ...] = ()
    min_confidence: float | None = None


@dataclass(frozen=True, slots=True)
class TagsExported:
    """What was written.

    Attributes:
        table: The CSV file, or None.
        photos: Photos that have a tag.
        tags: Tags in all.
        sidecars: Sidecars that were written or changed.
        unchanged: Sidecars that held all tags already.
        problems: Photos whose sidecar could not be written, with the reason.
    """

    table: Path | None
    photos: int
    tags: int
    sidecars: int
    unchanged: int
    problems: tuple[tuple[Path, str], ...]
