"""One photo, one run: invert, time, compare, edit."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from desktop_app.core.types import FloatArray, Image, InversionStep, Progress
from desktop_app.engine.image_tensor import resized_image
from desktop_app.engine.invert.methods import MethodInputs, MethodOptions, run_method
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.restyle import render
from desktop_app.evaluation.inversion.edits import (
    EditPlan,
    EditValue,
    attribute_of,
    consistency,
    consistency_move,
    edit_values,
    edited_pictures,
)
from desktop_app.evaluation.inversion.meters import Meters
from desktop_app.evaluation.inversion.plan import PlannedRun
from desktop_app.evaluation.inversion.records import PhotoRecord, StepValues

MAP_PX = 128
PICTURE_PX = 256
KEPT_STEPS = 8

Timed = list[tuple[float, InversionStep]]


@dataclass(frozen=True, slots=True)
class Bench:
    """What all photos of a run share.

    Attributes:
        run: The method and its model's card.
        model: The model.
        meters: What is measured.
        options: Steps, iterations, seed.
        edits: Directions that are compared.
    """

    run: PlannedRun
    model: InversionModel
    meters: Meters
    options: MethodOptions
    edits: EditPlan


def kept_steps(count: int) -> list[int]:
    """Which steps of a run have their maps and pictures kept: first and last, at most eight."""
    if count <= KEPT_STEPS:
        return list(range(count))
    return [int(k) for k in np.linspace(0, count - 1, KEPT_STEPS).round()]


def measure_photo(
    bench: Bench, image: Image, *, photo: str, is_shown: bool, has_edits: bool
) -> Generator[Progress, None, PhotoRecord]:
    """Measure one photo.

    Args:
        bench: The run.
        image: The aligned photo, (H, W, 3) uint8.
        photo: Its name.
        is_shown: Keep pictures of the steps too.
        has_edits: Measure editing.

    Yields:
        Progress within the inversion.

    Raises:
        WeightsError: The networks produced values that are no numbers.
        ResourceError: Out of memory.
    """
    timed = yield from _invert(bench, image)
    steps = [step for _, step in timed]
    kept = kept_steps(len(steps))
    shown = kept if is_shown else [len(steps) - 1]
    last = steps[-1]
    average = bench.model.average_codes(1)[0].cpu().numpy()
    record = PhotoRecord(
        photo=photo,
        steps=tuple(_values(bench, timed, image=image, average=average)),
        note=last.note,
        change_maps=np.stack([_reduced_map(steps[k].change_map) for k in kept]),
        photo_picture=_reduced(image),
        pictures=np.stack([_reduced(steps[k].y_hat) for k in shown]),
        attributes={one.name: attribute_of(one.name, image) for one in bench.edits.directions},
        code_size=float(np.linalg.norm(last.w_plus - average)),
    )
    if not has_edits:
        return record
    return (yield from _with_edits(bench, record, image=image, code=last.w_plus))


def _invert(bench: Bench, image: Image) -> Generator[Progress, None, Timed]:
    """All steps, each with the wall time of the run up to it; time spent elsewhere does not count."""
    inputs = MethodInputs(bench.model, image, lpips=bench.meters.lpips, vgg=bench.meters.vgg)
    items: Iterator[InversionStep | Progress] = run_method(bench.run.method.method, inputs, bench.options)
    found: Timed = []
    spent = 0.0
    while True:
        began = time.perf_counter()
        item = next(items, None)
        spent += time.perf_counter() - began
        if item is None:
            return found
        if isinstance(item, InversionStep):
            found.append((spent, item))
            if bench.run.method.is_search:
                continue
            yield Progress(item.index, None)
        else:
            yield item


def _values(bench: Bench, timed: Timed, *, image: Image, average: FloatArray) -> Iterator[StepValues]:
    measured = bench.meters.measure([step.y_hat for _, step in timed], bench.meters.target(image))
    before = average
    for (seconds, step), metrics in zip(timed, measured, strict=True):
        yield StepValues(
            seconds=seconds,
            metrics={**metrics, "l2_model": step.l2},
            image_change=float(np.sqrt(step.change_map.mean())),
            code_change=float(np.linalg.norm(step.w_plus - before)),
        )
        before = step.w_plus


def _with_edits(
    bench: Bench, record: PhotoRecord, *, image: Image, code: FloatArray
) -> Generator[Progress, None, PhotoRecord]:
    before = render(bench.model, code)
    values: list[EditValue] = []
    rows: list[Image] = []
    for direction in bench.edits.directions:
        pictures = edited_pictures(bench.model, code, direction)
        values += edit_values(direction, pictures, before=before, photo=image, meters=bench.meters)
        rows.append(np.stack([_reduced(picture) for picture in pictures]))
        yield Progress(0, None, text="editing")
    move = consistency_move(bench.edits)
    distance = None
    if move is not None:
        again = yield from _invert(bench, render(bench.model, code + move))
        distance = consistency(code, again[-1][1].w_plus, move)
    return replace(
        record,
        edits=tuple(values),
        edit_pictures=np.stack(rows) if rows else None,
        unedited=_reduced(before),
        consistency=distance,
    )


def _reduced_map(change: FloatArray) -> FloatArray:
    """A change map of at most `MAP_PX`, its mean kept."""
    height, width = (min(side, MAP_PX) for side in change.shape)
    values = torch.from_numpy(np.array(change))[None, None]
    reduced: FloatArray = F.adaptive_avg_pool2d(values, (height, width))[0, 0].numpy()
    return reduced


def _reduced(image: Image) -> Image:
    """A picture of at most `PICTURE_PX` on its longer side."""
    scale = min(1.0, PICTURE_PX / max(image.shape[:2]))
    height, width = (max(round(side * scale), 1) for side in image.shape[:2])
    return resized_image(image, width_px=width, height_px=height)
