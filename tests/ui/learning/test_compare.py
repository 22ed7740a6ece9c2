"""The comparison in the window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtWidgets import QMenu, QWidget

from desktop_app.core.types import (
    ComparePhotosRequest,
    PhotoComparison,
    PhotoRow,
    PhotoSource,
    PlaceMatch,
    SharedColour,
    SharedPart,
    SimilarityPart,
)
from tests.ui.fake_runner import FakeRunner, image, photo
from ui.job_center import JobCenter
from ui.learning.compare_canvas import match_picture
from ui.learning.compare_dialog import CompareDialog
from ui.learning.compare_opening import CompareOpening

_WHOLE = (0.0, 0.0, 1.0, 1.0)


def comparison() -> PhotoComparison:
    heat = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    return PhotoComparison(
        similarity=0.713,
        nearer_than=0.98,
        pictures=(image(60), image(60)),
        heats=(heat, heat.T.copy()),
        heat_boxes=(_WHOLE, (0.25, 0.0, 0.5, 1.0)),
        matches=(PlaceMatch((0.5, 0.5), (0.0, 1.0), 0.9), PlaceMatch((0.1, 0.1), (0.5, 0.5), 0.6)),
        parts=(
            SimilarityPart("stage 1 of 2", -0.05, 0.1),
            SimilarityPart("stage 2 of 2", 0.5, 0.6),
            SimilarityPart("colours", 0.26, 0.3),
        ),
        colours=(SharedColour("blue", (45, 95, 190), 0.3, 0.2),),
        reasons=("They are alike.", "They share blue."),
        encoder="tiny",
    )


def test_findings_are_shown(qtbot: object, jobs: JobCenter, runner: FakeRunner) -> None:
    dialog = CompareDialog(jobs, photo(1), photo(2))
    qtbot.addWidget(dialog)
    dialog.show()
    assert runner.requests(ComparePhotosRequest) == [
        ComparePhotosRequest(PhotoSource(photo_id=1), PhotoSource(photo_id=2))
    ]
    runner.answer(ComparePhotosRequest, comparison())
    assert dialog._stack.currentIndex() == 1 and dialog._similarity.text() == "Similarity 0.71"
    assert "They share blue." in dialog._reasons.text()
    assert (
        dialog._parts.accessibleName().endswith("Fine shades 0.26 of 0.30")
        and dialog._colours.accessibleName() == "blue"
    )
    right = dialog._canvases[1]
    assert right.spot_place(0).x() < right.image_rect().center().x(), (
        "spots lie in the part that was compared"
    )
    dialog._point_at(1)
    assert not dialog.grab().isNull()
    dialog._heat.click()
    assert not right._shows_heat and right._shows_spots
    dialog._close.click()
    assert not dialog.isVisible()


def test_a_part_is_framed_in_the_other_photo(qtbot: object, jobs: JobCenter, runner: FakeRunner) -> None:
    dialog = CompareDialog(jobs, photo(1), photo(2))
    qtbot.addWidget(dialog)
    dialog.show()
    box = (0.25, 0.5, 0.5, 0.25)
    runner.answer(ComparePhotosRequest, replace(comparison(), part=SharedPart(1, box), heats=None))
    left, right = dialog._canvases
    assert right.frame_rect() is None
    rect, whole = left.frame_rect(), left.image_rect()
    assert rect is not None and abs(rect.width() - whole.width() / 2) < 1e-6
    assert abs(rect.top() - whole.center().y()) < 1
    left.set_shown(heat=False, spots=False)
    framed = left.grab().toImage()
    left.set_findings(None, (), box=_WHOLE)
    assert framed != left.grab().toImage(), "the frame is painted"


def test_dialog_is_no_larger_than_its_window(qtbot: object, jobs: JobCenter) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(1024, 700)
    dialog = CompareDialog(jobs, photo(1), photo(2), parent=window)
    assert dialog.width() <= 1024 and dialog.height() <= 700
    assert dialog.minimumSizeHint().width() <= 1024 and dialog.minimumSizeHint().height() <= 700
    dialog.close()


def test_places_that_do_not_match_keep_their_own_look() -> None:
    heat = np.array([[0.0, 0.5, 1.0]], dtype=np.float32)
    picture = match_picture(heat).toImage()
    covers = [picture.pixelColor(x, 0).alpha() for x in range(3)]
    assert covers[0] == 0 and 0 < covers[1] < covers[2] < 255
    full = picture.pixelColor(2, 0)
    assert full.red() > 2 * full.blue()


def test_without_maps_it_says_so_and_failures_are_shown(
    qtbot: object, jobs: JobCenter, runner: FakeRunner
) -> None:
    for number in range(2):
        dialog = CompareDialog(jobs, photo(1), photo(2))
        qtbot.addWidget(dialog)
        dialog.show()
        if number:
            runner.fail(ComparePhotosRequest, "This photo is no longer in the library.")
            assert "no longer" in dialog._message.accessibleName()
        else:
            runner.answer(
                ComparePhotosRequest, replace(comparison(), heats=None, matches=(), parts=(), colours=())
            )
            assert dialog._no_maps.isVisible() and not dialog._heat.isEnabled()
        dialog.close()


def test_menus_offer_two_photos_or_the_query(qtbot: object, jobs: JobCenter, runner: FakeRunner) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    query: list[PhotoRow | None] = [None]
    opening = CompareOpening(jobs, window, query=lambda: query[0])

    def offered(*photos: PhotoRow) -> tuple[str, bool]:
        menu = QMenu(window)
        opening.extend_menu(menu, photos)
        return menu.actions()[0].text(), menu.actions()[0].isEnabled()

    assert offered(photo(1)) == ("Compare (choose two)", False)
    assert offered(photo(1), photo(2)) == ("Compare these two …", True)
    query[0] = photo(7)
    assert offered(photo(7))[1] is False
    assert offered(photo(3)) == ("Compare with photo_00007.jpg …", True)
    dialog = opening.open(photo(7), photo(3))
    assert runner.requests(ComparePhotosRequest)[-1].first.photo_id == 7
    dialog.reject()
    assert runner.cancelled
