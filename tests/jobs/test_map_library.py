"""The map of a library: computed, kept, widened, cancelled, damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from desktop_app.catalogue.map_file import load_map
from desktop_app.core.errors import UserInputError
from desktop_app.core.types import (
    ComputeMapRequest,
    LibraryMap,
    MapRequest,
    MapSketch,
    Mark,
    PhotoRows,
    PhotosRequest,
    Progress,
)
from desktop_app.engine.space import layout
from desktop_app.jobs import map_library, page_photos
from desktop_app.jobs.services import Services
from tests.library import drive, index, open_services
from tests.pictures import save_pictures


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    monkeypatch.setattr(layout, "EARLY", 20)
    monkeypatch.setattr(layout, "LATE", 20)
    save_pictures(tmp_path / "photos" / "a", 8)
    save_pictures(tmp_path / "photos" / "b", 8, first_seed=50)
    services = open_services(tmp_path)
    index(services, tmp_path / "photos")
    yield services
    services.close()


def compute(services: Services) -> tuple[list[object], LibraryMap]:
    return drive(map_library.run(ComputeMapRequest(), services))


def load(services: Services) -> LibraryMap:
    return drive(map_library.run(MapRequest(), services))[1]


def test_map_is_computed_told_about_and_kept(library: Services, tmp_path: Path) -> None:
    assert load(library).photos == 16 and len(load(library).photo_ids) == 0
    messages, found = compute(library)
    assert any(isinstance(m, Progress) for m in messages) and any(isinstance(m, MapSketch) for m in messages)
    assert len(found.photo_ids) == 16 and found.places.shape == (16, 2) and found.placed == 0
    assert [name[-2:] for name in found.folder_names] == ["/a", "/b"] and sorted(set(found.folders)) == [0, 1]
    assert (found.modified_at > 1e9).all() and not found.places.flags.writeable
    reopened = open_services(tmp_path)
    np.testing.assert_array_equal(load(reopened).places, found.places)
    reopened.close()


def test_new_photos_are_placed_and_gone_ones_leave(library: Services, tmp_path: Path) -> None:
    _, before = compute(library)
    save_pictures(tmp_path / "photos" / "a", 1, first_seed=3000)
    (tmp_path / "photos" / "b" / "photo0050.jpg").unlink()
    index(library)
    found = load(library)
    assert found.placed == 1 and len(found.photo_ids) == 16
    kept = np.isin(before.photo_ids, found.photo_ids)
    np.testing.assert_array_equal(found.places[:-1], before.places[kept])
    new = found.places[-1]
    assert (new >= before.places.min(axis=0)).all() and (new <= before.places.max(axis=0)).all()
    assert load(library).placed == 1, "it is stored"


def test_classes_colour_the_map(library: Services) -> None:
    _, found = compute(library)
    cats = library.catalogue.classes.create("cats")
    library.catalogue.classes.mark(cats, [int(found.photo_ids[3])], mark=Mark.IS)
    library.catalogue.classes.mark(cats, [int(found.photo_ids[4])], mark=Mark.IS_NOT)
    again = load(library)
    assert again.class_names == ("cats",) and np.flatnonzero(again.classes == 0).tolist() == [3]


def test_cancelled_run_leaves_the_old_map(library: Services) -> None:
    _, before = compute(library)
    running = map_library.run(ComputeMapRequest(seed=5), library)
    for _ in range(6):
        next(running)
    running.close()
    np.testing.assert_array_equal(load(library).places, before.places)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"x" * 500])
def test_damaged_map_is_computed_again(library: Services, content: bytes, expected_log: list[object]) -> None:
    compute(library)
    file = next((library.library / "maps").iterdir())
    file.write_bytes(content)
    assert load_map(file) is None and len(load(library).photo_ids) == 0
    assert len(expected_log) >= 1
    assert len(compute(library)[1].photo_ids) == 16


def test_three_photos_make_no_map(tmp_path: Path) -> None:
    save_pictures(tmp_path / "few", 3)
    services = open_services(tmp_path)
    index(services, tmp_path / "few")
    assert load(services).photos == 3
    with pytest.raises(UserInputError, match="at least 10 photos; the library holds 3"):
        compute(services)
    services.close()


def test_map_of_another_encoder_is_another_one(library: Services, tmp_path: Path) -> None:
    compute(library)
    other = open_services(tmp_path, encoder="other.test")
    assert load(other).photos == 0 and len(load(other).photo_ids) == 0
    index(other)
    assert load(other).photos == 16 and len(load(other).photo_ids) == 0
    other.close()


def test_photos_are_given_in_the_order_asked_for(library: Services) -> None:
    ids = library.vectors.photo_ids().tolist()
    wanted = (ids[5], 9999, ids[1])
    answer = drive(page_photos.run(PhotosRequest(wanted), library))[1]
    assert isinstance(answer, PhotoRows) and [row.photo_id for row in answer.rows] == [ids[5], ids[1]]
