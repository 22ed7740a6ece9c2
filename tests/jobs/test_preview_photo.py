from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import PhotoSource, PreviewRequest
from desktop_app.jobs import preview_photo
from tests.library import drive, open_services


def test_large_photo_is_reduced_and_upright(tmp_path: Path) -> None:
    file = tmp_path / "turned.jpg"
    picture = PilImage.fromarray(np.full((300, 900, 3), 80, np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6  # turned by a quarter
    picture.save(file, exif=exif)
    services = open_services(tmp_path / "home")
    answer = drive(preview_photo.run(PreviewRequest(PhotoSource(path=file), 450, 3), services))[1]
    assert (answer.width_px, answer.height_px, answer.serial) == (300, 900, 3)
    assert answer.image.shape == (450, 150, 3)
    assert not answer.image.flags.writeable
    services.close()


def test_small_picture_in_memory_keeps_its_size(tmp_path: Path) -> None:
    services = open_services(tmp_path / "home")
    image = np.zeros((4, 5, 3), np.uint8)
    answer = drive(preview_photo.run(PreviewRequest(PhotoSource(image=image)), services))[1]
    assert answer.image.shape == (4, 5, 3)
    assert image.flags.writeable  # the given array stays as it was
    services.close()


def test_unreadable_file_says_why(tmp_path: Path) -> None:
    file = tmp_path / "bad.jpg"
    file.write_bytes(b"")
    services = open_services(tmp_path / "home")
    with pytest.raises(UserInputError, match="empty"):
        drive(preview_photo.run(PreviewRequest(PhotoSource(path=file)), services))
    services.close()
