"""Grids of pictures on the evaluation page."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np

from desktop_app.core.types import FloatArray, Image
from desktop_app.engine.invert.change_map import colour_change_map
from desktop_app.evaluation.inversion.edits import SHARES
from desktop_app.evaluation.inversion.evaluation import RunResult
from desktop_app.evaluation.inversion.page_style import picture_address
from desktop_app.evaluation.inversion.records import PhotoRecord
from desktop_app.evaluation.inversion.report import InversionReport
from desktop_app.evaluation.inversion.summary import RunSummary
from desktop_app.evaluation.inversion.tables import direction_names

SIDE_PX = 140
GAP_PX = 7
# What is left of the page's width for the tiles of a row, and the largest tile.
ROW_PX = 1040
LARGEST_TILE_PX = 124
SMALLEST_TILE_PX = 92
HARDEST = 4
# This share of all changes lies below full red; single bright pixels do not set the scale.
PEAK_QUANTILE = 0.995


def side_by_side(report: InversionReport) -> str:
    """Photos in rows, methods in columns."""
    return _grid_of_photos(report, _shown(report))


def hardest_photos(report: InversionReport) -> str:
    """The photos on which the first method is furthest off; empty when all are shown anyway."""
    first = report.results[0] if report.results else None
    if first is None or len(first.records) <= len(_shown(report)):
        return ""
    ranked = sorted(first.records, key=lambda record: -record.steps[-1].metrics["l2"])
    return _grid_of_photos(report, [record.photo for record in ranked[:HARDEST]])


def step_strips(report: InversionReport) -> str:
    """The kept steps of each method on the first shown photo."""
    shown = _shown(report)
    if not shown:
        return ""
    rows: list[tuple[str, list[str]]] = []
    for run, result in zip(report.runs, report.results, strict=True):
        record = report.record(result, shown[0])
        if record is None or len(record.pictures) != len(run.kept):
            continue
        cells = [_figure(record.photo_picture, f"photo {shown[0]}", "photo")]
        for picture, k in zip(record.pictures, run.kept, strict=True):
            values = record.steps[k]
            caption = f"step {k + 1}, {values.seconds:.2g} s"
            cells.append(_figure(picture, f"{run.label}, step {k + 1}", caption))
        rows.append((run.label, cells))
    return _grid(rows)


def heat_maps(report: InversionReport) -> str:
    """Mean change maps of each method: on one scale for all steps, and each step on its own."""
    blocks = []
    for run in report.runs:
        joint = _peak(run.maps)
        heads = [f"step {k + 1}" for k in run.kept]
        together = [
            _figure(colour_change_map(one, joint), f"{run.label}, {head}, common scale", "")
            for one, head in zip(run.maps, heads, strict=True)
        ]
        alone = [
            _figure(colour_change_map(one, _peak(one)), f"{run.label}, {head}, own scale", _root(one))
            for one, head in zip(run.maps, heads, strict=True)
        ]
        rows = [("one scale for all steps", together), ("each step by itself", alone)]
        blocks.append(
            f"<h3>{html.escape(run.label)}</h3>"
            f'<div class="card scroll" tabindex="0">{_grid(rows, heads)}</div>'
        )
    return (
        '<p class="note">Squared difference between consecutive pictures, averaged over photos and '
        "channels; step 1 against the average picture. The first row shows how changes shrink, the second "
        "where each step still works; below it the root mean square change.</p>"
        '<div class="scale"><span>least</span><span class="bar"></span><span>most changed</span></div>'
        + "".join(blocks)
    )


def edit_grids(report: InversionReport) -> str:
    """One photo edited along each direction, methods in rows, strengths in columns."""
    photo = _edited_photo(report)
    if photo is None:
        return ""
    heads = [f"{share:+.0%}" for share in SHARES if share < 0]
    heads = [*heads, "not edited", *(f"{share:+.0%}" for share in SHARES if share > 0)]
    records = [
        (run, result, report.record(result, photo))
        for run, result in zip(report.runs, report.results, strict=True)
    ]
    blocks = []
    for name, label in direction_names(report):
        rows = []
        for run, result, record in records:
            cells = _edit_row(run, result, record, name)
            if cells:
                rows.append((run.label, cells))
        blocks.append(
            f'<h3>{html.escape(label)}</h3><div class="card scroll" tabindex="0">{_grid(rows, heads)}</div>'
        )
    return "".join(blocks)


def _edit_row(run: RunSummary, result: RunResult, record: PhotoRecord | None, name: str) -> list[str]:
    places = [place for place, one in enumerate(result.edits.directions) if one.name == name]
    if record is None or record.edit_pictures is None or not places:
        return []
    row = record.edit_pictures[places[0]]
    drifts = {edit.share: edit.drift for edit in record.edits if edit.direction == name}
    cells = [
        _figure(picture, f"{run.label}, {share:+.0%}", f"drift {drifts[share]:.2f}")
        for picture, share in zip(row, SHARES, strict=True)
    ]
    before = sum(share < 0 for share in SHARES)
    unedited = record.pictures[-1] if record.unedited is None else record.unedited
    cells.insert(before, _figure(unedited, f"{run.label}, not edited", ""))
    return cells


def _shown(report: InversionReport) -> list[str]:
    """Photos whose steps were kept and that some method has measured."""
    measured = {record.photo for result in report.results for record in result.records}
    return [name for name in report.shown if name in measured]


def _edited_photo(report: InversionReport) -> str | None:
    """The first photo on which most methods were edited."""
    counts: dict[str, int] = {}
    for result in report.results:
        for record in result.records:
            if record.edits:
                counts[record.photo] = counts.get(record.photo, 0) + 1
    return max(counts, key=lambda name: counts[name]) if counts else None


def _grid_of_photos(report: InversionReport, photos: Sequence[str]) -> str:
    rows = []
    for photo in photos:
        cells: list[str] = []
        for run, result in zip(report.runs, report.results, strict=True):
            record = report.record(result, photo)
            if record is None:
                cells.append('<div class="empty"></div>')
                continue
            if not cells or cells[0] == '<div class="empty"></div>':
                cells.insert(0, _figure(record.photo_picture, f"photo {photo}", ""))
            caption = f"{record.steps[-1].metrics['l2']:.4f}"
            cells.append(_figure(record.pictures[-1], f"{photo} by {run.label}", caption))
        rows.append((photo, cells))
    return _grid(rows, ["photo", *(run.label for run in report.runs)])


def _grid(rows: Sequence[tuple[str, Sequence[str]]], heads: Sequence[str] = ()) -> str:
    """Rows with a name in front, under heads."""
    columns = max((len(cells) for _, cells in rows), default=0)
    fitting = ROW_PX // max(columns, 1) - GAP_PX
    tile = min(LARGEST_TILE_PX, max(SMALLEST_TILE_PX, fitting))
    parts = [f'<div class="grid" style="grid-template-columns:{SIDE_PX}px repeat({columns},{tile}px)">']
    if heads:
        parts.append("<div></div>")
        parts += [f'<div class="head">{html.escape(head)}</div>' for head in heads]
        parts += ["<div></div>"] * (columns - len(heads))
    for name, cells in rows:
        parts.append(f'<div class="side">{html.escape(name)}</div>')
        parts += cells
        parts += ["<div></div>"] * (columns - len(cells))
    return "".join(parts) + "</div>"


def _figure(image: Image, alt: str, caption: str) -> str:
    text = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img src="{picture_address(image)}" alt="{html.escape(alt)}">{text}</figure>'


def _peak(change: FloatArray) -> float:
    return float(np.quantile(change, PEAK_QUANTILE))


def _root(change: FloatArray) -> str:
    return f"{math.sqrt(float(change.mean())):.4f}"
