"""A runner over jobs written in the test."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import pytest

from desktop_app.core.types import Urgency
from desktop_app.worker import job_runner
from desktop_app.worker.job_handle import JobHandle
from desktop_app.worker.job_runner import JobRunner

Work = Callable[[], Generator[object, None, object]]


@dataclass(frozen=True, eq=False)
class Ask:
    """A request that carries its own job."""

    work: Work
    urgency: Urgency = Urgency.NORMAL


class FakeServices:
    """Counts openings and closings."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class Endings:
    """Records everything a handle tells, in order."""

    def __init__(self, handle: JobHandle) -> None:
        self.told: list[tuple[str, object]] = []
        self.handle = handle
        handle.progress.connect(lambda value: self.told.append(("progress", value)))
        handle.step.connect(lambda value: self.told.append(("step", value)))
        handle.finished.connect(lambda value: self.told.append(("finished", value)))
        handle.failed.connect(lambda value: self.told.append(("failed", value)))
        handle.cancelled.connect(lambda: self.told.append(("cancelled", None)))

    @property
    def endings(self) -> list[str]:
        return [kind for kind, _ in self.told if kind in {"finished", "failed", "cancelled"}]

    def of(self, kind: str) -> list[object]:
        return [value for told, value in self.told if told == kind]


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture
def runner(qapp: object, services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobRunner]:
    monkeypatch.setattr(job_runner, "start_job", lambda request, _services: request.work())
    monkeypatch.setattr(job_runner, "urgency_of", lambda request: request.urgency)
    monkeypatch.setattr(job_runner, "title_of", lambda request: "a test job")
    made = JobRunner(lambda: services)  # type: ignore[arg-type, return-value]
    yield made
    assert made.shutdown(5.0)
