"""Indexing large photos in two passes: found soon by their previews, and in the end as if read in full."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from desktop_app.core.types import (
    FloatArray,
    HitKind,
    Image,
    IndexRequest,
    PageRequest,
    PhotoBatch,
    PhotoState,
    Progress,
    SearchRequest,
)
from desktop_app.jobs import index_photos, photo_reader, search_photos
from desktop_app.jobs.services import Services
from tests.library import counts, drive, index, open_services
from tests.pictures import camera_jpeg, picture, save_camera_photos, save_pictures
from tests.tiny_embedder import TinyEmbedder

COUNT = 6


def png(image: Image) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    save_camera_photos(folder, COUNT)
    save_pictures(folder, 3)
    return folder


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    opened = open_services(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def whole_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the photos that were decoded in full, as it goes on."""
    names: list[str] = []
    original = photo_reader.decode_content

    def watched(content: bytes, *, path: Path | None, **named: object) -> object:
        names.append(path.name if path is not None else "")
        return original(content, path=path, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(photo_reader, "decode_content", watched)
    return names


def state_of(services: Services) -> dict[str, tuple[object, ...]]:
    """All that the library holds of each photo, to the bit."""
    found = {}
    for state in (PhotoState.INDEXED, PhotoState.UNREADABLE):
        for row in services.catalogue.photos.page(PageRequest(0, 1000, state=state)).rows:
            vector = services.vectors.vector_of(row.photo_id)
            found[row.path.name] = (
                state,
                row.reason,
                (row.width_px, row.height_px),
                vector.tobytes() if vector is not None else None,
                services.catalogue.photos.signatures([row.photo_id]).get(row.photo_id),
                row.thumbnail.read_bytes() if row.thumbnail is not None else None,
            )
    return found


def state_without_previews(photos: Path, folder: Path) -> dict[str, tuple[object, ...]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photo_reader, "embedded_preview", lambda *_, **__: None)
        services = open_services(folder)
        index(services, photos)
        state = state_of(services)
        services.close()
    return state


def run_until_looking_closer(services: Services, *folders: Path, renewals: int = 0) -> list[PhotoBatch]:
    """Run the job and cancel it in its second pass; the batches it told."""
    job = index_photos.run(IndexRequest(folders), services)
    batches: list[PhotoBatch] = []
    is_closer = False
    for message in job:
        if isinstance(message, PhotoBatch):
            batches.append(message)
        is_closer |= isinstance(message, Progress) and message.text == "Looking closer"
        if is_closer and sum(batch.is_renewal for batch in batches) >= renewals:
            break
    job.close()
    return batches


def previews_in(services: Services) -> set[str]:
    model = services.catalogue.current_model(services.encoder_name)
    assert model is not None
    known = services.catalogue.photos.known_below([Path("/")], model_id=model.model_id)
    return {path.name for path, photo in known.items() if photo.is_preview}


def test_end_state_is_to_the_bit_that_of_reading_in_full(
    photos: Path, services: Services, tmp_path: Path, whole_reads: list[str]
) -> None:
    wide = camera_jpeg(picture(50, width=2000, height=1125), orientation=6)
    (photos / "wide.jpg").write_bytes(wide)
    summary = index(services, photos)
    assert counts(summary) == (COUNT + 4, 0, 0, 0, 0)
    assert sorted(whole_reads) == sorted(path.name for path in photos.iterdir()), "each read in full once"
    assert 0 < summary.searchable_seconds <= summary.seconds
    assert state_of(services) == state_without_previews(photos, tmp_path / "other")
    assert previews_in(services) == set()
    assert services.vectors.count == COUNT + 4
    assert index(services).searchable_seconds == 0 == index(services, recheck=True).searchable_seconds


def test_all_photos_are_found_by_the_end_of_the_first_pass(
    photos: Path, services: Services, whole_reads: list[str]
) -> None:
    services.vectors.background()
    batches = run_until_looking_closer(services, photos)
    assert not any(batch.is_renewal for batch in batches)
    assert sum(len(batch.rows) for batch in batches) == COUNT + 3 == services.vectors.count
    assert not any(name.startswith("camera") for name in whole_reads)
    assert previews_in(services) == {f"camera{i:04d}.jpg" for i in range(COUNT)}
    embedder = TinyEmbedder()
    for row in services.catalogue.photos.page(PageRequest(0, 100)).rows:
        if row.path.name.startswith("camera"):
            assert (row.width_px, row.height_px) == (1680, 1260)
            assert row.thumbnail is not None and row.thumbnail.stat().st_size > 0
            query = embedder.embed([picture(int(row.path.stem[-4:]), width=1680, height=1260)])[0]
            nearest = services.vectors.search(query, 1)[0]
            assert nearest.photo_id == row.photo_id and nearest.similarity > 0.99


def test_search_sees_the_renewed_embeddings_while_the_run_goes_on(photos: Path, services: Services) -> None:
    services.vectors.background()
    seen = 0
    for message in index_photos.run(IndexRequest((photos,)), services):
        if isinstance(message, PhotoBatch):
            for row in message.rows:
                vector = services.vectors.vector_of(row.photo_id)
                assert vector is not None
                (nearest,) = services.vectors.search(vector, 1)
                assert nearest.photo_id == row.photo_id and nearest.similarity > 0.999
                seen += message.is_renewal
            assert services.vectors.count <= COUNT + 3
    assert seen == COUNT


def test_progress_of_both_passes_ends_full(photos: Path, services: Services) -> None:
    messages, _ = drive(index_photos.run(IndexRequest((photos,)), services))
    for text, total in (("Indexing photos", COUNT + 3), ("Looking closer", COUNT)):
        told = [m for m in messages if isinstance(m, Progress) and m.text == text]
        assert [m.done for m in told] == sorted(m.done for m in told)
        assert (told[-1].done, told[-1].total) == (total, total)


def test_newest_photos_are_looked_at_first(photos: Path, services: Services) -> None:
    for number in range(COUNT):
        os.utime(photos / f"camera{number:04d}.jpg", (1000 + number, 1000 + number))
    messages, _ = drive(index_photos.run(IndexRequest((photos,)), services))
    renewed = [
        row.path.name for m in messages if isinstance(m, PhotoBatch) and m.is_renewal for row in m.rows
    ]
    assert renewed == [f"camera{number:04d}.jpg" for number in reversed(range(COUNT))]


def test_files_of_a_slow_disk_are_read_once(
    photos: Path, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where reading takes longer than decoding, a second look costs more than the first one saves."""
    save_camera_photos(photos, 18, first_seed=COUNT)
    original, reads = photo_reader.read_photo_file, []

    def slow(path: Path) -> bytes:
        time.sleep(0.12)
        reads.append(path.name)
        return original(path)

    monkeypatch.setattr(photo_reader, "read_photo_file", slow)
    assert counts(index(services, photos)) == (COUNT + 21, 0, 0, 0, 0)
    assert COUNT + 21 < len(reads) < COUNT + 21 + 10, "a few until the disk is known to be slow"
    monkeypatch.undo()
    assert state_of(services) == state_without_previews(photos, tmp_path / "other")


def test_stale_preview_is_healed(services: Services, tmp_path: Path) -> None:
    """An editor that wrote a new picture and kept the old preview."""
    photos = tmp_path / "photos"
    photos.mkdir()
    new, old = picture(1, width=1680, height=1260), picture(2, width=1680, height=1260)
    (photos / "edited.jpg").write_bytes(camera_jpeg(new, preview=old))
    run_until_looking_closer(services, photos)
    (soon,) = (row for row in services.catalogue.photos.page(PageRequest(0, 9)).rows)
    by_preview = services.vectors.vector_of(soon.photo_id)
    index(services)
    sharp = services.vectors.vector_of(soon.photo_id)
    assert by_preview is not None and sharp is not None
    embedder = TinyEmbedder()
    assert float(by_preview @ embedder.embed([old])[0]) > 0.99
    assert float(sharp @ embedder.embed([new])[0]) > 0.99
    assert state_of(services) == state_without_previews(photos, tmp_path / "other")


def test_a_preview_is_no_ground_to_call_photos_the_same(services: Services, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    old, new = picture(2, width=1680, height=1260), picture(1, width=1680, height=1260)
    (photos / "a.jpg").write_bytes(camera_jpeg(old))
    (photos / "edited.jpg").write_bytes(camera_jpeg(new, preview=old))
    (photos / "small.png").write_bytes(png(old))
    run_until_looking_closer(services, photos)
    rows = {row.path.name: row for row in services.catalogue.photos.page(PageRequest(0, 9)).rows}
    for name in rows:
        found = drive(search_photos.run(SearchRequest(rows[name].photo_id, min_similarity=-1.0), services))[1]
        assert {hit.kind for hit in found.hits} == {HitKind.SIMILAR} and len(found.hits) == 2
    index(services)
    found = drive(
        search_photos.run(SearchRequest(rows["small.png"].photo_id, min_similarity=-1.0), services)
    )[1]
    kinds = {hit.row.path.name: hit.kind for hit in found.hits}
    assert kinds == {"a.jpg": HitKind.NEAR_DUPLICATE, "edited.jpg": HitKind.SIMILAR}


def test_photo_that_turns_out_damaged_becomes_unreadable(
    photos: Path, services: Services, tmp_path: Path
) -> None:
    whole = (photos / "camera0000.jpg").read_bytes()
    (photos / "half.jpg").write_bytes(whole[: len(whole) // 2])
    services.vectors.background()
    batches = run_until_looking_closer(services, photos)
    assert sum(len(batch.rows) for batch in batches) == COUNT + 4
    summary = index(services)
    assert counts(summary) == (0, 0, COUNT + 3, 0, 1)
    assert summary.searchable_seconds == 0, "all that can be found could be found before"
    assert {p.path.name: p.reason for p in summary.problems} == {
        "half.jpg": "The file is damaged: it ends too early."
    }
    assert services.vectors.count == COUNT + 3 == summary.photos_total
    assert state_of(services) == state_without_previews(photos, tmp_path / "other")
    assert counts(index(services)) == (0, 0, COUNT + 3, 0, 1)
    at_once = open_services(tmp_path / "third")
    assert counts(index(at_once, photos)) == (COUNT + 3, 0, 0, 0, 1)
    at_once.close()


def test_batch_of_nothing_but_damaged_photos_is_told(services: Services, tmp_path: Path) -> None:
    """Else a list would go on showing them until the next batch."""
    photos = tmp_path / "photos"
    save_camera_photos(photos, 1)
    whole = (photos / "camera0000.jpg").read_bytes()
    (photos / "camera0000.jpg").write_bytes(whole[: len(whole) // 2])
    (shown,) = run_until_looking_closer(services, photos)
    assert len(shown.rows) == 1
    messages, _ = drive(index_photos.run(IndexRequest(()), services))
    assert [message for message in messages if isinstance(message, PhotoBatch)] == [PhotoBatch(())]


@pytest.mark.parametrize("renewals", [0, 1])
def test_cancelled_run_goes_on_with_what_is_left(
    photos: Path, services: Services, tmp_path: Path, whole_reads: list[str], renewals: int
) -> None:
    batches = run_until_looking_closer(services, photos, renewals=renewals)
    done = {row.path.name for batch in batches if batch.is_renewal for row in batch.rows}
    left = {f"camera{i:04d}.jpg" for i in range(COUNT)} - done
    assert (len(done) > 0) == (renewals > 0) and left == previews_in(services)
    whole_reads.clear()
    assert counts(index(services)) == (0, 0, COUNT + 3, 0, 0)
    assert sorted(whole_reads) == sorted(left)
    whole_reads.clear()
    assert counts(index(services)) == (0, 0, COUNT + 3, 0, 0)
    assert whole_reads == []
    assert state_of(services) == state_without_previews(photos, tmp_path / "other")


def test_copy_of_a_photo_known_by_its_preview_is_looked_at_closer_too(
    photos: Path, services: Services, tmp_path: Path
) -> None:
    run_until_looking_closer(services, photos)
    shutil.copy(photos / "camera0000.jpg", photos / "zcopy.jpg")
    job = index_photos.run(IndexRequest((photos,)), services)
    messages, summary = drive(job)
    assert counts(summary) == (1, 0, COUNT + 3, 0, 0)
    renewed = [
        row.path.name for m in messages if isinstance(m, PhotoBatch) and m.is_renewal for row in m.rows
    ]
    assert sorted(renewed) == sorted([*(f"camera{i:04d}.jpg" for i in range(COUNT)), "zcopy.jpg"])
    assert previews_in(services) == set()
    assert state_of(services) == state_without_previews(photos, tmp_path / "other")


def test_moved_photo_keeps_its_row_and_is_read_in_full(
    photos: Path, services: Services, tmp_path: Path
) -> None:
    run_until_looking_closer(services, photos)
    row = services.catalogue.photos.by_path(photos / "camera0002.jpg")
    assert row is not None
    (photos / "camera0002.jpg").rename(photos / "moved.jpg")
    assert counts(index(services)) == (0, 1, COUNT + 2, 0, 0)
    moved = services.catalogue.photos.by_path(photos / "moved.jpg")
    assert moved is not None and moved.photo_id == row.photo_id
    assert state_of(services) == state_without_previews(photos, tmp_path / "other")


def test_changed_photo_and_recheck_are_told_right(
    photos: Path, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(services, photos)
    (photos / "camera0001.jpg").write_bytes(camera_jpeg(picture(90, width=1680, height=1260)))
    assert counts(index(services)) == (0, 1, COUNT + 2, 0, 0)
    assert state_of(services) == state_without_previews(photos, tmp_path / "other")
    monkeypatch.setattr(
        photo_reader, "embedded_preview", lambda *_, **__: pytest.fail("these photos are found already")
    )
    assert counts(index(services, recheck=True)) == (0, COUNT + 3, 0, 0, 0)
    shutil.rmtree(services.catalogue.folder / "thumbnails")
    assert counts(index(services)) == (0, COUNT + 3, 0, 0, 0)


def test_sharp_thumbnail_is_not_replaced_by_a_preview(
    photos: Path, services: Services, tmp_path: Path
) -> None:
    index(services, photos)
    before = state_of(services)
    services.close()
    other = open_services(tmp_path, encoder="other.test", embedder=TinyEmbedder("other.test"))
    run_until_looking_closer(other)
    assert len(previews_in(other)) == COUNT
    after = state_of(other)
    other.close()
    assert {name: row[4:] for name, row in after.items()} == {name: row[4:] for name, row in before.items()}


def test_each_encoder_is_brought_to_its_end(photos: Path, tmp_path: Path) -> None:
    """What one encoder saw in full does not hide that another saw previews alone."""
    first = open_services(tmp_path, encoder="first.test")
    run_until_looking_closer(first, photos)
    first.close()
    second = open_services(tmp_path, encoder="second.test", embedder=TinyEmbedder("second.test"))
    assert counts(index(second)) == (0, COUNT + 3, 0, 0, 0)
    second.close()
    back = open_services(tmp_path, encoder="first.test")
    assert len(previews_in(back)) == COUNT
    assert counts(index(back)) == (0, 0, COUNT + 3, 0, 0)
    assert previews_in(back) == set()
    assert state_of(back) == state_without_previews(photos, tmp_path / "other")
    back.close()


def test_tuned_embeddings_of_previews_are_known_as_such(photos: Path, services: Services) -> None:
    run_until_looking_closer(services, photos)
    base = services.catalogue.current_model("tiny.test")
    assert base is not None
    ids, vectors = services.catalogue.stored_vectors(base)
    tuned = services.catalogue.use_model("tuned.test", "1", embedding_size=base.embedding_size)
    services.catalogue.put_vectors(tuned, ids.tolist(), vectors)
    known = services.catalogue.photos.known_below([photos], model_id=tuned.model_id)
    assert {path.name for path, photo in known.items() if photo.is_preview} == previews_in(services)


def test_file_that_vanishes_before_the_closer_look(photos: Path, services: Services) -> None:
    job = index_photos.run(IndexRequest((photos,)), services)
    for message in job:
        if isinstance(message, Progress) and message.text == "Looking closer":
            break
    (photos / "camera0003.jpg").unlink()
    _, summary = drive(job)
    assert counts(summary) == (COUNT + 2, 0, 0, 1, 0), "each file is counted once"
    assert summary.problems == (), "a photo that is missing is not one that was left out"
    gone = services.catalogue.photos.by_path(photos / "camera0003.jpg")
    assert gone is not None and gone.state is PhotoState.MISSING
    assert services.vectors.count == COUNT + 2
    assert counts(index(services)) == (0, 0, COUNT + 2, 0, 0)


def test_folder_that_vanishes_before_the_closer_look_counts_each_photo_once(
    photos: Path, services: Services
) -> None:
    job = index_photos.run(IndexRequest((photos,)), services)
    for message in job:
        if isinstance(message, Progress) and message.text == "Looking closer":
            break
    shutil.rmtree(photos)
    _, summary = drive(job)
    assert counts(summary) == (3, 0, 0, COUNT, 0) and summary.problems == ()


def test_preview_the_encoder_cannot_take_waits_for_the_full_picture(tmp_path: Path) -> None:
    class Picky(TinyEmbedder):
        def embed_prepared(self, batch: Image) -> FloatArray:
            rows = super().embed_prepared(batch)
            rows[batch.reshape(len(batch), -1).max(axis=1) < 10] = np.nan
            return rows

    photos = tmp_path / "photos"
    photos.mkdir()
    black = np.zeros((1260, 1680, 3), dtype=np.uint8)
    (photos / "good.jpg").write_bytes(camera_jpeg(picture(1, width=1680, height=1260), preview=black))
    (photos / "black.jpg").write_bytes(camera_jpeg(black))
    services = open_services(tmp_path, embedder=Picky())
    summary = index(services, photos)
    assert counts(summary) == (1, 0, 0, 0, 1)
    assert [p.path.name for p in summary.problems] == ["black.jpg"]
    assert counts(index(services)) == (0, 0, 1, 0, 1)
    services.close()


def test_content_that_moved_on_to_another_name_keeps_its_own_embedding(
    photos: Path, services: Services, tmp_path: Path
) -> None:
    """A name that holds another photo now cannot lend that photo's embedding to its old content."""
    index(services, photos)
    (photos / "camera0000.jpg").rename(photos / "zlast.jpg")
    (photos / "camera0000.jpg").write_bytes(camera_jpeg(picture(70, width=1680, height=1260)))
    (photos / "photo0000.jpg").rename(photos / "zsmall.jpg")
    (photos / "photo0000.jpg").write_bytes((photos / "photo0001.jpg").read_bytes())
    summary = index(services)
    assert counts(summary) == (2, 2, COUNT + 1, 0, 0)
    assert state_of(services) == state_without_previews(photos, tmp_path / "other")


_CHILD = """
import sys
from pathlib import Path
from desktop_app.core.types import IndexRequest, PhotoBatch
from desktop_app.jobs import index_photos
from tests.library import open_services
services = open_services(Path(sys.argv[1]))
for message in index_photos.run(IndexRequest((Path(sys.argv[2]),)), services):
    if isinstance(message, PhotoBatch):
        print(len(message.rows), int(message.is_renewal), flush=True)
print("end", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")
def test_killed_in_either_pass_loses_nothing_and_ends_the_same(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    save_camera_photos(photos, 24)
    was_closer = 0
    for lines_wanted in (2, 3, 3, 2, 2):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(tmp_path), str(photos)], stdout=subprocess.PIPE, text=True
        )
        with child:
            assert child.stdout is not None
            lines = []
            for _ in range(lines_wanted):
                lines.append(child.stdout.readline())
                if lines[-1] in ("", "end\n"):
                    break
            child.send_signal(signal.SIGKILL)
        was_closer += lines[-1].endswith(" 1\n")
        services = open_services(tmp_path)
        services.catalogue.check_integrity()
        rows = services.catalogue.photos.page(PageRequest(0, 100)).rows
        for row in rows:
            assert row.thumbnail is not None and row.thumbnail.is_file()
            assert services.vectors.vector_of(row.photo_id) is not None
        services.close()
    assert was_closer >= 2, "the second pass was hardly ever hit"
    services = open_services(tmp_path)
    summary = index(services, photos)
    assert (summary.changed, summary.unreadable) == (0, 0)
    assert summary.added + summary.unchanged == 24
    assert previews_in(services) == set()
    assert state_of(services) == state_without_previews(photos, tmp_path / "other")
    services.close()
