"""The place where uint8 RGB images and float tensors in [-1, 1] change into each other."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor

from desktop_app.core.types import FloatArray, Image


def image_to_tensor(image: Image) -> Tensor:
    """One image as a network input.

    Args:
        image: (H, W, 3) uint8, RGB.

    Returns:
        (1, 3, H, W) float32 in [-1, 1]: (v / 255 - 0.5) / 0.5, as torchvision's ToTensor and
        Normalize(0.5, 0.5).
    """
    return images_to_tensor(image[None])


def images_to_tensor(images: Image) -> Tensor:
    """Images of one size as a network input: (B, H, W, 3) uint8 -> (B, 3, H, W) in [-1, 1]."""
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise ValueError(f"expected (B, H, W, 3) uint8, got {images.shape} {images.dtype}")
    batch = torch.from_numpy(np.array(images, order="C")).permute(0, 3, 1, 2)
    return batch.contiguous().float().div_(255.0).sub_(0.5).div_(0.5)


def tensor_to_image(y: Tensor) -> Image:
    """One network output, (3, H, W) or (1, 3, H, W) in [-1, 1], as a read-only uint8 image.

    Values outside the range are clipped and then truncated, not rounded, as the official
    inference code does (reference, section 5).
    """
    if y.dim() == 4:
        y = y[0]
    scaled = ((y.detach().float() + 1.0) * 0.5).clamp(0.0, 1.0) * 255.0
    image = np.array(scaled.permute(1, 2, 0).cpu().numpy().astype(np.uint8), order="C")
    image.setflags(write=False)
    return image


def tensor_to_levels(y: Tensor) -> FloatArray:
    """One network output as (H, W, 3) float32 in 0..255, clipped but not rounded."""
    if y.dim() == 4:
        y = y[0]
    scaled = ((y.detach().float() + 1.0) * 0.5).clamp(0.0, 1.0) * 255.0
    levels: FloatArray = np.array(scaled.permute(1, 2, 0).cpu().numpy(), dtype=np.float32, order="C")
    return levels


def resized_image(image: Image, *, width_px: int, height_px: int) -> Image:
    """A new image of another size: bilinear with antialiasing, as encoder inputs are made."""
    size = (width_px, height_px)
    if image.shape[:2] == (height_px, width_px):
        return np.array(image)
    return np.array(PillowImage.fromarray(image).resize(size, PillowImage.Resampling.BILINEAR))


def reduced_image(image: Image, scale: float) -> Image:
    """A new, smaller image for display; `scale` below 1."""
    picture = PillowImage.fromarray(image)
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    return np.array(picture.resize(size, PillowImage.Resampling.BOX, reducing_gap=2.0))
