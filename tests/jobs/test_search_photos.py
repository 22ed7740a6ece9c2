"""Similar photos: who is found, who is hidden, who is called a duplicate."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import HitKind, Image, PhotoSource, SearchRequest, SearchResult
from desktop_app.jobs import search_photos
from desktop_app.jobs.search_photos import calibrated_cutoff
from desktop_app.jobs.services import Services
from tests.library import drive, index, open_services
from tests.pictures import picture, save_pictures


def blended(seed: int, other: int, share: float) -> Image:
    """A picture near `picture(seed)`, but another one."""
    return (picture(seed) * (1 - share) + picture(other) * share).astype(np.uint8)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Services]:
    photos = tmp_path / "photos"
    save_pictures(photos, 30)
    PillowImage.fromarray(blended(0, 900, 0.3)).save(photos / "like0.png")
    buffer = io.BytesIO()
    PillowImage.fromarray(picture(1)).save(buffer, "JPEG", quality=40)
    (photos / "resaved1.jpg").write_bytes(buffer.getvalue())
    shutil.copy(photos / "photo0002.jpg", photos / "copy2.jpg")
    services = open_services(tmp_path)
    index(services, photos)
    yield services
    services.close()


def search(services: Services, request: SearchRequest) -> SearchResult:
    return drive(search_photos.run(request, services))[1]


def photo_id(services: Services, name: str) -> int:
    row = services.catalogue.photos.by_path(services.catalogue.folders()[0] / name)
    assert row is not None
    return row.photo_id


def found(result: SearchResult) -> dict[str, HitKind]:
    return {hit.row.path.name: hit.kind for hit in result.hits}


def test_similar_photo_is_found_and_the_query_is_left_out(library: Services) -> None:
    result = search(library, SearchRequest(photo_id=photo_id(library, "photo0000.jpg")))
    assert result.hits[0].row.path.name == "like0.png"
    assert result.hits[0].kind is HitKind.SIMILAR and result.hits[0].rank == 1
    assert "photo0000.jpg" not in found(result)
    assert result.searched == 32 and result.query_thumbnail is None


def test_kinds_of_duplicates_are_told_apart(library: Services) -> None:
    resaved = search(library, SearchRequest(photo_id=photo_id(library, "photo0001.jpg")))
    assert found(resaved)["resaved1.jpg"] is HitKind.NEAR_DUPLICATE
    copied = search(library, SearchRequest(photo_id=photo_id(library, "photo0002.jpg")))
    assert found(copied)["copy2.jpg"] is HitKind.SAME_FILE


def test_high_similarity_alone_makes_no_duplicate(library: Services) -> None:
    settings = replace(library.settings, search=replace(library.settings.search, duplicate_similarity=-1.0))
    library.settings = settings
    result = search(library, SearchRequest(photo_id=photo_id(library, "photo0001.jpg"), min_similarity=-1.0))
    assert [name for name, kind in found(result).items() if kind is not HitKind.SIMILAR] == ["resaved1.jpg"]


def test_unlike_photos_are_hidden_and_counted(library: Services) -> None:
    result = search(library, SearchRequest(photo_id=photo_id(library, "photo0007.jpg"), top_k=20))
    assert all(hit.similarity >= result.min_similarity for hit in result.hits)
    assert len(result.hits) + result.below_cutoff == 20
    assert len(result.hits) <= 3
    shown = search(
        library, SearchRequest(photo_id=photo_id(library, "photo0007.jpg"), top_k=20, min_similarity=-1.0)
    )
    assert len(shown.hits) == 20 and shown.below_cutoff == 0
    similarities = [hit.similarity for hit in shown.hits]
    assert similarities == sorted(similarities, reverse=True)
    assert [hit.rank for hit in shown.hits] == list(range(1, 21))


def test_photo_from_outside_is_found_by_file_and_by_picture(library: Services, tmp_path: Path) -> None:
    PillowImage.fromarray(picture(5)).save(tmp_path / "outside.png")
    for request in (SearchRequest(path=tmp_path / "outside.png"), SearchRequest(image=picture(5))):
        result = search(library, request)
        assert result.hits[0].row.path.name == "photo0005.jpg"
        assert result.hits[0].kind is HitKind.NEAR_DUPLICATE
        assert result.query_thumbnail is not None and not result.query_thumbnail.flags.writeable
        assert result.searched == 33


def test_same_content_from_outside_is_told(library: Services, tmp_path: Path) -> None:
    shutil.copy(library.catalogue.folders()[0] / "photo0004.jpg", tmp_path / "elsewhere.jpg")
    result = search(library, SearchRequest(path=tmp_path / "elsewhere.jpg"))
    assert found(result)["photo0004.jpg"] is HitKind.SAME_FILE
    hidden = search(library, SearchRequest(path=tmp_path / "elsewhere.jpg", min_similarity=1.0))
    assert "photo0004.jpg" in found(hidden), "no cut-off hides the same content"


def test_path_of_a_library_photo_is_a_library_query(
    library: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "embedder", lambda name="": pytest.fail("the encoder is not needed"))
    path = library.catalogue.folders()[0] / "photo0000.jpg"
    result = search(library, SearchRequest(path=path))
    assert "photo0000.jpg" not in found(result) and result.hits[0].row.path.name == "like0.png"


def test_search_for_a_library_photo_needs_no_torch(library: Services, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from desktop_app.core.types import SearchRequest\n"
        "from desktop_app.jobs import search_photos\n"
        "from tests.library import drive, open_services\n"
        "services = open_services(Path(sys.argv[1]))\n"
        "result = drive(search_photos.run(SearchRequest(photo_id=int(sys.argv[2])), services))[1]\n"
        "assert result.hits\n"
        "assert 'torch' not in sys.modules, 'torch was loaded'\n"
    )
    key = str(photo_id(library, "photo0000.jpg"))
    subprocess.run([sys.executable, "-c", script, str(tmp_path), key], check=True, timeout=60)


def test_top_k_counts_neighbours_without_the_query(library: Services) -> None:
    result = search(
        library, SearchRequest(photo_id=photo_id(library, "photo0003.jpg"), top_k=5, min_similarity=-1)
    )
    assert len(result.hits) == 5


def test_empty_library_and_other_encoder_say_what_to_do(tmp_path: Path, library: Services) -> None:
    empty = open_services(tmp_path / "empty")
    with pytest.raises(UserInputError, match="no photos yet"):
        search(empty, SearchRequest(image=picture(1)))
    empty.close()
    other = open_services(tmp_path, encoder="other.test")
    with pytest.raises(UserInputError, match=r"not indexed with the encoder 'other\.test'"):
        search(other, SearchRequest(image=picture(1)))
    other.close()


def test_replaced_weights_are_not_compared_with_old_embeddings(
    library: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "encoder_version", lambda name="": "2")
    with pytest.raises(UserInputError, match="was replaced"):
        search(library, SearchRequest(image=picture(1)))


def test_unusable_queries_are_told(library: Services, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("hello", encoding="utf-8")
    with pytest.raises(UserInputError, match=r"text\.jpg"):
        search(library, SearchRequest(path=tmp_path / "text.jpg"))
    with pytest.raises(UserInputError, match="no longer in the library"):
        search(library, SearchRequest(photo_id=987654))
    with pytest.raises(UserInputError, match="cannot be used"):
        search(library, SearchRequest(image=np.zeros((0, 0, 3), dtype=np.uint8)))
    with pytest.raises(ValueError, match="exactly one"):
        search(library, SearchRequest())


def test_search_between_two_batches_sees_what_is_stored_so_far(tmp_path: Path) -> None:
    from desktop_app.core.types import IndexRequest, PhotoBatch
    from desktop_app.jobs import index_photos

    photos = tmp_path / "more"
    save_pictures(photos, 12, first_seed=300)
    services = open_services(tmp_path)
    stored = 0
    for message in index_photos.run(IndexRequest((photos,)), services):
        if isinstance(message, PhotoBatch):
            stored += len(message.rows)
            result = search(services, SearchRequest(photo_id=message.rows[0].photo_id, min_similarity=-1.0))
            assert result.searched == stored - 1
    assert stored == 12
    services.close()


@pytest.mark.parametrize(
    ("photos", "expected"), [(0, 0.0), (2, 0.5), (4, 0.75), (20, 0.95), (100, 0.99), (100_000, 0.99)]
)
def test_cutoff_is_the_percentile_lowered_for_small_libraries(photos: int, expected: float) -> None:
    background = np.linspace(0, 1, 1001, dtype=np.float32) if photos else np.zeros(0, dtype=np.float32)
    assert calibrated_cutoff(background, photos, percentile=99.0) == pytest.approx(expected, abs=1e-3)


def test_photos_are_read_from_every_source(library: Services, tmp_path: Path) -> None:
    key = photo_id(library, "photo0006.jpg")
    by_id = library.read_photo(PhotoSource(photo_id=key))
    by_path = library.read_photo(PhotoSource(path=library.catalogue.folders()[0] / "photo0006.jpg"))
    assert np.array_equal(by_id, by_path) and by_id.shape == (72, 96, 3)
    assert np.array_equal(library.read_photo(PhotoSource(image=picture(3))), picture(3))
    for bad in (PhotoSource(), PhotoSource(photo_id=99999), PhotoSource(path=tmp_path / "none.jpg")):
        with pytest.raises(UserInputError):
            library.read_photo(bad)
