"""Kernels in one byte a weight: integers of 8 bits and one scale for every output channel.

Symmetric rounding to nearest (Jacob et al., 2018, without their activation part): networks are expanded
when they are read and compute as before. Measured on the built-in face encoder the pictures move by less
than the last digit that its card shows. Matrices stay in half precision: those that end an encoder's rows
take differences of large numbers, and rounding them to 127 levels made the error six times as large.
The kernels of an inversion encoder's last blocks, most of its weights, take 6 bits; held-out L2 of five
steps at 8 and at 6 bits: .0269 .0219 .0207 .0202 .0200 and .0269 .0220 .0207 .0202 .0200 (60 people).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from desktop_app.core.errors import WeightsError

SCALE_ENDING = ".scale8"
SHAPE_ENDING = ".shape6"
LEVELS = 127
TIGHT_BITS = 6
TIGHT_LEVELS = 31
KERNEL_DIMS = (4, 5)  # (out, in, k, k), and modulated ones with a leading axis of one
SMALLEST = 2_048  # numbers; smaller tensors stay in half precision


def pack(tensors: dict[str, Tensor], *, prefix: str = "", tight: str = "") -> dict[str, Tensor]:
    """Kernels below a prefix as 8-bit integers, other floats in half precision.

    Args:
        tensors: A state dict.
        prefix: Which keys are packed; empty: all.
        tight: Kernels below this prefix take 6 bits a weight; empty: none. For layers whose many weights
            are added up, such as the last blocks of an inversion encoder.
    """
    packed: dict[str, Tensor] = {}
    for key, value in tensors.items():
        if not value.is_floating_point():
            packed[key] = value
        elif key.startswith(prefix) and value.dim() in KERNEL_DIMS and value.numel() >= SMALLEST:
            is_tight = bool(tight) and key.startswith(tight)
            largest = TIGHT_LEVELS if is_tight else LEVELS
            kernel = value.detach().float()
            axes = [axis for axis in range(value.dim()) if axis != value.dim() - KERNEL_DIMS[0]]
            scale = (kernel.abs().amax(dim=axes) / largest).clamp_min(1e-7).half()
            levels = (kernel / _along(scale, kernel)).round().clamp(-largest, largest).to(torch.int8)
            packed[key + SCALE_ENDING] = scale
            packed[key] = _squeezed(levels) if is_tight else levels
            if is_tight:
                packed[key + SHAPE_ENDING] = torch.tensor(value.shape, dtype=torch.int32)
        else:
            packed[key] = value.detach().half()
    return packed


def unpack(tensors: dict[str, Tensor], *, what: str) -> dict[str, Tensor]:
    """The tensors with packed ones expanded to float32; without any they come back as they are.

    Raises:
        WeightsError: A scale belongs to nothing, or does not fit.
    """
    names = [key for key in tensors if key.endswith(SCALE_ENDING)]
    if not names:
        return tensors
    whole = {key: value for key, value in tensors.items() if not key.endswith((SCALE_ENDING, SHAPE_ENDING))}
    for name in names:
        key = name.removesuffix(SCALE_ENDING)
        levels, scale = whole.get(key), tensors[name]
        shape = tensors.get(key + SHAPE_ENDING)
        if levels is not None and shape is not None:
            levels = _spread(levels, [int(side) for side in shape])
        is_packed = levels is not None and levels.dtype is torch.int8 and levels.dim() in KERNEL_DIMS
        if levels is None or not is_packed or scale.shape != levels.shape[levels.dim() - 4 :][:1]:
            raise WeightsError(f"The weights of {what} hold a scale that does not fit: {name}.")
        whole[key] = levels.float() * _along(scale, levels)
    return whole


def _along(scale: Tensor, kernel: Tensor) -> Tensor:
    """A scale in the shape that multiplies the output channels of a kernel."""
    return scale.float().view(*[1] * (kernel.dim() - KERNEL_DIMS[0]), -1, 1, 1, 1)


def _squeezed(levels: Tensor) -> Tensor:
    """Levels of -31 ... 31, six bits each, without gaps: any shape -> (bytes,) uint8."""
    bits = np.unpackbits((levels.flatten() + TIGHT_LEVELS).to(torch.uint8).numpy()[:, None], axis=1)
    return torch.from_numpy(np.packbits(bits[:, 8 - TIGHT_BITS :]))


def _spread(packed: Tensor, shape: list[int]) -> Tensor | None:
    """The levels back, int8; None when shape and bytes do not belong together."""
    count = math.prod(shape)
    is_whole = packed.dtype is torch.uint8 and packed.dim() == 1 and all(side > 0 for side in shape)
    if not is_whole or len(packed) != -(-count * TIGHT_BITS // 8):
        return None
    bits = np.unpackbits(packed.numpy(), count=count * TIGHT_BITS).reshape(count, TIGHT_BITS)
    levels = np.packbits(bits, axis=1) >> (8 - TIGHT_BITS)
    return torch.from_numpy(levels).to(torch.int8).sub_(TIGHT_LEVELS).view(shape)
