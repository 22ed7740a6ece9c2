"""`contrastyle report`: the main job without a window, written as a page of pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desktop_app.cli.numbers import whole_number
from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.types import ReportRequest

if TYPE_CHECKING:
    from desktop_app.cli.app import Console


def register(subparsers: Any) -> None:  # Any: argparse gives its subparsers no public type
    """Add the command."""
    parser = subparsers.add_parser(
        "report", help="index photos, find similar ones, invert faces, and write it all as an HTML page"
    )
    parser.add_argument("folders", nargs="*", type=Path, help="photo folders; none: generated samples")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder of the report")
    parser.add_argument("--faces", type=Path, help="folder of photos with faces")
    parser.add_argument("--library", type=Path, help="library folder; default: inside the report folder")
    parser.add_argument(
        "--queries", type=whole_number(1), default=8, help="photos whose neighbours are shown"
    )
    parser.set_defaults(command=report)


def report(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Write the report."""
    from desktop_app.jobs import picture_report

    services = console.services(args.library or args.out / "library")
    folders = tuple(args.folders)
    if not folders:
        from desktop_app.jobs.sample_photos import write_samples

        folders = (write_samples(args.out / "samples", services),)
    job = picture_report.run(ReportRequest(folders, args.out, args.queries, _faces(args.faces)), services)
    result = console.drive(job)
    console.line(f"Wrote {result.page}: {result.photos} photos, {result.inverted} faces inverted.")
    return {
        "page": str(result.page),
        "photos": result.photos,
        "queries": result.queries,
        "inverted": result.inverted,
    }


def _faces(folder: Path | None) -> tuple[Path, ...]:
    """The files of a folder, in order; none without a folder."""
    if folder is None:
        return ()
    try:
        return tuple(sorted(path for path in folder.iterdir() if path.is_file()))
    except OSError as error:
        raise UserInputError(
            f"The folder {display_path(folder)} cannot be read: {error.strerror}.",
            "Choose a folder of photos with faces.",
        ) from error
