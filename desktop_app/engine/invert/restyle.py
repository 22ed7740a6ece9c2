"""The ReStyle loop: look at photo and estimate, predict a residual, repeat.

Source: ReStyle (Alaluf et al., 2021); reference, section 5. Feedback is the unclamped float image.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image as PillowImage
from torch import Tensor

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.core.types import FloatArray, Image, InversionStep
from desktop_app.engine.device import memory_errors_translated
from desktop_app.engine.image_tensor import image_to_tensor, tensor_to_image
from desktop_app.engine.invert.model import InversionModel

MAX_STEPS = 20


def prepare(model: InversionModel, image: Image) -> Tensor:
    """An aligned image as the encoder wants it: antialiased bilinear resize, (1, 3, S, S)."""
    side = model.input_px
    if image.shape[:2] != (side, side):
        picture = PillowImage.fromarray(image).resize((side, side), PillowImage.Resampling.BILINEAR)
        image = np.asarray(picture)
    return image_to_tensor(image).to(model.device)


def invert(model: InversionModel, image: Image, *, steps: int) -> Iterator[InversionStep]:
    """Refine a latent over several encoder passes.

    Args:
        model: The model; a 3-channel encoder makes one pass only.
        image: An aligned picture of any size, (H, W, 3) uint8.
        steps: Encoder passes, 1 to 20.

    Yields:
        One step per pass; `change_map` and `y_hat` have the generator's size.

    Raises:
        UserInputError: `steps` is out of range.
        WeightsError: The networks produced values that are no numbers.
        ResourceError: Out of memory.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise UserInputError(f"The number of steps must be 1 to {MAX_STEPS}, not {steps}.")
    x = prepare(model, image)
    y_full, y_small = model.average_output, model.average_image
    w_plus = model.w_avg.expand(1, model.n_styles, -1)
    first_change = 0.0
    for index in range(1, (steps if model.input_nc > 3 else 1) + 1):
        began = time.perf_counter()
        with torch.inference_mode(), memory_errors_translated("invert the face"):
            w_plus, y_next = one_pass(model, x, y_small, w_plus)
            y_small = model.pool(y_next)
            change = (y_next - y_full).square().mean(dim=1)[0]  # (H, W)
            l2 = F.mse_loss(y_small, x).item()
        if not np.isfinite(l2):
            raise WeightsError(
                f"The model '{model.name}' produced values that are no numbers.", "Import it again."
            )
        size = float(change.mean().sqrt())
        first_change = first_change or size
        y_full = y_next
        yield InversionStep(
            index=index,
            y_hat=tensor_to_image(y_next),
            w_plus=_locked(w_plus[0]),
            change_map=_locked(change),
            l2=l2,
            relative_change=size / first_change if first_change > 0 else 0.0,
            seconds=time.perf_counter() - began,
        )


def one_pass(model: InversionModel, x: Tensor, y_small: Tensor, w_plus: Tensor) -> tuple[Tensor, Tensor]:
    """One encoder and generator pass.

    Args:
        model: The model.
        x: Photo, (B, 3, S, S).
        y_small: Current estimate at the encoder's size, (B, 3, S, S).
        w_plus: Current code, (B, L, D).

    Returns:
        The new code and its image at the generator's size.
    """
    stack = torch.cat([x, y_small.expand_as(x)], dim=1) if model.input_nc > 3 else x
    residual: Tensor = model.encoder(stack.contiguous(memory_format=torch.channels_last))
    w_plus = w_plus + residual
    return w_plus, model.generator.synthesize(w_plus)


def synthesize(model: InversionModel, w_plus: FloatArray) -> Tensor:
    """Image of one code: (L, D) -> (1, 3, H, W) float32, not clipped."""
    with torch.inference_mode(), memory_errors_translated("render the face"):
        codes = torch.from_numpy(np.array(w_plus, dtype=np.float32))[None].to(model.device)
        return model.generator.synthesize(codes)


def render(model: InversionModel, w_plus: FloatArray) -> Image:
    """Image of one code: (L, D) -> (H, W, 3) uint8."""
    return tensor_to_image(synthesize(model, w_plus))


def _locked(values: Tensor) -> FloatArray:
    array = np.array(values.detach().cpu().numpy(), dtype=np.float32, order="C")
    array.setflags(write=False)
    return array
