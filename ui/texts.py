"""Numbers, sizes, times and paths as the user reads them."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QCoreApplication

from desktop_app.core.errors import display_path
from desktop_app.core.types import HitKind

_UNITS = ("B", "KB", "MB", "GB", "TB")


def count_text(count: int) -> str:
    """A count with separators: 12,345."""
    return f"{count:,}"


def photos_text(count: int) -> str:
    """A number of photos: "1 photo", "12,345 photos"."""
    if count == 1:
        return _tr("1 photo")
    return _tr("{} photos").format(count_text(count))


def left_text(seconds: float) -> str:
    """Time left, no more exact than it can be: "12 s left", "4 min left"."""
    if seconds < 1:
        return _tr("almost done")
    if seconds < 90:
        return _tr("{} s left").format(round(seconds))
    if seconds < 90 * 60:
        return _tr("{} min left").format(round(seconds / 60))
    return _tr("{:.1f} h left").format(seconds / 3600)


def seconds_text(seconds: float) -> str:
    """A duration: "34 ms", "1.2 s", "3 min 20 s"."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def bytes_text(size: int) -> str:
    """A size on disk: "7.4 MB"."""
    value = float(size)
    for unit in _UNITS[:-1]:
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {_UNITS[-1]}"


def similarity_text(similarity: float) -> str:
    """A similarity with two decimals; only a perfect match reads 1.00."""
    shown = min(similarity, 0.99) if similarity < 0.9995 else similarity
    return f"{shown:.2f}"


def confidence_text(confidence: float, *, is_guess: bool = False) -> str:
    """A chance in percent; never 0 or 100, which nobody can know. A guess has a question mark."""
    percent = f"{min(max(round(confidence * 100), 1), 99)} %"
    return f"{percent} ?" if is_guess else percent


def kind_text(kind: HitKind) -> str:
    """How a hit relates to the query, as a badge."""
    names = {
        HitKind.SIMILAR: _tr("similar"),
        HitKind.NEAR_DUPLICATE: _tr("duplicate"),
        HitKind.SAME_FILE: _tr("same file"),
    }
    return names[kind]


def phase_text(phase: str) -> str:
    """A part of an inversion, as the heading of its steps."""
    names = {
        "encoder": _tr("Encoder"),
        "search": _tr("Search"),
        "tuning": _tr("Tuning"),
        "face": _tr("Face"),
        "toon": _tr("Toon"),
    }
    return names.get(phase, phase.capitalize())


def name_text(path: Path) -> str:
    """The last part of a path, as printable text."""
    return display_path(path.name or path)


def _tr(text: str) -> str:
    return QCoreApplication.translate("texts", text)
