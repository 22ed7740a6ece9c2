"""Read a picture file for training and evaluation: upright, RGB, small decode where the format allows."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps

from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.types import Image

PICTURE_ENDINGS = (".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
MAX_MEGAPIXELS = 250

# What Pillow and its plug-ins raise for damaged files.
_DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    EOFError,
    struct.error,
    zlib.error,
    PillowImage.DecompressionBombError,
)


def picture_files(folder: Path) -> list[Path]:
    """All files below a folder whose name ends like a picture, in a fixed order.

    Raises:
        UserInputError: The folder is not there.
    """
    if not folder.is_dir():
        raise UserInputError(f"There is no folder {display_path(folder)}.")
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in PICTURE_ENDINGS)


def read_picture(file: Path, *, at_least_px: int) -> Image:
    """Decode one file.

    Args:
        file: The picture.
        at_least_px: The shorter side may come back reduced, but not below this.

    Returns:
        (H, W, 3) uint8, RGB, upright, transparency over white.

    Raises:
        UserInputError: The file is damaged, no picture, or too large.
    """
    if file.suffix.lower() in (".heic", ".heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PillowImage.open(file) as picture:
                return _upright_rgb(picture, at_least_px)
    except _DAMAGE as error:
        raise UserInputError(f"{display_path(file)} cannot be read as a picture: {error}.") from error
    except MemoryError as error:
        raise UserInputError(f"{display_path(file)} is too large for the memory.") from error


def _upright_rgb(picture: PillowImage.Image, at_least_px: int) -> Image:
    if picture.width * picture.height > MAX_MEGAPIXELS * 1_000_000:
        raise ValueError(f"{picture.width} x {picture.height} pixels are too many")
    if picture.format == "JPEG":
        picture.draft("RGB", (at_least_px, at_least_px))
    upright: PillowImage.Image = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I") or upright.mode == "F":
        upright = _eight_bit(upright)
    if upright.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in upright.info:
        over = upright.convert("RGBA")
        paper = PillowImage.new("RGBA", over.size, "white")
        upright = PillowImage.alpha_composite(paper, over)
    return np.ascontiguousarray(np.asarray(upright.convert("RGB")))


def _eight_bit(picture: PillowImage.Image) -> PillowImage.Image:
    values = np.asarray(picture, dtype=np.float64)
    full = 65535.0 if values.max(initial=0.0) > 255.0 else 255.0
    return PillowImage.fromarray((np.clip(values / full, 0.0, 1.0) * 255.0).round().astype(np.uint8))
