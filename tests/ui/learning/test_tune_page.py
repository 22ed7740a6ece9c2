"""The page Learn: choices, a run on its way, its result, keeping, switching and going back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtWidgets import QScrollArea

from desktop_app.core.types import (
    AlikeChoice,
    AlikeKind,
    DiscardTuningRequest,
    EncoderSwitched,
    JobFailure,
    KeepTuningRequest,
    KeptTuning,
    KnownEncoder,
    MarkedGroup,
    MarkedGroups,
    MarkGroupRequest,
    ProbeNeighbours,
    Progress,
    SwitchEncoderRequest,
    TuneOptions,
    TuneOptionsRequest,
    TuneRequest,
    TuneResult,
    TuneStep,
    UnmarkPhotosRequest,
)
from tests.ui.fake_runner import FakeRunner, photo
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter
from ui.learning.group_list import MOST_SHOWN
from ui.learning.group_marking import GroupMarking
from ui.learning.tune_page import TunePage

BASE = KnownEncoder("photo.builtin", "Built in", 40)
TUNED = KnownEncoder("contrastive_tuned.1", "My garden", 40, "photo.builtin")
GROUPS = (MarkedGroup(2, (photo(4), photo(5))), MarkedGroup(1, (photo(1), photo(2), photo(3))))
OPTIONS = TuneOptions(
    photos=40,
    encoders=(BASE, TUNED),
    used=BASE.name,
    choices=(
        AlikeChoice(AlikeKind.VIEWS, 40, 40),
        AlikeChoice(AlikeKind.GROUPS, 2, 5),
        AlikeChoice(AlikeKind.BURSTS, None, None),
        AlikeChoice(AlikeKind.FOLDERS, 0, 0, "All photos lie in one folder."),
        AlikeChoice(AlikeKind.PEOPLE, 0, 0, "Nobody is known."),
    ),
    groups=GROUPS,
)
STEPS = tuple(TuneStep(n, 4, 3.0 - n / 10, 0.5 - n / 100, -2.0) for n in range(1, 5))
PROBE = ProbeNeighbours(photo(9), (photo(1), photo(2)), (photo(1), photo(7)))
RESULT = TuneResult(BASE.name, (AlikeKind.VIEWS,), 40, STEPS, 3.2, (PROBE,), 0.4, 0.6)


@pytest.fixture
def page(
    qtbot: object, jobs: JobCenter, thumbnails: ThumbnailCache, runner: FakeRunner
) -> Iterator[TunePage]:
    made = TunePage(jobs, thumbnails, marking=GroupMarking(jobs))
    qtbot.addWidget(made)
    made.resize(1100, 760)
    made.show()
    runner.answer(TuneOptionsRequest, OPTIONS)
    yield made
    made.hide()


def _tell(runner: FakeRunner, **changes: object) -> None:
    for handle in runner.open_handles(TuneOptionsRequest):
        handle.deliver_answer(replace(OPTIONS, **changes))


def test_choices_that_are_possible_can_be_chosen(page: TunePage) -> None:
    boxes = page._alike._boxes
    assert page._alike.chosen() == (AlikeKind.VIEWS, AlikeKind.GROUPS)
    assert boxes[AlikeKind.BURSTS].isEnabled() and not boxes[AlikeKind.FOLDERS].isEnabled()
    assert page._alike._notes[AlikeKind.FOLDERS].text() == "All photos lie in one folder."
    assert page._alike._notes[AlikeKind.GROUPS].text() == "2 groups, 5 photos"
    assert page._base.currentData() == BASE.name and page._base.count() == 1
    for kind in (AlikeKind.VIEWS, AlikeKind.GROUPS):
        boxes[kind].click()
    assert not page._start.isEnabled()
    assert page._state.text() == "Choose at least one kind."


def test_run_shows_its_figures_and_then_its_neighbours(page: TunePage, runner: FakeRunner) -> None:
    page._start.click()
    handle = runner.last(TuneRequest)
    assert handle.request == TuneRequest(alike=(AlikeKind.VIEWS, AlikeKind.GROUPS), encoder=BASE.name)
    assert not page._start.isVisible() and page._stop.isVisible()
    assert not page._alike._boxes[AlikeKind.VIEWS].isEnabled()
    handle.deliver_partial(Progress(2, 4, 5.0, "Learning"))
    for step in STEPS[:2]:
        handle.deliver_partial(step)
    assert page._state.text() == "Learning  2 / 4  ·  5 s left"
    assert page._loss.values == (2.9, 2.8)
    assert page._training.isVisible() and not page._results.isVisible()
    handle.deliver_answer(RESULT)
    _tell(runner, result=RESULT)
    assert page._results.isVisible() and page._keep.isEnabled()
    before, after = page._probes.strips[0]
    assert [p.photo_id for p in after.photos] == [1, 7]
    assert (before.new, after.new) == (frozenset(), frozenset({7}))
    assert "at 60 % of the best order, before 40 %" in page._agreement.text()
    assert page._start.text().strip() == "Start anew"


def test_collapse_raises_an_alarm(page: TunePage, runner: FakeRunner) -> None:
    page._start.click()
    assert not page._alarm.isVisible()
    runner.last(TuneRequest).deliver_partial(replace(STEPS[0], is_collapsed=True))
    assert page._alarm.isVisible() and "Collapse" in page._alarm.text()
    assert page._even._is_alarmed and not page._loss._is_alarmed


def test_stopped_run_can_go_on_or_be_discarded(page: TunePage, runner: FakeRunner) -> None:
    page._start.click()
    runner.last(TuneRequest).deliver_partial(STEPS[0])
    page._stop.click()
    assert runner.cancelled == [runner.last(TuneRequest)]
    runner.settle_cancelled()
    _tell(runner, stopped_at=1, stopped_of=4)
    assert page._state.text() == "Stopped at step 1 of 4; it can go on."
    assert page._resume.isVisible() and page._discard_stopped.isVisible()
    side = page.findChildren(QScrollArea)[0]
    assert side.widget().minimumSizeHint().width() <= side.viewport().width(), "the column needs no scrolling"
    page._resume.click()
    assert runner.last(TuneRequest).request == TuneRequest(resume=True)
    page._stop.click()
    runner.settle_cancelled()
    _tell(runner, stopped_at=1, stopped_of=4)
    page._discard_stopped.click()
    runner.answer(DiscardTuningRequest, OPTIONS)
    assert not page._resume.isVisible() and not page._training.isVisible()
    assert not page._discard_stopped.isVisible()


def test_run_stopped_before_its_first_step_can_go_on(page: TunePage, runner: FakeRunner) -> None:
    page._start.click()
    page._stop.click()
    runner.settle_cancelled()
    _tell(runner, stopped_at=0, stopped_of=4)
    assert page._state.text() == "Stopped before the first step; it can go on."
    assert page._resume.isVisible() and page._discard_stopped.isVisible()
    page._resume.click()
    assert runner.last(TuneRequest).request == TuneRequest(resume=True)


def test_nothing_is_promised_before_the_library_is_known(
    qtbot: object, jobs: JobCenter, thumbnails: ThumbnailCache
) -> None:
    page = TunePage(jobs, thumbnails, marking=GroupMarking(jobs))
    qtbot.addWidget(page)
    page.show()
    assert not page._training.isVisible() and not page._results.isVisible()


def test_refusal_stays_on_the_page(page: TunePage, runner: FakeRunner) -> None:
    page._start.click()
    runner.last(TuneRequest).deliver_failure(JobFailure("Too little to learn from.", "Add photos."))
    _tell(runner)
    assert page._state.text() == "Too little to learn from. Add photos."
    assert page._start.isVisible()


def test_kept_encoder_is_switched_to_and_back(qtbot: object, page: TunePage, runner: FakeRunner) -> None:
    _tell(runner)
    page.load()
    _tell(runner, result=RESULT)
    with qtbot.waitSignal(page.models_changed):
        page.keep("My garden")
        assert not page._keep.isEnabled() and not page._encoders.buttons[TUNED.name].isEnabled()
        assert runner.last(KeepTuningRequest).request == KeepTuningRequest("My garden")
        runner.answer(KeepTuningRequest, KeptTuning(TUNED.name, "My garden", 40, 1.0))
    _tell(runner)
    page._encoders.buttons[TUNED.name].click()
    assert runner.last(SwitchEncoderRequest).request == SwitchEncoderRequest(TUNED.name)
    with qtbot.waitSignal(page.encoder_switched):
        runner.answer(SwitchEncoderRequest, EncoderSwitched(TUNED.name, BASE.name, 40, 40))
    _tell(runner, encoders=(TUNED, BASE), used=TUNED.name)
    back = page._encoders.buttons[BASE.name]
    assert back.text().strip() == "Go back"
    assert page._base.currentData() == BASE.name  # a tuned encoder is not tuned again
    back.click()
    assert runner.last(SwitchEncoderRequest).request == SwitchEncoderRequest(BASE.name)


def test_groups_are_shown_and_taken_apart(page: TunePage, runner: FakeRunner) -> None:
    assert page._groups._text.text() == "2 groups, 5 photos"
    page._groups.remove_wanted.emit(GROUPS[0])
    assert runner.last(UnmarkPhotosRequest).request == UnmarkPhotosRequest((4, 5))
    runner.answer(UnmarkPhotosRequest, MarkedGroups(GROUPS[1:]))
    assert page._groups._text.text() == "1 group, 3 photos"
    page._groups.set_groups(tuple(MarkedGroup(n, (photo(n), photo(n + 1))) for n in range(40)))
    assert len(page._groups._rows) == MOST_SHOWN
    page._groups.set_groups(())
    assert "press G" in page._groups._text.text()


def test_empty_library_and_failure_are_told(page: TunePage, runner: FakeRunner) -> None:
    page.load()
    _tell(runner, photos=0)
    assert "library is empty" in page._state.text() and not page._start.isEnabled()
    page.load()
    runner.open_handles(TuneOptionsRequest)[0].deliver_failure(JobFailure("The library is damaged."))
    assert page._state.text() == "The library is damaged."


def test_marking_one_photo_is_no_group(jobs: JobCenter, runner: FakeRunner) -> None:
    marking, told = GroupMarking(jobs), []
    marking.notice.connect(lambda text, hint: told.append(text))
    marking.mark((photo(1),))
    assert told == ["Choose at least two photos that belong together."]
    marking.mark((photo(1), photo(2)))
    assert runner.last(MarkGroupRequest).request == MarkGroupRequest((1, 2))
    runner.answer(MarkGroupRequest, MarkedGroups(GROUPS))
    assert told[-1] == "The chosen photos belong together now."


def test_strip_tells_what_does_not_fit(qtbot: object, page: TunePage) -> None:
    strip = page._probes.strips[0][0] if page._probes.strips else None
    assert strip is None
    from ui.learning.photo_strip import PhotoStrip

    made = PhotoStrip(page._groups._thumbnails, side_px=50)
    qtbot.addWidget(made)
    made.set_photos(tuple(photo(n) for n in range(12)), new=frozenset({3}))
    made.resize(330, 50)
    assert len(made._shown()) == 5  # six places, the last one says how many are left
    assert "photo_00003.jpg (new)" in made.accessibleDescription()
