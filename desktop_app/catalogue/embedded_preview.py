"""The small picture that cameras put into a photo file beside the photo: found, checked, turned upright.

It stands in for the photo until there is time to decode that: reading it takes half a millisecond, decoding
a JPEG of 12 megapixels thirty. Where it is: in the EXIF data of a JPEG (DCF: 160 x 120, phones up to
512 x 384), behind the photo where the multi-picture format lists it as a large thumbnail (CIPA DC-007,
table 4), in an item of its own in a HEIC file.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Iterator
from itertools import islice

import numpy as np
from PIL import ExifTags, ImageFile
from PIL import Image as PillowImage

from desktop_app.catalogue.decode import (
    DECODER_ERRORS,
    DecodedPhoto,
    exif_orientation,
    photo_formats,
    upright_rgb,
)

_log = logging.getLogger(__name__)

_FORMATS = ("JPEG", "HEIF")  # MPO is opened as a JPEG
# A smaller photo is decoded nearly as fast as its preview is checked.
_LEAST_PIXELS = 2_000_000
# What is no preview any more: a second photo, or something hostile.
_MOST_PIXELS = 4_000_000
# A preview is decoded at the reduced size that leaves its shorter side this long.
_ENOUGH_PX = 256
# Shape of the preview against that of the photo. A camera's is within a pixel or two: 160 x 107 for 3:2.
_SHAPE_TOLERANCE = 0.03
# Mean grey value, of 255, that a letterbox bar has at most.
_DARK_BAR = 24.0
_MP_ENTRIES = 0xB002
# A hostile list could name thousands; cameras write two.
_MOST_TRIED = 4
_MP_THUMBNAILS = ("Large Thumbnail (VGA Equivalent)", "Large Thumbnail (Full HD Equivalent)")
_EXIF_HEAD = b"Exif\x00\x00"


def embedded_preview(content: bytes, *, at_least_px: int, max_megapixels: int) -> DecodedPhoto | None:
    """The preview inside the bytes of a large photo file.

    Its picture may be older than the photo: some programs change a photo and keep the preview.

    Args:
        content: The whole file.
        at_least_px: Pixels that its shorter side must have.
        max_megapixels: A larger photo has no preview, so that the decoder of photos refuses it.

    Returns:
        The preview, upright and in sRGB, with the size of the full upright photo; None where there is no
        preview, it is too small, damaged, or not of the photo's shape, or the photo is small itself.
    """
    photo_formats(max_megapixels)
    try:
        with PillowImage.open(io.BytesIO(content), formats=_FORMATS) as file:
            width_px, height_px = file.size
            if not _LEAST_PIXELS < width_px * height_px <= max_megapixels * 1_000_000:
                return None
            orientation = exif_orientation(file)
            preview = _heif_preview(file, at_least_px) or _jpeg_preview(file, at_least_px)
            if preview is None:
                return None
            image = np.array(upright_rgb(preview, orientation, None), dtype=np.uint8, order="C")
    except (*DECODER_ERRORS, MemoryError, PillowImage.DecompressionBombError) as error:
        _log.debug("a preview is left out: %r", error)
        return None
    if orientation >= 5:
        width_px, height_px = height_px, width_px
    return DecodedPhoto(image=image, width_px=width_px, height_px=height_px)


def _heif_preview(file: ImageFile.ImageFile, at_least_px: int) -> PillowImage.Image | None:
    """The thumbnail item of a HEIC file; the decoder looks for one that is a scaled copy of the photo."""
    if file.format != "HEIF" or file.draft(None, (at_least_px, at_least_px)) is None:
        return None
    if file.size[0] * file.size[1] > _MOST_PIXELS:
        return None
    file.load()
    return file


def _jpeg_preview(file: ImageFile.ImageFile, at_least_px: int) -> PillowImage.Image | None:
    """The first usable preview of a JPEG, as it is stored: not upright, but without bars."""
    if file.format not in {"JPEG", "MPO"}:
        return None
    profile = file.info.get("icc_profile")
    shape = file.size[0] / file.size[1]
    for candidate in islice(_stored_previews(file), _MOST_TRIED):
        preview = _usable(candidate, shape=shape, at_least_px=at_least_px)
        if preview is not None:
            preview.info["icc_profile"] = profile  # a preview has none of its own
            return preview
    return None


def _stored_previews(file: ImageFile.ImageFile) -> Iterator[ImageFile.ImageFile]:
    """Possible previews, opened but not decoded, small ones first."""
    exif = file.info.get("exif")
    if isinstance(exif, bytes) and exif.startswith(_EXIF_HEAD):
        ifd = file.getexif().get_ifd(ExifTags.IFD.IFD1)
        place = ifd.get(ExifTags.Base.JpegIFOffset), ifd.get(ExifTags.Base.JpegIFByteCount)
        stored = _piece(exif[len(_EXIF_HEAD) :], *place)
        if stored.startswith(b"\xff\xd8\xff"):
            yield PillowImage.open(io.BytesIO(stored), formats=("JPEG",))
    listing = getattr(file, "mpinfo", None)
    if isinstance(listing, dict):
        for frame, entry in enumerate(listing.get(_MP_ENTRIES, ())):
            if entry["Attribute"]["MPType"] in _MP_THUMBNAILS:
                file.seek(frame)
                yield file


def _piece(content: bytes, offset: object, length: object) -> bytes:
    """Some bytes; none when the place makes no sense."""
    if not isinstance(offset, int) or not isinstance(length, int) or offset < 0 or length <= 0:
        return b""
    return content[offset : offset + length]


def _usable(preview: ImageFile.ImageFile, *, shape: float, at_least_px: int) -> PillowImage.Image | None:
    """A preview's pixels, or None when they will not do; `shape` is the photo's width by height."""
    if not at_least_px <= min(preview.size) or preview.size[0] * preview.size[1] > _MOST_PIXELS:
        return None
    preview.draft(None, (min(preview.size[0], _ENOUGH_PX), min(preview.size[1], _ENOUGH_PX)))
    try:
        preview.load()
    except DECODER_ERRORS as error:
        _log.debug("a preview cannot be decoded: %r", error)
        return None
    box = _picture_box(preview, shape)
    if box is None or min(box[2] - box[0], box[3] - box[1]) < at_least_px:
        return None
    return preview if box == (0, 0, *preview.size) else preview.crop(box)


def _picture_box(preview: PillowImage.Image, shape: float) -> tuple[int, int, int, int] | None:
    """Where the photo's picture lies in its preview, without letterbox bars; None: it is another picture."""
    width, height = preview.size
    if abs(width / height / shape - 1) <= _SHAPE_TOLERANCE:
        return 0, 0, width, height
    # Bars above and below, or left and right, of even size: 160 x 120 has 7 or 15 rows for 3:2 and 16:9.
    bar_x = max(0.0, (width - height * shape) / 2)
    bar_y = max(0.0, (height - width / shape) / 2)
    left, top = math.ceil(bar_x - 0.01), math.ceil(bar_y - 0.01)
    box = (left, top, width - left, height - top)
    kept_width, kept_height = box[2] - left, box[3] - top
    if kept_width < 1 or kept_height < 1 or abs(kept_width / kept_height / shape - 1) > _SHAPE_TOLERANCE:
        return None
    grey = np.asarray(preview.convert("L"))
    if bar_x > bar_y:
        grey = grey.T
    bar = max(left, top)
    sure = max(1, bar - 2)  # compression blurs the last rows of a bar
    is_dark = max(float(grey[:sure].mean()), float(grey[-sure:].mean())) <= _DARK_BAR
    return box if is_dark else None
