"""The only place where numpy images and Qt images change into each other; both ways copy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtGui import QImage

from desktop_app.core.types import Image, read_only


def to_qimage(image: Image) -> QImage:
    """A Qt image with memory of its own.

    Args:
        image: (H, W, 3) uint8, RGB.
    """
    height_px, width_px, channels = image.shape
    if channels != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    contiguous = np.ascontiguousarray(image)
    shared = QImage(contiguous.data, width_px, height_px, 3 * width_px, QImage.Format.Format_RGB888)
    return shared.copy()


def from_packed(pixels: npt.NDArray[np.uint32]) -> QImage:
    """A Qt image with memory of its own, from opaque colours packed as 0xffRRGGBB.

    Args:
        pixels: (H, W) uint32, contiguous.
    """
    height_px, width_px = pixels.shape
    contiguous = np.ascontiguousarray(pixels, dtype=np.uint32)
    shared = QImage(contiguous.data, width_px, height_px, 4 * width_px, QImage.Format.Format_RGB32)
    return shared.copy()


def from_qimage(picture: QImage) -> Image:
    """A read-only (H, W, 3) uint8 RGB array; transparent parts lie over white."""
    if picture.hasAlphaChannel():
        picture = _over_white(picture)
    rgb = picture.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(rgb.constBits(), np.uint8).reshape(rgb.height(), rgb.bytesPerLine())
    image = rows[:, : 3 * rgb.width()].reshape(rgb.height(), rgb.width(), 3).copy()
    read_only(image)
    return image


def _over_white(picture: QImage) -> QImage:
    straight = picture.convertToFormat(QImage.Format.Format_RGBA8888)
    rows = np.frombuffer(straight.constBits(), np.uint8).reshape(straight.height(), straight.bytesPerLine())
    rgba = rows[:, : 4 * straight.width()].reshape(straight.height(), straight.width(), 4).astype(np.uint16)
    alpha = rgba[:, :, 3:]
    over = (rgba[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return to_qimage(over.astype(np.uint8))
