"""Images to files: format by ending, the photo's metadata kept where it is still true, safe writing."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage
from PIL import ImageCms

from desktop_app.core.errors import ResourceError, UserInputError, display_path
from desktop_app.core.types import Image

# Ending -> Pillow's format and its options.
_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {  # Any: Pillow's own options
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95, "method": 4}),
    ".tif": ("TIFF", {"compression": "tiff_lzw"}),
    ".tiff": ("TIFF", {"compression": "tiff_lzw"}),
}
ENDINGS = tuple(_FORMATS)
ANIMATION_ENDING = ".gif"
_DITHER = PillowImage.Dither.FLOYDSTEINBERG
_LARGEST_SIDE = {"JPEG": 65_535, "WEBP": 16_383}

_ORIENTATION = 0x0112
_SIZE_TAGS = (0x0100, 0x0101)
_EXIF_IFD = 0x8769
_EXIF_SIZE_TAGS = (0xA002, 0xA003)
# A JPEG segment holds 64 kB; Pillow refuses more.
_LARGEST_EXIF = 65_000
# What Pillow raises on damaged metadata, when it reads and when it writes them again.
_METADATA_ERRORS = (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error, AttributeError)


class PhotoMetadata:
    """What of a photo's metadata still holds after an edit.

    Args:
        exif: The Exif block, already set upright; empty: none.
        has_profile: The photo named a colour profile, so the copy names one too: sRGB, the space
            its pixels were converted to.
    """

    def __init__(self, exif: bytes = b"", *, has_profile: bool = False) -> None:
        self.exif = exif
        self.has_profile = has_profile


def check_ending(target: Path) -> None:
    """Refuse a target whose ending names no image format that is written.

    Raises:
        UserInputError: It does not.
    """
    if target.suffix.lower() not in _FORMATS:
        raise UserInputError(
            f"'{target.suffix or display_path(target.name)}' is no image format that can be written.",
            f"Use one of {', '.join(ENDINGS)}.",
        )


def read_metadata(file: Path, *, width_px: int, height_px: int) -> tuple[PhotoMetadata, str]:
    """Metadata of a photo for a copy that is upright and of this size.

    Returns:
        The metadata, and a warning for the user when something could not be kept, else "".
    """
    try:
        with PillowImage.open(file) as picture:
            has_profile = bool(picture.info.get("icc_profile"))
            exif = picture.getexif()
        if not len(exif):
            return PhotoMetadata(has_profile=has_profile), ""
        exif[_ORIENTATION] = 1
        for tag, size in zip(_SIZE_TAGS, (width_px, height_px), strict=True):
            if tag in exif:
                exif[tag] = size
        details = exif.get_ifd(_EXIF_IFD)
        for tag, size in zip(_EXIF_SIZE_TAGS, (width_px, height_px), strict=True):
            if tag in details:
                details[tag] = size
        block = exif.tobytes()
    except _METADATA_ERRORS:
        return PhotoMetadata(), "The photo's details (Exif) are damaged and were left out."
    if len(block) > _LARGEST_EXIF:
        return PhotoMetadata(
            has_profile=has_profile
        ), "The photo's details (Exif) are too large and were left out."
    return PhotoMetadata(block, has_profile=has_profile), ""


def write_image(image: Image, target: Path, metadata: PhotoMetadata | None = None) -> None:
    """Write an image; the target is either the whole new file or what it was before.

    Args:
        image: (H, W, 3) uint8, RGB.
        target: The file; its ending chooses the format.
        metadata: What to write along.

    Raises:
        UserInputError: The ending is unknown, or the format cannot hold so large a picture.
        ResourceError: The file cannot be written.
    """
    check_ending(target)
    kind, options = _FORMATS[target.suffix.lower()]
    limit = _LARGEST_SIDE.get(kind)
    if limit and max(image.shape[:2]) > limit:
        raise UserInputError(
            f"{kind} files hold at most {limit:,} pixels a side; this picture has {max(image.shape[:2]):,}.",
            "Choose .png or .tif.",
        )
    extra = dict(options)
    if metadata is not None and metadata.exif:
        extra["exif"] = metadata.exif
    if metadata is not None and metadata.has_profile:
        extra["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, kind, **extra)
    write_file(target, lambda handle: handle.write(buffer.getbuffer()))


def write_animation(frames: Sequence[tuple[Image, int]], target: Path) -> None:
    """Write pictures as a GIF that repeats for ever; safe as `write_image`.

    Args:
        frames: (H, W, 3) uint8, RGB, of one size, with the milliseconds that each is shown.
        target: The file; its ending is `.gif`.

    Raises:
        ResourceError: The file cannot be written.
    """
    pictures = [PillowImage.fromarray(frame).quantize(dither=_DITHER) for frame, _ in frames]
    times = [milliseconds for _, milliseconds in frames]
    buffer = io.BytesIO()
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=times, loop=0)
    write_file(target, lambda handle: handle.write(buffer.getbuffer()))


def write_file(target: Path, write: Callable[[io.BufferedWriter], object]) -> None:
    """Write a file under a temporary name beside its target and rename it.

    Args:
        target: The file.
        write: Writes the content.

    Raises:
        UserInputError: The folder is not there, or the target is a folder.
        ResourceError: The file cannot be written.
    """
    if target.is_dir():
        raise UserInputError(f"{display_path(target)} is a folder.", "Give the name of a file.")
    temporary = target.parent / f".contrastyle-{secrets.token_hex(6)}.tmp"
    try:
        with temporary.open("xb") as handle:
            write(handle)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(target)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserInputError(
            f"There is no folder {display_path(target.parent)}.", "Choose a folder that exists."
        ) from error
    except OSError as error:
        raise ResourceError(
            f"{display_path(target)} cannot be written: {error.strerror or error}.",
            "Check that you may write there and that the disk is not full.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
