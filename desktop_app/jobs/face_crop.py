"""Cut the face out of a photo as a model wants it, and say what does not fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import Image, InvertRequest
from desktop_app.jobs.face_sessions import Quad

if TYPE_CHECKING:
    from desktop_app.engine.invert.model import InversionModel
    from desktop_app.jobs.services import Services

# A picture below this side holds no face that could be reconstructed.
SMALLEST_PX = 16
# The crop is sampled four times finer than it is stored and then reduced, as FFHQ itself is made;
# it is at least this large, so that a model with a small input is fed by proper reduction.
ALIGNED_PX = 256
OVERSAMPLING = 4
# From this share of the crop outside of the photo on, the user is told.
OUTSIDE_SHARE = 0.08
# A crop this much narrower than the model's input is enlarged so far that the user is told.
ENLARGED = 0.6
# A face that is this large in the picture is what the picture shows.
LARGE_FACE = 0.25
_GRID = 40
UNSTATED_DOMAIN = (
    "This model does not say what it paints, so it gets the whole picture: give it one that is cut out as "
    "its training pictures were."
)


@dataclass(frozen=True, slots=True)
class Crop:
    """A face, or a whole picture, as it is handed to a model.

    Attributes:
        face: The picture.
        quad: Its corners in the photo; empty for the whole picture.
        detector: `haar`, `yunet`, `manual` or `none`.
        faces: Faces found.
        notices: What the user should know.
    """

    face: Image
    quad: Quad
    detector: str
    faces: int
    notices: tuple[str, ...] = ()


def cut_out(photo: Image, request: InvertRequest, *, services: Services, model: InversionModel) -> Crop:
    """The face as the request wants it: as it is, by hand-placed points, or found.

    Raises:
        UserInputError: The photo is too small, has no face, or not the one that was asked for.
    """
    if min(photo.shape[:2]) < SMALLEST_PX:
        raise UserInputError(
            f"The photo is too small: {photo.shape[1]} x {photo.shape[0]} pixels, "
            f"at least {SMALLEST_PX} a side are needed.",
            "Use a larger photo.",
        )
    if request.is_aligned:
        return Crop(photo, (), "none", 1)
    if not model.preset.needs_alignment:
        return Crop(photo, (), "none", 1, _other_domain(photo, services=services, model=model))

    from desktop_app.engine.align.ffhq_crop import align_face

    quad, detector, count = _quad(photo, request, services=services)
    side = max(ALIGNED_PX, *model.input_size)
    face = align_face(photo, quad, output_px=side, transform_px=OVERSAMPLING * side)
    return Crop(face, quad, detector, count, _framing(photo, quad, model=model))


def at_input_size(face: Image, model: InversionModel) -> Image:
    """The face as the encoder gets it, read-only."""
    from desktop_app.engine.image_tensor import resized_image

    height, width = model.input_size
    aligned = resized_image(face, width_px=width, height_px=height)
    aligned.setflags(write=False)
    return aligned


def outside_share(quad: Quad, *, width_px: int, height_px: int) -> float:
    """Share of a crop that lies outside of its photo, 0 to 1."""
    corners = np.asarray(quad, dtype=np.float64)  # upper left, lower left, lower right, upper right
    places = (np.arange(_GRID) + 0.5) / _GRID
    across = corners[3] - corners[0]
    down = corners[1] - corners[0]
    points = corners[0] + places[:, None, None] * down + places[None, :, None] * across
    is_inside = (points >= 0).all(axis=2) & (points < (width_px, height_px)).all(axis=2)
    return float(1 - is_inside.mean())


def _quad(photo: Image, request: InvertRequest, *, services: Services) -> tuple[Quad, str, int]:
    """Corners of the crop, who found them, and how many faces there are."""
    if request.points is not None:
        from desktop_app.engine.align.ffhq_crop import quad_from_points

        return quad_from_points(request.points), "manual", 1
    found = services.faces.detector.find(photo)
    if not found:
        raise UserInputError(
            "No face was found in this photo.",
            "Place the eyes and the mouth by hand, or choose 'aligned' if the picture is a cut-out "
            "face already (--aligned).",
        )
    if not 0 <= request.face_index < len(found):
        raise UserInputError(
            f"There is no face number {request.face_index + 1}: "
            f"{len(found)} {'was' if len(found) == 1 else 'were'} found in this photo.",
            "Faces are numbered from 1, the largest first.",
        )
    return found[request.face_index].quad, services.faces.detector.name, len(found)


def _framing(photo: Image, quad: Quad, *, model: InversionModel) -> tuple[str, ...]:
    """What the user should know about where the crop lies."""
    from desktop_app.engine.align.ffhq_crop import quad_side_px

    notices = []
    share = outside_share(quad, width_px=photo.shape[1], height_px=photo.shape[0])
    if share >= OUTSIDE_SHARE:
        notices.append(
            f"The face reaches out of the photo: {100 * share:.0f} % of the crop were filled by mirroring."
        )
    side = quad_side_px(quad)
    if side < ENLARGED * model.input_px:
        notices.append(
            f"The face is small: its crop is {side:.0f} pixels wide and was enlarged to {model.input_px}."
        )
    return tuple(notices)


def _other_domain(photo: Image, *, services: Services, model: InversionModel) -> tuple[str, ...]:
    """A word when the photo plainly shows a face, which this model does not paint, or when nobody knows."""
    if not model.preset.name:
        return (UNSTATED_DOMAIN,)
    found = services.faces.detector.find(photo)
    if not found or found[0].box[2] < LARGE_FACE * min(photo.shape[:2]):
        return ()
    return (
        f"The photo shows a face, but this model paints something else: {model.preset.title}. "
        "Choose a face model to rebuild the face.",
    )
