"""Answer a stretch of the grid."""

from __future__ import annotations

from collections.abc import Generator

from desktop_app.core.types import PageRequest, PhotoPage
from desktop_app.jobs.services import Services


def run(request: PageRequest, services: Services) -> Generator[object, None, PhotoPage]:
    """Read the rows.

    Returns:
        `PhotoPage`.
    """
    yield from ()
    return services.catalogue.photos.page(request)
