"""The engine thread: order, endings, cancelling, shutdown."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator

import pytest
from PySide6.QtCore import QCoreApplication, QObject, QThread
from pytestqt.qtbot import QtBot

from desktop_app.core.errors import JobCancelled, UserInputError
from desktop_app.core.types import JobFailure, Progress, Urgency
from desktop_app.worker.job_runner import JobRunner
from tests.worker.conftest import Ask, Endings, FakeServices


def steps(*values: object, answer: object = "done") -> Generator[object, None, object]:
    yield from values
    return answer


def settle(qtbot: QtBot, *endings: Endings) -> None:
    qtbot.waitUntil(lambda: all(e.endings for e in endings), timeout=30000)
    for _ in range(3):
        QCoreApplication.sendPostedEvents()
        qtbot.wait(1)


def test_steps_arrive_in_order_and_one_ending_last(runner: JobRunner, qtbot: QtBot) -> None:
    told = Endings(runner.submit(Ask(lambda: steps(1, 2, 3, answer="all"))))
    runner.start()
    settle(qtbot, told)
    assert told.told == [("step", 1), ("step", 2), ("step", 3), ("finished", "all")]
    assert told.handle.is_done


def test_user_error_fails_with_message_and_hint(runner: JobRunner, qtbot: QtBot) -> None:
    def work() -> Generator[object, None, object]:
        yield 1
        raise UserInputError("No face was found.", "Choose another photo.")

    told = Endings(runner.submit(Ask(work)))
    runner.start()
    settle(qtbot, told)
    assert told.endings == ["failed"]
    assert told.of("failed") == [JobFailure("No face was found.", "Choose another photo.")]


def test_fault_of_the_program_is_told_as_such_and_logged(
    runner: JobRunner, qtbot: QtBot, expected_log: list[logging.LogRecord]
) -> None:
    def work() -> Generator[object, None, object]:
        yield 1
        raise KeyError("oops")

    told = Endings(runner.submit(Ask(work)))
    after = Endings(runner.submit(Ask(lambda: steps(answer="still alive"))))
    runner.start()
    settle(qtbot, told, after)
    (failure,) = told.of("failed")
    assert isinstance(failure, JobFailure) and failure.is_bug
    assert told.endings == ["failed"]
    assert after.of("finished") == ["still alive"]
    assert expected_log[0].exc_info is not None


def test_services_that_cannot_open_fail_the_job_and_are_tried_again(qapp: object, qtbot: QtBot) -> None:
    tries = []

    def open_services() -> FakeServices:
        tries.append(1)
        raise UserInputError("The library cannot be opened.")

    runner = JobRunner(open_services)  # type: ignore[arg-type]
    first = Endings(runner.submit(object(), urgency=Urgency.LOW))
    second = Endings(runner.submit(object(), urgency=Urgency.LOW))
    import desktop_app.worker.job_runner as module

    before, module.title_of = module.title_of, lambda request: "x"
    try:
        runner.start()
        settle(qtbot, first, second)
    finally:
        assert runner.shutdown()
        module.title_of = before
    assert first.endings == second.endings == ["failed"]
    assert len(tries) == 2


def test_cancel_stops_within_one_step_and_runs_the_clean_up(runner: JobRunner, qtbot: QtBot) -> None:
    taken: list[int] = []
    cleaned = threading.Event()

    def work() -> Generator[object, None, object]:
        try:
            for number in range(10_000):
                taken.append(number)
                yield number
                time.sleep(0.002)
        finally:
            cleaned.set()

    handle = runner.submit(Ask(work))
    told = Endings(handle)
    runner.start()
    qtbot.waitUntil(lambda: len(told.of("step")) >= 5, timeout=30000)
    at_cancel, taken_then = len(told.of("step")), len(taken)
    handle.cancel()
    settle(qtbot, told)
    assert told.endings == ["cancelled"]
    assert len(told.of("step")) == at_cancel, "no step after cancel"
    assert len(taken) <= taken_then + 2
    assert cleaned.is_set()


def test_cancel_before_start_never_runs_the_job(runner: JobRunner, qtbot: QtBot) -> None:
    ran: list[int] = []

    def work() -> Generator[object, None, object]:
        ran.append(1)
        yield 1

    handle = runner.submit(Ask(work))
    told = Endings(handle)
    handle.cancel()
    handle.cancel()
    runner.start()
    settle(qtbot, told)
    assert told.endings == ["cancelled"] and not ran


def test_answer_that_raced_with_cancel_is_not_told(runner: JobRunner, qtbot: QtBot) -> None:
    over = threading.Event()

    def work() -> Generator[object, None, object]:
        yield 1
        over.set()
        return "too late"

    handle = runner.submit(Ask(work))
    told = Endings(handle)
    runner.start()
    assert over.wait(5)
    time.sleep(0.02)  # the answer waits in the queue of this thread now
    handle.cancel()
    settle(qtbot, told)
    assert told.told == [("cancelled", None)]


def test_job_that_cancels_itself_ends_as_cancelled(runner: JobRunner, qtbot: QtBot) -> None:
    def work() -> Generator[object, None, object]:
        yield 1
        raise JobCancelled

    told = Endings(runner.submit(Ask(work)))
    runner.start()
    settle(qtbot, told)
    assert told.endings == ["cancelled"]


def test_urgent_job_is_served_between_two_steps_of_a_long_one(runner: JobRunner, qtbot: QtBot) -> None:
    order: list[str] = []
    begun = threading.Event()

    def slow() -> Generator[object, None, object]:
        for number in range(200):
            order.append(f"slow {number}")
            begun.set()
            time.sleep(0.002)
            yield number

    def quick() -> Generator[object, None, object]:
        order.append("quick 0")
        yield 0
        order.append("quick 1")
        return "found"

    slow_told = Endings(runner.submit(Ask(slow, Urgency.LOW)))
    runner.start()
    assert begun.wait(5)
    quick_told = Endings(runner.submit(Ask(quick, Urgency.HIGH)))
    settle(qtbot, quick_told)
    assert order.index("quick 1") - order.index("quick 0") == 1
    assert not slow_told.endings
    slow_told.handle.cancel()
    settle(qtbot, slow_told)


def test_equals_run_in_the_order_of_asking(runner: JobRunner, qtbot: QtBot) -> None:
    order: list[str] = []

    def work(name: str) -> Generator[object, None, object]:
        for _ in range(3):
            order.append(name)
            yield name

    told = [Endings(runner.submit(Ask(lambda n=n: work(n)))) for n in "abc"]  # type: ignore[misc]
    runner.start()
    settle(qtbot, *told)
    assert "".join(order) == "aaabbbccc"


def test_given_urgency_overrides_that_of_the_use_case(runner: JobRunner, qtbot: QtBot) -> None:
    order: list[str] = []

    def work(name: str) -> Generator[object, None, object]:
        order.append(name)
        yield name

    first = Endings(runner.submit(Ask(lambda: work("first"))))
    second = Endings(runner.submit(Ask(lambda: work("second"), Urgency.LOW), urgency=Urgency.HIGH))
    runner.start()
    settle(qtbot, first, second)
    assert order == ["second", "first"]


def test_progress_is_thinned_to_twenty_a_second_and_the_last_is_kept(runner: JobRunner, qtbot: QtBot) -> None:
    def work() -> Generator[object, None, object]:
        for number in range(150):
            yield Progress(number, 150)
            time.sleep(0.001)
        yield Progress(150, 150)

    told = Endings(runner.submit(Ask(work)))
    started = time.monotonic()
    runner.start()
    settle(qtbot, told)
    seconds = time.monotonic() - started
    shown = told.of("progress")
    assert 2 <= len(shown) <= 20 * seconds + 2
    assert shown[-1] == Progress(150, 150)


def test_signals_and_handles_stay_in_the_gui_thread(runner: JobRunner, qtbot: QtBot) -> None:
    gui = threading.get_ident()
    seen: set[int] = set()
    destroyed: set[int] = set()

    class Screen(QObject):
        def show_step(self, _step: object) -> None:
            seen.add(threading.get_ident())

    screen = Screen()
    worked_in: set[int] = set()

    def work() -> Generator[object, None, object]:
        for number in range(20):
            worked_in.add(threading.get_ident())
            yield number

    handle = runner.submit(Ask(work))
    told = Endings(handle)
    handle.step.connect(screen.show_step)
    assert handle.thread() is QThread.currentThread()
    handle.destroyed.connect(lambda: destroyed.add(threading.get_ident()))
    runner.start()
    settle(qtbot, told)
    told.handle = None  # type: ignore[assignment]
    del handle, told
    qtbot.wait(20)
    assert seen == {gui} and worked_in and gui not in worked_in
    assert destroyed == {gui}


def test_payload_arrives_as_the_very_object(runner: JobRunner, qtbot: QtBot) -> None:
    payload = {1: "one", 2: 2**40}
    told = Endings(runner.submit(Ask(lambda: steps(payload))))
    runner.start()
    settle(qtbot, told)
    assert told.of("step")[0] is payload


def test_shutdown_closes_open_jobs_and_ends_their_handles(
    qapp: object, qtbot: QtBot, runner: JobRunner, services: FakeServices
) -> None:
    closed = threading.Event()

    def endless() -> Generator[object, None, object]:
        try:
            while True:
                time.sleep(0.001)
                yield None
        finally:
            closed.set()

    running = Endings(runner.submit(Ask(endless)))
    waiting = Endings(runner.submit(Ask(endless)))
    runner.start()
    qtbot.wait(30)
    assert runner.shutdown(5.0)
    assert closed.is_set() and services.closed == 1
    assert running.endings == waiting.endings == ["cancelled"]
    late = Endings(runner.submit(Ask(endless)))
    settle(qtbot, late)
    assert late.endings == ["cancelled"]


def test_shutdown_that_takes_too_long_is_logged_with_the_job(
    runner: JobRunner, qtbot: QtBot, expected_log: list[logging.LogRecord]
) -> None:
    begun, release = threading.Event(), threading.Event()

    def stuck() -> Generator[object, None, object]:
        begun.set()
        release.wait(5)
        yield 1

    told = Endings(runner.submit(Ask(stuck)))
    runner.start()
    assert begun.wait(5)
    assert not runner.shutdown(0.05)
    release.set()
    assert "a test job" in expected_log[0].getMessage()
    assert told.endings == ["cancelled"]


def test_error_while_closing_a_job_still_ends_it(
    runner: JobRunner, qtbot: QtBot, expected_log: list[logging.LogRecord]
) -> None:
    def work() -> Generator[object, None, object]:
        try:
            while True:
                yield 1
                time.sleep(0.002)
        finally:
            raise ValueError("broken clean-up")

    told = Endings(runner.submit(Ask(work)))
    runner.start()
    qtbot.waitUntil(lambda: bool(told.of("step")), timeout=30000)
    told.handle.cancel()
    settle(qtbot, told)
    assert told.endings == ["cancelled"]
    assert "cancelling" in expected_log[0].getMessage()


@pytest.mark.parametrize("rounds", [30])
def test_many_short_jobs_each_end_once(runner: JobRunner, qtbot: QtBot, rounds: int) -> None:
    runner.start()
    told = [Endings(runner.submit(Ask(lambda: steps(1, 2)))) for _ in range(rounds)]
    for number, one in enumerate(told):
        if number % 3 == 0:
            one.handle.cancel()
    settle(qtbot, *told)
    assert all(len(one.endings) == 1 for one in told)
    assert all(one.told[-1][0] == one.endings[0] for one in told)
