"""Pictures made by formula, for tests."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from desktop_app.core.types import Image


def picture(seed: int, *, width: int = 96, height: int = 72) -> Image:
    """A smooth colourful picture; another seed gives quite another one."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    smooth = PillowImage.fromarray(coarse).resize((width, height), PillowImage.Resampling.BICUBIC)
    return np.array(smooth)


def save_picture(path: Path, seed: int, *, width: int = 96, height: int = 72) -> Path:
    """Write `picture(seed)` in the format of the file's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(picture(seed, width=width, height=height)).save(path)
    return path


def save_pictures(folder: Path, count: int, *, first_seed: int = 0) -> list[Path]:
    """Write `count` different JPEG files."""
    return [save_picture(folder / f"photo{first_seed + i:04d}.jpg", first_seed + i) for i in range(count)]


def exif_block(
    thumbnail: bytes, *, orientation: int = 1, offset: int | None = None, length: int | None = None
) -> bytes:
    """EXIF data as cameras write it: the orientation, then a second directory with the small picture."""
    first, second = 8, 26  # places of the two directories
    start = second + 42
    return (
        b"Exif\x00\x00II*\x00"
        + struct.pack("<I", first)
        + struct.pack("<HHHIII", 1, 0x0112, 3, 1, orientation, second)
        + struct.pack("<H", 3)
        + struct.pack("<HHII", 0x0103, 3, 1, 6)
        + struct.pack("<HHII", 0x0201, 4, 1, start if offset is None else offset)
        + struct.pack("<HHII", 0x0202, 4, 1, len(thumbnail) if length is None else length)
        + struct.pack("<I", 0)
        + thumbnail
    )


def camera_thumbnail(
    large: PillowImage.Image, size: tuple[int, int] = (160, 120), *, quality: int = 80
) -> bytes:
    """The small picture of a camera: a JPEG of a fixed size, with black bars where the shape differs."""
    scale = min(size[0] / large.width, size[1] / large.height)
    inner = (round(large.width * scale), round(large.height * scale))
    small = PillowImage.new("RGB", size)
    shrunk = large.convert("RGB").resize(inner, PillowImage.Resampling.LANCZOS, reducing_gap=3.0)
    small.paste(shrunk, ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def camera_jpeg(
    image: Image,
    *,
    preview: Image | None = None,
    size: tuple[int, int] = (160, 120),
    orientation: int = 1,
    quality: int = 90,
) -> bytes:
    """A JPEG with a small picture in its EXIF data: of the photo, or of `preview` as stale ones are."""
    large = PillowImage.fromarray(image)
    thumbnail = camera_thumbnail(large if preview is None else PillowImage.fromarray(preview), size)
    buffer = io.BytesIO()
    large.save(buffer, "JPEG", quality=quality, exif=exif_block(thumbnail, orientation=orientation))
    return buffer.getvalue()


def save_camera_photos(folder: Path, count: int, *, first_seed: int = 0) -> list[Path]:
    """Write `count` different JPEG files, just large enough for their previews to be used."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for seed in range(first_seed, first_seed + count):
        files.append(folder / f"camera{seed:04d}.jpg")
        files[-1].write_bytes(camera_jpeg(picture(seed, width=1680, height=1260), quality=70))
    return files
