"""Indexing: what is read, what is kept, what is told."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from desktop_app.catalogue.segments import SegmentFiles
from desktop_app.catalogue.thumbnails import ThumbnailStore, content_digest
from desktop_app.core.errors import CatalogueError, ResourceError, UserInputError
from desktop_app.core.types import (
    FloatArray,
    Image,
    IndexRequest,
    PageRequest,
    PhotoBatch,
    PhotoState,
    Progress,
)
from desktop_app.jobs import index_photos, photo_reader
from desktop_app.jobs.services import Services
from tests.library import counts, drive, index, open_services
from tests.pictures import save_picture, save_pictures
from tests.tiny_embedder import TinyEmbedder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    save_pictures(folder, 10)
    return folder


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    opened = open_services(tmp_path)
    yield opened
    opened.close()


def vectors_by_name(services: Services) -> dict[str, FloatArray]:
    rows = services.catalogue.photos.page(PageRequest(0, 1000)).rows
    found = {row.path.name: services.vectors.vector_of(row.photo_id) for row in rows}
    return {name: vector for name, vector in found.items() if vector is not None}


@pytest.fixture
def no_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a file was opened")

    monkeypatch.setattr(photo_reader, "decode_content", refuse)
    monkeypatch.setattr(photo_reader, "read_photo_file", refuse)


def test_photos_are_stored_with_thumbnail_size_and_embedding(photos: Path, services: Services) -> None:
    save_picture(photos / "sub" / "tall.png", 99, width=60, height=120)
    summary = index(services, photos)
    assert counts(summary) == (11, 0, 0, 0, 0) and summary.photos_total == 11
    page = services.catalogue.photos.page(PageRequest(0, 50))
    tall = next(row for row in page.rows if row.path.name == "tall.png")
    assert (tall.width_px, tall.height_px) == (60, 120)
    assert all(row.thumbnail is not None and row.thumbnail.is_file() for row in page.rows)
    embedder = TinyEmbedder()
    from PIL import Image as PillowImage

    expected = embedder.embed([np.array(PillowImage.open(photos / "sub" / "tall.png"))])[0]
    assert float(vectors_by_name(services)["tall.png"] @ expected) > 0.999


def test_every_yield_of_a_batch_is_safe_on_disk_already(
    photos: Path, services: Services, tmp_path: Path
) -> None:
    other = open_services(tmp_path)
    seen = 0
    for message in index_photos.run(IndexRequest((photos,)), services):
        if isinstance(message, PhotoBatch):
            seen += len(message.rows)
            stored = other.catalogue.photos.by_ids([row.photo_id for row in message.rows])
            assert list(stored.values()) == sorted(message.rows, key=lambda row: row.photo_id)
            assert all(other.vectors.vector_of(row.photo_id) is not None for row in message.rows)
    assert seen == 10
    other.close()


def test_progress_has_done_total_and_ends_full(photos: Path, services: Services) -> None:
    messages, _ = drive(index_photos.run(IndexRequest((photos,)), services))
    told = [message for message in messages if isinstance(message, Progress) and message.total is not None]
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert (told[-1].done, told[-1].total) == (10, 10)
    assert {p.total for p in told} == {10}


def test_second_run_over_ten_thousand_unchanged_files_touches_no_pixel(
    tmp_path: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    from desktop_app.catalogue.catalogue import Batch
    from desktop_app.catalogue.photos import PhotoFacts
    from desktop_app.catalogue.scanner import scan_folders
    from desktop_app.catalogue.thumbnails import content_digest

    folder = tmp_path / "many"
    for number in range(100):
        (folder / f"{number:02d}").mkdir(parents=True)
        for other in range(100):
            (folder / f"{number:02d}" / f"{other:02d}.jpg").write_bytes(b"x")
    catalogue = services.catalogue
    catalogue.add_folder(folder)
    model = catalogue.use_model("tiny.test", "", embedding_size=4)
    stamps = list(scan_folders([folder]))[-1].files
    digest = content_digest(b"x")
    catalogue.thumbnails.write(digest, np.zeros((4, 4, 3), dtype=np.uint8), longer_side_px=4)
    facts = [PhotoFacts(stamp, digest, 4, 4, b"s" * 304) for stamp in stamps]
    catalogue.store(Batch(photos=facts, embeddings=np.eye(4, dtype=np.float32)[np.arange(10_000) % 4]), model)

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a file was opened, or the encoder was loaded")

    for name in ("decode_content", "read_photo_file"):
        monkeypatch.setattr(photo_reader, name, refuse)
    monkeypatch.setattr(services, "embedder", refuse)
    summary = index(services)
    assert counts(summary) == (0, 0, 10_000, 0, 0)
    assert summary.seconds < 60.0, "reading would take minutes"


def test_changed_new_and_removed_files_are_told_apart(photos: Path, services: Services) -> None:
    index(services, photos)
    save_picture(photos / "photo0001.jpg", 500)
    save_picture(photos / "new.jpg", 501)
    (photos / "photo0002.jpg").unlink()
    before = vectors_by_name(services)
    assert counts(index(services)) == (1, 1, 8, 1, 0)
    after = vectors_by_name(services)
    assert set(after) == set(before) - {"photo0002.jpg"} | {"new.jpg"}
    assert float(after["photo0001.jpg"] @ before["photo0001.jpg"]) < 0.9
    assert services.catalogue.photos.counts()[PhotoState.MISSING] == 1
    assert services.vectors.count == 10


def test_photo_that_comes_back_is_not_read_again(photos: Path, services: Services, tmp_path: Path) -> None:
    index(services, photos)
    services.vectors.background()
    photos.rename(tmp_path / "unplugged")
    summary = index(services)
    assert counts(summary) == (0, 0, 0, 10, 0)
    assert [problem.reason for problem in summary.problems] == ["The folder does not exist."]
    assert services.vectors.count == 0
    (tmp_path / "unplugged").rename(photos)
    embedder = services.embedder()
    assert isinstance(embedder, TinyEmbedder)
    prepared = embedder.prepared
    assert counts(index(services)) == (0, 0, 10, 0, 0)
    assert embedder.prepared == prepared
    assert services.vectors.count == 10


def test_photos_below_a_folder_that_cannot_be_read_are_not_called_missing(
    photos: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_pictures(photos / "closed", 2, first_seed=50)
    index(services, photos)
    original = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "scandir", refuse)
    summary = index(services)
    assert summary.missing == 0 and len(summary.problems) == 1
    assert services.catalogue.photos.counts()[PhotoState.INDEXED] == 12


def test_moved_file_keeps_its_row_and_is_not_decoded(photos: Path, services: Services) -> None:
    index(services, photos)
    row = services.catalogue.photos.by_path(photos / "photo0003.jpg")
    assert row is not None
    (photos / "later").mkdir()
    (photos / "photo0003.jpg").rename(photos / "later" / "renamed.jpg")
    embedder = services.embedder()
    assert isinstance(embedder, TinyEmbedder)
    prepared = embedder.prepared
    assert counts(index(services)) == (0, 1, 9, 0, 0)
    assert embedder.prepared == prepared
    moved = services.catalogue.photos.by_path(photos / "later" / "renamed.jpg")
    assert moved is not None and moved.photo_id == row.photo_id and moved.thumbnail == row.thumbnail
    assert services.catalogue.photos.counts()[PhotoState.MISSING] == 0
    assert services.vectors.count == 10


def test_copies_share_thumbnail_and_embedding(photos: Path, services: Services) -> None:
    index(services, photos)
    services.vectors.background()
    shutil.copy(photos / "photo0000.jpg", photos / "copy.jpg")
    assert counts(index(services)) == (1, 0, 10, 0, 0)
    assert len(services.catalogue.thumbnails.known()) == 10
    embedding = vectors_by_name(services)["copy.jpg"]
    names = {}
    for neighbour in services.vectors.search(embedding, 2):
        row = services.catalogue.photos.by_id(neighbour.photo_id)
        assert row is not None
        names[row.path.name] = neighbour.similarity
    assert set(names) == {"copy.jpg", "photo0000.jpg"}


def test_touched_file_with_the_same_content_is_not_decoded(photos: Path, services: Services) -> None:
    index(services, photos)
    os.utime(photos / "photo0000.jpg", (1, 1))
    embedder = services.embedder()
    assert isinstance(embedder, TinyEmbedder)
    prepared = embedder.prepared
    assert counts(index(services)) == (0, 1, 9, 0, 0)
    assert embedder.prepared == prepared
    row = services.catalogue.photos.by_path(photos / "photo0000.jpg")
    assert row is not None and row.modified_at == 1.0


def test_bad_files_are_listed_and_not_read_again(
    photos: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "text.png").write_text("hello", encoding="utf-8")
    whole = (photos / "photo0001.jpg").read_bytes()
    (photos / "half.jpg").write_bytes(whole[: len(whole) // 2])
    summary = index(services, photos)
    assert counts(summary) == (10, 0, 0, 0, 3)
    told = {problem.path.name: problem.reason for problem in summary.problems}
    assert set(told) == {"empty.jpg", "text.png", "half.jpg"}
    monkeypatch.setattr(photo_reader, "read_photo_file", lambda path: pytest.fail("read again"))
    again = index(services)
    assert counts(again) == (0, 0, 10, 0, 3)
    assert {problem.path.name: problem.reason for problem in again.problems} == told
    (photos / "half.jpg").unlink()
    monkeypatch.undo()
    assert counts(index(services)) == (0, 0, 10, 0, 2)


def test_recheck_reads_everything_again(photos: Path, services: Services) -> None:
    index(services, photos)
    embedder = services.embedder()
    assert isinstance(embedder, TinyEmbedder)
    prepared = embedder.prepared
    assert counts(index(services, recheck=True)) == (0, 10, 0, 0, 0)
    assert embedder.prepared == prepared + 10


def test_lost_thumbnails_are_made_again(photos: Path, services: Services) -> None:
    index(services, photos)
    shutil.rmtree(services.catalogue.folder / "thumbnails")
    index(services)
    assert len(services.catalogue.thumbnails.known()) == 10


def test_thumbnails_of_old_contents_are_cleared(photos: Path, services: Services) -> None:
    index(services, photos)
    save_picture(photos / "photo0000.jpg", 700)
    index(services)
    assert len(services.catalogue.thumbnails.known()) == 10


def test_other_encoder_embeds_anew_and_the_old_embeddings_stay(photos: Path, tmp_path: Path) -> None:
    first = open_services(tmp_path, encoder="first.test")
    index(first, photos)
    first.close()
    second = open_services(
        tmp_path, encoder="second.test", embedder=TinyEmbedder("second.test", embedding_size=50)
    )
    assert second.vectors.count == 0
    assert counts(index(second)) == (0, 10, 0, 0, 0)
    assert second.vectors.count == 10
    second.close()
    back = open_services(tmp_path, encoder="first.test")
    assert back.vectors.count == 10
    assert counts(index(back)) == (0, 0, 10, 0, 0)
    back.close()


def test_encoder_with_another_length_under_the_same_name_starts_over(photos: Path, tmp_path: Path) -> None:
    first = open_services(tmp_path)
    index(first, photos)
    first.close()
    second = open_services(tmp_path, embedder=TinyEmbedder(embedding_size=50))
    shutil.copy(photos / "photo0000.jpg", photos / "copy.jpg")
    index(second)
    index(second)
    assert second.vectors.count == 11
    second.close()


def test_stopped_run_keeps_its_batches_and_goes_on_later(photos: Path, services: Services) -> None:
    job = index_photos.run(IndexRequest((photos,)), services)
    kept: list[Path] = []
    for message in job:
        if isinstance(message, PhotoBatch):
            kept += [row.path for row in message.rows]
            if len(kept) >= 4:
                break
    job.close()
    assert services.catalogue.photos.counts()[PhotoState.INDEXED] == len(kept)
    assert counts(index(services)) == (10 - len(kept), 0, len(kept), 0, 0)


@pytest.mark.parametrize("writer", [(SegmentFiles, "write"), (ThumbnailStore, "write")])
def test_full_disk_ends_the_run_cleanly_and_a_later_run_goes_on(
    photos: Path, services: Services, monkeypatch: pytest.MonkeyPatch, writer: tuple[type, str]
) -> None:
    owner, name = writer
    original = getattr(owner, name)
    calls: list[int] = []
    # Whichever thread comes first: the thumbnails of the first six photos fit, the first batch fits.
    fitting = {content_digest((photos / f"photo{i:04d}.jpg").read_bytes()) for i in range(6)}

    def full(self: object, *arguments: object, **named: object) -> object:
        calls.append(1)
        if arguments[0] not in fitting if owner is ThumbnailStore else len(calls) > 1:
            raise ResourceError("The disk is full.")
        return original(self, *arguments, **named)

    reported: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, full)
        with pytest.raises(ResourceError, match="disk is full"):
            for message in index_photos.run(IndexRequest((photos,)), services):
                if isinstance(message, PhotoBatch):
                    reported += [row.photo_id for row in message.rows]
    assert len(reported) == 4
    assert services.catalogue.photos.counts()[PhotoState.INDEXED] == 4
    assert counts(index(services)) == (6, 0, 4, 0, 0)
    assert services.vectors.count == 10


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_really_full_disk(photos: Path, tmp_path: Path) -> None:
    """A limit on file size stands for the end of the disk: writes fail in the system, not in a mock."""
    import subprocess

    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from desktop_app.core.errors import ResourceError\n"
        "from tests.library import index, open_services\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, 90_000))\n"
        "services = open_services(Path(sys.argv[1]))\n"
        "try:\n"
        "    index(services, Path(sys.argv[2]))\n"
        "except ResourceError as error:\n"
        "    print('clean', error.message)\n"
    )
    save_pictures(photos, 300, first_seed=100)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(photos)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("clean"), done.stderr
    services = open_services(tmp_path)
    index(services, photos)
    assert services.vectors.count == 310
    services.close()


def test_file_that_vanishes_during_the_run_is_told_and_stops_nothing(
    photos: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(services, photos)
    for number in (0, 5):
        save_picture(photos / f"photo{number:04d}.jpg", 800 + number)
    save_picture(photos / "new.jpg", 900)
    job = index_photos.run(IndexRequest((photos,)), services)
    for message in job:
        if isinstance(message, Progress) and message.total is not None:
            break
    (photos / "photo0005.jpg").unlink()
    (photos / "new.jpg").unlink()
    _, summary = drive(job)
    assert counts(summary) == (0, 1, 8, 1, 1)
    assert {p.path.name: p.reason for p in summary.problems} == {
        "new.jpg": "The file vanished during the run."
    }
    assert services.catalogue.photos.by_path(photos / "new.jpg") is None
    gone = services.catalogue.photos.by_path(photos / "photo0005.jpg")
    assert gone is not None and gone.state is PhotoState.MISSING
    assert services.vectors.count == 9


@pytest.mark.skipif(sys.platform != "linux", reason="the file system must take any bytes as a name")
def test_names_that_are_no_text_are_indexed(photos: Path, services: Services) -> None:
    shutil.copy(photos / "photo0000.jpg", photos / os.fsdecode(b"caf\xe9\xff.jpg"))
    assert index(services, photos).added == 11
    assert counts(index(services)) == (0, 0, 11, 0, 0)


def test_picture_that_the_encoder_cannot_take_is_a_problem(photos: Path, tmp_path: Path) -> None:
    class Picky(TinyEmbedder):
        def prepare(self, image: Image) -> Image:
            if image.shape[1] > 20 * image.shape[0]:
                raise ValueError("too long")
            return super().prepare(image)

        def embed_prepared(self, batch: Image) -> FloatArray:
            rows = super().embed_prepared(batch)
            rows[batch.reshape(len(batch), -1).max(axis=1) == 0] = np.nan
            return rows

    from PIL import Image as PillowImage

    save_picture(photos / "long.png", 1, width=4000, height=4)
    PillowImage.new("RGB", (50, 50)).save(photos / "black.png")
    services = open_services(tmp_path, embedder=Picky())
    summary = index(services, photos)
    told = {problem.path.name: problem.reason for problem in summary.problems}
    assert counts(summary) == (10, 0, 0, 0, 2)
    assert "4000 × 4" in told["long.png"] and "encoder" in told["black.png"]
    services.close()


def test_slow_photo_leaves_room_for_other_jobs(
    photos: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    release = threading.Event()
    original = photo_reader.read_photo_file

    def slow(path: Path) -> bytes:
        if path.name == "photo0000.jpg":
            release.wait(10)
        return original(path)

    monkeypatch.setattr(photo_reader, "read_photo_file", slow)
    job = index_photos.run(IndexRequest((photos,)), services)
    yields = 0
    for _ in job:
        yields += 1
        if yields == 8:
            release.set()
    assert yields >= 8


def test_memory_is_bounded_by_the_read_ahead(
    photos: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_pictures(photos, 60, first_seed=100)
    embedder = services.embedder()
    assert isinstance(embedder, TinyEmbedder)
    most = 0
    original = TinyEmbedder.embed_prepared

    def watch(self: TinyEmbedder, batch: Image) -> FloatArray:
        nonlocal most
        import time

        time.sleep(0.01)
        most = max(most, self.prepared - self.embedded)
        return original(self, batch)

    monkeypatch.setattr(TinyEmbedder, "embed_prepared", watch)
    index(services, photos)
    assert most <= (index_photos._BATCHES_AHEAD + 1) * 4


def test_wrong_folders_are_told(tmp_path: Path, photos: Path, services: Services) -> None:
    with pytest.raises(UserInputError, match="watches no folder"):
        index(services)
    with pytest.raises(UserInputError, match="does not exist"):
        index(services, tmp_path / "nowhere")
    with pytest.raises(UserInputError, match="not a folder"):
        index(services, photos / "photo0000.jpg")
    summary = index(services, photos, tmp_path / "nowhere")
    assert summary.added == 10
    assert [problem.reason for problem in summary.problems] == ["The folder does not exist."]
    assert services.catalogue.folders() == [photos]


def test_second_program_indexing_the_same_library_is_refused(
    photos: Path, services: Services, tmp_path: Path
) -> None:
    job = index_photos.run(IndexRequest((photos,)), services)
    next(job)
    other = open_services(tmp_path)
    with pytest.raises(CatalogueError, match="being changed by another"):
        index(other, photos)
    job.close()
    assert index(other, photos).added == 10
    other.close()


def test_library_inside_the_photo_folder_is_not_indexed(photos: Path) -> None:
    services = open_services(photos)
    index(services, photos)
    assert index(services).unchanged == 10
    services.close()


def test_damaged_rows_on_disk_are_made_again(
    photos: Path, services: Services, expected_log: list[logging.LogRecord]
) -> None:
    index(services, photos)
    (file,) = (services.catalogue.folder / "vectors").rglob("*.f16")
    with file.open("r+b") as handle:
        handle.truncate(192 * 2 * 3)
    assert services.vectors.count == 3
    assert counts(index(services)) == (0, 7, 3, 0, 0)
    assert services.vectors.count == 10
