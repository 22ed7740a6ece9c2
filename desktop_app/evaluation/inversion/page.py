"""The report as one HTML page: nothing beside it, no script, readable without seeing the charts."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from desktop_app.core.errors import display_path
from desktop_app.evaluation.inversion.charts import Chart, Point, Series, draw, legend
from desktop_app.evaluation.inversion.page_pictures import (
    edit_grids,
    hardest_photos,
    heat_maps,
    side_by_side,
    step_strips,
)
from desktop_app.evaluation.inversion.page_style import STYLE
from desktop_app.evaluation.inversion.report import InversionReport
from desktop_app.evaluation.inversion.summary import RunSummary, Spread
from desktop_app.evaluation.inversion.tables import (
    Cell,
    Table,
    consistency_table,
    direction_names,
    edit_table,
    final_table,
    step_table,
)

_SECTIONS = (
    ("results", "Results"),
    ("time", "Quality against time"),
    ("pictures", "Pictures"),
    ("maps", "Where each step changes the picture"),
    ("change", "Relative change"),
    ("editing", "Editing"),
    ("steps", "Every step"),
    ("method", "How it was measured"),
)


def page(report: InversionReport) -> str:
    """The whole page."""
    drawn = _Numbers()
    bodies = {
        "results": _results(report),
        "time": _time(report, drawn),
        "pictures": _pictures(report),
        "maps": heat_maps(report),
        "change": _change(report, drawn),
        "editing": _editing(report, drawn),
        "steps": _steps(report),
        "method": _how(report),
    }
    links = "".join(f'<li><a href="#{key}">{title}</a></li>' for key, title in _SECTIONS if bodies[key])
    parts = [
        f'<section id="{key}" aria-labelledby="h-{key}"><h2 id="h-{key}">{title}</h2>{bodies[key]}</section>'
        for key, title in _SECTIONS
        if bodies[key]
    ]
    title = "Inversion methods compared"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>"
        f"<header><h1>{title}</h1>{_lead(report)}"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>{"".join(parts)}</main></body></html>\n'
    )


class _Numbers:
    """Numbers of charts, so that their ids differ."""

    def __init__(self) -> None:
        self._last = 0

    def draw(self, chart: Chart) -> str:
        """The chart in a card."""
        self._last += 1
        return f'<figure class="card"><h3>{html.escape(chart.title)}</h3>{draw(chart, self._last)}</figure>'


def table_html(table: Table) -> str:
    """A table that scrolls by itself where it is too wide."""
    words = table.text_columns
    head = "".join(
        f'<th scope="col"{_left(k < words)}>{html.escape(name)}</th>' for k, name in enumerate(table.columns)
    )
    rows = "".join(
        f'<tr><th scope="row">{_inner(row[0])}</th>'
        + "".join(_cell(one, is_text=k < words) for k, one in enumerate(row[1:], start=1))
        + "</tr>"
        for row in table.rows
    )
    title = html.escape(table.title)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table>'
        f"<caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(cell: Cell, *, is_text: bool) -> str:
    kind = ' class="best"' if cell.is_best else _left(is_text)
    return f"<td{kind}>{_inner(cell)}</td>"


def _left(is_text: bool) -> str:
    return ' class="words"' if is_text else ""


def _inner(cell: Cell) -> str:
    detail = f"<small>{html.escape(cell.detail)}</small>" if cell.detail else ""
    return html.escape(cell.text) + detail


def _lead(report: InversionReport) -> str:
    runs = len(report.runs)
    measured = max((run.photos for run in report.runs), default=0)
    folder = html.escape(display_path(report.options.folder))
    sentence = (
        f"{runs} {'method' if runs == 1 else 'methods'} on {measured} of {report.photos} "
        f"{'photo' if report.photos == 1 else 'photos'} from {folder}."
    )
    parts = [f'<p class="lead">{sentence}</p>']
    if not report.is_complete:
        parts.append(
            '<p class="card warn">The evaluation was stopped before its end. This page shows what was '
            "measured until then; the same command goes on from here.</p>"
        )
    if report.left_out:
        items = "".join(
            f"<li><strong>{html.escape(one.title)}: not run.</strong> {html.escape(one.reason)}</li>"
            for one in report.left_out
        )
        parts.append(f'<ul class="card warn">{items}</ul>')
    return "".join(parts)


def _results(report: InversionReport) -> str:
    return (
        '<p class="note">Mean ± standard deviation over photos; below it the 95 % confidence interval of '
        "the mean. Arrows point to the better side; the best mean of a column is green, where all methods "
        "were measured on the same photos.</p>"
        f'<div class="card">{table_html(final_table(report))}</div>'
    )


def _legend(report: InversionReport) -> str:
    return legend([(run.label, style) for style, run in enumerate(report.runs)])


def _time(report: InversionReport, drawn: _Numbers) -> str:
    charts = []
    for metric in report.metrics:
        series = tuple(
            Series(run.label, style, tuple(_time_points(run, metric.key, metric.title)))
            for style, run in enumerate(report.runs)
        )
        better = "lower is better" if metric.is_distance else "higher is better"
        title = f"{metric.title} against time ({better})"
        chart = Chart(
            title,
            "wall time in seconds, log scale",
            f"{metric.title}, log scale" if metric.is_distance else metric.title,
            series,
            is_log_x=True,
            is_log_y=metric.is_distance,
            starts_at_zero=False,
        )
        charts.append(drawn.draw(chart))
    return (
        '<p class="note">One mark for each step: mean wall time from the start, mean quality over '
        "photos. The bar at the last step is the mean’s 95 % confidence interval over photos; where it "
        "leaves the chart it is cut.</p>" + _legend(report) + f'<div class="pair">{"".join(charts)}</div>'
    )


def _time_points(run: RunSummary, key: str, title: str) -> Iterable[Point]:
    for step in run.steps:
        value = step.metrics[key]
        text = f"step {step.index}, {step.seconds.mean:.3g} s, {title} {value.mean:.4g}"
        is_last = step is run.last
        yield Point(max(step.seconds.mean, 1e-4), value.mean, text, _bar(value) if is_last else 0.0)


def _bar(value: Spread) -> float:
    return value.half_width if value.count > 1 else 0.0


def _pictures(report: InversionReport) -> str:
    strips = step_strips(report)
    hardest = hardest_photos(report)
    parts = [
        f'<h3>Side by side</h3><p class="note">The photo, then the last step of each method, with its L2 at '
        f'256 pixels.</p><div class="card scroll" tabindex="0">{side_by_side(report)}</div>'
    ]
    if strips:
        parts.append(f'<h3>Step by step</h3><div class="card scroll" tabindex="0">{strips}</div>')
    if hardest:
        parts.append(
            '<h3>The hardest photos</h3><p class="note">Those with the largest L2 after the first '
            "method.</p>"
            f'<div class="card scroll" tabindex="0">{hardest}</div>'
        )
    return "".join(parts)


def _change(report: InversionReport, drawn: _Numbers) -> str:
    charts = []
    for title, y_label, read in (
        ("Change of the picture", "change relative to step 1", lambda step: step.image_change),
        ("Change of the code", "change relative to step 1", lambda step: step.code_change),
    ):
        series = tuple(
            Series(
                run.label,
                style,
                tuple(Point(s.index, read(s).mean, f"step {s.index}: {read(s).mean:.3g}") for s in run.steps),
            )
            for style, run in enumerate(report.runs)
            if len(run.steps) > 1
        )
        charts.append(drawn.draw(Chart(title, "step", y_label, series, whole_x=True)))
    return (
        '<p class="note">Root mean square change of the picture, and norm of the change of the code, '
        "against the step before; step 1 is compared with the average picture and code and counts as 1. "
        "A step of a searching method stands for many iterations.</p>"
        + _legend(report)
        + f'<div class="pair">{"".join(charts)}</div>'
    )


def _editing(report: InversionReport, drawn: _Numbers) -> str:
    table = edit_table(report)
    if table is None:
        return ""
    charts = []
    for name, label in direction_names(report):
        series, measure = [], ""
        for style, run in enumerate(report.runs):
            found = next((one for one in run.directions if one.name == name), None)
            if found is not None:
                measure = f"{found.measure}, in {found.unit}" if found.unit else found.measure
                points = tuple(
                    Point(
                        p.attribute.mean,
                        p.drift.mean,
                        f"{p.share:+.0%} of the slider: attribute {p.attribute.mean:+.2f}, "
                        f"drift {p.drift.mean:.3f}",
                    )
                    for p in found.points
                )
                series.append(Series(run.label, style, points))
        charts.append(drawn.draw(Chart(label, f"change: {measure}", "identity drift", tuple(series))))
    lec = consistency_table(report)
    consistency = (
        '<h3>Latent-editing consistency</h3><p class="note">Invert, edit, render, invert again, take the '
        "edit back: how far the code ends from where it began (norm over all rows; mean from the 1st to "
        "the 99th percentile)."
        f'</p><div class="card">{table_html(lec)}</div>'
        if lec
        else ""
    )
    return (
        '<p class="note">The same moves on each method’s code, at half and at the full range of the '
        "sliders. The further right or left at the same height, the more an edit does while the person "
        "stays; drift is 1 minus the identity of the edited with the unedited reconstruction. Methods "
        "compare where they share a generator. σ is the standard deviation of the attribute over the "
        "photos.</p>"
        + _legend(report)
        + f'<div class="pair">{"".join(charts)}</div><div class="card">{table_html(table)}</div>'
        + consistency
        + edit_grids(report)
    )


def _steps(report: InversionReport) -> str:
    return "".join(
        f"<details><summary>{html.escape(run.label)}: {len(run.steps)} "
        f"{'step' if len(run.steps) == 1 else 'steps'}</summary>"
        f'<div class="card">{table_html(step_table(run, report.metrics))}</div></details>'
        for run in report.runs
    )


def _how(report: InversionReport) -> str:
    options = report.options
    pairs = [(metric.title, metric.explanation) for metric in report.metrics]
    cut = "Taken as cut-out faces." if options.is_aligned else "The largest face, cut out as FFHQ does."
    searched = f", {options.iterations} iterations of searches" if options.iterations else ""
    pairs += [
        ("Seconds", "Wall time of the inversion alone, the first photo included."),
        ("Photos", cut),
        ("Steps", f"{options.steps} encoder passes{searched}."),
    ]
    pairs += [(run.label, f"Model {run.model}. {run.note}") for run in report.runs]
    items = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in pairs)
    return f"<dl>{items}</dl>" + _list("Not measured", report.missing) + _left_out(report)


def _left_out(report: InversionReport) -> str:
    named = [f"{display_path(one.path.name)}: {one.reason}" for one in report.problems]
    return _list(f"Photos left out ({len(named)})", named)


def _list(title: str, sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return f"<h3>{html.escape(title)}</h3><ul>{items}</ul>"
