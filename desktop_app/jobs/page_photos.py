"""Answer a stretch of the grid, or photos by their ids."""

from __future__ import annotations

from collections.abc import Generator

from desktop_app.core.types import PageRequest, PhotoPage, PhotoRows, PhotosRequest
from desktop_app.jobs.services import Services


def run(
    request: PageRequest | PhotosRequest, services: Services
) -> Generator[object, None, PhotoPage | PhotoRows]:
    """Read the rows.

    Returns:
        `PhotoPage` or `PhotoRows`.
    """
    yield from ()
    photos = services.catalogue.photos
    if isinstance(request, PhotosRequest):
        found = photos.by_ids(request.photo_ids)
        return PhotoRows(tuple(found[i] for i in request.photo_ids if i in found))
    return photos.page(request)
