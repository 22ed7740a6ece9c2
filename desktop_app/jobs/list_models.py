"""List the models that are there."""

from __future__ import annotations

from collections.abc import Generator

from desktop_app.core.types import ModelList, ModelsRequest
from desktop_app.jobs.services import Services


def run(request: ModelsRequest, services: Services) -> Generator[object, None, ModelList]:
    """Read the cards.

    Returns:
        `ModelList`, built-in models first.
    """
    yield from ()
    return ModelList(models=tuple(services.models.infos()))
