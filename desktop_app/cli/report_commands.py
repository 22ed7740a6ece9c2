"""`contrastyle report`: the main job without a window, written as a page of pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desktop_app.core.types import Progress, ReportRequest

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
    parser.add_argument("--queries", type=int, default=8, help="photos whose neighbours are shown")
    parser.set_defaults(command=report)


def report(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Write the report."""
    from desktop_app.jobs import picture_report

    services = console.services(args.library or args.out / "library")
    folders = tuple(args.folders)
    if not folders:
        from desktop_app.jobs.sample_photos import write_samples

        folders = (write_samples(args.out / "samples", services),)
    faces = tuple(sorted(p for p in args.faces.iterdir() if p.is_file())) if args.faces else ()
    job = picture_report.run(ReportRequest(folders, args.out, args.queries, faces), services)
    while True:
        try:
            message = next(job)
        except StopIteration as end:
            result = end.value
            break
        if isinstance(message, Progress):
            console.progress(message)
    console.line(f"Wrote {result.page}: {result.photos} photos, {result.inverted} faces inverted.")
    return {
        "page": str(result.page),
        "photos": result.photos,
        "queries": result.queries,
        "inverted": result.inverted,
    }
