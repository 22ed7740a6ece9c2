"""Means and spreads of what was measured, ready for tables and charts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from desktop_app.core.types import FloatArray
from desktop_app.engine.edit.directions import Direction
from desktop_app.evaluation.inversion.edits import SHARES, is_measured, measure_label
from desktop_app.evaluation.inversion.evaluation import RunResult
from desktop_app.evaluation.inversion.measure import kept_steps
from desktop_app.evaluation.inversion.meters import Metric
from desktop_app.evaluation.inversion.records import PhotoRecord

# 97.5 % points of Student's t for few degrees of freedom; a series serves for more.
_T_TABLE = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
_Z = 1.959964
LOWEST_PERCENTILE, HIGHEST_PERCENTILE = 1, 99
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Spread:
    """A mean and how far values lie from it.

    Attributes:
        mean: Arithmetic mean.
        std: Standard deviation of the values, unbiased; 0 for a single one.
        half_width: Half the width of the mean's 95 % confidence interval (Student's t); NaN for a
            single value.
        median: Middle value.
        count: Values.
    """

    mean: float
    std: float
    half_width: float
    median: float
    count: int


def spread(values: Iterable[float]) -> Spread:
    """Mean and spread of finite values; NaN when there are none."""
    finite = np.array([value for value in values if math.isfinite(value)], dtype=np.float64)
    count = len(finite)
    if not count:
        return Spread(math.nan, math.nan, math.nan, math.nan, 0)
    std = float(finite.std(ddof=1)) if count > 1 else 0.0
    half_width = t_quantile(count - 1) * std / math.sqrt(count) if count > 1 else math.nan
    return Spread(float(finite.mean()), std, half_width, float(np.median(finite)), count)


def t_quantile(degrees: int) -> float:
    """97.5 % point of Student's t; from ten degrees on by its series, better than 0.001."""
    if degrees <= len(_T_TABLE):
        return _T_TABLE[degrees - 1]
    z, n = _Z, float(degrees)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / n + second / n**2 + third / n**3


@dataclass(frozen=True, slots=True)
class StepSummary:
    """A step over all photos.

    Attributes:
        index: From 1.
        seconds: Wall time from the start to the end of this step.
        metrics: By metric key.
        image_change: Change of the picture relative to that of step 1 (reference, section 8).
        code_change: The same of the code.
    """

    index: int
    seconds: Spread
    metrics: dict[str, Spread]
    image_change: Spread
    code_change: Spread


@dataclass(frozen=True, slots=True)
class EditSummary:
    """A direction at one share of its slider, over the photos on which editing was measured.

    Attributes:
        share: -1 to 1.
        attribute: Change of the measured attribute, in standard deviations of it over the photos
            where it has a measure.
        drift: 1 - identity with the unedited reconstruction.
        identity: Identity with the photo.
    """

    share: float
    attribute: Spread
    drift: Spread
    identity: Spread


@dataclass(frozen=True, slots=True)
class DirectionSummary:
    """What a direction did to a run's codes.

    Attributes:
        name: Of the direction.
        label: Text of its slider.
        measure: What is measured.
        unit: In which unit, or empty.
        points: By share, ascending, the unedited one in the middle.
        response: Mean change of the attribute at both ends, towards the wanted side.
        drift: Mean drift at both ends.
        drift_per_response: Drift for one unit of change, from both means; lower edits better. NaN
            when the attribute did not move the wanted way.
        obedient: Share of edits that moved the attribute the wanted way.
    """

    name: str
    label: str
    measure: str
    unit: str
    points: tuple[EditSummary, ...]
    response: float
    drift: float
    drift_per_response: float
    obedient: float


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run over all photos.

    Attributes:
        key: Tells runs apart.
        label: For tables and charts.
        method: Name of the method.
        model: Name of the model.
        photos: How many were measured.
        note: What the method said about its steps.
        steps: All steps.
        kept: Indices of steps whose maps were kept.
        maps: Mean change map of each kept step, (k, h, w).
        consistency: Latent-editing consistency, 1st to 99th percentile.
        consistency_share: The same over the codes' mean distance to the average code.
        directions: How edits went.
        generator: Tells generators apart.
    """

    key: str
    label: str
    method: str
    model: str
    photos: int
    note: str
    steps: tuple[StepSummary, ...]
    kept: tuple[int, ...]
    maps: FloatArray
    consistency: Spread
    consistency_share: float
    directions: tuple[DirectionSummary, ...]
    generator: str

    @property
    def last(self) -> StepSummary:
        """The final step."""
        return self.steps[-1]


def summarise(result: RunResult, metrics: Sequence[Metric]) -> RunSummary | None:
    """A run's means; None when it has measured nothing."""
    records = result.records
    if not records or result.map_sum is None:
        return None
    count = len(records[0].steps)
    distances = within_percentiles([r.consistency for r in records if r.consistency is not None])
    sizes = [record.code_size for record in records if record.consistency is not None]
    consistency = spread(distances)
    size = float(np.mean(sizes)) if sizes else math.nan
    return RunSummary(
        key=result.run.key,
        label=result.run.label,
        method=result.run.method.name,
        model=result.run.card.name,
        photos=len(records),
        note=records[0].note,
        steps=tuple(_step(records, k, metrics) for k in range(count)),
        kept=tuple(kept_steps(count)),
        maps=(result.map_sum / len(records)).astype(np.float32),
        consistency=consistency,
        consistency_share=consistency.mean / size if size > TINY else math.nan,
        directions=tuple(_direction(records, one) for one in result.edits.directions if _has_edits(records)),
        generator=result.generator,
    )


def within_percentiles(values: Sequence[float]) -> list[float]:
    """Values from the 1st to the 99th percentile, the outer neighbours kept, as the official LEC does."""
    if not values:
        return []
    low = float(np.percentile(values, LOWEST_PERCENTILE, method="lower"))
    high = float(np.percentile(values, HIGHEST_PERCENTILE, method="higher"))
    return [value for value in values if low <= value <= high]


def _step(records: Sequence[PhotoRecord], k: int, metrics: Sequence[Metric]) -> StepSummary:
    def relative(read: Callable[[PhotoRecord, int], float]) -> Spread:
        return spread(read(r, k) / read(r, 0) if read(r, 0) > TINY else math.nan for r in records)

    return StepSummary(
        index=k + 1,
        seconds=spread(record.steps[k].seconds for record in records),
        metrics={
            metric.key: spread(record.steps[k].metrics[metric.key] for record in records)
            for metric in metrics
            if metric.key in records[0].steps[k].metrics
        },
        image_change=relative(lambda record, step: record.steps[step].image_change),
        code_change=relative(lambda record, step: record.steps[step].code_change),
    )


def _has_edits(records: Sequence[PhotoRecord]) -> bool:
    return any(record.edits for record in records)


def _direction(records: Sequence[PhotoRecord], direction: Direction) -> DirectionSummary:
    measured = [record for record in records if record.edits]
    values = np.array([(record.attributes or {}).get(direction.name, 0.0) for record in records])
    unit = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    has_unit = unit > TINY
    scale = unit if has_unit else 1.0
    edits = {
        share: [e for r in measured for e in r.edits if e.direction == direction.name and e.share == share]
        for share in SHARES
    }
    points = [
        EditSummary(
            share,
            spread(edit.attribute / scale for edit in found),
            spread(edit.drift for edit in found),
            spread(edit.identity for edit in found),
        )
        for share, found in edits.items()
    ]
    points.append(EditSummary(0.0, spread([0.0]), spread([0.0]), spread([])))
    label = measure_label(direction)
    is_signed = is_measured(direction)
    ends = [edit for share in (-1.0, 1.0) for edit in edits[share]]
    towards = [edit.attribute * (np.sign(edit.share) if is_signed else 1.0) / scale for edit in ends]
    response = float(np.mean(towards)) if towards else math.nan
    drift = float(np.mean([edit.drift for edit in ends])) if ends else math.nan
    return DirectionSummary(
        name=direction.name,
        label=direction.label,
        measure=label,
        unit="σ" if has_unit else "",
        points=tuple(sorted(points, key=lambda point: point.share)),
        response=response,
        drift=drift,
        drift_per_response=drift / response if response > TINY else math.nan,
        obedient=float(np.mean([value > 0 for value in towards])) if towards else math.nan,
    )
