"""Writes a report: the page, the tables for people, the tables for programs."""

from __future__ import annotations

from pathlib import Path

from desktop_app.engine.image_file import write_file
from desktop_app.evaluation.inversion.page import page
from desktop_app.evaluation.inversion.report import InversionReport
from desktop_app.evaluation.inversion.tables import edit_csv, markdown, photo_csv, summary_csv


def write_report(report: InversionReport, folder: Path) -> dict[str, str]:
    """Write all files, each whole or not at all.

    Returns:
        Kind -> path.

    Raises:
        UserInputError: The folder is not there.
        ResourceError: A file cannot be written.
    """
    contents = {
        "page": ("index.html", page(report)),
        "table": ("table.md", markdown(report)),
        "summary": ("summary.csv", summary_csv(report)),
        "per_photo": ("per_photo.csv", photo_csv(report)),
        "edits": ("edits.csv", edit_csv(report)),
    }
    files = {}
    for kind, (name, text) in contents.items():
        data = text.encode("utf-8", "replace")
        write_file(folder / name, lambda handle, data=data: handle.write(data))  # type: ignore[misc]
        files[kind] = str(folder / name)
    return files
