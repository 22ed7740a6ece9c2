"""Everything a report shows, from what an evaluation has found so far."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

from desktop_app.core.errors import display_path
from desktop_app.core.types import FileProblem
from desktop_app.evaluation.inversion.evaluation import EvaluationOptions, InversionEvaluation, RunResult
from desktop_app.evaluation.inversion.meters import Metric
from desktop_app.evaluation.inversion.plan import NotRun
from desktop_app.evaluation.inversion.records import PhotoRecord, RecordStore
from desktop_app.evaluation.inversion.summary import RunSummary, Spread, summarise


@dataclass(frozen=True, slots=True)
class InversionReport:
    """What was found.

    Attributes:
        options: What was asked for.
        metrics: The columns.
        missing: Sentences on metrics that could not be measured.
        runs: Means, in the order asked for.
        results: Numbers of each photo, in the same order.
        left_out: Methods that did not run.
        problems: Photos that were left out.
        photos: Photos that were to be measured.
        reused: Results of an earlier run.
        is_complete: Nothing was cut short.
        shown: Photos whose steps were kept.
        records: Whole records, with pictures.
    """

    options: EvaluationOptions
    metrics: tuple[Metric, ...]
    missing: tuple[str, ...]
    runs: tuple[RunSummary, ...]
    results: tuple[RunResult, ...]
    left_out: tuple[NotRun, ...]
    problems: tuple[FileProblem, ...]
    photos: int
    reused: int
    is_complete: bool
    shown: tuple[str, ...]
    records: RecordStore

    def record(self, result: RunResult, photo: str) -> PhotoRecord | None:
        """A photo's whole record in a run."""
        key = result.keys.get(photo)
        return self.records.load(key) if key else None


def make_report(evaluation: InversionEvaluation, *, is_complete: bool) -> InversionReport:
    """A report of what was found so far."""
    metrics = evaluation.meters.metrics
    pairs = [(summarise(result, metrics), result) for result in evaluation.results]
    kept = [(summary, result) for summary, result in pairs if summary is not None]
    return InversionReport(
        options=evaluation.options,
        metrics=metrics,
        missing=evaluation.meters.missing,
        runs=tuple(summary for summary, _ in kept),
        results=tuple(result for _, result in kept),
        left_out=tuple(evaluation.left_out),
        problems=tuple(evaluation.problems),
        photos=len(evaluation.photos),
        reused=evaluation.reused,
        is_complete=is_complete,
        shown=evaluation.shown,
        records=evaluation.records,
    )


def best_runs(report: InversionReport) -> dict[str, str]:
    """The run with the best final mean by metric key; none where runs had other photos."""
    best: dict[str, str] = {}
    if len({frozenset(result.keys) for result in report.results}) != 1:
        return best
    for metric in report.metrics:
        means = [(run.last.metrics[metric.key].mean, run.key) for run in report.runs]
        means = [pair for pair in means if math.isfinite(pair[0])]
        if len(means) > 1:
            best[metric.key] = (min(means) if metric.is_distance else max(means))[1]
    return best


def report_object(report: InversionReport) -> dict[str, object]:
    """The report as the one object of `--json`; values that are not known are null."""
    options = report.options
    return {
        "folder": display_path(options.folder),
        "photos": report.photos,
        "is_complete": report.is_complete,
        "reused": report.reused,
        "steps": options.steps,
        "iterations": options.iterations,
        "aligned": options.is_aligned,
        "metrics": {metric.key: metric.explanation for metric in report.metrics},
        "not_measured": list(report.missing),
        "methods": [_run_object(run) for run in report.runs],
        "not_run": [
            {"method": one.method, "title": one.title, "reason": one.reason} for one in report.left_out
        ],
        "left_out": [{"file": display_path(one.path), "reason": one.reason} for one in report.problems],
    }


def _run_object(run: RunSummary) -> dict[str, object]:
    return {
        "method": run.method,
        "title": run.label,
        "model": run.model,
        "photos": run.photos,
        "note": run.note,
        "steps": [
            {
                "step": step.index,
                "seconds": _spread_object(step.seconds),
                **{key: _spread_object(value) for key, value in step.metrics.items()},
                "image_change": _spread_object(step.image_change),
                "code_change": _spread_object(step.code_change),
            }
            for step in run.steps
        ],
        "latent_editing_consistency": {
            **_spread_object(run.consistency),
            "of_code_size": _number(run.consistency_share),
        },
        "edits": [
            {
                "direction": one.name,
                "measure": one.measure,
                "unit": one.unit,
                "response": _number(one.response),
                "drift": _number(one.drift),
                "drift_per_response": _number(one.drift_per_response),
                "obedient": _number(one.obedient),
                "points": [
                    {
                        "share": point.share,
                        "attribute": _spread_object(point.attribute),
                        "drift": _spread_object(point.drift),
                        "identity": _spread_object(point.identity),
                    }
                    for point in one.points
                    if point.share
                ],
            }
            for one in run.directions
        ],
    }


def _spread_object(value: Spread) -> dict[str, float | None]:
    return dict(_spread_items(value))


def _spread_items(value: Spread) -> Iterator[tuple[str, float | None]]:
    for one in fields(value):
        name = "ci95" if one.name == "half_width" else one.name
        yield name, _number(getattr(value, one.name))


def _number(value: float) -> float | None:
    """A number that JSON can hold."""
    if isinstance(value, int):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None
