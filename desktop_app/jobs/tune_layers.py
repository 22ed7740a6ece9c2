"""The slow part of a tuning, where it is wanted: change the last layers, then embed the library anew."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.catalogue.catalogue import IdArray
from desktop_app.catalogue.decode import UnreadablePhotoError, decode_photo
from desktop_app.core.errors import UserInputError
from desktop_app.core.types import AlikeKind, FloatArray, Image, PhotoRow, TuneStep
from desktop_app.jobs.pace import Pace
from desktop_app.jobs.services import Embedder, Services
from desktop_app.jobs.tuning_folder import Plan, TuningFolder

if TYPE_CHECKING:
    from desktop_app.training.tune_blocks import BlockTuning
    from desktop_app.training.tune_run import StepFigures

LAYER_STEPS = 60
# Pictures that are held in memory for the training of layers.
_MOST_LEARNED = 1000
_BATCH = 32
_SAVE_EVERY = 10
_THUMBNAIL_PX = 256


def small_picture(row: PhotoRow, *, least_px: int = 0) -> Image | None:
    """The thumbnail of a photo, or the photo itself where that is too small; None: unreadable."""
    for file in (row.thumbnail, row.path):
        if file is not None:
            try:
                image = decode_photo(file, max_megapixels=250, at_least_px=max(_THUMBNAIL_PX, least_px)).image
            except UnreadablePhotoError:
                continue
            if file == row.path or min(image.shape[:2]) >= least_px:
                return image
    return None


def change_layers(
    plan: Plan,
    services: Services,
    folder: TuningFolder,
    *,
    ids: IdArray,
    sets: dict[AlikeKind, list[list[int]]],
) -> Generator[object, None, tuple[IdArray, FloatArray, Embedder]]:
    """Change the last layers of a fresh copy of the encoder and embed the photos with it.

    Yields:
        `Progress` and `TuneStep`.

    Returns:
        Ids and embeddings of the photos that can still be read, and the changed encoder.
    """
    embedder = services.fresh_embedder(plan.encoder)
    training = yield from _training(plan, services, folder, ids=ids, sets=sets, embedder=embedder)
    training.restore()
    pace = Pace(plan.layer_steps, "Changing the last layers")
    for figures in training.figures:
        yield tune_step(figures, plan, done=0)
    steps = training.steps()
    try:
        for figures in steps:
            if figures.step % _SAVE_EVERY == 0:
                training.save()
                folder.note_done(plan, figures.step)
            yield tune_step(figures, plan, done=0)
            yield pace.progress(figures.step)
    finally:
        steps.close()
        folder.note_done(plan, training.step)
    stored = folder.vectors()
    if stored is None:
        found, vectors = yield from _embed(services, embedder, ids)
        folder.write_vectors(found, vectors)
        return found, vectors, embedder
    return *stored, embedder


def tune_step(figures: StepFigures, plan: Plan, *, done: int) -> TuneStep:
    """Figures of a step for the screen; `done` steps of earlier stages count before it."""
    return TuneStep(
        step=done + figures.step,
        steps=plan.all_steps,
        loss=figures.loss,
        alignment=figures.alignment,
        uniformity=figures.uniformity,
        is_collapsed=figures.is_collapsed,
    )


def _training(
    plan: Plan,
    services: Services,
    folder: TuningFolder,
    *,
    ids: IdArray,
    sets: dict[AlikeKind, list[list[int]]],
    embedder: Embedder,
) -> Generator[object, None, BlockTuning]:
    import torch

    from desktop_app.training.alike import AlikeSets
    from desktop_app.training.run_folder import RunFolder
    from desktop_app.training.tune_blocks import BlockConfig, BlockTuning

    kinds = _kinds(len(ids), sets)
    chance = np.random.default_rng(plan.seed)
    marked = [row for found in sets.values() for members in found for row in members]
    order = list(dict.fromkeys([*marked, *chance.permutation(len(ids)).tolist()]))[:_MOST_LEARNED]
    images: list[Image] = []
    kept: list[int] = []
    pace = Pace(len(order), "Reading photos")
    for start in range(0, len(order), _BATCH):
        rows = services.catalogue.photos.by_ids([int(ids[row]) for row in order[start : start + _BATCH]])
        for row in order[start : start + _BATCH]:
            photo = rows.get(int(ids[row]))
            image = small_picture(photo) if photo is not None else None
            if image is not None:
                images.append(image)
                kept.append(row)
        yield pace.progress(min(start + _BATCH, len(order)))
    numbers = np.unique(kinds[kept], return_inverse=True)[1]
    return BlockTuning(
        BlockConfig(steps=plan.layer_steps, seed=plan.seed),
        embedder,  # type: ignore[arg-type]
        images,
        sets=AlikeSets(torch.from_numpy(numbers.astype(np.int64))),
        run=RunFolder(folder.path / "layers"),
    )


def _kinds(count: int, sets: dict[AlikeKind, list[list[int]]]) -> np.ndarray:
    """The set of each row; a row of no set is one of its own. Of several groupings the user's word counts."""
    kinds = np.arange(count)
    order = sorted(sets, key=lambda kind: kind is AlikeKind.GROUPS)
    number = count
    for kind in order:
        for members in sets[kind]:
            kinds[members] = number
            number += 1
    return kinds


def _embed(
    services: Services, embedder: Embedder, ids: IdArray
) -> Generator[object, None, tuple[IdArray, FloatArray]]:
    """Embeddings of all photos by the changed encoder, from their thumbnails where these are large enough."""
    found: list[int] = []
    made: list[FloatArray] = []
    pace = Pace(len(ids), "Embedding the photos")
    for start in range(0, len(ids), _BATCH):
        rows = services.catalogue.photos.by_ids(ids[start : start + _BATCH].tolist())
        prepared, names = _prepared(list(rows.values()), embedder)
        if prepared:
            made.append(embedder.embed_prepared(np.stack(prepared)))
            found.extend(names)
        yield pace.progress(min(start + _BATCH, len(ids)))
    if not made:
        raise UserInputError("None of the photos can be read any more.", "Check that their disk is there.")
    order = np.argsort(np.array(found), kind="stable")
    return np.array(found, np.int64)[order], np.concatenate(made)[order]


def _prepared(rows: Sequence[PhotoRow], embedder: Embedder) -> tuple[list[Image], list[int]]:
    prepared, names = [], []
    for row in rows:
        image = small_picture(row, least_px=embedder.input_px)
        if image is not None:
            prepared.append(embedder.prepare(image))
            names.append(row.photo_id)
    return prepared, names
