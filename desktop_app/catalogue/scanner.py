"""Walk folders: which files might be photos, and what the file system says about them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from desktop_app.catalogue.decode import PHOTO_ENDINGS
from desktop_app.core.types import FileProblem

# Folders that other programs fill with their own small pictures or with rubbish.
_PASSED_FOLDERS = frozenset(
    {".thumbnails", ".git", "@eaDir", "$RECYCLE.BIN", "__MACOSX", ".Trash", ".Trashes"}
)
_FILES_A_YIELD = 1000


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file as the file system describes it; a change of size or time means a change of content."""

    path: Path
    size_bytes: int
    modified_ns: int


@dataclass(slots=True)
class Scan:
    """What a walk found; grows while it goes on.

    Attributes:
        files: Possible photos, in the order of the walk.
        problems: Folders and links that could not be followed.
        closed_folders: Folders that exist but could not be read; nothing is known about their photos.
        ignored: Files that are no photos by their ending.
    """

    files: list[FileStamp] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)
    closed_folders: list[Path] = field(default_factory=list)
    ignored: int = 0


def scan_folders(folders: Sequence[Path], *, skip: Sequence[Path] = ()) -> Iterator[Scan]:
    """Walk folders and all below them, following links, each place once.

    Args:
        folders: Where to start, as absolute paths.
        skip: Folders that are not entered, for example the library itself.

    Yields:
        The same growing `Scan`, after each thousand files and at the end.
    """
    scan = Scan()
    visited = {mark for folder in skip if (mark := _mark(folder)) is not None}
    waiting = list(reversed(folders))
    seen_files: set[Path] = set()
    since_yield = 0
    while waiting:
        folder = waiting.pop()
        mark = _mark(folder)
        if mark is not None and mark in visited:
            continue
        entries = _entries(folder, scan)
        if mark is not None:
            visited.add(mark)
        below: list[Path] = []
        for entry in entries:
            _sort_entry(entry, scan, below=below, seen=seen_files)
            since_yield += 1
            if since_yield >= _FILES_A_YIELD:
                since_yield = 0
                yield scan
        waiting.extend(reversed(below))
    yield scan


def _entries(folder: Path, scan: Scan) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        scan.problems.append(FileProblem(folder, "The folder does not exist."))
    except NotADirectoryError:
        scan.problems.append(FileProblem(folder, "It is not a folder."))
    except PermissionError:
        scan.problems.append(FileProblem(folder, "You may not read this folder."))
        scan.closed_folders.append(folder)
    except OSError as error:
        scan.problems.append(FileProblem(folder, f"The folder cannot be read: {error.strerror or error}."))
        scan.closed_folders.append(folder)
    return []


def _sort_entry(entry: os.DirEntry[str], scan: Scan, *, below: list[Path], seen: set[Path]) -> None:
    """File an entry as folder, possible photo, problem or ignored."""
    path = Path(entry.path)
    is_photo_name = path.suffix.lower() in PHOTO_ENDINGS and not entry.name.startswith("._")
    try:
        if entry.is_dir():
            if entry.name not in _PASSED_FOLDERS:
                below.append(path)
            return
        if not is_photo_name:
            scan.ignored += 1
            return
        status = entry.stat()
    except FileNotFoundError:
        reason = "The link leads to no file." if entry.is_symlink() else "The file vanished during the run."
        scan.problems.append(FileProblem(path, reason))
        return
    except OSError as error:
        # A link in a loop fails already when asked what it leads to.
        scan.problems.append(FileProblem(path, f"It cannot be followed: {error.strerror or error}."))
        return
    if not stat.S_ISREG(status.st_mode):
        scan.problems.append(FileProblem(path, "It is not a file."))
    elif path not in seen:
        seen.add(path)
        scan.files.append(FileStamp(path, status.st_size, status.st_mtime_ns))


def _mark(folder: Path) -> tuple[int, int] | None:
    """What makes a place unique, however it is reached; None when it cannot be asked."""
    try:
        status = folder.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
