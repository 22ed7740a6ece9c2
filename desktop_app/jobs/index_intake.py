"""What an index run read goes into the library: embedded, stored batch by batch, and counted.

A photo may come twice: first by the preview inside its file, then in full. It is counted once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np

from desktop_app.catalogue.catalogue import Batch, StoredModel, UnreadableFile
from desktop_app.catalogue.photos import KnownPhoto, PhotoFacts
from desktop_app.catalogue.scanner import FileStamp
from desktop_app.core.types import FileProblem, PhotoBatch, PhotoRow, PhotoState
from desktop_app.jobs.photo_reader import BadPhoto, KnownContent, Outcome, ReadPhoto
from desktop_app.jobs.services import Embedder, Services


class Fate(StrEnum):
    """What became of a file in one run."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    UNREADABLE = "unreadable"


@dataclass(slots=True)
class Tally:
    """What a run tells at its end.

    Attributes:
        fates: One for each file that was found.
        missing: Photos that are gone from disk.
        problems: Files and folders that were left out.
    """

    fates: dict[Path, Fate] = field(default_factory=dict)
    missing: int = 0
    problems: list[FileProblem] = field(default_factory=list)

    def counts(self) -> Counter[Fate]:
        """Files by fate."""
        return Counter(self.fates.values())


@dataclass(slots=True)
class Contents:
    """Contents that need no decoding, each with a photo that has them.

    Attributes:
        known: All that have an embedding.
        sharp: Those whose embedding is of the full picture.
        missing: Those of photos whose file is gone: it may have been moved.
    """

    known: dict[bytes, int] = field(default_factory=dict)
    sharp: dict[bytes, int] = field(default_factory=dict)
    missing: dict[bytes, int] = field(default_factory=dict)

    def forget(self, digest: bytes | None, photo_id: int) -> None:
        """A photo does not hold this content any more."""
        for contents in (self.known, self.sharp):
            if digest is not None and contents.get(digest) == photo_id:
                del contents[digest]


@dataclass(slots=True)
class Pending:
    """Outcomes that wait for the next transaction."""

    photos: list[ReadPhoto] = field(default_factory=list)
    known: list[KnownContent] = field(default_factory=list)
    bad: list[BadPhoto] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    def __len__(self) -> int:
        return len(self.photos) + len(self.known) + len(self.bad)

    def add(self, outcome: Outcome) -> None:
        """Let an outcome wait."""
        if isinstance(outcome, ReadPhoto):
            self.photos.append(outcome)
        elif isinstance(outcome, KnownContent):
            self.known.append(outcome)
        else:
            self.bad.append(outcome)


@dataclass(frozen=True, slots=True)
class Notes:
    """What a run knows and learns, shared by its plan and its intake.

    Attributes:
        before: What the library remembered of the files.
        tally: What will be told.
        contents: What need not be decoded.
        to_sharpen: Photos known by their preview alone, to be read in full.
    """

    before: dict[Path, KnownPhoto] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    contents: Contents = field(default_factory=Contents)
    to_sharpen: dict[Path, FileStamp] = field(default_factory=dict)


class Intake:
    """Takes in what was read.

    Args:
        services: The library.
        embedder: The encoder.
        model: Under which embeddings are stored.
        notes: Kept up to date.
    """

    def __init__(self, services: Services, embedder: Embedder, *, model: StoredModel, notes: Notes) -> None:
        self._services = services
        self._catalogue = services.catalogue
        self._vectors = services.vectors
        self._embedder = embedder
        self._model = model
        self._before = notes.before
        self._tally = notes.tally
        self._contents = notes.contents
        self._to_sharpen = notes.to_sharpen

    def take(self, pending: Pending) -> Iterator[PhotoBatch]:
        """Embed what waits, write it in one transaction, and report it."""
        batch = Batch()
        if pending.photos:
            self._embed(pending, batch)
        moved = self._add_copies(pending.known, batch)
        batch.unreadable = [
            UnreadableFile(bad.stamp, bad.reason, bad.is_lasting) for bad in pending.bad if not bad.is_gone
        ]
        rows = self._catalogue.store(batch, self._model)
        self._take_in(batch, rows)
        self._count_bad(pending.bad)
        is_renewal = self._count(batch, moved)
        readable = rows[: len(batch.photos) + len(batch.copies)]
        if readable or pending.bad:  # what was shown by its preview may be gone from the list
            yield PhotoBatch(readable, is_renewal=is_renewal)

    def _embed(self, pending: Pending, batch: Batch) -> None:
        embeddings = self._embedder.embed_prepared(np.stack([photo.prepared for photo in pending.photos]))
        is_usable = np.asarray(np.isfinite(embeddings).all(axis=1))
        batch.embeddings = embeddings[is_usable]
        for number, photo in enumerate(pending.photos):
            if is_usable[number]:
                batch.photos.append(_facts(photo))
            elif photo.is_preview:
                self._to_sharpen[photo.stamp.path] = photo.stamp  # the full picture may be usable
            else:
                pending.bad.append(BadPhoto(photo.stamp, "The encoder cannot make sense of it.", True))

    def _add_copies(self, known: list[KnownContent], batch: Batch) -> set[Path]:
        """Photos whose content is in the library: a moved file keeps its row; returns which moved."""
        ids = [content.photo_id for content in known]
        sources = self._catalogue.photos.by_ids(ids)
        signatures = self._catalogue.photos.signatures(ids)
        moved: set[Path] = set()
        for content in known:
            path = content.stamp.path
            if self._catalogue.photos.digest_of(content.photo_id) != content.digest:
                self._to_sharpen[path] = content.stamp  # the source was written over since
                continue
            source = sources[content.photo_id]
            row_id = None
            if path not in self._before and path not in self._to_sharpen:
                row_id = self._contents.missing.pop(content.digest, None)
                if row_id is not None:
                    moved.add(path)
            facts = PhotoFacts(
                stamp=content.stamp,
                digest=content.digest,
                width_px=source.width_px,
                height_px=source.height_px,
                signature=signatures[content.photo_id],
                photo_id=row_id,
            )
            batch.copies.append((facts, content.photo_id))
        return moved

    def _take_in(self, batch: Batch, rows: tuple[PhotoRow, ...]) -> None:
        """Bring what is held in memory up to date with what was stored."""
        new = rows[: len(batch.photos)]
        copies = rows[len(batch.photos) : len(batch.photos) + len(batch.copies)]
        unreadable = rows[len(batch.photos) + len(batch.copies) :]
        self._vectors.add([row.photo_id for row in new], batch.embeddings)
        for row in copies:
            embedding = self._vectors.vector_of(row.photo_id)
            if embedding is not None:
                self._vectors.add([row.photo_id], embedding[None])
        self._vectors.remove([row.photo_id for row in unreadable])
        self._forget_old_contents(batch, rows)
        for facts, row in zip(batch.photos, new, strict=True):
            self._contents.known[facts.digest] = row.photo_id
            if not facts.is_preview:
                self._contents.sharp[facts.digest] = row.photo_id

    def _forget_old_contents(self, batch: Batch, rows: tuple[PhotoRow, ...]) -> None:
        """Photos that were written over cannot stand for what they held before."""
        digests = [facts.digest for facts in [*batch.photos, *(facts for facts, _ in batch.copies)]]
        for number, row in enumerate(rows):
            old = self._before.get(row.path)
            digest = digests[number] if number < len(digests) else None
            if old is not None and old.digest != digest:
                self._contents.forget(old.digest, row.photo_id)

    # --- counting -------------------------------------------------------------------------------

    def _count(self, batch: Batch, moved: set[Path]) -> bool:
        """Count what can be used; returns whether some of it was in the library by its preview."""
        is_renewal = False
        for facts in [*batch.photos, *(facts for facts, _ in batch.copies)]:
            path = facts.stamp.path
            is_known = path in self._before or path in moved
            self._tally.fates.setdefault(path, Fate.CHANGED if is_known else Fate.ADDED)
            if facts.is_preview or facts.digest not in self._contents.sharp:
                self._to_sharpen[path] = facts.stamp
            else:
                is_renewal |= self._to_sharpen.pop(path, None) is not None
        self._tally.missing = max(0, self._tally.missing - len(moved))
        return is_renewal

    def _count_bad(self, bad: list[BadPhoto]) -> None:
        vanished = self._mark_vanished(photo.stamp.path for photo in bad if photo.is_gone)
        for photo in bad:
            path = photo.stamp.path
            self._to_sharpen.pop(path, None)
            if path in vanished:
                self._tally.fates.pop(path, None)
                continue
            self._tally.fates[path] = Fate.UNREADABLE
            reason = "The file vanished during the run." if photo.is_gone else photo.reason
            self._tally.problems.append(FileProblem(path, reason))

    def _mark_vanished(self, paths: Iterable[Path]) -> set[Path]:
        """Where photos of the library lay: these count as missing, and as nothing else."""
        rows = {path: row for path in paths if (row := self._catalogue.photos.by_path(path)) is not None}
        gone = [(row.photo_id, row.thumbnail is not None) for row in rows.values()]
        self._tally.missing += mark_missing(gone, self._services)
        return {path for path, row in rows.items() if row.thumbnail is not None}


def mark_missing(gone: Iterable[tuple[int, bool]], services: Services) -> int:
    """Mark photos as missing, since a disk may come back; unreadable files are forgotten.

    Args:
        gone: Photo ids, with whether the photo could be read.
        services: The library.

    Returns:
        How many were marked.
    """
    photos: list[int] = []
    others: list[int] = []
    for photo_id, is_readable in gone:
        (photos if is_readable else others).append(photo_id)
    if photos:
        services.catalogue.photos.set_state(photos, PhotoState.MISSING)
        services.vectors.remove(photos)
    if others:
        services.catalogue.photos.remove(others)
    return len(photos)


def _facts(photo: ReadPhoto) -> PhotoFacts:
    return PhotoFacts(
        stamp=photo.stamp,
        digest=photo.digest,
        width_px=photo.width_px,
        height_px=photo.height_px,
        signature=photo.signature,
        is_preview=photo.is_preview,
    )
