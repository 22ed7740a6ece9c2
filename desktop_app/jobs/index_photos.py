"""Index folders: scan, read what is new, embed, and store batch by batch.

Large photos are read twice. The first pass takes the preview inside a file where there is one, so that
photos can be searched soon; the second decodes these photos in full and writes over what the first made.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path

from desktop_app.catalogue.catalogue import StoredModel
from desktop_app.catalogue.photos import KnownPhoto
from desktop_app.catalogue.scanner import FileStamp, Scan, scan_folders
from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.types import (
    FileProblem,
    IndexRequest,
    IndexSummary,
    PhotoState,
    Progress,
)
from desktop_app.jobs.index_intake import Fate, Intake, Notes, Pending, mark_missing
from desktop_app.jobs.pace import Pace
from desktop_app.jobs.photo_reader import Outcome, PhotoReader, ReadFile, read_ahead
from desktop_app.jobs.services import Services

_log = logging.getLogger(__name__)

# A batch is stored at the latest after this time, so that slow photos appear as they come.
_LONGEST_BATCH_S = 1.0
# Outcomes in memory, in batches: enough to keep the encoder busy over a few slow photos.
_BATCHES_AHEAD = 3
_NO_MODEL = -1


def run(request: IndexRequest, services: Services) -> Generator[object, None, IndexSummary]:
    """Index folders of the request, or all of the library.

    Yields:
        `Progress`, and a `PhotoBatch` for photos that are safe on disk; a photo that was read by its
        preview comes a second time, in a batch that says so.

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
        summary = index_run.finish(started_at)
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


class _IndexRun:
    """One run, from scan to summary."""

    def __init__(self, request: IndexRequest, services: Services) -> None:
        self._services = services
        self._catalogue = services.catalogue
        self._recheck = request.recheck
        self._notes = Notes()
        self._tally = self._notes.tally
        self._folders = self._choose_folders(request.folders)
        self._scan = Scan()
        self._to_read: list[FileStamp] = []
        self._searchable: set[Path] = set()
        self._searchable_at: float | None = None

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
                self._tally.problems.append(FileProblem(folder, reason))
        if not usable:
            path, reason = self._tally.problems[0].path, self._tally.problems[0].reason
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
        self._tally.problems += self._scan.problems
        model = self._stored_model()
        model_id = model.model_id if model else _NO_MODEL
        before = self._notes.before
        before.update(self._catalogue.photos.known_below(self._folders, model_id=model_id))
        thumbnails = self._catalogue.thumbnails.known()
        back_again: list[int] = []
        for stamp in self._scan.files:
            old = before.get(stamp.path)
            if old is None or not _is_same_file(stamp, old):
                self._to_read.append(stamp)
            elif old.digest is None and not self._recheck:
                self._tally.fates[stamp.path] = Fate.UNREADABLE
                self._tally.problems.append(FileProblem(stamp.path, old.reason))
            elif self._recheck or not old.has_vector or old.digest not in thumbnails:
                self._to_read.append(stamp)
                if old.has_vector:
                    self._searchable.add(stamp.path)
            else:
                self._keep(stamp, old)
                if old.state is PhotoState.MISSING:
                    back_again.append(old.photo_id)
        if back_again:
            self._catalogue.photos.set_state(back_again, PhotoState.INDEXED)
            self._services.vectors.forget()
        self._mark_missing()
        if model and not self._recheck:
            self._recall_contents(model, thumbnails)

    def _keep(self, stamp: FileStamp, old: KnownPhoto) -> None:
        """A file that did not change; an earlier run may have left it at its preview."""
        self._tally.fates[stamp.path] = Fate.UNCHANGED
        if old.is_preview:
            self._notes.to_sharpen[stamp.path] = stamp

    def _recall_contents(self, model: StoredModel, thumbnails: set[bytes]) -> None:
        contents = self._notes.contents
        found = self._catalogue.photos.facts_by_digest(model_id=model.model_id)
        for digest, (photo_id, is_preview) in found.items():
            if digest in thumbnails:
                contents.known[digest] = photo_id
                if not is_preview:
                    contents.sharp[digest] = photo_id
        contents.missing.update(self._catalogue.photos.missing_by_digest())

    def _stored_model(self) -> StoredModel | None:
        """The stored embeddings that the current encoder can go on with; the encoder is not loaded."""
        model = self._catalogue.current_model(self._services.encoder_name)
        return model if model and model.version == self._services.encoder_version() else None

    def _mark_missing(self) -> None:
        found = {stamp.path for stamp in self._scan.files}
        closed = self._scan.closed_folders
        gone = [
            (known.photo_id, known.digest is not None)
            for path, known in self._notes.before.items()
            if path not in found
            and known.state is not PhotoState.MISSING
            and not any(folder in path.parents for folder in closed)
        ]
        self._tally.missing += mark_missing(gone, self._services)

    # --- read, embed, store ---------------------------------------------------------------------

    def read_and_store(self) -> Iterator[object]:
        """Read, embed and store what is new; nothing is loaded when nothing is."""
        to_sharpen = self._notes.to_sharpen
        if not self._to_read and not to_sharpen:
            return
        yield Progress(done=0, total=len(self._to_read) or len(to_sharpen), text="Loading the encoder")
        embedder = self._services.embedder()
        stored = self._stored_model()
        model = self._catalogue.use_model(
            self._services.encoder_name,
            self._services.encoder_version(),
            embedding_size=embedder.embedding_size,
        )
        if model != stored:  # their embeddings are of another network
            self._notes.contents.known.clear()
            self._notes.contents.sharp.clear()
        library = self._services.settings.library
        reader = PhotoReader(embedder, library, thumbnails=self._catalogue.thumbnails)
        intake = Intake(self._services, embedder, model=model, notes=self._notes)

        def read_first(stamp: FileStamp, known: Mapping[bytes, int]) -> Outcome:
            read = reader.read if stamp.path in self._searchable else reader.read_soon
            return read(stamp, known)

        if self._to_read:
            known = self._notes.contents.known
            outcomes = self._outcomes(read_first, self._to_read, known=known)
            yield from self._take_all(outcomes, intake, pace=Pace(len(self._to_read), "Indexing photos"))
            if self._has_found_more():
                self._searchable_at = time.monotonic()
        # The grid begins with the newest photos.
        rest = sorted(to_sharpen.values(), key=lambda stamp: stamp.modified_ns, reverse=True)
        if rest:
            yield Progress(done=0, total=len(rest), text="Looking closer")
            outcomes = self._outcomes(reader.read, rest, known=self._notes.contents.sharp)
            yield from self._take_all(outcomes, intake, pace=Pace(len(rest), "Looking closer"))

    def _has_found_more(self) -> bool:
        """Whether photos can be found now that could not before the run."""
        new = (path for path, fate in self._tally.fates.items() if fate in (Fate.ADDED, Fate.CHANGED))
        return any(path not in self._searchable for path in new)

    def _outcomes(
        self, read: ReadFile, stamps: Sequence[FileStamp], *, known: Mapping[bytes, int]
    ) -> Iterator[Outcome | None]:
        library = self._services.settings.library
        ahead = _BATCHES_AHEAD * library.batch_size
        return read_ahead(read, stamps, known=known, threads=library.decode_threads, ahead=ahead)

    def _take_all(
        self, outcomes: Iterator[Outcome | None], intake: Intake, *, pace: Pace
    ) -> Iterator[object]:
        """Store outcomes as they come, in batches."""
        batch_size = self._services.settings.library.batch_size
        pending = Pending()
        done = 0
        for outcome in outcomes:
            if outcome is not None:
                pending.add(outcome)
            is_late = time.monotonic() - pending.since > _LONGEST_BATCH_S
            if len(pending) >= batch_size or (pending and is_late):
                done += len(pending)
                yield from intake.take(pending)
                pending = Pending()
            if outcome is None or not pending:
                yield pace.progress(done + len(pending))
        if pending:
            done += len(pending)
            yield from intake.take(pending)
        yield pace.progress(done)

    # --- end ------------------------------------------------------------------------------------

    def finish(self, started_at: float) -> IndexSummary:
        """Tidy up and sum up a run that started at this moment of the monotonic clock."""
        self._catalogue.drop_orphaned_thumbnails()
        counts = self._tally.counts()
        seconds = time.monotonic() - started_at
        return IndexSummary(
            added=counts[Fate.ADDED],
            changed=counts[Fate.CHANGED],
            unchanged=counts[Fate.UNCHANGED],
            missing=self._tally.missing,
            unreadable=counts[Fate.UNREADABLE],
            ignored=self._scan.ignored,
            problems=tuple(sorted(self._tally.problems, key=lambda problem: os.fsencode(problem.path))),
            seconds=seconds,
            photos_total=self._catalogue.photos.counts()[PhotoState.INDEXED],
            unread=self._catalogue.count_unread(self._stored_model()),
            searchable_seconds=0.0 if self._searchable_at is None else self._searchable_at - started_at,
        )


def _is_same_file(stamp: FileStamp, old: KnownPhoto) -> bool:
    return (stamp.size_bytes, stamp.modified_ns) == (old.size_bytes, old.modified_ns)
