"""The preview of a paste-back: reduced, and the same as what an export would write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import (
    Edit,
    ExportKind,
    ExportRequest,
    FacePoints,
    InvertRequest,
    PasteMode,
    PastePreviewRequest,
    PhotoSource,
)
from desktop_app.jobs import export_photo, invert_photo, preview_paste
from tests.library import drive
from tests.pictures import picture
from tests.tiny_inverter import face_services

POINTS = FacePoints((80, 60), (110, 62), (82, 95), (108, 97))


def _open(folder: Path) -> tuple[object, str, Edit]:
    photo = folder / "photo.png"
    PillowImage.fromarray(picture(1, width=200, height=150)).save(photo)
    services = face_services(folder, has_directions=True)
    request = InvertRequest(PhotoSource(path=photo), points=POINTS)
    session = drive(invert_photo.run(request, services))[1].session_id
    slider = services.faces.directions()[0]
    return services, session, Edit(((slider.name, slider.maximum),))


@pytest.mark.parametrize("mode", list(PasteMode))
def test_preview_at_full_size_is_what_an_export_writes(tmp_path: Path, mode: PasteMode) -> None:
    services, session, edit = _open(tmp_path)
    request = PastePreviewRequest(session, edit, 5, paste=mode, max_px=1000)
    preview = drive(preview_paste.run(request, services))[1]
    target = tmp_path / "out.png"
    drive(export_photo.run(ExportRequest(session, edit, ExportKind.PHOTO, target, paste=mode), services))
    with PillowImage.open(target) as written:
        assert np.array_equal(preview.pasted, np.array(written.convert("RGB")))
    assert preview.serial == 5
    assert not np.array_equal(preview.pasted, preview.photo)


def test_preview_is_reduced_and_unedited_change_leaves_the_photo(tmp_path: Path) -> None:
    services, session, _ = _open(tmp_path)
    preview = drive(preview_paste.run(PastePreviewRequest(session, Edit(), 1, max_px=100), services))[1]
    assert preview.photo.shape == preview.pasted.shape == (75, 100, 3)
    assert np.array_equal(preview.photo, preview.pasted)


def test_aligned_picture_has_no_photo(tmp_path: Path) -> None:
    services = face_services(tmp_path, has_directions=True)
    request = InvertRequest(PhotoSource(image=picture(2, width=64, height=64)), is_aligned=True)
    session = drive(invert_photo.run(request, services))[1].session_id
    with pytest.raises(UserInputError, match="aligned face"):
        drive(preview_paste.run(PastePreviewRequest(session, Edit(), 1), services))
