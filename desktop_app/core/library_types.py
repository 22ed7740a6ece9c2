"""Photos of the library: requests, rows, search results."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from desktop_app.core.common_types import Image


class PhotoState(StrEnum):
    """Where a photo of the library stands."""

    INDEXED = "indexed"
    UNREADABLE = "unreadable"
    MISSING = "missing"


class PhotoOrder(StrEnum):
    """Order of the grid."""

    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class PhotoRow:
    """One photo of the library, as the grid shows it.

    Attributes:
        photo_id: Row key.
        path: The file; the name may hold bytes that are no text (surrogate escapes).
        width_px: Width of the upright picture; 0 when unreadable.
        height_px: Height of the upright picture; 0 when unreadable.
        modified_at: Modification time, seconds since 1970, UTC.
        thumbnail: Thumbnail file, or None when there is none.
        state: Indexed, unreadable or missing.
        reason: Why it is unreadable, for the user; else empty.
    """

    photo_id: int
    path: Path
    width_px: int
    height_px: int
    modified_at: float
    thumbnail: Path | None
    state: PhotoState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A file or folder that an index run had to leave out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """Index folders, or all folders of the library when none is given.

    Attributes:
        folders: Folders to add and index; empty: those already in the library.
        recheck: Also decode files whose size and time did not change.
    """

    folders: tuple[Path, ...] = ()
    recheck: bool = False


@dataclass(frozen=True, slots=True)
class PhotoBatch:
    """Photos that are safely in the library now; a partial message of an index run.

    Attributes:
        rows: The photos; none when files turned out unreadable or gone, some of which may have been shown.
        is_renewal: Some were there by the previews inside their files; their thumbnails are other ones now.
    """

    rows: tuple[PhotoRow, ...]
    is_renewal: bool = False


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What an index run did.

    Attributes:
        added: New photos indexed.
        changed: Photos indexed again because the file changed.
        unchanged: Photos whose size and time did not change; no pixel was read, unless an earlier run
            ended before it had looked closer than their previews.
        missing: Photos that were in the library and are gone from disk.
        unreadable: Files that could not be used.
        ignored: Files that are no images.
        problems: Every unreadable file and folder with its reason.
        seconds: Wall time of the run.
        photos_total: Indexed photos in the library now.
        unread: How many of these the encoder in use has not read, so that no search finds them.
        searchable_seconds: Wall time until all of them could be found, some by their previews; 0: the run
            made none findable that was not before it.
    """

    added: int
    changed: int
    unchanged: int
    missing: int
    unreadable: int
    ignored: int
    problems: tuple[FileProblem, ...]
    seconds: float
    photos_total: int
    unread: int = 0
    searchable_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A stretch of the grid.

    Attributes:
        offset: First row.
        count: Rows at most.
        order: Order of the grid.
        folder: Only photos below this folder, or None for all.
        state: Only photos in this state.
    """

    offset: int
    count: int
    order: PhotoOrder = PhotoOrder.NEWEST
    folder: Path | None = None
    state: PhotoState = PhotoState.INDEXED


@dataclass(frozen=True, slots=True)
class PhotoPage:
    """Answer to a `PageRequest`; `total` counts all rows of the same filter."""

    offset: int
    total: int
    rows: tuple[PhotoRow, ...]


@dataclass(frozen=True, slots=True)
class LibraryRequest:
    """Ask what the library holds."""


@dataclass(frozen=True, slots=True)
class LibraryOverview:
    """What the library holds.

    Attributes:
        folders: Watched folders with the number of indexed photos in each.
        photos: Indexed photos.
        unreadable: Files that could not be read.
        missing: Photos whose file is gone.
        encoder: Encoder of the stored embeddings.
        problems: Unreadable files with their reasons, at most 1000.
    """

    folders: tuple[tuple[Path, int], ...]
    photos: int
    unreadable: int
    missing: int
    encoder: str
    problems: tuple[FileProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoveFolderRequest:
    """Take a folder out of the library; the photos on disk stay. Answer: `LibraryOverview`."""

    folder: Path


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Find photos like one: exactly one of `photo_id`, `path`, `image` is given.

    Attributes:
        photo_id: A photo of the library.
        path: A file, inside or outside the library.
        image: A pasted or dropped picture.
        top_k: Neighbours at most; 0: from the settings.
        min_similarity: Cut-off in [-1, 1]; None: calibrated on the library.
    """

    photo_id: int | None = None
    path: Path | None = None
    image: Image | None = None
    top_k: int = 0
    min_similarity: float | None = None


class HitKind(StrEnum):
    """How a found photo relates to the query."""

    SIMILAR = "similar"
    NEAR_DUPLICATE = "near_duplicate"
    SAME_FILE = "same_file"


@dataclass(frozen=True, slots=True)
class PhotoHit:
    """One neighbour; `similarity` in [-1, 1], higher is nearer; `rank` from 1."""

    row: PhotoRow
    similarity: float
    rank: int
    kind: HitKind


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Neighbours, nearest first.

    Attributes:
        hits: Photos at or above the cut-off.
        min_similarity: The cut-off used.
        below_cutoff: Nearest photos that the cut-off hid, among `top_k`.
        searched: Photos that were compared.
        seconds: Wall time.
        query_thumbnail: Small picture of the query, or None when it is a photo of the library.
    """

    hits: tuple[PhotoHit, ...]
    min_similarity: float
    below_cutoff: int
    searched: int
    seconds: float
    query_thumbnail: Image | None = None


@dataclass(frozen=True, slots=True)
class PhotoSource:
    """Where a picture comes from: exactly one of the three is given.

    Attributes:
        photo_id: A photo of the library.
        path: A file.
        image: A picture in memory.
    """

    photo_id: int | None = None
    path: Path | None = None
    image: Image | None = None


@dataclass(frozen=True, slots=True)
class PreviewRequest:
    """Ask for one picture, large. Answer: `PhotoPreview`.

    Attributes:
        source: The picture.
        max_px: Longer side of the answer at most.
        serial: Comes back with the answer.
    """

    source: PhotoSource
    max_px: int = 1600
    serial: int = 0


@dataclass(frozen=True, slots=True)
class PhotoPreview:
    """A picture for display, upright, and the size of the full one.

    Attributes:
        serial: Of the request.
        image: The picture.
        width_px: Width of the full one.
        height_px: Height of the full one.
        faces: Faces that were found in it, for a photo of the library; 0 as well where none were looked for.
    """

    serial: int
    image: Image
    width_px: int
    height_px: int
    faces: int = 0
