"""What a command has at hand: output, progress, and a way to run jobs that Ctrl-C can stop."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from desktop_app.catalogue.database import DATABASE_NAME
from desktop_app.core.errors import JobCancelled, UserInputError, display_path
from desktop_app.core.paths import AppPaths
from desktop_app.core.settings import Settings
from desktop_app.core.types import Progress

if TYPE_CHECKING:
    from desktop_app.jobs.services import Services

_Answer = TypeVar("_Answer")

_BAR_WIDTH = 24
_TERMINAL_INTERVAL_S = 0.1
# Without a terminal (a log file) a line now and then is enough.
_FILE_INTERVAL_S = 5.0


class Console:
    """Output and services of one command.

    Args:
        paths: Folders of the installation.
        settings: Settings of this run.
        is_json: Only one JSON object goes to standard output.
    """

    def __init__(self, paths: AppPaths, settings: Settings, *, is_json: bool) -> None:
        self.paths = paths
        self.settings = settings
        self.is_json = is_json
        self._is_interrupted = False
        self._shown_at = -_FILE_INTERVAL_S
        self._has_bar = False
        self._open_services: list[Services] = []

    # --- output ---------------------------------------------------------------------------------

    def line(self, text: str = "") -> None:
        """Show a line to a person; silent with `--json`."""
        if not self.is_json:
            self.clear_bar()
            _write(sys.stdout, text + "\n")

    def json(self, answer: dict[str, object]) -> None:
        """Write the one JSON object of a command; silent without `--json`."""
        if self.is_json:
            _write(sys.stdout, json.dumps(answer) + "\n")

    def error(self, message: str, hint: str = "") -> None:
        """Tell what went wrong: on standard error, with `--json` also as the JSON object."""
        self.clear_bar()
        _write(sys.stderr, f"contrastyle: {message}\n" + (f"  {hint}\n" if hint else ""))
        self.json({"error": message, "hint": hint})

    def progress(self, progress: Progress) -> None:
        """Show how far a job is, with the time left, on standard error."""
        is_terminal = sys.stderr.isatty()
        now = time.monotonic()
        if now - self._shown_at < (_TERMINAL_INTERVAL_S if is_terminal else _FILE_INTERVAL_S):
            return
        self._shown_at = now
        text = progress_text(progress)
        if not is_terminal:
            _write(sys.stderr, text + "\n")
            return
        width = shutil.get_terminal_size().columns - 1
        _write(sys.stderr, "\r\x1b[K" + text[:width])
        self._has_bar = True

    def clear_bar(self) -> None:
        """Take the progress bar off the terminal, so that a line can follow."""
        if self._has_bar:
            _write(sys.stderr, "\r\x1b[K")
            self._has_bar = False

    # --- work -----------------------------------------------------------------------------------

    def services(self, library: Path | None = None) -> Services:
        """Open what jobs share; closed when the command ends.

        Args:
            library: Folder of the library; None: the default one.
        """
        from desktop_app.jobs.services import Services

        services = Services(self.paths, self.settings, library or self.paths.library)
        self._open_services.append(services)
        return services

    def known_services(self, library: Path | None = None) -> Services:
        """The same for a library that must be there: a mistyped folder is refused, not made.

        Raises:
            UserInputError: A folder was given that holds no library.
        """
        if library is not None and not (library / DATABASE_NAME).is_file():
            raise UserInputError(
                f"There is no library in {display_path(library)}.",
                "Check the name, or make one there: contrastyle index FOLDER --library "
                f"{display_path(library)}",
            )
        return self.services(library)

    def drive(
        self,
        job: Generator[object, None, _Answer],
        on_step: Callable[[object], None] | None = None,
    ) -> _Answer:
        """Run a job to its end.

        Args:
            job: The generator of a use case.
            on_step: Receives what it yields, but for progress, which is shown.

        Raises:
            JobCancelled: Ctrl-C was pressed; the job was closed at its next yield.
        """
        with contextlib.closing(job):
            while True:
                self.raise_if_interrupted()
                try:
                    message = next(job)
                except StopIteration as ending:
                    self.clear_bar()
                    answer: _Answer = ending.value
                    return answer
                if isinstance(message, Progress):
                    self.progress(message)
                elif message is not None and on_step is not None:
                    on_step(message)

    def raise_if_interrupted(self) -> None:
        """Raise `JobCancelled` when Ctrl-C was pressed; for long loops that are no job."""
        if self._is_interrupted:
            raise JobCancelled

    @contextlib.contextmanager
    def stopping_at_yields(self) -> Iterator[None]:
        """Make the first Ctrl-C stop the running job at its next yield, and the second at once."""

        def ask(_number: int, _frame: FrameType | None) -> None:
            if self._is_interrupted:
                raise KeyboardInterrupt
            self._is_interrupted = True
            self.clear_bar()
            _write(sys.stderr, "contrastyle: stopping after the current step (Ctrl-C again: at once)\n")

        try:
            before = signal.signal(signal.SIGINT, ask)
        except ValueError:  # not the main thread, as in a test
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def close(self) -> None:
        """Close everything the command opened."""
        self.clear_bar()
        while self._open_services:
            self._open_services.pop().close()


def progress_text(progress: Progress) -> str:
    """One line: bar, counts, time left, and what is being done."""
    parts = [progress.text or "Working"]
    if progress.total:
        share = min(1.0, progress.done / progress.total)
        full = round(share * _BAR_WIDTH)
        parts.append(f"[{'#' * full}{'.' * (_BAR_WIDTH - full)}] {progress.done:,}/{progress.total:,}")
    elif progress.done:
        parts.append(f"{progress.done:,}")
    if progress.left_s is not None:
        parts.append(f"{duration_text(progress.left_s)} left")
    return "  ".join(parts)


def duration_text(seconds: float) -> str:
    """A stretch of time as a person says it."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _write(stream: object, text: str) -> None:
    """Write text that may hold characters the terminal cannot show."""
    file = stream
    encoding = getattr(file, "encoding", None) or "utf-8"
    safe = text.encode(encoding, "replace").decode(encoding, "replace")
    file.write(safe)  # type: ignore[attr-defined]
    file.flush()  # type: ignore[attr-defined]
