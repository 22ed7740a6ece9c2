"""Rows, folders and batches of a library."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from desktop_app.catalogue.catalogue import Batch, Catalogue, StoredModel, UnreadableFile
from desktop_app.catalogue.photos import PhotoFacts, sort_name
from desktop_app.catalogue.scanner import FileStamp
from desktop_app.catalogue.segments import SegmentFiles
from desktop_app.catalogue.thumbnails import content_digest
from desktop_app.core.errors import CatalogueError, ResourceError
from desktop_app.core.types import FloatArray, PageRequest, PhotoOrder, PhotoState


def facts(
    path: str, *, digest: bytes | None = None, modified_ns: int = 1, photo_id: int | None = None
) -> PhotoFacts:
    stamp = FileStamp(Path(path), 10, modified_ns)
    return PhotoFacts(stamp, digest or content_digest(path.encode()), 40, 30, b"s" * 304, photo_id)


def unit(count: int, size: int = 4, seed: int = 0) -> FloatArray:
    rows = np.random.default_rng(seed).standard_normal((count, size)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def store(
    catalogue: Catalogue, *paths: str, model: StoredModel | None = None, modified_ns: int = 1
) -> list[int]:
    model = model or catalogue.use_model("m", "1", embedding_size=4)
    photos = [facts(path, modified_ns=modified_ns) for path in paths]
    rows = catalogue.store(Batch(photos=photos, embeddings=unit(len(paths))), model)
    return [row.photo_id for row in rows]


def test_stored_photos_are_there_after_reopening(catalogue: Catalogue) -> None:
    ids = store(catalogue, "/p/a.jpg", "/p/b.jpg")
    catalogue.close()
    again = Catalogue.open(catalogue.folder)
    rows = again.photos.by_ids(ids)
    assert [rows[i].path for i in ids] == [Path("/p/a.jpg"), Path("/p/b.jpg")]
    assert rows[ids[0]].state is PhotoState.INDEXED and rows[ids[0]].width_px == 40
    model = again.current_model("m")
    assert model is not None and again.positions(model)[0].tolist() == ids
    again.close()


def test_changed_content_drops_the_embeddings_of_the_old_one(catalogue: Catalogue) -> None:
    first = catalogue.use_model("first", "1", embedding_size=4)
    second = catalogue.use_model("second", "1", embedding_size=6)
    (photo_id,) = store(catalogue, "/p/a.jpg", model=first)
    catalogue.store(Batch(photos=[facts("/p/a.jpg")], embeddings=unit(1, 6)), second)
    assert catalogue.position_of(first, photo_id) == 0 and catalogue.position_of(second, photo_id) == 0
    changed = facts("/p/a.jpg", digest=content_digest(b"new"))
    assert catalogue.store(Batch(photos=[changed], embeddings=unit(1)), first)[0].photo_id == photo_id
    assert catalogue.position_of(first, photo_id) is not None
    assert catalogue.position_of(second, photo_id) is None


def test_new_weights_of_one_name_drop_only_their_embeddings(catalogue: Catalogue) -> None:
    old = catalogue.use_model("m", "1", embedding_size=4)
    other = catalogue.use_model("other", "1", embedding_size=4)
    store(catalogue, "/p/a.jpg", model=old)
    store(catalogue, "/p/a.jpg", model=other)
    assert catalogue.use_model("m", "1", embedding_size=4) == old
    new = catalogue.use_model("m", "2", embedding_size=4)
    assert new.model_id not in (old.model_id, other.model_id)
    assert len(catalogue.positions(new)[0]) == 0 and len(catalogue.positions(other)[0]) == 1
    assert not (catalogue.folder / "vectors" / str(old.model_id)).exists()
    assert catalogue.photos.counts()[PhotoState.INDEXED] == 1


def test_copy_shares_the_embedding_and_moved_file_keeps_its_row(catalogue: Catalogue) -> None:
    model = catalogue.use_model("m", "1", embedding_size=4)
    (photo_id,) = store(catalogue, "/p/a.jpg", model=model)
    digest = content_digest(b"/p/a.jpg")
    (copy,) = catalogue.store(Batch(copies=[(facts("/p/copy.jpg", digest=digest), photo_id)]), model)
    assert catalogue.position_of(model, copy.photo_id) == catalogue.position_of(model, photo_id)
    (moved,) = catalogue.store(
        Batch(copies=[(facts("/q/a.jpg", digest=digest, photo_id=photo_id), photo_id)]), model
    )
    assert moved.photo_id == photo_id and moved.path == Path("/q/a.jpg")
    assert catalogue.photos.by_path(Path("/p/a.jpg")) is None
    assert catalogue.photos.ids_with_digest(digest) == {photo_id, copy.photo_id}


def test_unreadable_file_loses_its_embedding_and_a_passing_fault_is_read_again(catalogue: Catalogue) -> None:
    model = catalogue.use_model("m", "1", embedding_size=4)
    (photo_id,) = store(catalogue, "/p/a.jpg", model=model)
    stamp = FileStamp(Path("/p/a.jpg"), 10, 1)
    (row,) = catalogue.store(Batch(unreadable=[UnreadableFile(stamp, "It is broken.", True)]), model)
    assert row.photo_id == photo_id and row.state is PhotoState.UNREADABLE and row.reason == "It is broken."
    assert catalogue.position_of(model, photo_id) is None
    known = catalogue.photos.known_below([Path("/p")], model_id=model.model_id)[Path("/p/a.jpg")]
    assert known.size_bytes == 10
    catalogue.store(Batch(unreadable=[UnreadableFile(stamp, "Later.", False)]), model)
    known = catalogue.photos.known_below([Path("/p")], model_id=model.model_id)[Path("/p/a.jpg")]
    assert known.size_bytes != 10
    assert [problem.reason for problem in catalogue.photos.problems(10)] == ["Later."]


def test_batch_that_cannot_be_written_leaves_nothing(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = catalogue.use_model("m", "1", embedding_size=4)
    store(catalogue, "/p/a.jpg", model=model)

    def full(self: SegmentFiles, position: int, rows: FloatArray) -> None:
        raise ResourceError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(SegmentFiles, "write", full)
        with pytest.raises(ResourceError):
            store(catalogue, "/p/b.jpg", model=model)
    broken = Batch(photos=[facts("/p/c.jpg"), facts("/p/d.jpg", photo_id="no id")], embeddings=unit(2))  # type: ignore[arg-type]
    monkeypatch.setattr(catalogue.photos, "put_photo", _failing_after_one(catalogue))
    with pytest.raises(ResourceError):
        catalogue.store(broken, model)
    monkeypatch.undo()
    assert catalogue.photos.counts()[PhotoState.INDEXED] == 1
    (again,) = store(catalogue, "/p/b.jpg", model=model)
    assert catalogue.position_of(model, again) == 1


def _failing_after_one(catalogue: Catalogue) -> object:
    original = catalogue.photos.put_photo
    calls: list[int] = []

    def put(given: PhotoFacts) -> int:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return original(given)

    return put


def test_pages_have_the_order_the_filter_and_the_total(catalogue: Catalogue) -> None:
    model = catalogue.use_model("m", "1", embedding_size=4)
    for number in range(7):
        store(catalogue, f"/p/img{number}.jpg", model=model, modified_ns=number * 10**9)
    store(catalogue, "/q/IMG10.jpg", model=model, modified_ns=3 * 10**9)
    page = catalogue.photos.page
    names = lambda request: [row.path.name for row in page(request).rows]  # noqa: E731
    assert names(PageRequest(0, 3)) == ["img6.jpg", "img5.jpg", "img4.jpg"]
    assert names(PageRequest(6, 5)) == ["img1.jpg", "img0.jpg"]
    assert names(PageRequest(0, 1, order=PhotoOrder.OLDEST)) == ["img0.jpg"]
    assert names(PageRequest(6, 9, order=PhotoOrder.NAME)) == ["img6.jpg", "IMG10.jpg"]
    below = page(PageRequest(0, 50, folder=Path("/q")))
    assert below.total == 1 and below.rows[0].modified_at == 3.0
    assert page(PageRequest(0, 0)).total == 8
    assert page(PageRequest(100, 5)).rows == ()
    assert page(PageRequest(0, 5, state=PhotoState.MISSING)).total == 0


def test_sort_name_orders_numbers_by_value() -> None:
    names = [Path("IMG_2.jpg"), Path("img_10.jpg"), Path("img_001.jpg")]
    assert [p.name for p in sorted(names, key=sort_name)] == ["img_001.jpg", "IMG_2.jpg", "img_10.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="names of Windows are text")
def test_names_that_are_no_text_survive(catalogue: Catalogue) -> None:
    path = os.fsdecode(b"/p/caf\xe9.jpg")
    model = catalogue.use_model("m", "1", embedding_size=4)
    photo = PhotoFacts(FileStamp(Path(path), 1, 1), b"d" * 16, 1, 1, b"s" * 304)
    (row,) = catalogue.store(Batch(photos=[photo], embeddings=unit(1)), model)
    assert os.fsencode(row.path) == b"/p/caf\xe9.jpg"
    assert catalogue.photos.by_path(Path(path)) == row


def test_folders_below_a_watched_one_are_not_listed_twice(catalogue: Catalogue) -> None:
    catalogue.add_folder(Path("/p/sub"))
    catalogue.add_folder(Path("/q"))
    catalogue.add_folder(Path("/p"))
    catalogue.add_folder(Path("/p/other"))
    assert catalogue.folders() == [Path("/p"), Path("/q")]


def test_removed_folder_forgets_its_photos_and_thumbnails_only(catalogue: Catalogue, tmp_path: Path) -> None:
    from tests.pictures import picture

    catalogue.add_folder(Path("/p"))
    catalogue.add_folder(Path("/pq"))
    gone = store(catalogue, "/p/a.jpg", "/p/sub/b.jpg")
    (kept,) = store(catalogue, "/pq/c.jpg")
    for path in ("/p/a.jpg", "/pq/c.jpg"):
        catalogue.thumbnails.write(content_digest(path.encode()), picture(1), longer_side_px=32)
    assert sorted(catalogue.remove_folder(Path("/p"))) == sorted(gone)
    assert catalogue.folders() == [Path("/pq")]
    assert catalogue.photos.counts()[PhotoState.INDEXED] == 1
    model = catalogue.current_model("m")
    assert model is not None and catalogue.positions(model)[0].tolist() == [kept]
    assert catalogue.thumbnails.known() == {content_digest(b"/pq/c.jpg")}


def test_ids_are_never_used_twice(catalogue: Catalogue) -> None:
    catalogue.add_folder(Path("/p"))
    (first,) = store(catalogue, "/p/a.jpg")
    catalogue.remove_folder(Path("/p"))
    assert store(catalogue, "/p/a.jpg") != [first]


def test_writing_is_for_one_at_a_time(catalogue: Catalogue) -> None:
    other = Catalogue.open(catalogue.folder)
    with catalogue.writing():
        with pytest.raises(CatalogueError, match="being changed"), other.writing():
            pass
        assert other.photos.page(PageRequest(0, 5)).total == 0, "reading is free"
    with other.writing():
        pass
    other.close()
