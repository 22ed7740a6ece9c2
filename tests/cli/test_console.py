"""Progress, driving of jobs, and texts."""

from __future__ import annotations

import io
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from desktop_app.cli.console import Console, duration_text, progress_text
from desktop_app.core.errors import JobCancelled
from desktop_app.core.paths import paths_below
from desktop_app.core.settings import Settings
from desktop_app.core.types import Progress


@pytest.fixture
def console(tmp_path: Path) -> Console:
    return Console(paths_below(tmp_path), Settings(), is_json=False)


def test_progress_shows_bar_counts_and_time_left() -> None:
    text = progress_text(Progress(500, 2000, left_s=75.0, text="Indexing photos"))
    assert text == "Indexing photos  [######..................] 500/2,000  1 min 15 s left"
    assert progress_text(Progress(1234, None, text="Looking for photos")) == "Looking for photos  1,234"
    assert progress_text(Progress(0, 0)) == "Working"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (7384, "2 h 03 min")]
)
def test_durations_in_words(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_drive_gives_the_answer_and_passes_steps_on(console: Console) -> None:
    def job() -> Generator[object, None, str]:
        yield Progress(1, 2)
        yield "step"
        yield None
        return "answer"

    seen: list[object] = []
    assert console.drive(job(), seen.append) == "answer"
    assert seen == ["step"]


def test_interrupted_job_is_closed(console: Console) -> None:
    closed: list[int] = []

    def job() -> Generator[object, None, None]:
        try:
            while True:
                yield "step"
        finally:
            closed.append(1)

    def interrupt(_step: object) -> None:
        console._is_interrupted = True

    with pytest.raises(JobCancelled):
        console.drive(job(), interrupt)
    assert closed == [1]


def test_bar_is_drawn_in_a_terminal_and_taken_off_before_a_line(
    console: Console, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    console.progress(Progress(1, 2, text="Indexing"))
    console.progress(Progress(2, 2, text="too soon to be shown"))
    console.line("done")
    assert "Indexing" in terminal.getvalue() and "too soon" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert capsys.readouterr().out == "done\n"
