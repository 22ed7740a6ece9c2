"""Qt objects in cycles are destroyed in the GUI thread, whoever allocates."""

from __future__ import annotations

import gc
import threading
from collections.abc import Generator

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from desktop_app.core.types import EngineReady
from desktop_app.worker.cycle_collector import CycleCollector
from desktop_app.worker.job_runner import JobRunner
from tests.worker.conftest import Ask, Endings


def make_cycle(destroyed_in: list[int]) -> None:
    """A Qt object that only the cycle collector can free."""

    class Looped(QObject):
        pass

    class Teller:
        def __del__(self) -> None:
            destroyed_in.append(threading.get_ident())

    looped = Looped()
    looped.myself = looped  # type: ignore[attr-defined]
    looped.teller = Teller()  # type: ignore[attr-defined]


def allocate_much(kept: list[object]) -> Generator[object, None, object]:
    """Objects that stay: Python counts allocations less releases, and collects by that count."""
    for _ in range(5):
        kept.append([[number] for number in range(20_000)])
        yield None


def test_cycle_is_collected_in_the_gui_thread(runner: JobRunner, qtbot: QtBot) -> None:
    gc.collect()
    destroyed_in: list[int] = []
    runner.start()
    make_cycle(destroyed_in)
    kept: list[object] = []
    told = Endings(runner.submit(Ask(lambda: allocate_much(kept))))
    qtbot.waitUntil(lambda: bool(told.endings), timeout=30000)
    qtbot.waitUntil(lambda: bool(destroyed_in), timeout=30000)
    assert destroyed_in == [threading.get_ident()]


def test_automatic_collection_comes_back_after_shutdown(runner: JobRunner) -> None:
    assert gc.isenabled()
    runner.start()
    assert not gc.isenabled()
    assert runner.shutdown()
    assert gc.isenabled()


def test_what_the_warm_up_loaded_is_left_out(runner: JobRunner, qtbot: QtBot) -> None:
    def warm_up() -> Generator[object, None, object]:
        yield None
        return EngineReady("cpu", 1, 0.1)

    runner.start()
    told = Endings(runner.submit(Ask(warm_up)))
    qtbot.waitUntil(lambda: bool(told.endings), timeout=30000)
    assert gc.get_freeze_count() > 1000
    assert runner.shutdown()
    assert gc.get_freeze_count() < 1000


@pytest.mark.parametrize("automatic", [True, False])
def test_setting_of_before_is_respected(qapp: object, automatic: bool) -> None:
    collector = CycleCollector()
    before = gc.isenabled()
    try:
        (gc.enable if automatic else gc.disable)()
        collector.start()
        collector.stop()
        collector.stop()
        assert gc.isenabled() is automatic
    finally:
        (gc.enable if before else gc.disable)()
