"""Index folders: scan, read what is new, embed, and store batch by batch."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from desktop_app.catalogue.catalogue import Batch, StoredModel, UnreadableFile
from desktop_app.catalogue.photos import KnownPhoto, PhotoFacts
from desktop_app.catalogue.scanner import FileStamp, Scan, scan_folders
from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.types import (
    FileProblem,
    IndexRequest,
    IndexSummary,
    PhotoBatch,
    PhotoRow,
    PhotoState,
    Progress,
)
from desktop_app.jobs.pace import Pace
from desktop_app.jobs.photo_reader import BadPhoto, KnownContent, PhotoReader, ReadPhoto, read_ahead
from desktop_app.jobs.services import Embedder, Services

_log = logging.getLogger(__name__)

# A batch is stored at the latest after this time, so that slow photos appear as they come.
_LONGEST_BATCH_S = 1.0
# Outcomes in memory, in batches: enough to keep the encoder busy over a few slow photos.
_BATCHES_AHEAD = 3
_NO_MODEL = -1


def run(request: IndexRequest, services: Services) -> Generator[object, None, IndexSummary]:
    """Index folders of the request, or all of the library.

    Yields:
        `Progress`, and a `PhotoBatch` for photos that are safe on disk.

    Returns:
        `IndexSummary`.

    Raises:
        UserInputError: There is no folder to index.
        CatalogueError: Another program or job is changing the library.
        ResourceError: The disk is full; what was yielded before is kept.
    """
    started_at = time.monotonic()
    with services.catalogue.writing():
        services.catalogue.check_integrity()
        index_run = _IndexRun(request, services)
        yield from index_run.scan()
        index_run.plan()
        yield from index_run.read_and_store()
        summary = index_run.finish(time.monotonic() - started_at)
    _log.info(
        "indexed: %d added, %d changed, %d unchanged, %d missing, %d unreadable in %.1f s",
        summary.added,
        summary.changed,
        summary.unchanged,
        summary.missing,
        summary.unreadable,
        summary.seconds,
    )
    return summary


@dataclass(slots=True)
class _Counts:
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    missing: int = 0
    unreadable: int = 0


@dataclass(slots=True)
class _Pending:
    """Outcomes that wait for the next transaction."""

    photos: list[ReadPhoto] = field(default_factory=list)
    known: list[KnownContent] = field(default_factory=list)
    bad: list[BadPhoto] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    def __len__(self) -> int:
        return len(self.photos) + len(self.known) + len(self.bad)


class _IndexRun:
    """One run, from scan to summary."""

    def __init__(self, request: IndexRequest, services: Services) -> None:
        self._services = services
        self._catalogue = services.catalogue
        self._recheck = request.recheck
        self._problems: list[FileProblem] = []
        self._folders = self._choose_folders(request.folders)
        self._scan = Scan()
        self._counts = _Counts()
        self._known: dict[Path, KnownPhoto] = {}
        self._to_read: list[FileStamp] = []
        self._known_contents: dict[bytes, int] = {}
        self._missing_contents: dict[bytes, int] = {}

    # --- folders and scan -----------------------------------------------------------------------

    def _choose_folders(self, wanted: tuple[Path, ...]) -> list[Path]:
        """Check and remember the folders to index."""
        if not wanted:
            folders = self._catalogue.folders()
            if not folders:
                raise UserInputError("The library watches no folder yet.", "Add a folder with photos first.")
            return folders
        usable: list[Path] = []
        for folder in dict.fromkeys(Path(os.path.abspath(folder)) for folder in wanted):  # noqa: PTH100
            if folder.is_dir():
                self._catalogue.add_folder(folder)
                usable.append(folder)
            else:
                reason = "It is not a folder." if folder.exists() else "The folder does not exist."
                self._problems.append(FileProblem(folder, reason))
        if not usable:
            path, reason = self._problems[0].path, self._problems[0].reason
            raise UserInputError(
                f"'{display_path(path)}' cannot be indexed: {reason[0].lower()}{reason[1:]}",
                "Choose a folder with photos.",
            )
        return usable

    def scan(self) -> Iterator[Progress]:
        """Walk the folders."""
        for scan in scan_folders(self._folders, skip=[self._catalogue.folder]):
            self._scan = scan
            yield Progress(done=len(scan.files), total=None, text="Looking for photos")

    # --- plan -----------------------------------------------------------------------------------

    def plan(self) -> None:
        """Decide what has to be read, from file system and database alone."""
        self._problems += self._scan.problems
        model = self._stored_model()
        model_id = model.model_id if model else _NO_MODEL
        self._known = self._catalogue.photos.known_below(self._folders, model_id=model_id)
        thumbnails = self._catalogue.thumbnails.known()
        back_again: list[int] = []
        for stamp in self._scan.files:
            old = self._known.get(stamp.path)
            if old is None or self._recheck or not _is_same_file(stamp, old):
                self._to_read.append(stamp)
            elif old.digest is None:
                self._counts.unreadable += 1
                self._problems.append(FileProblem(stamp.path, old.reason))
            elif old.has_vector and old.digest in thumbnails:
                self._counts.unchanged += 1
                if old.state is PhotoState.MISSING:
                    back_again.append(old.photo_id)
            else:
                self._to_read.append(stamp)
        if back_again:
            self._catalogue.photos.set_state(back_again, PhotoState.INDEXED)
            self._services.vectors.forget()
        self._mark_missing()
        if model and not self._recheck:
            contents = self._catalogue.photos.facts_by_digest(model_id=model.model_id)
            self._known_contents = {key: value for key, value in contents.items() if key in thumbnails}
            self._missing_contents = self._catalogue.photos.missing_by_digest()

    def _stored_model(self) -> StoredModel | None:
        """The stored embeddings that the current encoder can go on with; the encoder is not loaded."""
        model = self._catalogue.current_model(self._services.encoder_name)
        return model if model and model.version == self._services.encoder_version() else None

    def _mark_missing(self) -> None:
        found = {stamp.path for stamp in self._scan.files}
        closed = self._scan.closed_folders
        gone = [
            (path, known)
            for path, known in self._known.items()
            if path not in found
            and known.state is not PhotoState.MISSING
            and not any(folder in path.parents for folder in closed)
        ]
        self._set_missing(known for _, known in gone)

    def _set_missing(self, gone: Iterable[KnownPhoto]) -> None:
        """Photos are kept as missing, since a disk may come back; unreadable files are forgotten."""
        photos: list[int] = []
        others: list[int] = []
        for known in gone:
            (photos if known.digest is not None else others).append(known.photo_id)
        if photos:
            self._catalogue.photos.set_state(photos, PhotoState.MISSING)
            self._counts.missing += len(photos)
            self._services.vectors.remove(photos)
        if others:
            self._catalogue.photos.remove(others)

    # --- read, embed, store ---------------------------------------------------------------------

    def read_and_store(self) -> Iterator[object]:
        """Read, embed and store what is new; nothing is loaded when nothing is."""
        if not self._to_read:
            return
        total = len(self._to_read)
        yield Progress(done=0, total=total, text="Loading the encoder")
        embedder = self._services.embedder()
        stored = self._stored_model()
        model = self._catalogue.use_model(
            self._services.encoder_name,
            self._services.encoder_version(),
            embedding_size=embedder.embedding_size,
        )
        if model != stored:
            self._known_contents = {}  # their embeddings are of another network
        settings = self._services.settings.library
        reader = PhotoReader(embedder, settings, thumbnails=self._catalogue.thumbnails)
        pace = Pace(total, "Indexing photos")
        pending = _Pending()
        done = 0
        outcomes = read_ahead(
            reader,
            self._to_read,
            known=self._known_contents,
            threads=settings.decode_threads,
            ahead=_BATCHES_AHEAD * settings.batch_size,
        )
        for outcome in outcomes:
            if outcome is not None:
                _sort_outcome(outcome, pending)
            is_late = time.monotonic() - pending.since > _LONGEST_BATCH_S
            if len(pending) >= settings.batch_size or (pending and is_late):
                done += len(pending)
                yield from self._store(pending, embedder, model=model)
                pending = _Pending()
            if outcome is None or not pending:
                yield pace.progress(done + len(pending))
        if pending:
            done += len(pending)
            yield from self._store(pending, embedder, model=model)
        yield pace.progress(done)

    def _store(self, pending: _Pending, embedder: Embedder, *, model: StoredModel) -> Iterator[PhotoBatch]:
        """Embed what waits, write it in one transaction, and report it."""
        batch = Batch()
        if pending.photos:
            embeddings = embedder.embed_prepared(np.stack([photo.prepared for photo in pending.photos]))
            is_usable = np.asarray(np.isfinite(embeddings).all(axis=1))
            batch.embeddings = embeddings[is_usable]
            for number, photo in enumerate(pending.photos):
                if is_usable[number]:
                    batch.photos.append(self._facts(photo))
                else:
                    pending.bad.append(BadPhoto(photo.stamp, "The encoder cannot make sense of it.", True))
        claimed = self._add_copies(pending.known, batch)
        vanished = [bad for bad in pending.bad if bad.is_gone]
        batch.unreadable = [
            UnreadableFile(bad.stamp, bad.reason, bad.is_lasting) for bad in pending.bad if not bad.is_gone
        ]
        rows = self._catalogue.store(batch, model)
        self._take_in(batch, rows)
        self._count(batch, claimed)
        self._count_bad(pending.bad, vanished)
        readable = rows[: len(batch.photos) + len(batch.copies)]
        if readable:
            yield PhotoBatch(readable)

    def _facts(self, photo: ReadPhoto) -> PhotoFacts:
        return PhotoFacts(
            stamp=photo.stamp,
            digest=photo.digest,
            width_px=photo.width_px,
            height_px=photo.height_px,
            signature=photo.signature,
        )

    def _add_copies(self, known: list[KnownContent], batch: Batch) -> int:
        """Photos whose content is in the library: a moved file keeps its row; returns how many moved."""
        sources = self._catalogue.photos.by_ids([content.photo_id for content in known])
        signatures = self._catalogue.photos.signatures([content.photo_id for content in known])
        moved = 0
        for content in known:
            source = sources[content.photo_id]
            row_id = None
            if content.stamp.path not in self._known:
                row_id = self._missing_contents.pop(content.digest, None)
                moved += row_id is not None
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
        vectors = self._services.vectors
        vectors.add([row.photo_id for row in new], batch.embeddings)
        for row in copies:
            embedding = vectors.vector_of(row.photo_id)
            if embedding is not None:
                vectors.add([row.photo_id], embedding[None])
        vectors.remove([row.photo_id for row in unreadable])
        for facts, row in zip(batch.photos, new, strict=True):
            self._known_contents[facts.digest] = row.photo_id

    def _count(self, batch: Batch, moved: int) -> None:
        stamps = [facts.stamp for facts in batch.photos] + [facts.stamp for facts, _ in batch.copies]
        changed = sum(1 for stamp in stamps if stamp.path in self._known)
        self._counts.changed += changed + moved
        self._counts.added += len(stamps) - changed - moved
        self._counts.missing = max(0, self._counts.missing - moved)

    def _count_bad(self, bad: list[BadPhoto], vanished: list[BadPhoto]) -> None:
        self._counts.unreadable += len(bad)
        for photo in bad:
            reason = "The file vanished during the run." if photo.is_gone else photo.reason
            self._problems.append(FileProblem(photo.stamp.path, reason))
        self._set_missing(self._known[p.stamp.path] for p in vanished if p.stamp.path in self._known)

    # --- end ------------------------------------------------------------------------------------

    def finish(self, seconds: float) -> IndexSummary:
        """Tidy up and sum up."""
        self._catalogue.drop_orphaned_thumbnails()
        return IndexSummary(
            added=self._counts.added,
            changed=self._counts.changed,
            unchanged=self._counts.unchanged,
            missing=self._counts.missing,
            unreadable=self._counts.unreadable,
            ignored=self._scan.ignored,
            problems=tuple(sorted(self._problems, key=lambda problem: os.fsencode(problem.path))),
            seconds=seconds,
            photos_total=self._catalogue.photos.counts()[PhotoState.INDEXED],
            unread=self._catalogue.count_unread(self._stored_model()),
        )


def _is_same_file(stamp: FileStamp, old: KnownPhoto) -> bool:
    return (stamp.size_bytes, stamp.modified_ns) == (old.size_bytes, old.modified_ns)


def _sort_outcome(outcome: ReadPhoto | KnownContent | BadPhoto, pending: _Pending) -> None:
    if isinstance(outcome, ReadPhoto):
        pending.photos.append(outcome)
    elif isinstance(outcome, KnownContent):
        pending.known.append(outcome)
    else:
        pending.bad.append(outcome)
