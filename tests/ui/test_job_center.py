from __future__ import annotations

from desktop_app.core.types import IndexRequest, JobFailure, LibraryRequest, Progress
from tests.ui.fake_runner import FakeRunner
from ui.job_center import JobCenter
from ui.status_area import StatusArea
from ui.widgets.progress_strip import ProgressStrip


def test_asked_failures_stay_with_the_asker(jobs: JobCenter, runner: FakeRunner) -> None:
    seen: list[JobFailure] = []
    jobs.job_failed.connect(seen.append)
    jobs.ask(LibraryRequest())
    runner.fail(LibraryRequest, "no")
    assert seen == []


def test_submitted_failures_are_reported(jobs: JobCenter, runner: FakeRunner) -> None:
    seen: list[JobFailure] = []
    jobs.job_failed.connect(seen.append)
    jobs.submit(LibraryRequest())
    runner.fail(LibraryRequest, "The disk is full.", "Free some space.")
    assert seen == [JobFailure("The disk is full.", "Free some space.")]


def test_followed_job_shows_progress_time_left_and_cancel(
    qtbot: object, jobs: JobCenter, runner: FakeRunner
) -> None:
    area = StatusArea(jobs)
    qtbot.addWidget(area)
    handle = jobs.follow(IndexRequest(), "Adding photos")
    strip = area.findChild(ProgressStrip)
    assert strip is not None
    handle.deliver_partial(Progress(1200, 2000, 12.0, "Reading"))
    assert strip._counts.text() == "1,200 / 2,000  ·  12 s left"
    assert strip._bar.value() == 600
    assert strip._detail.text() == "Reading"
    strip._cancel.click()
    assert runner.cancelled == [handle]
    assert not strip._cancel.isEnabled()
    runner.settle_cancelled()
    qtbot.waitUntil(lambda: area.findChild(ProgressStrip) is None)


def test_unknown_total_shows_a_count_only(qtbot: object, jobs: JobCenter) -> None:
    area = StatusArea(jobs)
    qtbot.addWidget(area)
    handle = jobs.follow(IndexRequest(), "Adding photos")
    handle.deliver_partial(Progress(37, None))
    strip = area.findChild(ProgressStrip)
    assert strip._bar.maximum() == 0
    assert strip._counts.text() == "37"
    handle.deliver_answer(None)
    qtbot.waitUntil(lambda: area.findChild(ProgressStrip) is None)
