"""The commands `index` and `search`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.cli.console import Console, duration_text
from desktop_app.cli.numbers import whole_number
from desktop_app.core.errors import display_path
from desktop_app.core.types import HitKind, IndexRequest, IndexSummary, PhotoHit, SearchRequest

if TYPE_CHECKING:
    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_UNREAD = (
    "{:,} photos of the library were not read by this encoder yet and are not found: "
    "`contrastyle index` without a folder reads them."
)
# Photos that could be found this much before the end of the run are worth a word.
_WORTH_TELLING_S = 2.0
_KIND_TEXTS = {
    HitKind.SIMILAR: "",
    HitKind.NEAR_DUPLICATE: "near-duplicate",
    HitKind.SAME_FILE: "same content",
}


def register(subparsers: _Subparsers) -> None:
    """Add the commands."""
    index = subparsers.add_parser("index", help="index photo folders, or those already in the library")
    index.add_argument("folders", nargs="*", type=Path, metavar="DIR", help="folder with photos")
    index.add_argument("--recheck", action="store_true", help="read files again that did not change")
    _add_library_options(index)
    index.set_defaults(command=run_index)

    search = subparsers.add_parser("search", help="find photos of the library that are like one")
    search.add_argument("photo", type=Path, metavar="PHOTO", help="a photo, inside or outside the library")
    search.add_argument(
        "--top", type=whole_number(1), default=20, metavar="N", help="neighbours at most (20)"
    )
    search.add_argument(
        "--min-similarity",
        type=_similarity,
        default=None,
        metavar="S",
        help="cut-off from -1 to 1 (default: calibrated on the library)",
    )
    _add_library_options(search)
    search.set_defaults(command=run_search)


def run_index(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Index folders and show the summary."""
    from desktop_app.jobs import index_photos

    _use_encoder(args, console)
    services = console.services(args.library)
    request = IndexRequest(folders=tuple(args.folders), recheck=args.recheck)
    summary = console.drive(index_photos.run(request, services))
    _show_summary(summary, console)
    return {
        "library": str(services.library),
        "encoder": services.encoder_name,
        "added": summary.added,
        "changed": summary.changed,
        "unchanged": summary.unchanged,
        "missing": summary.missing,
        "unreadable": summary.unreadable,
        "ignored": summary.ignored,
        "photos_total": summary.photos_total,
        "unread": summary.unread,
        "seconds": round(summary.seconds, 3),
        "searchable_seconds": round(summary.searchable_seconds, 3),
        "problems": [{"path": str(p.path), "reason": p.reason} for p in summary.problems],
    }


def run_search(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Search and show the neighbours."""
    from desktop_app.jobs import search_photos

    _use_encoder(args, console)
    services = console.known_services(args.library)
    request = SearchRequest(path=args.photo, top_k=args.top, min_similarity=args.min_similarity)
    result = console.drive(search_photos.run(request, services))
    for hit in result.hits:
        note = f"  ({_KIND_TEXTS[hit.kind]})" if _KIND_TEXTS[hit.kind] else ""
        console.line(f"{hit.rank:3d}  {hit.similarity:6.3f}  {display_path(hit.row.path)}{note}")
    if not result.hits:
        console.line(
            "No photo of the library is similar enough; --min-similarity -1 shows the nearest all the same."
        )
    hidden = f"; {result.below_cutoff} of the nearest hidden by it" if result.below_cutoff else ""
    console.line(
        f"{len(result.hits)} of {result.searched:,} photos in {result.seconds:.2f} s, "
        f"cut-off {result.min_similarity:.3f}{hidden}."
    )
    unread = services.catalogue.count_unread(services.vectors.model)
    if unread:
        console.line(_UNREAD.format(unread))
    return {
        "library": str(services.library),
        "encoder": services.encoder_name,
        "query": str(args.photo),
        "min_similarity": round(result.min_similarity, 6),
        "below_cutoff": result.below_cutoff,
        "searched": result.searched,
        "unread": unread,
        "seconds": round(result.seconds, 4),
        "hits": [_hit_object(hit) for hit in result.hits],
    }


def _add_library_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--library", type=Path, default=None, metavar="FOLDER", help="where the library lies")
    parser.add_argument("--encoder", default="", metavar="NAME", help="encoder (default: from the settings)")


def _use_encoder(args: argparse.Namespace, console: Console) -> None:
    if args.encoder:
        settings = console.settings
        console.settings = replace(settings, library=replace(settings.library, encoder=args.encoder))


def _show_summary(summary: IndexSummary, console: Console) -> None:
    counts = [
        f"{summary.added:,} added",
        f"{summary.changed:,} changed",
        f"{summary.unchanged:,} unchanged",
        f"{summary.missing:,} missing",
        f"{summary.unreadable:,} unreadable",
        f"{summary.ignored:,} other files ignored",
    ]
    console.line(f"{summary.photos_total:,} photos in the library: {', '.join(counts)}.")
    if summary.unread:
        console.line(_UNREAD.format(summary.unread))
    soon = ""
    if 0 < summary.searchable_seconds <= summary.seconds - _WORTH_TELLING_S:
        soon = f"; all could be found after {duration_text(summary.searchable_seconds)}"
    console.line(f"It took {duration_text(summary.seconds)}{soon}.")
    if summary.problems:
        console.line("Left out:")
    for problem in summary.problems:
        console.line(f"  {display_path(problem.path)}: {problem.reason}")


def _hit_object(hit: PhotoHit) -> dict[str, object]:
    return {
        "rank": hit.rank,
        "path": str(hit.row.path),
        "similarity": round(hit.similarity, 6),
        "kind": str(hit.kind),
        "photo_id": hit.row.photo_id,
        "width_px": hit.row.width_px,
        "height_px": hit.row.height_px,
    }


def _similarity(text: str) -> float:
    value = float(text)
    if not -1.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError("must lie between -1 and 1")
    return value
