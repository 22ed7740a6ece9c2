"""Put an edited face back into its photo, through the inverse of the crop and a soft mask."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from desktop_app.core.types import FloatArray, Image, PasteMode
from desktop_app.engine.align.ffhq_crop import (
    Quad,
    align_face,
    aligned_to_photo,
    check_quad,
    photo_to_aligned,
    quad_side_px,
)
from desktop_app.engine.align.paste_change import carry_change, head_weight

# Side at which colours along the seam are compared.
SEAM_PX = 64
# Width of the blur that carries the seam's colours inwards, as a share of the side.
SEAM_REACH = 0.25

# Rows that are pasted at once: what is needed of them stays in the processor's cache.
_BAND_PX = 64

Box = tuple[slice, slice]
ChangeIn = Callable[[Box], FloatArray]


@dataclass(frozen=True, slots=True)
class FacePaste:
    """A face to put back.

    Attributes:
        quad: Where it was cut out.
        edited: The edited face, (S, S, 3) float32, 0..255.
        reconstruction: The face before the edit, of the same size.
        blend: Width of the soft edge as a share of the quad's side, [0, 0.5].
        mode: Add the change to the photo's pixels, or replace them.
    """

    quad: Quad
    edited: FloatArray
    reconstruction: FloatArray
    blend: float = 0.15
    mode: PasteMode = PasteMode.CHANGE


def paste_back(photo: Image, paste: FacePaste) -> Image:
    """The photo with the face put back; pixels outside the quad stay as they are, to the bit.

    Args:
        photo: The full-size photo from which the face was cut, upright.
        paste: The face.

    Returns:
        A new image of the photo's size, read-only.

    Raises:
        UserInputError: The quad does not touch the photo.
    """
    check_quad(np.array(paste.quad, dtype=np.float64), width=photo.shape[1], height=photo.shape[0])
    if paste.edited.shape != paste.reconstruction.shape or paste.edited.shape[0] != paste.edited.shape[1]:
        raise ValueError(f"shapes differ: {paste.edited.shape}, {paste.reconstruction.shape}")
    box = _quad_box(paste.quad, width=photo.shape[1], height=photo.shape[0])
    result = photo.copy()
    change_of = _carried_change if paste.mode is PasteMode.CHANGE else _replaced_change
    change_in = change_of(photo, paste, box)
    for top in range(box[0].start, box[0].stop, _BAND_PX):
        band = (slice(top, min(top + _BAND_PX, box[0].stop)), box[1])
        weight = soft_mask(paste.quad, band, blend=paste.blend)[:, :, None]
        # A pixel that nothing changes keeps its value exactly: the sum is rounded, not the parts.
        blended = photo[band] + weight * change_in(band)
        result[band] = np.clip(np.rint(blended, out=blended), 0, 255, out=blended)
    result.setflags(write=False)
    return result


def soft_mask(quad: Quad, box: Box, *, blend: float) -> FloatArray:
    """Weights of the face in a part of the photo: 0 outside the quad, 1 inside its soft edge.

    Args:
        quad: Where the face was cut out.
        box: Rows and columns of the photo.
        blend: Width of the soft edge as a share of the side; 0: a hard edge.

    Returns:
        (rows, columns) float32.
    """
    matrix = photo_to_aligned(quad, aligned_px=1)
    rows = np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None]
    columns = np.arange(box[1].start, box[1].stop, dtype=np.float32)[None, :]
    weight = np.ones((rows.size, columns.size), dtype=np.float32)
    for a, b, c in matrix.astype(np.float32):
        place = a * columns + b * rows + c + 0.5  # 0..1 across the quad
        depth = np.minimum(place, 1.0 - place)
        share = np.clip(depth / blend, 0.0, 1.0) if blend > 0 else (depth >= 0).astype(np.float32)
        weight *= share * share * (3.0 - 2.0 * share)
    return weight


def _replaced_change(photo: Image, paste: FacePaste, box: Box) -> ChangeIn:
    """The difference between the edited face and the photo's pixels."""
    head = head_weight(paste.edited.shape[0])
    face = _reduced(paste.edited + _seam_correction(photo, paste), paste.quad)
    weight = _reduced(head, paste.quad)

    def change(band: Box) -> FloatArray:
        there: FloatArray = _in_photo(face, paste.quad, band) - photo[band]
        there *= _in_photo(weight, paste.quad, band, flags=cv2.INTER_LINEAR)[:, :, None]
        return there

    return change


def _carried_change(photo: Image, paste: FacePaste, box: Box) -> ChangeIn:
    """What the edit changes of the photo's pixels, which go along with what it moves."""
    carried = carry_change(_around(photo, paste, box), paste.edited, paste.reconstruction)
    corners = np.array(paste.quad)
    along = np.stack([corners[3] - corners[0], corners[1] - corners[0]]).astype(np.float32)  # right, down
    own = photo[box]
    shift_px = carried.shift @ along
    moving = _reduced(np.concatenate([shift_px, carried.kept], axis=2), paste.quad)
    added = _reduced(carried.added, paste.quad)
    columns = np.arange(own.shape[1], dtype=np.float32)[None, :]

    def change(band: Box) -> FloatArray:
        there = _in_photo(moving, paste.quad, band, flags=cv2.INTER_LINEAR)
        rows = np.arange(band[0].start - box[0].start, band[0].stop - box[0].start, dtype=np.float32)[:, None]
        moved = cv2.remap(
            own,
            columns + there[:, :, 0],
            rows + there[:, :, 1],
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT,
        )
        found: FloatArray = there[:, :, 2:] * moved
        found += _in_photo(added, paste.quad, band)
        found -= photo[band]
        return found

    return change


def _around(photo: Image, paste: FacePaste, box: Box) -> FloatArray:
    """The photo's own pixels in the frame and size of the edited face; beyond the photo its reflection."""
    side = paste.edited.shape[0]
    own = photo[box]
    shrink = max(min(quad_side_px(paste.quad) / (2 * side), min(own.shape[:2]) / 2), 1.0)
    size = (max(round(own.shape[1] / shrink), 1), max(round(own.shape[0] / shrink), 1))
    small = cv2.resize(own, size, interpolation=cv2.INTER_AREA) if shrink > 1 else own
    scale = np.array([size[0] / own.shape[1], size[1] / own.shape[0]])
    matrix = aligned_to_photo(paste.quad, aligned_px=2 * side)
    matrix[:, 2] -= (box[1].start, box[0].start)
    matrix *= scale[:, None]
    matrix[:, 2] += 0.5 * scale - 0.5  # pixel centres
    twice = cv2.warpAffine(
        small,
        matrix,
        (2 * side, 2 * side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    there: FloatArray = cv2.resize(twice, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    return there


def _quad_box(quad: Quad, *, width: int, height: int) -> Box:
    corners = np.array(quad)
    low, high = corners.min(axis=0), corners.max(axis=0)
    return (
        slice(max(math.floor(low[1]), 0), min(math.ceil(high[1]) + 1, height)),
        slice(max(math.floor(low[0]), 0), min(math.ceil(high[0]) + 1, width)),
    )


def _reduced(face: FloatArray, quad: Quad) -> FloatArray:
    """A picture in the crop's frame that is no finer than the photo: sampling alone would alias."""
    side = quad_side_px(quad)
    if face.shape[0] <= 1.5 * side:
        return face
    smaller = max(round(side), 1)
    small: FloatArray = cv2.resize(face, (smaller, smaller), interpolation=cv2.INTER_AREA)
    return small


def _in_photo(face: FloatArray, quad: Quad, box: Box, *, flags: int = cv2.INTER_CUBIC) -> FloatArray:
    """A picture in the crop's frame, resampled onto photo pixels; outside it the rim goes on."""
    matrix = photo_to_aligned(quad, aligned_px=face.shape[0])
    matrix[:, 2] += matrix[:, :2] @ np.array([box[1].start, box[0].start])
    size = (box[1].stop - box[1].start, box[0].stop - box[0].start)
    there: FloatArray = cv2.warpAffine(
        face, matrix, size, flags=flags | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    return there


def _seam_correction(photo: Image, paste: FacePaste) -> FloatArray:
    """A smooth colour offset that makes the face agree with the photo along its rim.

    The difference to the photo is taken where the mask fades and carried inwards by a blur that is
    divided by the blurred weights, so that no rim colour gets lost on the way.
    """
    around = align_face(photo, paste.quad, output_px=SEAM_PX, transform_px=4 * SEAM_PX).astype(np.float32)
    face = cv2.resize(
        paste.edited,
        (SEAM_PX, SEAM_PX),
        interpolation=cv2.INTER_AREA if paste.edited.shape[0] > SEAM_PX else cv2.INTER_LINEAR,
    )
    place = (np.arange(SEAM_PX) + 0.5) / SEAM_PX
    depth = np.minimum(place, 1 - place)
    rim = np.minimum(depth[:, None], depth[None, :]) < max(paste.blend, 2.0 / SEAM_PX)
    weight = (rim & _inside_photo(photo, paste.quad)).astype(np.float32)
    if not weight.any():
        return np.zeros_like(paste.edited)
    sigma = SEAM_REACH * SEAM_PX
    carried = cv2.GaussianBlur((around - face) * weight[:, :, None], (0, 0), sigma)
    total = cv2.GaussianBlur(weight, (0, 0), sigma)
    offset = carried / np.maximum(total, 1e-6)[:, :, None]
    size = paste.edited.shape[0]
    smooth: FloatArray = cv2.resize(offset, (size, size), interpolation=cv2.INTER_CUBIC)
    return smooth


def _inside_photo(photo: Image, quad: Quad) -> npt.NDArray[np.bool_]:
    """Which pixels of the crop lie on the photo, not on its reflection."""
    corners = np.array(quad)
    place = (np.arange(SEAM_PX) + 0.5) / SEAM_PX
    across, down = corners[3] - corners[0], corners[1] - corners[0]
    points = corners[0] + place[None, :, None] * across + place[:, None, None] * down
    high = np.array([photo.shape[1] - 1, photo.shape[0] - 1])
    inside: npt.NDArray[np.bool_] = ((points >= 0) & (points <= high)).all(axis=2)
    return inside
