"""Random faces in the window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PySide6.QtCore import Qt

from desktop_app.core.types import JobFailure, ModelInfo, SampledFaces, SampleFacesRequest, read_only
from tests.ui.fake_runner import FakeRunner
from ui.job_center import JobCenter
from ui.models.models_page import ModelsPage
from ui.models.random_faces_dialog import RandomFacesDialog

_FACES = ModelInfo(
    name="restyle_psp.test",
    role="inversion",
    title="Faces",
    licence="MIT",
    bytes=1,
    is_builtin=True,
    is_usable=True,
    problem="",
    facts=(),
)


def _drawn(seed: int) -> SampledFaces:
    random = np.random.default_rng(seed)
    images = tuple(random.integers(0, 255, (32, 32, 3), dtype=np.uint8) for _ in range(12))
    for image in images:
        read_only(image)
    return SampledFaces("restyle_psp.test", images)


@pytest.fixture
def dialog(qtbot: object) -> tuple[RandomFacesDialog, FakeRunner]:
    runner = FakeRunner()
    made = RandomFacesDialog(JobCenter(runner), _FACES)
    qtbot.addWidget(made)  # type: ignore[attr-defined]
    made.show()
    return made, runner


def test_faces_are_drawn_shown_and_saved(
    dialog: tuple[RandomFacesDialog, FakeRunner], tmp_path: Path
) -> None:
    shown, runner = dialog
    (request,) = runner.requests(SampleFacesRequest)
    assert (request.model, request.psi, request.seed) == ("restyle_psp.test", 0.7, 0)
    assert not shown._save.isEnabled()
    answer = _drawn(0)
    runner.last(SampleFacesRequest).finished.emit(answer)
    assert all(not tile.pixmap().isNull() for tile in shown._tiles)
    shown.save(tmp_path / "faces.png")
    saved = np.asarray(PillowImage.open(tmp_path / "faces.png"))
    assert saved.shape == (96, 128, 3)
    assert np.array_equal(saved[32:64, :32], answer.images[4])
    shown.save(tmp_path / "nowhere" / "faces.png")
    assert "could not be written" in shown._message.text()


def test_others_and_variety_ask_again_and_old_answers_are_not_shown(
    dialog: tuple[RandomFacesDialog, FakeRunner], qtbot: object
) -> None:
    shown, runner = dialog
    first = runner.last(SampleFacesRequest)
    qtbot.mouseClick(shown._others, Qt.MouseButton.LeftButton)  # type: ignore[attr-defined]
    assert first in runner.cancelled
    first.finished.emit(_drawn(0))
    assert all(tile.pixmap().isNull() for tile in shown._tiles)
    assert runner.requests(SampleFacesRequest)[-1].seed == 1
    shown._variety.setValue(30)
    qtbot.waitUntil(lambda: runner.requests(SampleFacesRequest)[-1].psi == 0.3)  # type: ignore[attr-defined]
    runner.last(SampleFacesRequest).failed.emit(JobFailure("It draws the same picture.", "Invert a photo."))
    assert shown._message.text() == "It draws the same picture. Invert a photo."


def test_only_face_models_offer_random_faces(qtbot: object, tmp_path: Path) -> None:
    page = ModelsPage(JobCenter(FakeRunner()), tmp_path)
    qtbot.addWidget(page)  # type: ignore[attr-defined]
    page.show()
    page._show_card(_FACES)
    assert page._random.isVisible()
    page._random.click()
    assert page.findChild(RandomFacesDialog) is not None
    page._show_card(None)
    assert not page._random.isVisible()
