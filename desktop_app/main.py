"""Puts everything together: arguments, logging, settings, engine thread, window, shutdown."""

from __future__ import annotations

import functools
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from desktop_app.core.paths import AppPaths
    from desktop_app.core.settings import Settings
    from desktop_app.jobs.services import Services
    from desktop_app.worker.job_runner import JobRunner
    from ui.main_window import MainWindow

_log = logging.getLogger(__name__)

OK, FAILED, USAGE = 0, 1, 2
_SHUTDOWN_S = 20.0
# Newer than those that Qt brings: torch needs them and has to find them loaded (Windows only).
_WINDOWS_RUNTIME = ("msvcp140.dll", "vcruntime140.dll", "vcruntime140_1.dll")


@dataclass(slots=True)
class WindowOptions:
    """What the command line says about the window.

    Attributes:
        library: Folder of the library, or None for the usual one.
        data: Keep everything below this folder, or None for the usual places.
        verbose: Show debug messages.
        started_at: When the program began, by `time.perf_counter`.
    """

    library: Path | None = None
    data: Path | None = None
    verbose: bool = False
    started_at: float = 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """Open the window, or run a command without one.

    Args:
        argv: Arguments without the program's name; None: those of the process. None or only
            `--library FOLDER`, `--data FOLDER` and `--verbose` open the window.

    Returns:
        Exit code.
    """
    started_at = time.perf_counter()
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = window_options(arguments)
    if options is None:
        from desktop_app.cli.app import main as run_command

        return run_command(arguments)
    options.started_at = started_at
    return run_window(options)


def window_options(arguments: Sequence[str]) -> WindowOptions | None:
    """Read the arguments of the window; None when they are those of a command."""
    options = WindowOptions()
    rest = list(arguments)
    while rest:
        name, has_value, value = rest.pop(0).partition("=")
        if name == "--verbose" and not has_value:
            options.verbose = True
        elif name in ("--library", "--data"):
            if not has_value and not rest:
                return None
            folder = Path(value if has_value else rest.pop(0)).expanduser().absolute()
            setattr(options, name[2:], folder)
        else:
            return None
    return options


def has_display() -> bool:
    """Whether a window can appear."""
    if os.environ.get("QT_QPA_PLATFORM") or not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def run_window(options: WindowOptions) -> int:
    """Show the window until it is closed."""
    from desktop_app.core.log import set_up_logging
    from desktop_app.core.paths import default_paths, paths_below
    from desktop_app.core.settings import load_settings

    paths = paths_below(options.data) if options.data else default_paths()
    set_up_logging(paths.logs, verbose=options.verbose)
    if not has_display():
        _log.error("there is no display; `contrastyle --help` lists what works without a window")
        return FAILED
    settings = load_settings(paths.settings_file)
    load_windows_runtime()
    application = make_application()
    runner = make_runner(paths, settings, options.library or paths.library)
    window = make_window(runner, settings, paths)
    window.first_painted.connect(functools.partial(_tell_start, options.started_at))
    install_last_resort(window.notifications.unexpected.emit)
    runner.start()
    window.show()
    code = application.exec()
    has_ended = runner.shutdown(_SHUTDOWN_S)
    _log.info("window closed")
    if not has_ended:
        # A thread is still inside torch: ending Python under it would abort the process. What was
        # reported as indexed is safe on disk.
        logging.shutdown()
        os._exit(FAILED)
    return code


def _tell_start(started_at: float) -> None:
    _log.info("window on the screen after %.2f s", time.perf_counter() - started_at)


def make_application() -> QApplication:
    """The Qt application with the program's look."""
    from PySide6.QtWidgets import QApplication

    from ui.theme import apply_theme

    application = QApplication([sys.argv[0]])
    application.setApplicationName("contrastyle")
    application.setApplicationDisplayName("Contrastyle")
    application.setDesktopFileName("contrastyle")
    apply_theme(application)
    return application


def make_runner(paths: AppPaths, settings: Settings, library: Path) -> JobRunner:
    """The engine thread, not started; it opens library and models when it needs them."""
    from desktop_app.worker.job_runner import JobRunner

    def open_services() -> Services:
        from desktop_app.jobs.services import Services

        return Services(paths, settings, library)

    return JobRunner(open_services)


def make_window(runner: JobRunner, settings: Settings, paths: AppPaths) -> MainWindow:
    """The window; it loads the library as soon as it is on the screen."""
    from ui.main_window import MainWindow

    window = MainWindow(runner, settings, paths)
    window.first_painted.connect(window.start)
    return window


def install_last_resort(tell: Callable[[], object]) -> None:
    """Log what nobody caught, in any thread, and tell the user where the log lies.

    Args:
        tell: Callable from any thread.
    """

    def on_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        _log.error("unexpected error", exc_info=(kind, error, trace))
        tell()

    def on_thread_exception(what: threading.ExceptHookArgs) -> None:
        if what.exc_value is not None and not issubclass(what.exc_type, SystemExit):
            on_exception(what.exc_type, what.exc_value, what.exc_traceback)

    sys.excepthook = on_exception
    threading.excepthook = on_thread_exception


def load_windows_runtime() -> None:
    """Load the system's C++ runtime before Qt loads its own, older one; torch then finds it."""
    if sys.platform != "win32":
        return
    import ctypes

    for name in _WINDOWS_RUNTIME:
        try:
            ctypes.WinDLL(name)
        except OSError as error:
            _log.debug("the runtime library %s was not loaded: %s", name, error)


if __name__ == "__main__":
    sys.exit(main())
