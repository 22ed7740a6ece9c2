"""Write the user's classes as tags: a table, and XMP sidecars beside the photos."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from desktop_app.catalogue.sidecar import sidecar_of, with_tags
from desktop_app.core.errors import AppError, UserInputError, display_path
from desktop_app.core.types import ClassInfo, ExportTagsRequest, TagsExported
from desktop_app.jobs.class_probe import judge
from desktop_app.jobs.pace import Pace
from desktop_app.jobs.services import Services

_COLUMNS = ("file", "tag", "source", "confidence")
_SIDECARS_A_STEP = 20


@dataclass(frozen=True, slots=True)
class _Tag:
    """One tag of one photo; `confidence` is None for a mark of the user."""

    photo_id: int
    name: str
    confidence: float | None


def run(request: ExportTagsRequest, services: Services) -> Generator[object, None, TagsExported]:
    """Collect the tags, then write table and sidecars. No photo is opened, let alone written.

    Yields:
        `Progress` while sidecars are written.

    Returns:
        `TagsExported`; a sidecar that cannot be written is listed and stops nothing.

    Raises:
        UserInputError: There is nothing to export, or the table's folder is not there.
        ResourceError: The table cannot be written.
    """
    if request.table is None and not request.writes_sidecars:
        raise UserInputError("Nothing was chosen to be written.", "Choose a table, sidecars, or both.")
    tags: list[_Tag] = []
    for one in _chosen(request, services):
        tags += yield from _tags_of(one, services, request.min_confidence)
    paths = {i: row.path for i, row in services.catalogue.photos.by_ids([t.photo_id for t in tags]).items()}
    tags = [tag for tag in tags if tag.photo_id in paths]
    if not tags:
        raise UserInputError(
            "No photo is marked as a member of a class yet.", "Mark photos, or accept proposals, first."
        )
    if request.table is not None:
        _write_table(request.table, tags, paths)
    by_photo: dict[Path, list[str]] = {}
    for tag in tags:
        by_photo.setdefault(paths[tag.photo_id], []).append(tag.name)
    written, unchanged, problems = 0, 0, []
    if request.writes_sidecars:
        pace = Pace(len(by_photo), "Writing sidecars")
        for number, (photo, names) in enumerate(sorted(by_photo.items())):
            try:
                is_new = _write_sidecar(photo, names)
                written, unchanged = written + is_new, unchanged + (not is_new)
            except AppError as error:
                problems.append((photo, f"{error.message} {error.hint}".strip()))
            if number % _SIDECARS_A_STEP == 0:
                yield pace.progress(number + 1)
    return TagsExported(request.table, len(by_photo), len(tags), written, unchanged, tuple(problems))


def _chosen(request: ExportTagsRequest, services: Services) -> list[ClassInfo]:
    classes = services.catalogue.classes
    if request.class_ids:
        return [classes.by_id(class_id) for class_id in request.class_ids]
    return list(classes.all())


def _tags_of(
    one: ClassInfo, services: Services, min_confidence: float | None
) -> Generator[object, None, list[_Tag]]:
    marks = services.catalogue.classes.marks(one.class_id)
    tags = [_Tag(mark.photo_id, one.name, None) for mark in marks if mark.is_member]
    if min_confidence is not None and tags:
        judged = yield from judge(one.class_id, services)
        if judged.has_learnt:
            for photo_id, confidence in zip(judged.photo_ids, judged.confidence, strict=True):
                if confidence >= min_confidence:
                    tags.append(_Tag(int(photo_id), one.name, float(confidence)))
    return tags


def _write_table(table: Path, tags: list[_Tag], paths: dict[int, Path]) -> None:
    from desktop_app.engine.image_file import write_file

    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for tag in sorted(tags, key=lambda tag: (paths[tag.photo_id], tag.name)):
        is_marked = tag.confidence is None
        confidence = "" if tag.confidence is None else f"{tag.confidence:.3f}"
        source = "marked" if is_marked else "proposed"
        writer.writerow((display_path(paths[tag.photo_id]), tag.name, source, confidence))
    content = text.getvalue().encode("utf-8")
    write_file(table, lambda handle: handle.write(content))


def _write_sidecar(photo: Path, names: list[str]) -> bool:
    """Write or extend a sidecar; False when it held all tags already."""
    from desktop_app.engine.image_file import write_file

    if not photo.exists():
        raise UserInputError(f"The photo {display_path(photo)} is gone.")
    file = sidecar_of(photo)
    try:
        content = file.read_bytes() if file.exists() else None
    except OSError as error:
        raise UserInputError(f"The sidecar {display_path(file)} cannot be read: {error.strerror}.") from error
    new = with_tags(content, names, file=file)
    if new is None:
        return False
    write_file(file, lambda handle: handle.write(new))
    return True
