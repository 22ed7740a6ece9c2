"""Newest-wins for fast input."""

from __future__ import annotations

import pytest

from desktop_app.core.types import JobFailure
from desktop_app.worker.job_handle import JobHandle
from desktop_app.worker.latest_only import LatestOnly


class ByHand:
    """Submits to handles that the test answers itself."""

    def __init__(self) -> None:
        self.handles: list[JobHandle] = []

    def submit(self, request: object) -> JobHandle:
        handle = JobHandle(request, on_cancel=lambda: None)
        self.handles.append(handle)
        return handle

    @property
    def asked(self) -> list[object]:
        return [handle.request for handle in self.handles]


@pytest.fixture
def by_hand(qapp: object) -> ByHand:
    return ByHand()


def test_only_the_newest_of_a_burst_is_asked_and_answered(by_hand: ByHand) -> None:
    latest = LatestOnly(by_hand.submit)
    answered: list[object] = []
    overtaken: list[object] = []
    latest.answered.connect(answered.append)
    latest.overtaken.connect(overtaken.append)
    for request in range(1, 18):
        latest.submit(request)
    assert by_hand.asked == [1]
    by_hand.handles[0].deliver_answer("one")
    assert by_hand.asked == [1, 17]
    by_hand.handles[1].deliver_answer("seventeen")
    assert answered == ["seventeen"]
    assert overtaken == ["one"]
    assert not latest.is_busy


def test_failure_of_an_overtaken_request_is_not_shown(by_hand: ByHand) -> None:
    latest = LatestOnly(by_hand.submit)
    failed: list[object] = []
    latest.failed.connect(failed.append)
    latest.submit(1)
    latest.submit(2)
    by_hand.handles[0].deliver_failure(JobFailure("old"))
    assert failed == []
    newest = JobFailure("new")
    by_hand.handles[1].deliver_failure(newest)
    assert failed == [newest]


def test_after_cancel_nothing_arrives_and_a_new_request_is_served(by_hand: ByHand) -> None:
    latest = LatestOnly(by_hand.submit)
    answered: list[object] = []
    latest.answered.connect(answered.append)
    latest.submit(1)
    latest.submit(2)
    latest.cancel()
    latest.submit(3)
    by_hand.handles[0].deliver_cancelled()
    assert by_hand.asked == [1, 3]
    by_hand.handles[1].deliver_answer("three")
    assert answered == ["three"]
