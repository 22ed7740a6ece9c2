"""Small pictures on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as PillowImage

from desktop_app.catalogue.thumbnails import ThumbnailStore, content_digest, shrink
from desktop_app.core.errors import ResourceError
from tests.pictures import picture


def test_written_thumbnail_is_found_and_has_the_size(tmp_path: Path) -> None:
    store = ThumbnailStore(tmp_path / "t")
    digest = content_digest(b"content")
    assert store.known() == set()
    store.write(digest, picture(1, width=900, height=300), longer_side_px=120)
    assert store.known() == {digest}
    with PillowImage.open(store.path_of(digest)) as image:
        assert image.size == (120, 40)
    assert [file.suffix for file in (tmp_path / "t").rglob("*") if file.is_file()] == [".jpg"]
    store.remove([digest, content_digest(b"never there")])
    assert store.known() == set()


@pytest.mark.parametrize(("width", "height"), [(1, 5000), (5000, 1), (1, 1), (40, 30)])
def test_odd_shapes_shrink_to_at_least_one_pixel(width: int, height: int) -> None:
    small = shrink(picture(1, width=width, height=height), 100)
    assert max(small.shape[:2]) == min(100, max(width, height)) and min(small.shape[:2]) >= 1


def test_disk_that_cannot_be_written_is_a_resource_error(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"a file in the way")
    with pytest.raises(ResourceError, match="thumbnail"):
        ThumbnailStore(tmp_path / "t").write(content_digest(b"x"), picture(1), longer_side_px=64)
