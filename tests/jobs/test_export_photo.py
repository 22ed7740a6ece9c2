"""Exports: formats, latents, paste-back, metadata, and targets that must not be written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms

from desktop_app.core.errors import ResourceError, UserInputError
from desktop_app.core.types import (
    Edit,
    ExportKind,
    ExportRequest,
    FacePoints,
    InvertRequest,
    PasteMode,
    PhotoSource,
)
from desktop_app.engine.image_tensor import resized_image
from desktop_app.engine.invert import step_pictures
from desktop_app.jobs import export_photo, invert_photo
from desktop_app.jobs.services import Services
from tests.library import drive
from tests.pictures import picture
from tests.tiny_inverter import MODEL, N_STYLES, SIZE, STYLE_DIM, face_services

POINTS = FacePoints((80, 60), (110, 62), (82, 95), (108, 97))


class Case:
    """An inversion of a photo on disk."""

    def __init__(self, folder: Path, photo: Path) -> None:
        self.photo = photo
        self.services: Services = face_services(folder, has_directions=True)
        request = InvertRequest(PhotoSource(path=photo), points=POINTS)
        self.session = drive(invert_photo.run(request, self.services))[1].session_id
        self.slider = self.services.faces.directions()[0]

    def export(self, target: Path, kind: ExportKind, **options: object) -> tuple[str, ...]:
        edit = options.pop("edit", Edit(((self.slider.name, self.slider.maximum),)))
        request = ExportRequest(self.session, edit, kind, target, **options)  # type: ignore[arg-type]
        result = drive(export_photo.run(request, self.services))[1]
        assert result.path == target
        return result.warnings


@pytest.fixture
def case(tmp_path: Path) -> Case:
    photo = tmp_path / "photo.png"
    PillowImage.fromarray(picture(1, width=200, height=150)).save(photo)
    return Case(tmp_path, photo)


def _pixels(file: Path) -> np.ndarray:
    with PillowImage.open(file) as image:
        return np.array(image.convert("RGB"))


@pytest.mark.parametrize("ending", [".png", ".jpg", ".JPEG", ".webp", ".tif"])
def test_faces_are_written_in_the_format_of_the_ending(case: Case, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"face{ending}"
    assert case.export(target, ExportKind.FACE) == ()
    with PillowImage.open(target) as image:
        assert image.size == (SIZE, SIZE)
        assert image.format == {".png": "PNG", ".webp": "WEBP", ".tif": "TIFF"}.get(ending, "JPEG")


def test_steps_lie_side_by_side_or_move(case: Case, tmp_path: Path) -> None:
    case.export(tmp_path / "steps.png", ExportKind.STEPS)
    sheet = _pixels(tmp_path / "steps.png")
    tile, gap = step_pictures.TILE_PX, step_pictures.GAP_PX
    assert sheet.shape == (tile, 5 * (tile + gap) - gap, 3), "photo, three steps, edit"
    case.export(tmp_path / "face.png", ExportKind.FACE)
    shown = resized_image(_pixels(tmp_path / "face.png"), width_px=tile, height_px=tile)
    assert np.array_equal(sheet[:, -tile:], shown)
    case.export(tmp_path / "plain.png", ExportKind.STEPS, edit=Edit(step=2))
    assert _pixels(tmp_path / "plain.png").shape[1] == 3 * (tile + gap) - gap, "photo and two steps"
    case.export(tmp_path / "steps.GIF", ExportKind.STEPS)
    with PillowImage.open(tmp_path / "steps.GIF") as moving:
        assert moving.format == "GIF" and moving.info["loop"] == 0
        assert moving.n_frames == 5 + 4 * step_pictures.FADES
        times = []
        for frame in range(moving.n_frames):
            moving.seek(frame)
            times.append(moving.info["duration"])
        last = np.asarray(moving.convert("RGB"))
    assert times[0] == times[-1] == step_pictures.LONG_MS and times[1] == step_pictures.FADE_MS
    wanted = resized_image(_pixels(tmp_path / "face.png"), width_px=last.shape[1], height_px=last.shape[0])
    assert float(np.abs(last.astype(float) - wanted).mean()) < 8.0


def test_of_many_steps_some_are_shown() -> None:
    assert export_photo._shown_steps(3) == [1, 2, 3]
    shown = export_photo._shown_steps(500)
    assert (shown[0], shown[-1], len(shown)) == (1, 500, export_photo.MOST_STEPS_SHOWN)


def test_latents_hold_every_step_and_the_edit(case: Case, tmp_path: Path) -> None:
    case.export(tmp_path / "latents.npz", ExportKind.LATENTS)
    with np.load(tmp_path / "latents.npz") as stored:
        assert stored["w_plus"].shape == (3, N_STYLES, STYLE_DIM)
        edit = stored["w_plus"][-1] + case.slider.maximum * case.slider.vector
        assert stored["edited"] == pytest.approx(edit, abs=1e-4)
        assert str(stored["model"]) == MODEL
        assert stored["quad"].shape == (4, 2)
        assert stored["direction_names"].tolist() == [case.slider.name]
        assert stored["strengths"] == pytest.approx([case.slider.maximum])


def test_the_photo_changes_only_inside_the_crop(case: Case, tmp_path: Path) -> None:
    warnings = case.export(tmp_path / "out.png", ExportKind.PHOTO)
    before, after = _pixels(case.photo), _pixels(tmp_path / "out.png")
    assert before.shape == after.shape
    changed = (before != after).any(axis=2)
    assert changed.any()
    quad = np.array(case.services.faces.sessions.get(case.session).quad)
    rows, columns = np.nonzero(changed)
    assert columns.min() >= quad[:, 0].min() - 1
    assert columns.max() <= quad[:, 0].max() + 1
    assert rows.max() <= quad[:, 1].max() + 1
    assert any("own detail stays" in warning for warning in warnings)


def test_without_an_edit_the_pasted_photo_is_the_photo(case: Case, tmp_path: Path) -> None:
    case.export(tmp_path / "same.png", ExportKind.PHOTO, edit=Edit())
    assert np.array_equal(_pixels(case.photo), _pixels(tmp_path / "same.png"))


def test_replacing_tells_that_the_face_gets_softer(case: Case, tmp_path: Path) -> None:
    warnings = case.export(tmp_path / "r.png", ExportKind.PHOTO, paste=PasteMode.REPLACE)
    assert any("softer" in warning for warning in warnings)


def test_details_are_kept_and_the_copy_is_upright(tmp_path: Path) -> None:
    photo = tmp_path / "rotated.jpg"
    image = PillowImage.fromarray(picture(1, width=150, height=200))
    exif = image.getexif()
    exif[0x0112], exif[0x010F] = 6, "Camera"
    exif.get_ifd(0x8769)[0xA002] = 150
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(photo, exif=exif, icc_profile=profile)
    case = Case(tmp_path, photo)
    case.export(tmp_path / "out.jpg", ExportKind.PHOTO)
    with PillowImage.open(tmp_path / "out.jpg") as written:
        assert written.size == (200, 150)
        assert written.getexif()[0x0112] == 1
        assert written.getexif()[0x010F] == "Camera"
        assert written.getexif().get_ifd(0x8769)[0xA002] == 200
        assert written.info.get("icc_profile")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("face.xyz", ExportKind.FACE),
        ("face", ExportKind.FACE),
        ("photo.npz", ExportKind.PHOTO),
        ("latents.png", ExportKind.LATENTS),
        ("no/such/folder/face.png", ExportKind.FACE),
        ("folder.png", ExportKind.FACE),
    ],
)
def test_unfit_targets_are_refused(case: Case, tmp_path: Path, name: str, kind: ExportKind) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserInputError):
        case.export(tmp_path / name, kind)
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("kind", [ExportKind.FACE, ExportKind.PHOTO])
def test_the_original_is_never_overwritten(case: Case, tmp_path: Path, kind: ExportKind) -> None:
    link = tmp_path / "link.png"
    link.symlink_to(case.photo)
    hard = tmp_path / "hard.png"
    os.link(case.photo, hard)
    before = case.photo.read_bytes()
    for target in (case.photo, tmp_path / "." / "photo.png", link, hard):
        with pytest.raises(UserInputError, match="original"):
            case.export(target, kind)
    assert case.photo.read_bytes() == before


def test_a_full_disk_leaves_the_old_file(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "face.png"
    target.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match="No space left"):
        case.export(target, ExportKind.FACE)
    assert target.read_bytes() == b"old"
    assert not list(tmp_path.glob("*.tmp"))


def test_a_photo_that_vanished_is_told(case: Case, tmp_path: Path) -> None:
    case.photo.unlink()
    with pytest.raises(UserInputError):
        case.export(tmp_path / "out.png", ExportKind.PHOTO)


def test_an_aligned_picture_has_no_photo(tmp_path: Path) -> None:
    services = face_services(tmp_path)
    face = PhotoSource(image=picture(1, width=64, height=64))
    session = drive(invert_photo.run(InvertRequest(face, is_aligned=True), services))[1].session_id
    request = ExportRequest(session, Edit(), ExportKind.PHOTO, tmp_path / "out.png")
    with pytest.raises(UserInputError, match="aligned"):
        drive(export_photo.run(request, services))


def test_a_wrong_blend_is_refused(case: Case, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="soft edge"):
        case.export(tmp_path / "out.png", ExportKind.PHOTO, blend=0.9)
