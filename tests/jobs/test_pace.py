"""The estimate of the time left."""

from __future__ import annotations

import pytest

from desktop_app.jobs import pace as module
from desktop_app.jobs.pace import Pace


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_time_left_follows_the_pace(clock: list[float]) -> None:
    pace = Pace(100, "Indexing")
    assert pace.progress(0).left_s is None
    clock[0] += 2.0
    told = pace.progress(20)
    assert (told.done, told.total, told.text) == (20, 100, "Indexing")
    assert told.left_s == pytest.approx(8.0)


def test_old_pace_is_forgotten(clock: list[float]) -> None:
    pace = Pace(1000)
    for done in range(0, 600, 10):
        clock[0] += 10.0
        pace.progress(done)
    for done in range(600, 900, 5):
        clock[0] += 0.5
        told = pace.progress(done)
    assert told.left_s == pytest.approx((1000 - told.done) * 0.1, rel=0.05)
