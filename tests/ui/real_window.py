"""The main window with a real engine thread and the tiny encoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from desktop_app.core.paths import AppPaths
from desktop_app.core.settings import Settings
from desktop_app.jobs.services import Services
from desktop_app.worker.job_runner import JobRunner
from tests.tiny_embedder import TinyEmbedder
from ui.main_window import MainWindow


@contextmanager
def real_window(qtbot: object, paths: AppPaths, settings: Settings) -> Iterator[MainWindow]:
    """Open the window; afterwards close it and require that the engine thread ends."""
    runner = JobRunner(lambda: Services(paths, settings, paths.library, embedder_factory=TinyEmbedder))
    window = MainWindow(runner, settings, paths)
    window.first_painted.connect(window.start)
    qtbot.addWidget(window)
    runner.start()
    window.show()
    yield window
    window.close()
    assert runner.shutdown()
