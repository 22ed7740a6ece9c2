"""FFHQ alignment: from four face points to the crop's quad, and from the quad to the aligned face.

Source: the alignment of the FFHQ data set (Karras et al., 2019), restated in the reference,
section 9. Quad points are in pixel-index coordinates: the centre of the first pixel is (0, 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import FacePoints, Image

Points = npt.NDArray[np.float64]

Quad = tuple[tuple[float, float], ...]

# Factors of the crop (reference, section 9).
EYE_FACTOR = 2.0
MOUTH_FACTOR = 1.8
MOUTH_SHIFT = 0.1
# Below this side the crop holds fewer than 4 pixels between the eyes: nothing to reconstruct.
SMALLEST_QUAD_PX = 16.0


@dataclass(frozen=True, slots=True)
class CropTrace:
    """What the alignment did on its way; compared with the official code in the parity test.

    Attributes:
        shrink: Factor by which the photo was reduced first; 0 or 1: not at all.
        crop: Left, top, right, bottom that was cut out; None when no cut was made.
        pad: Left, top, right, bottom padding added; zeros when none was needed.
        quad: Corners in the picture handed to the transform.
        size: Width and height of that picture.
    """

    shrink: int
    crop: tuple[int, int, int, int] | None
    pad: tuple[int, int, int, int]
    quad: Points
    size: tuple[int, int]


def quad_from_points(points: FacePoints) -> Quad:
    """Corners of the crop: upper left, lower left, lower right, upper right.

    Raises:
        UserInputError: The points lie on each other or are no finite numbers.
    """
    left, right, mouth_left, mouth_right = (
        np.array(p, dtype=np.float64)
        for p in (points.left_eye, points.right_eye, points.left_mouth, points.right_mouth)
    )
    if not all(np.isfinite(p).all() for p in (left, right, mouth_left, mouth_right)):
        raise UserInputError("The face points are no usable positions.", "Place the points again.")
    eye_avg = (left + right) * 0.5
    eye_to_eye = right - left
    eye_to_mouth = (mouth_left + mouth_right) * 0.5 - eye_avg
    x = eye_to_eye - _rotated(eye_to_mouth)
    length = float(np.hypot(*x))
    reach = max(float(np.hypot(*eye_to_eye)) * EYE_FACTOR, float(np.hypot(*eye_to_mouth)) * MOUTH_FACTOR)
    if length < 1e-6 or reach < 1e-6:
        raise UserInputError(
            "The face points give no direction: they lie on each other.", "Place eyes and mouth apart."
        )
    x = x / length * reach
    y = _rotated(x)
    centre = eye_avg + eye_to_mouth * MOUTH_SHIFT
    corners = (centre - x - y, centre - x + y, centre + x + y, centre + x - y)
    return tuple((float(c[0]), float(c[1])) for c in corners)


def quad_side_px(quad: Quad) -> float:
    """Side of the quad in photo pixels."""
    return math.dist(quad[0], quad[3])


def align_face(photo: Image, quad: Quad, *, output_px: int, transform_px: int = 0) -> Image:
    """Cut the face out of a photo.

    Args:
        photo: The upright photo.
        quad: Corners from `quad_from_points`.
        output_px: Side of the aligned face.
        transform_px: Side at which the photo is sampled before it is reduced to `output_px`; 0:
            the same. FFHQ itself samples at four times the output, which avoids aliasing.

    Returns:
        (output_px, output_px, 3) uint8, RGB, read-only. Parts outside the photo are filled with its
        blurred reflection.

    Raises:
        UserInputError: The crop is too small or lies outside the photo.
    """
    return align_face_traced(photo, quad, output_px=output_px, transform_px=transform_px)[0]


def align_face_traced(
    photo: Image, quad: Quad, *, output_px: int, transform_px: int = 0
) -> tuple[Image, CropTrace]:
    """`align_face`, with what it did on its way."""
    corners = np.array(quad, dtype=np.float64)
    check_quad(corners, width=photo.shape[1], height=photo.shape[0])
    sampled_px = transform_px or output_px
    side = float(np.hypot(*(corners[3] - corners[0])))

    picture, corners, side, shrink = _shrunk(photo, corners, side=side, output_px=output_px)
    border = max(round_half_even(side * 0.1), 3)
    picture, corners, crop = _cropped(picture, corners, border=border)
    picture, corners, pad = _padded(picture, corners, border=border, side=side)

    trace = CropTrace(shrink, crop, pad, corners, picture.size)
    face = picture.transform(
        (sampled_px, sampled_px),
        PilImage.Transform.QUAD,
        tuple((corners + 0.5).flatten()),
        PilImage.Resampling.BILINEAR,
    )
    if output_px < sampled_px:
        face = face.resize((output_px, output_px), PilImage.Resampling.LANCZOS)
    aligned = np.array(face, dtype=np.uint8, order="C")
    aligned.setflags(write=False)
    return aligned, trace


def photo_to_aligned(quad: Quad, *, aligned_px: int) -> npt.NDArray[np.float64]:
    """The 2x3 matrix from photo pixels to pixels of an aligned face of side `aligned_px`.

    Both in pixel-index coordinates. The quad is a square, so the mapping is affine and exact.
    """
    return invert_affine(aligned_to_photo(quad, aligned_px=aligned_px))


def aligned_to_photo(quad: Quad, *, aligned_px: int) -> npt.NDArray[np.float64]:
    """The 2x3 matrix from pixels of an aligned face of side `aligned_px` to photo pixels."""
    corners = np.array(quad, dtype=np.float64)
    across = (corners[3] - corners[0]) / aligned_px
    down = (corners[1] - corners[0]) / aligned_px
    origin = corners[0] + 0.5 * (across + down)  # the centre of the first aligned pixel
    return np.stack([across, down, origin], axis=1)


def invert_affine(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The inverse of a 2x3 affine matrix."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, -(linear @ matrix[:, 2:])], axis=1)


def check_quad(corners: Points, *, width: int, height: int) -> None:
    """Refuse a quad that cannot be cut out of a photo of this size.

    Raises:
        UserInputError: It is too small, not finite, or does not touch the photo.
    """
    if corners.shape != (4, 2) or not np.isfinite(corners).all():
        raise UserInputError("The crop has no usable corners.", "Place the face points again.")
    side = float(np.hypot(*(corners[3] - corners[0])))
    if side < SMALLEST_QUAD_PX:
        raise UserInputError(
            f"The face is too small: its crop is {side:.0f} pixels wide, "
            f"at least {SMALLEST_QUAD_PX:.0f} are needed.",
            "Use a larger photo.",
        )
    low, high = corners.min(axis=0), corners.max(axis=0)
    centre = corners.mean(axis=0)
    outside = high[0] < 1 or high[1] < 1 or low[0] > width - 2 or low[1] > height - 2
    far = not (-side / 2 <= centre[0] <= width + side / 2 and -side / 2 <= centre[1] <= height + side / 2)
    if outside or far:
        raise UserInputError("The crop lies outside the photo.", "Place the face points on the face.")


def round_half_even(value: float) -> int:
    """Rounding as numpy's `rint`."""
    return int(np.rint(value))


def _rotated(vector: Points) -> Points:
    return np.array([-vector[1], vector[0]])


def _shrunk(
    photo: Image, corners: Points, *, side: float, output_px: int
) -> tuple[PilImage.Image, Points, float, int]:
    """Reduce a photo whose face is more than four times larger than wanted."""
    picture = PilImage.fromarray(photo)
    shrink = math.floor(side / output_px * 0.5)
    if shrink <= 1:
        return picture, corners, side, shrink
    size = (
        max(round_half_even(picture.width / shrink), 1),
        max(round_half_even(picture.height / shrink), 1),
    )
    return picture.resize(size, PilImage.Resampling.LANCZOS), corners / shrink, side / shrink, shrink


def _box(corners: Points) -> tuple[int, int, int, int]:
    low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _cropped(
    picture: PilImage.Image, corners: Points, *, border: int
) -> tuple[PilImage.Image, Points, tuple[int, int, int, int] | None]:
    left, top, right, bottom = _box(corners)
    crop = (
        max(left - border, 0),
        max(top - border, 0),
        min(right + border, picture.width),
        min(bottom + border, picture.height),
    )
    if crop[2] - crop[0] < picture.width or crop[3] - crop[1] < picture.height:
        return picture.crop(crop), corners - np.array(crop[:2]), crop
    return picture, corners, None


def _padded(
    picture: PilImage.Image, corners: Points, *, border: int, side: float
) -> tuple[PilImage.Image, Points, tuple[int, int, int, int]]:
    """Fill what the quad needs outside the picture: reflection, blurred and faded to the median."""
    left, top, right, bottom = _box(corners)
    wanted = (
        max(-left + border, 0),
        max(-top + border, 0),
        max(right - picture.width + border, 0),
        max(bottom - picture.height + border, 0),
    )
    if max(wanted) <= border - 4:
        return picture, corners, (0, 0, 0, 0)
    least = round_half_even(side * 0.3)
    pad = (
        max(wanted[0], least),
        max(wanted[1], least),
        max(wanted[2], least),
        max(wanted[3], least),
    )
    pixels = np.pad(
        np.asarray(picture, dtype=np.float32), ((pad[1], pad[3]), (pad[0], pad[2]), (0, 0)), mode="reflect"
    )
    outness = _outness(pixels.shape[1], pixels.shape[0], pad=pad)[:, :, None]
    pixels += (_gaussian(pixels, side * 0.02) - pixels) * np.clip(outness * 3.0 + 1.0, 0.0, 1.0)
    pixels += (np.median(pixels, axis=(0, 1)) - pixels) * np.clip(outness, 0.0, 1.0)
    filled = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return PilImage.fromarray(filled), corners + np.array(pad[:2]), pad


def _outness(width: int, height: int, *, pad: tuple[int, int, int, int]) -> npt.NDArray[np.float32]:
    """1 at the padded picture's rim, 0 at the rim of the picture inside, negative within."""
    x = np.arange(width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)
    across = 1.0 - np.minimum(x / pad[0], (width - 1 - x) / pad[2])
    down = 1.0 - np.minimum(y / pad[1], (height - 1 - y) / pad[3])
    return np.maximum(across[None, :], down[:, None]).astype(np.float32)


def _gaussian(pixels: npt.NDArray[np.float32], sigma: float) -> npt.NDArray[np.float32]:
    """Gaussian blur cut off at four sigma, the rim reflected with its last pixel repeated."""
    if sigma <= 0:
        return pixels
    radius = int(4.0 * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    taps /= taps.sum()
    blurred: npt.NDArray[np.float32] = cv2.sepFilter2D(
        pixels, cv2.CV_32F, taps, taps, borderType=cv2.BORDER_REFLECT
    )
    return blurred
