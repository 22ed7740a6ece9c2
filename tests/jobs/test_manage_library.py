"""The library's overview, pages, and removal of folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app.core.errors import CatalogueError, UserInputError
from desktop_app.core.types import (
    IndexRequest,
    LibraryOverview,
    LibraryRequest,
    PageRequest,
    RemoveFolderRequest,
    SearchRequest,
)
from desktop_app.jobs import index_photos, manage_library, page_photos, search_photos
from desktop_app.jobs.services import Services
from tests.library import drive, index, open_services
from tests.pictures import save_pictures


@pytest.fixture
def services(tmp_path: Path) -> Services:
    save_pictures(tmp_path / "a", 4)
    save_pictures(tmp_path / "b", 3, first_seed=50)
    (tmp_path / "b" / "bad.jpg").write_bytes(b"")
    opened = open_services(tmp_path)
    index(opened, tmp_path / "a", tmp_path / "b")
    return opened


def overview(services: Services, request: LibraryRequest | RemoveFolderRequest) -> LibraryOverview:
    return drive(manage_library.run(request, services))[1]


def test_overview_tells_folders_counts_and_problems(services: Services, tmp_path: Path) -> None:
    told = overview(services, LibraryRequest())
    assert told.folders == ((tmp_path / "a", 4), (tmp_path / "b", 3))
    assert (told.photos, told.unreadable, told.missing) == (7, 1, 0)
    assert told.encoder == "tiny.test"
    assert [problem.path.name for problem in told.problems] == ["bad.jpg"]
    services.close()


def test_removed_folder_is_out_of_grid_and_search_and_stays_on_disk(
    services: Services, tmp_path: Path
) -> None:
    services.vectors.background()
    told = overview(services, RemoveFolderRequest(tmp_path / "a"))
    assert told.folders == ((tmp_path / "b", 3),) and told.photos == 3
    assert drive(page_photos.run(PageRequest(0, 10), services))[1].total == 3
    row = services.catalogue.photos.by_path(tmp_path / "b" / "photo0050.jpg")
    assert row is not None
    request = SearchRequest(photo_id=row.photo_id, min_similarity=-1.0)
    assert len(drive(search_photos.run(request, services))[1].hits) == 2
    assert len(list((tmp_path / "a").iterdir())) == 4
    services.close()


def test_unknown_folder_and_running_index_are_told(services: Services, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="does not watch"):
        overview(services, RemoveFolderRequest(tmp_path / "c"))
    job = index_photos.run(IndexRequest(), services)
    next(job)
    with pytest.raises(CatalogueError, match="another job"):
        overview(services, RemoveFolderRequest(tmp_path / "a"))
    job.close()
    assert overview(services, RemoveFolderRequest(tmp_path / "a")).photos == 3
    services.close()
