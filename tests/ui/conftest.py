from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from desktop_app.core.paths import AppPaths, paths_below
from tests.ui.fake_runner import FakeRunner
from ui.catalogue.thumbnail_cache import ThumbnailCache
from ui.job_center import JobCenter
from ui.theme import apply_theme

# Said by the offscreen platform, whatever the program does.
_HARMLESS = ("This plugin does not support", "propagateSizeHints")


@pytest.fixture(scope="session")
def themed(qapp: QApplication) -> QApplication:
    apply_theme(qapp)
    return qapp


@pytest.fixture(autouse=True)
def clean_window(themed: QApplication, qtlog: object) -> Iterator[None]:
    """The program's look; fails on warnings of Qt and on windows that are left open."""
    before = {id(widget) for widget in themed.topLevelWidgets()}
    yield
    left = [w for w in themed.topLevelWidgets() if w.isVisible() and id(w) not in before]
    left = [w for w in left if w.windowType() != Qt.WindowType.ToolTip]
    names = [
        f"{type(widget).__name__} {widget.objectName()} {getattr(widget, 'text', str)()}" for widget in left
    ]
    for widget in left:
        widget.close()
    warnings = [r.message for r in qtlog.records if not any(text in r.message for text in _HARMLESS)]
    assert not warnings, warnings
    assert not names, f"windows left open: {names}"


@pytest.fixture
def runner() -> FakeRunner:
    return FakeRunner()


@pytest.fixture
def jobs(runner: FakeRunner) -> Iterator[JobCenter]:
    center = JobCenter(runner)
    yield center
    center.deleteLater()


@pytest.fixture
def thumbnails() -> Iterator[ThumbnailCache]:
    cache = ThumbnailCache()
    yield cache
    cache.close()


@pytest.fixture
def thumbnail_files(tmp_path: Path) -> list[Path]:
    """Twelve small pictures."""
    files = []
    for number in range(12):
        picture = QImage(32, 24, QImage.Format.Format_RGB888)
        picture.fill(number * 1000)
        file = tmp_path / f"thumb_{number}.jpg"
        assert picture.save(str(file))
        files.append(file)
    return files


@pytest.fixture
def paths(tmp_path: Path) -> AppPaths:
    return paths_below(tmp_path / "home")
