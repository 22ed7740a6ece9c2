"""One writer a library: a lock on a file, released by the system when the program ends."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import IO

from desktop_app.catalogue.database import disk_error
from desktop_app.core.errors import CatalogueError, display_path

LOCK_NAME = "writer.lock"


class WriterLock:
    """Held while a program changes a library; readers need none.

    Args:
        folder: The library.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / LOCK_NAME
        self._handle: IO[str] | None = None

    @property
    def is_held(self) -> bool:
        """Whether this program holds it."""
        return self._handle is not None

    def acquire(self) -> None:
        """Take the lock, or fail at once.

        Raises:
            CatalogueError: Somebody else, or another job of this program, holds it.
            ResourceError: The lock file cannot be written.
        """
        where = display_path(self._file.parent)
        if self._handle is not None:
            raise CatalogueError(
                f"The library in {where} is being changed by another job of this program.",
                "Wait until it is done, or stop it first.",
            )
        try:
            handle = self._file.open("a+", encoding="utf-8")
        except OSError as error:
            raise disk_error(error, f"The library in {where} cannot be locked") from error
        if not _try_lock(handle):
            handle.close()
            raise CatalogueError(
                f"The library in {where} is being changed by another running Contrastyle{self._holder()}.",
                "Wait until it is done, close it, or use another library folder.",
            )
        with contextlib.suppress(OSError):  # the number is only for the message of the other program
            handle.seek(0)
            handle.truncate()
            handle.write(f"{os.getpid()}\n")
            handle.flush()
        self._handle = handle

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._handle is not None:
            _unlock(self._handle)
            self._handle.close()
            self._handle = None

    def _holder(self) -> str:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return f" (process {int(self._file.read_text(encoding='utf-8').split()[0])})"
        return ""


if sys.platform == "win32":
    import msvcrt

    # Beyond the content, so that the process number stays readable for others.
    _LOCKED_BYTE = 1 << 20

    def _try_lock(handle: IO[str]) -> bool:
        handle.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(handle: IO[str]) -> None:
        handle.seek(_LOCKED_BYTE)
        with contextlib.suppress(OSError):
            msvcrt.locking(handle.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(handle: IO[str]) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(handle: IO[str]) -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)
