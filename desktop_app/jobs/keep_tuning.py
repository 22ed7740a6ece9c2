"""Write a finished tuning as a model of its own and compute its embeddings; those of its base stay."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.core.types import AlikeKind, KeepTuningRequest, KeptTuning, Progress
from desktop_app.jobs.pace import Pace
from desktop_app.jobs.services import Services
from desktop_app.jobs.tuning_folder import Plan, TuningFolder, require_plan

if TYPE_CHECKING:
    from torch import Tensor

    from desktop_app.engine.embed.tuned_head import MetricHead
    from desktop_app.engine.weights.store import ModelCard

_log = logging.getLogger(__name__)

_ROWS_A_BATCH = 4096
_NAME = "contrastive_tuned"
_ALIKE_TEXTS = {
    AlikeKind.VIEWS: "views of a photo",
    AlikeKind.BURSTS: "photos taken within seconds",
    AlikeKind.FOLDERS: "photos of one folder",
    AlikeKind.PEOPLE: "photos of one person",
    AlikeKind.GROUPS: "marked groups",
}


def run(request: KeepTuningRequest, services: Services) -> Generator[object, None, KeptTuning]:
    """Keep the finished tuning.

    Yields:
        `Progress`.

    Returns:
        `KeptTuning`; it is not searched with before it is switched to.

    Raises:
        UserInputError: There is no finished tuning, or its encoder was replaced meanwhile.
        ResourceError: The disk is full; the old embeddings are untouched.
    """
    began = time.monotonic()
    folder = TuningFolder(services.library)
    plan = require_plan(folder)
    result = folder.result(services.catalogue)
    if result is None:
        raise UserInputError("The tuning is not finished yet.", "Go on with it first, or discard it.")
    if services.encoder_version(plan.encoder) != plan.version:
        raise UserInputError(
            f"The encoder '{plan.encoder}' was replaced since the tuning.",
            "Discard the tuning and start again.",
        )
    yield Progress(0, result.photos, text="Writing the tuned encoder")
    card, head = _write(request, plan, services, photos=result.photos)
    yield from _compute(card, plan, services, head=head)
    folder.discard()
    _log.info("kept the tuned encoder %s", card.name)
    photos = services.catalogue.vector_counts().get(card.name, 0)
    return KeptTuning(card.name, card.title, photos, time.monotonic() - began)


def _write(
    request: KeepTuningRequest, plan: Plan, services: Services, *, photos: int
) -> tuple[ModelCard, MetricHead]:
    """The model: card and head."""
    from desktop_app.engine.embed.tuned_encoder import ARCHITECTURE, read_head
    from desktop_app.engine.embed.tuned_head import MEAN
    from desktop_app.engine.weights.store import ModelCard, write_model

    tensors = _head(plan, services)
    names = {card.name for card in services.models.cards()}
    number = next(n for n in range(1, len(names) + 2) if f"{_NAME}.{n}" not in names)
    digest = _digest(plan, services)
    base_title = str(services.card_of(plan.encoder).get("title") or plan.encoder)
    alike = ", ".join(_ALIKE_TEXTS[kind] for kind in plan.alike)
    card = write_model(
        ModelCard(
            name=f"{_NAME}.{number}",
            role="encoder",
            architecture=ARCHITECTURE,
            config={
                "base": plan.encoder,
                "base_version": digest,
                "embedding_size": len(tensors[MEAN]),
            },
            title=request.title.strip() or f"Tuned on your photos ({number})",
            licence=str(services.card_of(plan.encoder).get("licence") or "as its base encoder"),
            sources=f"{plan.encoder}, tuned on photos of this library",
            sha256="",
            bytes=0,
            facts={
                "base encoder": f"{base_title} ({plan.encoder})",
                "digest of the base": digest,
                "alike": alike,
                "learned from": f"{photos} photos",
                "changed": "the head and the last layers" if plan.layer_steps else "the head",
                "steps": str(plan.all_steps),
            },
            folder=services.paths.models,
        ),
        tensors,
    )
    return card, read_head(card, tensors)


def _digest(plan: Plan, services: Services) -> str:
    """What the base encoder calls its weights; only a card tells it without loading them."""
    if services.card_of(plan.encoder):
        return plan.version
    return str(getattr(services.embedder(plan.encoder), "version", plan.version))


def _head(plan: Plan, services: Services) -> dict[str, Tensor]:
    """The head of the finished training, from its checkpoint."""
    from desktop_app.training.run_folder import RunFolder

    saved = RunFolder(TuningFolder(services.library).path).load()
    if saved is None or saved["step"] < plan.steps or not saved.get("head"):
        raise WeightsError(
            "The checkpoint of the tuning is gone, or of an older version.",
            "Discard the tuning and start again.",
        )
    tensors: dict[str, Tensor] = dict(saved["head"])
    if plan.layer_steps:
        layers = RunFolder(TuningFolder(services.library).path / "layers").load()
        if layers is None or layers["step"] < plan.layer_steps:
            raise WeightsError("The checkpoint of the tuning is gone.", "Discard the tuning and start again.")
        tensors.update(layers["changed"])
    return tensors


def _compute(card: ModelCard, plan: Plan, services: Services, *, head: MetricHead) -> Iterator[Progress]:
    """Embeddings of all photos, from those of the base or of its changed layers: none is decoded again."""
    catalogue = services.catalogue
    base = catalogue.current_model(plan.encoder)
    if base is None or base.version != plan.version:
        raise UserInputError(
            f"The photos are not indexed with '{plan.encoder}' any more.", "Index the folders again."
        )
    ids, vectors = catalogue.stored_vectors(base)
    if plan.layer_steps:
        changed = TuningFolder(services.library).vectors()
        if changed is None:
            raise WeightsError("The embeddings of the tuning are gone.", "Discard it and start again.")
        ids, vectors = changed
    pace = Pace(len(ids), "Computing the new embeddings")
    with catalogue.writing():
        model = catalogue.use_model(card.name, card.sha256[:16], embedding_size=head.embedding_size)
        for start in range(0, len(ids), _ROWS_A_BATCH):
            piece = slice(start, start + _ROWS_A_BATCH)
            catalogue.put_vectors(model, ids[piece].tolist(), head.applied(vectors[piece]))
            yield pace.progress(min(start + _ROWS_A_BATCH, len(ids)))
