"""The ReStyle loop: look at photo and estimate, predict a residual, repeat.

Source: ReStyle (Alaluf et al., 2021); reference, section 5. Feedback is the unclamped float image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import FloatArray, Image, InversionStep
from desktop_app.engine.device import memory_errors_translated
from desktop_app.engine.image_tensor import image_to_tensor, tensor_to_image
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.run_state import RunState
from desktop_app.engine.invert.steps import StepRecorder, code_to_tensor
from desktop_app.engine.metrics.l2 import l2

MAX_STEPS = 20


@dataclass(frozen=True, slots=True)
class Pass:
    """One encoder and generator pass over a batch.

    Attributes:
        w_plus: Codes, (B, L, D).
        y_hat: Visible pictures at the generator's scale, not clipped, (B, 3, H, W).
        y_small: The same at the encoder's input size: what the next pass looks at.
    """

    w_plus: Tensor
    y_hat: Tensor
    y_small: Tensor


def prepare(model: InversionModel, image: Image) -> Tensor:
    """An aligned image as the encoder wants it: antialiased bilinear resize, (1, 3, h, w).

    The aspect ratio is not kept, as in the official code: cars become 192 x 256.
    """
    height, width = model.input_size
    if image.shape[:2] != (height, width):
        picture = PillowImage.fromarray(image).resize((width, height), PillowImage.Resampling.BILINEAR)
        image = np.asarray(picture)
    return image_to_tensor(image).to(model.device)


def passes(
    model: InversionModel, x: Tensor, *, w_plus: Tensor | None = None, y_small: Tensor | None = None
) -> Iterator[Pass]:
    """Refine codes for as long as the caller asks.

    Args:
        model: The model. A one-pass encoder gives one pass.
        x: Pictures of the encoder's input size, (B, 3, h, w).
        w_plus: Codes to start from, (B, L, D); None: the average code.
        y_small: Pictures of those codes at the input size; None: rendered from them.

    Yields:
        Passes without end (one for a one-pass encoder); no picture is clipped in between.
    """
    if model.input_nc <= 3:
        codes = model.encode(x)
        if model.adds_average:
            codes = codes + model.average_codes(x.shape[0])
        y_hat = model.decode(codes)
        yield Pass(codes, y_hat, model.pool(y_hat))
        return
    if w_plus is None:
        w_plus, y_small = model.average_codes(x.shape[0]), model.average_image
    elif y_small is None:
        y_small = model.pool(model.decode(w_plus))
    while True:
        w_plus, y_hat = one_pass(model, x, y_small, w_plus)
        y_small = model.pool(y_hat)
        yield Pass(w_plus, y_hat, y_small)


def invert(
    model: InversionModel,
    image: Image,
    *,
    steps: int,
    start: FloatArray | None = None,
    resize_outputs: bool = False,
    state: RunState | None = None,
) -> Iterator[InversionStep]:
    """Refine a latent over several encoder passes.

    Args:
        model: The model; a 3-channel encoder makes one pass only.
        image: An aligned picture of any size, (H, W, 3) uint8.
        steps: Encoder passes, 1 to 20; of a run that is taken up again, those before included.
        start: Code (L, D) to go on from; None: the average code.
        resize_outputs: Hand out pictures of the encoder's input size instead of the generator's.
        state: Of a run that was closed: it goes on there. Kept up to date.

    Yields:
        One step per pass; `change_map` and `y_hat` have the generator's size (or the encoder's).

    Raises:
        UserInputError: `steps` is out of range, or the state belongs to another run.
        WeightsError: The networks produced values that are no numbers.
        ResourceError: Out of memory.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise UserInputError(f"The number of steps must be 1 to {MAX_STEPS}, not {steps}.")
    state = RunState() if state is None else state
    state.claim("restyle", model=model.name, image=image, options=str(resize_outputs))
    with torch.inference_mode(), memory_errors_translated("invert the face"):
        x = prepare(model, image)
        codes = None if start is None else code_to_tensor(model, start)
        if state.is_started:
            codes, y_small = state.tensors["w_plus"], state.tensors["y_small"]
            before = state.tensors["y_before"]
        else:
            before = model.average_output if codes is None else model.decode(codes)
            y_small = model.pool(before)
            before = y_small if resize_outputs else before
    recorder = StepRecorder(model.name, before)
    if state.is_started:
        recorder.restore(state)
    loop = passes(model, x, w_plus=codes, y_small=y_small)
    for t in range(state.done, steps if model.input_nc > 3 else 1):
        recorder.resume()
        with torch.inference_mode(), memory_errors_translated("invert the face"):
            done = next(loop)
            y = done.y_small if resize_outputs else done.y_hat
            step = recorder.record(done.w_plus, y, l2=l2(done.y_small, x))
        keep_pass(state, done, recorder, count=t + 1)
        yield step


def keep_pass(state: RunState, done: Pass, recorder: StepRecorder, *, count: int) -> None:
    """Write a finished pass into the state of its run."""
    state.done = count
    state.tensors.update(w_plus=done.w_plus, y_small=done.y_small)
    recorder.keep(state)


def one_pass(model: InversionModel, x: Tensor, y_small: Tensor, w_plus: Tensor) -> tuple[Tensor, Tensor]:
    """One encoder and generator pass.

    Args:
        model: The model.
        x: Photo, (B, 3, h, w).
        y_small: Current estimate at the encoder's size, (B, 3, h, w).
        w_plus: Current code, (B, L, D).

    Returns:
        The new code and its visible image at the generator's scale.
    """
    if model.device.type == "cuda":
        return model.graphs.run(plain_pass, model, (x, y_small, w_plus))
    return plain_pass(model, x, y_small, w_plus)


def plain_pass(model: InversionModel, x: Tensor, y_small: Tensor, w_plus: Tensor) -> tuple[Tensor, Tensor]:
    """The same, operation by operation."""
    w_plus = w_plus + model.encode(x, y_small)
    return w_plus, model.decode(w_plus)


def synthesize(model: InversionModel, w_plus: FloatArray) -> Tensor:
    """Image of one code: (L, D) -> (1, 3, H, W) float32, not clipped."""
    with torch.inference_mode(), memory_errors_translated("render the face"):
        return model.decode(code_to_tensor(model, w_plus))


def render(model: InversionModel, w_plus: FloatArray) -> Image:
    """Image of one code: (L, D) -> (H, W, 3) uint8."""
    return tensor_to_image(synthesize(model, w_plus))
