"""Rules for every test: no file of the user, no thread left over, no warning nobody expected."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

_THREAD_PATIENCE_S = 3.0
# Threads of libraries that live as long as the process.
_LASTING_THREADS = ("pytest", "tqdm", "pydevd", "QThread", "Dummy", "asyncio")


@pytest.fixture(autouse=True)
def temporary_user_folders(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every folder that belongs to the user lies in a temporary place."""
    home = tmp_path_factory.mktemp("home")
    for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(home))
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(home / name.lower()))
    return home


@pytest.fixture(autouse=True)
def no_leftover_threads() -> Iterator[None]:
    """Fail when a test leaves a thread of ours running."""
    before = set(threading.enumerate())
    yield
    until = time.monotonic() + _THREAD_PATIENCE_S
    left: list[threading.Thread] = []
    while time.monotonic() < until:
        left = [
            thread
            for thread in threading.enumerate()
            if thread not in before and thread.is_alive() and not thread.name.startswith(_LASTING_THREADS)
        ]
        if not left:
            return
        time.sleep(0.01)
    pytest.fail(f"threads left running: {[thread.name for thread in left]}")


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def expected_log() -> list[logging.LogRecord]:
    """Ask for it to allow log warnings in a test; holds those that came."""
    return []


@pytest.fixture(autouse=True)
def no_unexpected_log_warnings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail on a warning or error in our log, unless the test asks for `expected_log`."""
    is_allowed = "expected_log" in request.fixturenames
    collector = _Collector()
    if is_allowed:
        collector.records = request.getfixturevalue("expected_log")
    loggers = [logging.getLogger(name) for name in ("desktop_app", "ui")]
    for logger in loggers:
        logger.addHandler(collector)
    yield
    for logger in loggers:
        logger.removeHandler(collector)
    if collector.records and not is_allowed:
        pytest.fail("unexpected in the log: " + "; ".join(r.getMessage() for r in collector.records))


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder of sample pictures; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CONTRASTYLE_DATA", default))
    if not folder.is_dir():
        pytest.skip("no sample data here (CONTRASTYLE_DATA)")
    return folder
