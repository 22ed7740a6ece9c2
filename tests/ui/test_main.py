from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from desktop_app import main
from desktop_app.cli import app


@pytest.mark.parametrize(
    "arguments", [["index", "x"], ["--help"], ["--json", "models", "list"], ["--library"]]
)
def test_commands_go_to_the_command_line(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(app, "main", lambda argv: seen.append(argv) or 7)
    assert main.main(arguments) == 7
    assert seen == [arguments]


def test_window_options_are_read() -> None:
    options = main.window_options(["--library", "a", "--data=/b", "--verbose"])
    assert options is not None
    assert (options.library, options.data, options.verbose) == (Path("a").absolute(), Path("/b"), True)
    assert main.window_options([]) == main.WindowOptions()


def test_no_display_ends_with_a_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, expected_log: object
) -> None:
    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("desktop_app.core.log.set_up_logging", lambda *_a, **_k: None)
    assert main.main(["--data", str(tmp_path)]) == main.FAILED
    assert "no display" in caplog.text


def test_last_resort_logs_and_tells_from_any_thread(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, expected_log: object
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    told: list[bool] = []
    main.install_last_resort(lambda: told.append(True))
    sys.excepthook(ValueError, ValueError("lost"), None)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    assert told == [True, True]
    assert "lost" in caplog.text
    assert "ZeroDivisionError" in caplog.text
