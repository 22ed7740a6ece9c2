"""Tune an encoder on the library: gather what is alike, embed views, train a head, compare neighbours."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.catalogue.catalogue import IdArray
from desktop_app.core.errors import UserInputError
from desktop_app.core.types import (
    AlikeKind,
    FloatArray,
    MarkedGroups,
    PhotoRow,
    ProbeNeighbours,
    Progress,
    TuneRequest,
    TuneResult,
    TuneStep,
)
from desktop_app.jobs.mark_groups import joined, marked_groups
from desktop_app.jobs.pace import Pace
from desktop_app.jobs.services import Embedder, Services
from desktop_app.jobs.tune_layers import LAYER_STEPS, change_layers, small_picture, tune_step
from desktop_app.jobs.tune_options import LEAST_PEOPLE, all_photos, encoder_to_tune, photos_by_person
from desktop_app.jobs.tuning_folder import NEIGHBOURS, Plan, TuningFolder, require_plan

if TYPE_CHECKING:
    from desktop_app.training.tune import TuneTraining

STEPS = 120
PROBES = 4
# Photos whose views are embedded, at most; four views of 1500 photos are some ten seconds.
_MOST_VIEWED = 1500
_VIEWS_A_BATCH = 32
_SAVE_EVERY = 20
# How far directions between sets are stretched. Groups are the user's word; folders hold many things;
# two bursts may well show the same.
_STRETCH = {AlikeKind.GROUPS: 3.0, AlikeKind.FOLDERS: 1.0, AlikeKind.BURSTS: 0.0, AlikeKind.PEOPLE: 3.0}
_MOST_JUDGED = 40

Sets = list[list[int]]


def run(request: TuneRequest, services: Services) -> Generator[object, None, TuneResult]:
    """Tune.

    Yields:
        `Progress` and `TuneStep`. Closed early, the tuning can go on later.

    Returns:
        `TuneResult`; it waits on disk to be kept or discarded.

    Raises:
        UserInputError: Too little to learn from, or choices that make no sense.
    """
    began = time.monotonic()
    folder = TuningFolder(services.library)
    plan = require_plan(folder) if request.resume else _new_plan(request, services)
    yield Progress(0, plan.steps, text="Reading the library")
    ids, vectors = _stored(plan, services)
    place = {int(photo_id): row for row, photo_id in enumerate(ids)}
    sets: dict[AlikeKind, Sets] = {}
    marks = () if request.resume else request.marks
    for kind in plan.alike:
        if kind is not AlikeKind.VIEWS:
            sets[kind] = yield from _sets(kind, services, place, marks=marks)
    _check_before_views(plan, vectors, sets)
    if marks:
        yield _mark(marks, services)
        sets[AlikeKind.GROUPS] = yield from _sets(AlikeKind.GROUPS, services, place)
    if not request.resume:
        folder.discard()
        folder.write_plan(plan)
    before, embedder = vectors, None
    layers: list[TuneStep] = []
    if plan.layer_steps:
        changing = change_layers(plan, services, folder, ids=ids, sets=sets)
        ids, vectors, embedder = yield from _noting_steps(changing, layers)
        rows = [place[int(photo_id)] for photo_id in ids]
        before, sets = before[rows], _moved(sets, rows)
        place = {int(photo_id): row for row, photo_id in enumerate(ids)}
    view_ids, views = np.zeros(0, np.int64), np.zeros((0, 0, vectors.shape[1]), np.float32)
    if AlikeKind.VIEWS in plan.alike:
        view_ids, views = yield from _views(
            plan, services, folder, ids=ids, first=_marked(sets), embedder=embedder
        )
    view_rows = [place[int(i)] for i in view_ids]
    training = _training(plan, folder, vectors=vectors, views=views, sets=sets, rows=view_rows)
    if request.resume:
        training.restore()
    yield from _train(training, plan, folder)
    found = _Found(ids, before, vectors, sets, tuple(layers))
    result = _result(training, plan, services, found=found, seconds=time.monotonic() - began)
    folder.write_result(result)
    return result


def _mark(marks: Sequence[Sequence[int]], services: Services) -> MarkedGroups:
    with services.catalogue.writing():
        for photo_ids in marks:
            services.catalogue.groups.mark(photo_ids)
    return MarkedGroups(marked_groups(services))


@dataclass(frozen=True, slots=True)
class _Found:
    """What a tuning worked on: photos, their embeddings before and by changed layers, their sets."""

    ids: IdArray
    before: FloatArray
    vectors: FloatArray
    sets: dict[AlikeKind, Sets]
    layers: tuple[TuneStep, ...]


def _noting_steps(
    job: Generator[object, None, tuple[IdArray, FloatArray, Embedder]], steps: list[TuneStep]
) -> Generator[object, None, tuple[IdArray, FloatArray, Embedder]]:
    """Pass a job's messages on and remember its steps."""
    with contextlib.closing(job):
        while True:
            try:
                message = next(job)
            except StopIteration as ending:
                answer: tuple[IdArray, FloatArray, Embedder] = ending.value
                return answer
            if isinstance(message, TuneStep):
                steps.append(message)
            yield message


def _moved(sets: dict[AlikeKind, Sets], rows: list[int]) -> dict[AlikeKind, Sets]:
    """Sets of rows after rows were left out: `rows` are those that are still there."""
    new = {old: number for number, old in enumerate(rows)}
    return {
        kind: [[new[row] for row in members if row in new] for members in found]
        for kind, found in sets.items()
    }


def _new_plan(request: TuneRequest, services: Services) -> Plan:
    alike = (*request.alike, AlikeKind.GROUPS) if request.marks else request.alike
    if not alike:
        raise UserInputError("Nothing was chosen that counts as alike.", "Choose at least one kind.")
    if AlikeKind.PEOPLE in alike and not services.catalogue.people.searched():
        raise UserInputError(
            "The library does not know who is in a photo.", "Press Find people on the page People first."
        )
    name = encoder_to_tune(request.encoder, services)
    return Plan(
        encoder=name,
        version=services.encoder_version(name),
        alike=tuple(dict.fromkeys(alike)),
        steps=request.steps or STEPS,
        seed=request.seed,
        probes=request.probes,
        layer_steps=LAYER_STEPS if request.changes_layers else 0,
    )


def _stored(plan: Plan, services: Services) -> tuple[IdArray, FloatArray]:
    """The embeddings of the library by the encoder of the plan."""
    model = services.catalogue.current_model(plan.encoder)
    if model is None:
        raise UserInputError(
            f"The photos were not indexed with the encoder '{plan.encoder}' yet.", "Index the folders first."
        )
    if model.version != services.encoder_version(plan.encoder) or model.version != plan.version:
        raise UserInputError(
            f"The encoder '{plan.encoder}' was replaced since the photos were indexed.",
            "Index the folders again, then tune.",
        )
    return services.catalogue.stored_vectors(model)


def _check_before_views(plan: Plan, vectors: FloatArray, sets: dict[AlikeKind, Sets]) -> None:
    """Refuse what cannot be learned from before anything is embedded or an older tuning is forgotten."""
    from desktop_app.training.tune import make_data

    stand_in = vectors[None, :1] if AlikeKind.VIEWS in plan.alike and len(vectors) else None
    make_data(
        vectors,
        views=stand_in,
        view_rows=[0] if stand_in is not None else [],
        groupings=[(found, _STRETCH[kind]) for kind, found in sets.items()],
    )


# --- what is alike ----------------------------------------------------------------------------------------


def _sets(
    kind: AlikeKind, services: Services, place: dict[int, int], *, marks: Sequence[Sequence[int]] = ()
) -> Generator[Progress, None, Sets]:
    """Sets of rows by one kind of likeness; `marks` are groups that will be marked."""
    if kind is AlikeKind.GROUPS:
        groups = joined([*services.catalogue.groups.all().values(), *marks])
        found = [[place[i] for i in photos if i in place] for photos in groups]
        problem = "No photos are marked as belonging together yet."
    elif kind is AlikeKind.PEOPLE:
        by_person = photos_by_person(services)
        found = [[place[i] for i in photos if i in place] for photos in by_person.values()]
        problem = "Nobody is in two photos, as far as faces were found."
    else:
        rows = [row for row in all_photos(services) if row.photo_id in place]
        names = yield from _burst_names(rows) if kind is AlikeKind.BURSTS else _folder_names(rows)
        by_name: dict[str, list[int]] = defaultdict(list)
        for row, name in zip(rows, names, strict=True):
            if name:
                by_name[name].append(place[row.photo_id])
        found = list(by_name.values())
        problem = {
            AlikeKind.BURSTS: "No photos were taken within seconds of each other, by the time in the files.",
            AlikeKind.FOLDERS: "No folder holds two photos.",
        }[kind]
        if kind is AlikeKind.FOLDERS and len(found) == 1:
            raise UserInputError(
                "All photos lie in one folder, so folders tell nothing apart.",
                "Choose another kind of likeness.",
            )
    found = [members for members in found if len(members) > 1]
    if not found:
        raise UserInputError(problem, "Choose another kind of likeness.")
    if kind is AlikeKind.PEOPLE and len(found) < LEAST_PEOPLE:
        raise UserInputError(
            "Only one person is in two photos, so people tell nothing apart.",
            "Choose another kind of likeness.",
        )
    return found


def _folder_names(rows: Sequence[PhotoRow]) -> Generator[Progress, None, list[str]]:
    yield from ()
    return [str(row.path.parent) for row in rows]


def _burst_names(rows: Sequence[PhotoRow]) -> Generator[Progress, None, list[str]]:
    from desktop_app.training.alike import burst_names, captured_at

    times = []
    pace = Pace(len(rows), "Reading the times of the photos")
    for number, row in enumerate(rows, start=1):
        times.append(captured_at(row.path))
        if number % 50 == 0:
            yield pace.progress(number)
    return burst_names(times)


def _marked(sets: dict[AlikeKind, Sets]) -> list[int]:
    return [row for members in sets.get(AlikeKind.GROUPS, []) for row in members]


# --- views ------------------------------------------------------------------------------------------------


def _views(
    plan: Plan,
    services: Services,
    folder: TuningFolder,
    *,
    ids: IdArray,
    first: Sequence[int],
    embedder: Embedder | None,
) -> Generator[Progress, None, tuple[IdArray, FloatArray]]:
    """Embeddings of views of a sample of the photos, from their thumbnails; cached for a resumed tuning."""
    from desktop_app.training.tune_views import VIEWS_A_PHOTO, draw_view_vectors

    cached = folder.views()
    known = set(ids.tolist())
    if cached is not None and all(int(i) in known for i in cached[0]):
        return cached
    embedder = embedder or services.embedder(plan.encoder)
    chance = np.random.default_rng(plan.seed)
    order = dict.fromkeys([*first, *chance.permutation(len(ids)).tolist()])
    chosen = ids[np.array(list(order)[:_MOST_VIEWED], dtype=np.int64)]
    kept: list[int] = []
    made: list[FloatArray] = []
    pace = Pace(len(chosen), "Looking at views of the photos")
    for start in range(0, len(chosen), _VIEWS_A_BATCH):
        rows = services.catalogue.photos.by_ids(chosen[start : start + _VIEWS_A_BATCH].tolist())
        images = {
            photo_id: image for photo_id, row in rows.items() if (image := small_picture(row)) is not None
        }
        if images:
            made.append(
                draw_view_vectors(embedder, list(images.values()), seed=plan.seed * 1_000_003 + start)  # type: ignore[arg-type]
            )
            kept.extend(images)
        yield pace.progress(min(start + _VIEWS_A_BATCH, len(chosen)))
    if not made:
        raise UserInputError("None of the photos can be read any more.", "Check that their disk is there.")
    views = np.concatenate(made, axis=1)
    assert views.shape[0] == VIEWS_A_PHOTO
    folder.write_views(np.array(kept, np.int64), views)
    return np.array(kept, np.int64), views


# --- training ---------------------------------------------------------------------------------------------


def _training(
    plan: Plan,
    folder: TuningFolder,
    *,
    vectors: FloatArray,
    views: FloatArray,
    sets: dict[AlikeKind, Sets],
    rows: list[int],
) -> TuneTraining:
    from desktop_app.training.run_folder import RunFolder
    from desktop_app.training.tune import TuneConfig, TuneTraining, make_data

    data = make_data(
        vectors,
        views=views,
        view_rows=rows,
        groupings=[(found, _STRETCH[kind]) for kind, found in sets.items()],
    )
    config = TuneConfig(steps=plan.steps, seed=plan.seed)
    return TuneTraining(config, data, RunFolder(folder.path))


def _train(training: TuneTraining, plan: Plan, folder: TuningFolder) -> Iterator[object]:
    pace = Pace(plan.steps, "Learning")
    for figures in training.figures:
        yield tune_step(figures, plan, done=plan.layer_steps)
    steps = training.steps()
    try:
        for figures in steps:
            if figures.step % _SAVE_EVERY == 0:
                training.save()
                folder.note_done(plan, plan.layer_steps + figures.step)
            yield tune_step(figures, plan, done=plan.layer_steps)
            yield pace.progress(figures.step)
    finally:
        steps.close()
        folder.note_done(plan, plan.layer_steps + training.step)


def _result(
    training: TuneTraining,
    plan: Plan,
    services: Services,
    *,
    found: _Found,
    seconds: float,
) -> TuneResult:
    from desktop_app.training.tune import agreement

    tuned = training.head().applied(found.vectors)
    judged = [[members[:_MOST_JUDGED] for members in sets[:_MOST_JUDGED]] for sets in found.sets.values()]
    marked = _marked(found.sets)
    return TuneResult(
        encoder=plan.encoder,
        alike=plan.alike,
        photos=len(found.ids),
        steps=(
            *found.layers,
            *(tune_step(figures, plan, done=plan.layer_steps) for figures in training.figures),
        ),
        seconds=seconds,
        probes=_compare(plan, services, ids=found.ids, before=found.before, after=tuned, marked=marked),
        agreement_before=agreement(found.before, judged),
        agreement_after=agreement(tuned, judged),
    )


def _compare(
    plan: Plan,
    services: Services,
    *,
    ids: IdArray,
    before: FloatArray,
    after: FloatArray,
    marked: Sequence[int],
) -> tuple[ProbeNeighbours, ...]:
    """Neighbours of the probes; without any, photos that are not marked show best what was learned."""
    place = {int(photo_id): row for row, photo_id in enumerate(ids)}
    rows = [place[i] for i in plan.probes if i in place]
    if not rows:
        free = np.setdiff1d(np.arange(len(ids)), np.array(marked, dtype=np.int64))
        pool = free if len(free) >= PROBES else np.arange(len(ids))
        rows = np.random.default_rng(plan.seed).choice(pool, min(PROBES, len(pool)), replace=False).tolist()
    found = []
    for row in rows:
        both = []
        for vectors in (before, after):
            similarity = vectors @ vectors[row]
            similarity[row] = -np.inf
            both.append(ids[np.argsort(-similarity)[: min(NEIGHBOURS, len(ids) - 1)]].tolist())
        photos = services.catalogue.photos.by_ids([int(ids[row]), *both[0], *both[1]])
        if int(ids[row]) not in photos:  # a folder may have been removed while the tuning ran
            continue
        nearest = [tuple(photos[i] for i in one if i in photos) for one in both]
        found.append(ProbeNeighbours(photos[int(ids[row])], nearest[0], nearest[1]))
    return tuple(found)
