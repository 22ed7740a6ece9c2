"""Tables of a report: for people as Markdown, for programs as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from desktop_app.core.errors import display_path
from desktop_app.evaluation.inversion.meters import Metric
from desktop_app.evaluation.inversion.report import InversionReport, best_runs
from desktop_app.evaluation.inversion.summary import RunSummary, Spread


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its text, whether it is the best of its column, and more on it."""

    text: str
    is_best: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: Its caption.
        columns: Heads.
        rows: Cells; the first of each row names it.
        text_columns: How many columns from the left hold words.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    text_columns: int = 1


def final_table(report: InversionReport) -> Table:
    """Every method after its last step."""
    best = best_runs(report)
    columns = ("Method", "Photos", *(_head(metric) for metric in report.metrics), "Seconds ↓")
    rows = []
    for run in report.runs:
        cells = [Cell(run.label, detail=run.model), Cell(str(run.photos))]
        for metric in report.metrics:
            value = run.last.metrics[metric.key]
            is_best = best.get(metric.key) == run.key
            cells.append(_spread_cell(value, digits=_digits(metric), is_best=is_best))
        cells.append(_spread_cell(run.last.seconds, digits=2))
        rows.append(tuple(cells))
    return Table("After the last step", columns, tuple(rows))


def step_table(run: RunSummary, metrics: Sequence[Metric]) -> Table:
    """Every step of a method."""
    columns = ("Step", "Seconds", *(_head(metric) for metric in metrics), "Picture change", "Code change")
    rows = tuple(
        (
            Cell(str(step.index)),
            _spread_cell(step.seconds, digits=2),
            *(_spread_cell(step.metrics[metric.key], digits=_digits(metric)) for metric in metrics),
            _spread_cell(step.image_change, digits=3),
            _spread_cell(step.code_change, digits=3),
        )
        for step in run.steps
    )
    return Table(f"{run.label}, step by step", columns, rows)


def edit_table(report: InversionReport) -> Table | None:
    """Editing of every method, a row for each direction; None when it was not measured."""
    columns = (
        "Direction",
        "Method",
        "Change of the attribute ↑",
        "Identity drift ↓",
        "Drift per change ↓",
        "Moves the wanted way ↑",
    )
    rows = [
        (
            Cell(label),
            Cell(run.label),
            Cell(f"{_text(one.response, 2)} {one.unit}".strip()),
            Cell(_text(one.drift, 3)),
            Cell(_text(one.drift_per_response, 3)),
            Cell(f"{100 * one.obedient:.0f} %" if math.isfinite(one.obedient) else "-"),
        )
        for name, label in direction_names(report)
        for run in report.runs
        for one in run.directions
        if one.name == name
    ]
    title = "Editing at equal strength, both ends of the slider"
    return Table(title, columns, tuple(rows), text_columns=2) if rows else None


def direction_names(report: InversionReport) -> list[tuple[str, str]]:
    """Names and labels of all directions, each once."""
    return list(dict.fromkeys((one.name, one.label) for run in report.runs for one in run.directions))


def consistency_table(report: InversionReport) -> Table | None:
    """Latent-editing consistency of every method; None when it was not measured."""
    rows = [
        (
            Cell(run.label),
            Cell(str(run.consistency.count)),
            _spread_cell(run.consistency, digits=2),
            Cell(f"{100 * run.consistency_share:.0f} %" if math.isfinite(run.consistency_share) else "-"),
        )
        for run in report.runs
        if run.consistency.count
    ]
    columns = ("Method", "Photos", "Distance of codes ↓", "Of the code's distance to the average ↓")
    return Table("Latent-editing consistency", columns, tuple(rows)) if rows else None


def markdown(report: InversionReport) -> str:
    """The whole report without pictures."""
    parts = [f"# Inversion methods on {report.photos} photos", ""]
    if not report.is_complete:
        parts += ["The evaluation was stopped before its end; this is what was measured.", ""]
    parts += ["Mean ± standard deviation over photos, with the 95 % confidence interval of the mean.", ""]
    tables = [final_table(report), edit_table(report), consistency_table(report)]
    tables += [step_table(run, report.metrics) for run in report.runs]
    for table in tables:
        if table is not None:
            parts += [f"## {table.title}", "", *_markdown_rows(table), ""]
    parts += ["## What is measured", ""]
    parts += [f"- {metric.title}: {metric.explanation}" for metric in report.metrics]
    parts += [f"- {sentence}" for sentence in report.missing]
    parts += [f"- {run.label} ({run.model}): {run.note}" for run in report.runs if run.note]
    if report.left_out:
        parts += ["", "## Not run", "", *(f"- {one.title}: {one.reason}" for one in report.left_out)]
    if report.problems:
        parts += ["", "## Photos left out", ""]
        named = (f"- {display_path(one.path.name)}: {one.reason}" for one in report.problems)
        parts += [line.replace("\n", " ") for line in named]
    return "\n".join(parts) + "\n"


def summary_csv(report: InversionReport) -> str:
    """A line for each method and step."""
    measures = ["seconds", *(metric.key for metric in report.metrics), "image_change", "code_change"]
    parts = ("mean", "std", "ci95", "median")
    head = ["method", "model", "step", "photos", *(f"{m}_{part}" for m in measures for part in parts)]
    lines: list[list[object]] = [[*head, "lec_mean", "lec_std"]]
    for run in report.runs:
        for step in run.steps:
            values = {
                "seconds": step.seconds,
                **step.metrics,
                "image_change": step.image_change,
                "code_change": step.code_change,
            }
            line: list[object] = [run.method, run.model, step.index, run.photos]
            for name in measures:
                one = values[name]
                line += [_plain(v) for v in (one.mean, one.std, one.half_width, one.median)]
            is_last = step is run.last
            line += [_plain(v) if is_last else "" for v in (run.consistency.mean, run.consistency.std)]
            lines.append(line)
    return _csv(lines)


def photo_csv(report: InversionReport) -> str:
    """A line for each method, photo and step."""
    keys = [metric.key for metric in report.metrics]
    lines: list[list[object]] = [["method", "model", "photo", "step", "seconds", *keys, "lec"]]
    for run, result in zip(report.runs, report.results, strict=True):
        for record in result.records:
            for number, step in enumerate(record.steps, start=1):
                is_last = number == len(record.steps)
                lec = record.consistency if is_last and record.consistency is not None else math.nan
                values = [_plain(v) for v in (step.seconds, *(step.metrics[key] for key in keys), lec)]
                lines.append([run.method, run.model, display_path(record.photo), number, *values])
    return _csv(lines)


def edit_csv(report: InversionReport) -> str:
    """A line for each method, photo, direction and strength."""
    lines: list[list[object]] = [
        ["method", "model", "photo", "direction", "share", "attribute_change", "drift", "identity"]
    ]
    for run, result in zip(report.runs, report.results, strict=True):
        for record in result.records:
            for edit in record.edits:
                values = [_plain(v) for v in (edit.share, edit.attribute, edit.drift, edit.identity)]
                lines.append([run.method, run.model, display_path(record.photo), edit.direction, *values])
    return _csv(lines)


def spread_text(value: Spread, digits: int) -> str:
    """Mean and standard deviation."""
    return f"{_text(value.mean, digits)} ± {_text(value.std, digits)}"


def _digits(metric: Metric) -> int:
    """Decimals: small distances need more than similarities."""
    return 4 if metric.is_distance else 3


def _head(metric: Metric) -> str:
    return f"{metric.title} {'↓' if metric.is_distance else '↑'}"


def _spread_cell(value: Spread, *, digits: int, is_best: bool = False) -> Cell:
    low, high = value.mean - value.half_width, value.mean + value.half_width
    interval = f"{_text(low, digits)} to {_text(high, digits)}" if math.isfinite(low) else ""
    return Cell(spread_text(value, digits), is_best, interval)


def _text(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _plain(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def _markdown_rows(table: Table) -> Iterable[str]:
    yield "| " + " | ".join(table.columns) + " |"
    words = table.text_columns
    yield "| --- " * words + "| ---: " * (len(table.columns) - words) + "|"
    for row in table.rows:
        yield "| " + " | ".join(_markdown_cell(cell) for cell in row) + " |"


def _markdown_cell(cell: Cell) -> str:
    text = cell.text.replace("|", "\\|").replace("\n", " ")
    text = f"**{text}**" if cell.is_best else text
    return f"{text} ({cell.detail})" if cell.detail else text


def _csv(lines: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()
