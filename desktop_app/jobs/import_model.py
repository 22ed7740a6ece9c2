"""Bring published weights files into the models, and take imported models out again."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import overload

from desktop_app.core.types import (
    ImportedModel,
    ImportModelRequest,
    ModelInfo,
    ModelList,
    Progress,
    RemoveModelRequest,
)
from desktop_app.jobs.services import Services

_MB = 1_000_000


@overload
def run(request: ImportModelRequest, services: Services) -> Generator[object, None, ImportedModel]: ...
@overload
def run(request: RemoveModelRequest, services: Services) -> Generator[object, None, ModelList]: ...
def run(
    request: ImportModelRequest | RemoveModelRequest, services: Services
) -> Generator[object, None, ImportedModel] | Generator[object, None, ModelList]:
    """Import or remove a model.

    Yields:
        `Progress`, in megabytes.

    Returns:
        `ImportedModel`, or `ModelList` after a removal.

    Raises:
        WeightsError: The file cannot be used, or there is no such model.
        UserInputError: The name cannot be used, or the model came with the program.
        ResourceError: Disk full, folder not writable, too much time.
    """
    if isinstance(request, RemoveModelRequest):
        return _remove(request.name, services)
    return _import(request, services)


def _import(request: ImportModelRequest, services: Services) -> Generator[object, None, ImportedModel]:
    yield Progress(done=0, total=None, text=f"Opening {Path(request.path).name}")
    from desktop_app.engine.weights.import_file import ImportWish, import_file

    wish = ImportWish(
        file=request.path, folder=services.paths.models, licence=request.licence, name=request.name
    )
    work = import_file(wish, services.models)
    try:
        while True:
            try:
                step = next(work)
            except StopIteration as ending:
                done = ending.value
                break
            total = None if step.total is None else step.total // _MB
            yield Progress(done=step.done // _MB, total=total, text=step.text)
    finally:
        work.close()
    services.faces.models_changed()
    from desktop_app.engine.metrics.lpips import ALEXNET, HEADS, missing_part

    part = missing_part(services.models) if done.card.architecture in (HEADS, ALEXNET) else ""
    return ImportedModel(
        model=_info(done.card.name, services),
        architecture=done.card.architecture,
        notes=(*done.notes, part) if part else done.notes,
        seconds=done.seconds,
        peak_bytes=done.peak_bytes,
    )


def _info(name: str, services: Services) -> ModelInfo:
    return next(info for info in services.models.infos() if info.name == name)


def _remove(name: str, services: Services) -> Generator[object, None, ModelList]:
    yield from ()
    from desktop_app.engine.weights.import_file import remove_model

    remove_model(services.models, name)
    services.faces.models_changed(removed=name)
    return ModelList(models=tuple(services.models.infos()))
