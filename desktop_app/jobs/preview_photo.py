"""One picture, large enough to look at."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.core.types import Image, PhotoPreview, PhotoSource, PreviewRequest, read_only

if TYPE_CHECKING:
    from desktop_app.jobs.services import Services


def run(request: PreviewRequest, services: Services) -> Generator[object, None, PhotoPreview]:
    """Decode a picture no larger than needed and reduce it.

    Raises:
        UserInputError: The source is not readable.
    """
    yield None
    photo_id = request.source.photo_id
    faces = services.catalogue.people.faces_in(photo_id) if photo_id is not None else 0
    return PhotoPreview(
        request.serial, *reduced_photo(request.source, services, max_px=request.max_px), faces=faces
    )


def reduced_photo(source: PhotoSource, services: Services, *, max_px: int) -> tuple[Image, int, int]:
    """A picture reduced for display, read-only, and width and height of the full one.

    Raises:
        UserInputError: The source is not readable.
    """
    from desktop_app.catalogue.decode import decode_photo

    if source.image is not None:
        image = services.read_photo(source)
        height_px, width_px = image.shape[:2]
    else:
        decoded = decode_photo(
            services.source_path(source),
            max_megapixels=services.settings.library.max_megapixels,
            at_least_px=max_px,
        )
        image, width_px, height_px = decoded.image, decoded.width_px, decoded.height_px
    return _reduced(image, max_px), width_px, height_px


def _reduced(image: Image, max_px: int) -> Image:
    from PIL import Image as PilImage

    height_px, width_px = image.shape[:2]
    factor = max_px / max(height_px, width_px)
    if factor < 1.0:
        size = (max(1, round(width_px * factor)), max(1, round(height_px * factor)))
        picture = PilImage.fromarray(image).resize(size, PilImage.Resampling.LANCZOS, reducing_gap=2.0)
        image = np.array(picture)
    else:
        image = np.array(image)
    read_only(image)
    return image
