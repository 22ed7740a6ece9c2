"""Find the faces of a photo, and place the crop of hand-placed points."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.core.types import (
    FacesFound,
    FindFacesRequest,
    Image,
    Progress,
    QuadAnswer,
    QuadRequest,
)

if TYPE_CHECKING:
    from desktop_app.jobs.services import Services

# Longer side of the picture that is shown while a face is chosen.
PREVIEW_PX = 1600


def run(
    request: FindFacesRequest | QuadRequest, services: Services
) -> Generator[Progress, None, FacesFound | QuadAnswer]:
    """Answer a `FindFacesRequest` or a `QuadRequest`.

    Yields:
        Progress between reading the photo and looking for faces.

    Raises:
        UserInputError: The photo is not readable, or the points give no crop.
    """
    if isinstance(request, QuadRequest):
        from desktop_app.engine.align.ffhq_crop import quad_from_points

        return QuadAnswer(quad_from_points(request.points))
    yield Progress(0, 2, text="Reading the photo")
    photo = services.read_photo(request.source)
    yield Progress(1, 2, text="Looking for faces")
    detector = services.faces.detector
    faces = detector.find(photo)
    image, scale = preview(photo)
    return FacesFound(
        image=image,
        scale=scale,
        width_px=photo.shape[1],
        height_px=photo.shape[0],
        faces=faces,
        detector=detector.name,
    )


def preview(photo: Image) -> tuple[Image, float]:
    """The photo for display, read-only, and display pixels per photo pixel."""
    from desktop_app.engine.image_tensor import reduced_image

    scale = min(1.0, PREVIEW_PX / max(photo.shape[:2]))
    image = reduced_image(photo, scale) if scale < 1 else np.array(photo)
    image.setflags(write=False)
    return image, scale
