"""The main job without a window: index, find similar photos, invert faces, as one HTML page."""

from __future__ import annotations

import html
import logging
import random
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as PillowImage

from desktop_app.core.errors import AppError, ResourceError, UserInputError, display_path
from desktop_app.core.types import (
    AlignedFace,
    HitKind,
    Image,
    IndexRequest,
    IndexSummary,
    InversionStep,
    InvertRequest,
    PageRequest,
    PhotoRow,
    PhotoSource,
    Progress,
    ReportRequest,
    ReportResult,
    SearchRequest,
    SearchResult,
)
from desktop_app.jobs import index_photos, invert_photo, search_photos

if TYPE_CHECKING:
    from desktop_app.jobs.services import Services

_log = logging.getLogger(__name__)

TILE_PX = 144
NEIGHBOURS = 7
FACES_SHOWN = 3
FACES_TRIED = 60
CANDIDATES = 2_000

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;background:#16181d;color:#e6e8ec;
margin:2rem auto;max-width:1240px;padding:0 1rem}
h1{font-weight:600}h2{margin-top:2.2rem;font-weight:600;border-bottom:1px solid #333943;padding-bottom:.3rem}
.row{display:flex;flex-wrap:wrap;gap:10px;margin:.8rem 0 1.4rem}figure{margin:0;width:144px}
img{width:144px;height:144px;object-fit:contain;background:#0f1114;border-radius:8px;display:block}
figcaption{margin-top:5px;font-size:12px;color:#a4abb8;text-align:center;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.query img{outline:3px solid #5aa9e6}.twin img{outline:2px dashed #e6a15a}
table{border-collapse:collapse}td,th{padding:.2rem .9rem .2rem 0;text-align:left}p.note{color:#a4abb8}
"""


@dataclass(slots=True)
class _Page:
    """Pictures and markup collected so far."""

    folder: Path
    parts: list[str] = field(default_factory=list)
    pictures: int = 0

    def add(self, markup: str) -> None:
        self.parts.append(markup)

    def picture(self, image: Image, caption: str, *, kind: str = "", smooth: bool = True) -> None:
        self.pictures += 1
        name = f"picture_{self.pictures:03d}.png"
        picture = PillowImage.fromarray(image)
        if max(picture.size) > 2 * TILE_PX:
            picture.thumbnail((2 * TILE_PX, 2 * TILE_PX), PillowImage.Resampling.LANCZOS)
        elif smooth and max(picture.size) < TILE_PX:
            picture = picture.resize((TILE_PX, TILE_PX), PillowImage.Resampling.BICUBIC)
        picture.save(self.folder / name)
        text = html.escape(caption)
        self.add(
            f'<figure class="{kind}"><img src="{name}" alt="{text}"><figcaption>{text}</figcaption></figure>'
        )


def run(request: ReportRequest, services: Services) -> Generator[object, None, ReportResult]:
    """Index, search, invert and write the page.

    Yields:
        `Progress` and the partial messages of the jobs inside.

    Raises:
        UserInputError: No folder was given or nothing in it can be used.
        ResourceError: The report cannot be written.
    """
    if not request.folders:
        raise UserInputError("No folder of photos was given.")
    try:
        request.out.mkdir(parents=True, exist_ok=True)
        page = _Page(request.out)
        summary = yield from index_photos.run(IndexRequest(request.folders), services)
        assert isinstance(summary, IndexSummary)
        _index_section(page, summary)
        queries = yield from _search_section(page, request, services)
        inverted = yield from _face_section(page, request, services)
        file = request.out / "index.html"
        body = "\n".join(page.parts)
        file.write_text(
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Contrastyle report</title>'
            f"<style>{_STYLE}</style></head><body><h1>Contrastyle</h1>{body}</body></html>\n",
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise ResourceError(
            f"The report could not be written to {display_path(request.out)}: {error.strerror}.",
            "Check that the disk is not full and that you may write there.",
        ) from error
    return ReportResult(file, summary.photos_total, queries, inverted)


def _index_section(page: _Page, summary: IndexSummary) -> None:
    page.add("<h2>Library</h2><table>")
    rows = (
        ("Photos in the library", summary.photos_total),
        ("Added in this run", summary.added),
        ("Unchanged", summary.unchanged),
        ("Unreadable", summary.unreadable),
        ("Seconds", f"{summary.seconds:.1f}"),
    )
    page.add("".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows) + "</table>")
    if summary.problems:
        page.add("<p class=note>Left out: ")
        named = [
            f"{html.escape(display_path(p.path.name))} ({html.escape(p.reason)})"
            for p in summary.problems[:20]
        ]
        page.add("; ".join(named) + "</p>")


def _search_section(page: _Page, request: ReportRequest, services: Services) -> Generator[object, None, int]:
    page.add(
        "<h2>Similar photos</h2><p class=note>Left: the query. Right: its neighbours with their similarity; "
    )
    page.add("unlike photos are cut off; dashed frames are near-duplicates.</p>")
    rows = services.catalogue.photos.page(PageRequest(0, CANDIDATES)).rows
    chosen = random.Random(1).sample(rows, min(len(rows), 4 * request.queries))
    shown = 0
    seen: set[int] = set()  # what stood as a neighbour already is no new query
    for row in chosen:
        if shown == request.queries:
            break
        if row.photo_id in seen:
            continue
        answer = yield from search_photos.run(
            SearchRequest(photo_id=row.photo_id, top_k=NEIGHBOURS), services
        )
        assert isinstance(answer, SearchResult)
        if not answer.hits:
            continue
        seen.update(hit.row.photo_id for hit in answer.hits[:NEIGHBOURS])
        page.add('<div class="row">')
        page.picture(_thumbnail(row), row.path.stem, kind="query")
        for hit in answer.hits[:NEIGHBOURS]:
            twin = hit.kind is not HitKind.SIMILAR
            page.picture(_thumbnail(hit.row), f"{hit.similarity:.2f}", kind="twin" if twin else "")
        page.add("</div>")
        shown += 1
        yield Progress(shown, request.queries, None, "Looking for similar photos")
    return shown


def _face_section(page: _Page, request: ReportRequest, services: Services) -> Generator[object, None, int]:
    page.add(
        "<h2>Inversion, step by step</h2><p class=note>Photo, average face, then each step of ReStyle; below "
    )
    page.add(
        "each step where it changed the picture (red most, blue least, each on its own scale), and how much "
    )
    page.add("of the first step's change that is.</p>")
    tried = request.faces or tuple(
        row.path for row in services.catalogue.photos.page(PageRequest(0, CANDIDATES)).rows
    )
    inverted = 0
    for path in tried[:FACES_TRIED]:
        if inverted == FACES_SHOWN:
            break
        try:
            done = yield from _invert_one(page, path, services)
        except AppError as error:
            _log.info("no inversion for the report: %s", error.message)
            continue
        inverted += done
        yield Progress(inverted, FACES_SHOWN, None, "Inverting faces")
    if not inverted:
        page.add("<p class=note>No face was found in these photos.</p>")
    return inverted


def _invert_one(page: _Page, path: Path, services: Services) -> Generator[object, None, int]:
    from desktop_app.engine.invert.change_map import colour_change_map

    job = invert_photo.run(InvertRequest(source=PhotoSource(path=path)), services)
    face: AlignedFace | None = None
    steps: list[InversionStep] = []
    for message in job:
        if isinstance(message, AlignedFace):
            face = message
        elif isinstance(message, InversionStep):
            steps.append(message)
        yield message
    if face is None or not steps:
        return 0
    page.add('<div class="row">')
    page.picture(face.image, path.stem, kind="query")
    page.picture(face.start, "average")
    for step in steps:
        page.picture(step.y_hat, f"step {step.index}, L2 {step.l2:.4f}")
    page.add('</div><div class="row">')
    page.add("<figure></figure><figure></figure>")  # under the photo and the average face
    for step in steps:
        page.picture(
            colour_change_map(step.change_map, float(np.quantile(step.change_map, 0.995))),
            f"change {step.relative_change:.0%}, {step.seconds:.2f} s",
        )
    page.add("</div>")
    return 1


def _thumbnail(row: PhotoRow) -> Image:
    if row.thumbnail is None:
        return np.zeros((TILE_PX, TILE_PX, 3), dtype=np.uint8)
    try:
        with PillowImage.open(row.thumbnail) as picture:
            return np.asarray(picture.convert("RGB"))
    except OSError:
        return np.zeros((TILE_PX, TILE_PX, 3), dtype=np.uint8)
