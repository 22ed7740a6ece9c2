"""The error tree: what went wrong in the user's words, and what the user can do."""

from __future__ import annotations

from pathlib import Path


def display_path(path: Path | str) -> str:
    """A path as printable text; bytes of the name that are no text become a replacement mark."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class AppError(Exception):
    """Something the user can understand and act on; never a mistake of the program.

    Args:
        message: One sentence: what happened, and to which file.
        hint: What the user can do about it, or an empty string.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Message and hint as one text."""
        return f"{self.message} {self.hint}".strip()


class UserInputError(AppError):
    """An unreadable photo, no face found, a folder that cannot be read."""


class ResourceError(AppError):
    """Disk full, database locked or read-only, out of memory."""


class WeightsError(AppError):
    """Model weights that are missing, damaged or of another architecture."""


class CatalogueError(AppError):
    """A library newer than the program, or a damaged library file."""


class JobCancelled(Exception):  # noqa: N818  (not an error)
    """The user stopped the job; never shown, never logged above debug."""
