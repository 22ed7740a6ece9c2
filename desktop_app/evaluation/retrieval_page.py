"""The retrieval evaluation as one page that needs no other file: tables, curves, queries, copies."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.types import FloatArray, Image
from desktop_app.engine.embed.picture_file import read_picture
from desktop_app.engine.image_file import write_file
from desktop_app.engine.image_tensor import resized_image
from desktop_app.evaluation.copies import CopyKind, make_copy
from desktop_app.evaluation.inversion.page_style import STYLE, picture_address
from desktop_app.evaluation.metrics import RECALLS, RetrievalCurves, retrieval_curves
from desktop_app.evaluation.retrieval import RetrievalReport

PAGE_NAME = "retrieval.html"
QUERIES = 3
NEIGHBOURS = 7
_TILE_PX = 95
_SEED = 3
_COLOURS = ("#0072b2", "#c34e00", "#00795c", "#a0478b", "#8a6d00", "#3d4758")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 430, 262, 44, 46
_OWN_STYLE = """
figure.right img{outline:3px solid #00795c}figure.wrong img{outline:1px solid #d9dde3;opacity:.72}
figure.query img{outline:3px solid #0072b2}.row{display:flex;gap:.5rem;flex-wrap:wrap;margin:.3rem 0 .9rem}
.row figure{width:95px}.row img{width:95px;height:95px;object-fit:cover;border-radius:6px;display:block}
.row figcaption{font-size:.74rem;color:#566072;text-align:center;overflow:hidden;text-overflow:ellipsis;
white-space:nowrap}.row .side{width:150px;align-self:center;font-size:.86rem;overflow-wrap:anywhere}
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a diagram: its name and its points."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


def write_page(report: RetrievalReport, folder: Path, *, title: str = "Retrieval") -> Path:
    """Write the page.

    Args:
        report: With `compared` and `rows`.
        folder: Made when it is not there.
        title: Of the page.

    Returns:
        The file.

    Raises:
        UserInputError: The folder cannot be made.
        ResourceError: The page cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserInputError(
            f"The folder {display_path(folder)} cannot be made: {error.strerror}.", "Choose another folder."
        ) from error
    body = "\n".join(_parts(report, title))
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}{_OWN_STYLE}</style></head><body><main>{body}</main></body></html>"
    )
    file = folder / PAGE_NAME
    write_file(file, lambda handle: handle.write(page.encode("utf-8")))
    return file


def _parts(report: RetrievalReport, title: str) -> Iterator[str]:
    sets = list(dict.fromkeys(name for encoder in report.encoders for name in encoder.sets))
    yield f"<h1>{html.escape(title)}</h1>"
    counted = "1 set" if len(sets) == 1 else f"{len(sets)} sets"
    yield (
        f'<p class="lead">{len(report.encoders)} encoders on {report.pictures} labelled pictures in '
        f"{counted}. Each picture asks for others of its label, among all others of its set.</p>"
    )
    yield _table(report, sets)
    if any(encoder.copies for encoder in report.encoders):
        yield _copy_table(report)
        yield from _copy_examples(report)
    yield "<h2>Curves</h2>"
    yield _legend([encoder.name for encoder in report.encoders])
    for set_name in sets:
        yield _curves(report, set_name)
    yield "<h2>Queries and their nearest neighbours</h2>"
    yield (
        '<p class="note">The query has a blue frame, a neighbour of its label a green one; '
        "the queries are drawn at random.</p>"
    )
    for set_name in sets:
        yield from _examples(report, set_name)
    if report.problems:
        items = "".join(f"<li>{html.escape(problem.reason)}</li>" for problem in report.problems)
        yield f'<h2>Left out</h2><ul class="warn">{items}</ul>'


def _table(report: RetrievalReport, sets: Sequence[str]) -> str:
    columns = [*sets, "mean"]
    figures: dict[tuple[str, str], tuple[float, float, float]] = {}
    for encoder in report.encoders:
        figures[encoder.name, "mean"] = encoder.mean()
        for name, scores in encoder.sets.items():
            figures[encoder.name, name] = (
                scores.mean_average_precision, scores.recall_at_1, scores.knn_accuracy
            )  # fmt: skip
    best = {
        (column, kind): max(value[kind] for key, value in figures.items() if key[1] == column)
        for column in columns
        for kind in range(3)
    }
    head = "".join(f'<th colspan="3">{html.escape(column)}</th>' for column in columns)
    kinds = "<th>mAP</th><th>R@1</th><th>5-NN</th>" * len(columns)
    lines = []
    for encoder in report.encoders:
        cells = []
        for column in columns:
            for kind in range(3):
                found = figures.get((encoder.name, column))
                if found is None:
                    cells.append("<td>-</td>")
                    continue
                mark = ' class="best"' if found[kind] == best[column, kind] else ""
                cells.append(f"<td{mark}>{found[kind]:.3f}</td>")
        name = html.escape(encoder.name)
        facts = f"<small>{encoder.embedding_size} numbers, {encoder.images_per_s:.0f} pictures/s</small>"
        lines.append(f'<tr><th scope="row">{name}{facts}</th>{"".join(cells)}</tr>')
    note = (
        "mAP: mean average precision over the whole ranking. R@1: the nearest neighbour has the label. "
        "5-NN: the label wins the vote of the five nearest. The best figure of a column is bold."
    )
    return (
        f'<h2>Figures</h2><div class="scroll" tabindex="0"><table><thead><tr><th></th>{head}</tr>'
        f"<tr><th></th>{kinds}</tr>"
        f'</thead><tbody>{"".join(lines)}</tbody></table></div><p class="note">{note}</p>'
    )


def _copy_table(report: RetrievalReport) -> str:
    first = next(encoder.copies for encoder in report.encoders if encoder.copies is not None)
    kinds = list(first.kinds)
    head = "".join(f"<th>{html.escape(kind)}</th>" for kind in ["one change", *kinds, "all at once"])
    lines = []
    for encoder in report.encoders:
        if encoder.copies is not None:
            values = [encoder.copies.recall_at_1, *(encoder.copies.kinds[kind] for kind in kinds)]
            values.append(encoder.copies.together_recall_at_1)
            cells = "".join(f"<td>{value:.3f}</td>" for value in values)
            lines.append(f'<tr><th scope="row">{html.escape(encoder.name)}</th>{cells}</tr>')
    return (
        f"<h2>Originals of changed copies</h2><p>{first.copies} copies, the original of each sought among "
        f"{first.gallery} pictures of all sets; share of originals that came first.</p>"
        f'<div class="scroll" tabindex="0"><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _copy_examples(report: RetrievalReport) -> Iterator[str]:
    rng = np.random.default_rng(_SEED)
    picture = report.compared[int(rng.integers(len(report.compared)))]
    image = read_picture(picture.file, at_least_px=2 * _TILE_PX)
    figures = [_figure(image, "the original", kind="query")]
    figures += [_figure(make_copy(image, kind, rng), str(kind)) for kind in CopyKind]
    yield f'<div class="row">{"".join(figures)}</div>'


def _legend(names: Sequence[str]) -> str:
    items = "".join(
        f'<li><svg width="22" height="8" aria-hidden="true"><line x1="0" y1="4" x2="22" y2="4" '
        f'stroke="{_COLOURS[i % len(_COLOURS)]}" stroke-width="3"{_dash(i)}/></svg>{html.escape(name)}</li>'
        for i, name in enumerate(names)
    )
    return f'<ul class="legend">{items}</ul>'


def _curves(report: RetrievalReport, set_name: str) -> str:
    members, labels = _members(report, set_name)
    found: dict[str, RetrievalCurves] = {}
    for encoder in report.encoders:
        curves = retrieval_curves(report.rows[encoder.name][members], labels.tolist())
        if curves is not None:
            found[encoder.name] = curves
    near = [
        Line(name, [float(k) for k in range(1, len(c.found_at) + 1)], c.found_at.tolist())
        for name, c in found.items()
    ]
    exact = [Line(name, RECALLS.tolist(), c.precision_at.tolist()) for name, c in found.items()]
    charts = (
        _chart(near, "neighbours looked at", "share with a hit (recall@k)"),
        _chart(exact, "recall", "precision"),
    )
    cards = "".join(f'<div class="card">{chart}</div>' for chart in charts)
    return f'<h3>{html.escape(set_name)}</h3><div class="pair">{cards}</div>'


def _chart(lines: Sequence[Line], x_name: str, y_name: str) -> str:
    """Lines over a plane; y from 0 to 1."""
    last = max((line.x[-1] for line in lines), default=1.0)
    first = min((line.x[0] for line in lines), default=0.0)
    wide, high = _WIDTH - _LEFT - 12, _HEIGHT - _BOTTOM - 10

    def place(x: float, y: float) -> str:
        return f"{_LEFT + (x - first) / max(last - first, 1e-9) * wide:.1f},{10 + (1 - y) * high:.1f}"

    parts = []
    for step in range(6):
        y = 10 + (1 - step / 5) * high
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 12}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e7eaee"/>')
        parts.append(
            f'<text class="tick" x="{_LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{step / 5:.1f}</text>'
        )
        value = first + (last - first) * step / 5
        shown = f"{value:.1f}" if last <= 1 else f"{value:.0f}"
        x = _LEFT + wide * step / 5
        parts.append(f'<text class="tick" x="{x:.1f}" y="{_HEIGHT - 27}" text-anchor="middle">{shown}</text>')
    for number, line in enumerate(lines):
        points = " ".join(place(x, y) for x, y in zip(line.x, line.y, strict=True))
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{_dash(number)}>'
            f"<title>{html.escape(line.name)}</title></polyline>"
        )
    middle = _LEFT + wide / 2
    parts.append(
        f'<text class="axis" x="{middle:.0f}" y="{_HEIGHT - 7}" text-anchor="middle">{x_name}</text>'
    )
    label = html.escape(f"{y_name} over {x_name}")
    return (
        f"<h3>{html.escape(y_name)}</h3>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def _dash(number: int) -> str:
    """Lines beyond the colours are dashed."""
    return ' stroke-dasharray="5 4"' if number >= len(_COLOURS) else ""


def _examples(report: RetrievalReport, set_name: str) -> Iterator[str]:
    members, labels = _members(report, set_name)
    codes, counts = np.unique(labels, return_counts=True)
    asking = np.flatnonzero(np.isin(labels, codes[counts > 1]))
    queries = np.random.default_rng(_SEED).permutation(asking)[:QUERIES]
    yield f"<h3>{html.escape(set_name)}</h3>"
    shown: dict[int, Image] = {}
    for query in queries.tolist():
        for encoder in report.encoders:
            rows = report.rows[encoder.name][members]
            figures = [f'<div class="side">{html.escape(encoder.name)}</div>']
            for place, number in enumerate([query, *nearest(rows, query, NEIGHBOURS)]):
                image = shown.setdefault(number, _tile(report.compared[members[number]].file))
                kind = "query" if not place else ("right" if labels[number] == labels[query] else "wrong")
                figures.append(_figure(image, str(labels[number]), kind=kind))
            yield f'<div class="row">{"".join(figures)}</div>'


def nearest(rows: FloatArray, query: int, count: int) -> list[int]:
    """The nearest other rows, nearest first."""
    similarity = rows @ rows[query]
    similarity[query] = -np.inf
    return [int(i) for i in np.argsort(-similarity, kind="stable")[: min(count, len(rows) - 1)]]


def _members(report: RetrievalReport, set_name: str) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.str_]]:
    members = np.array([i for i, p in enumerate(report.compared) if p.set_name == set_name], dtype=np.intp)
    return members, np.array([report.compared[i].label for i in members])


def _tile(file: Path) -> Image:
    try:
        return read_picture(file, at_least_px=2 * _TILE_PX)
    except UserInputError:  # it was readable a moment ago
        return np.full((_TILE_PX, _TILE_PX, 3), 230, dtype=np.uint8)


def _figure(image: Image, caption: str, *, kind: str = "") -> str:
    height, width = image.shape[:2]
    factor = 2 * _TILE_PX / max(min(height, width), 1)
    small = resized_image(
        image, width_px=max(1, round(width * factor)), height_px=max(1, round(height * factor))
    )
    text = html.escape(caption)
    return (
        f'<figure class="{kind}"><img src="{picture_address(small)}" alt="{text}" loading="lazy">'
        f"<figcaption>{text}</figcaption></figure>"
    )
