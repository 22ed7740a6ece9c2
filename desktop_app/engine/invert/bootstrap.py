"""Encoder bootstrapping: a step or more of a first model, then steps of a second (Toonify).

Source: ReStyle (Alaluf et al., 2021), "encoder bootstrapping"; reference, section 5. The second
model adds its residuals to the first model's code; its own average code is never used.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.core.types import Image, InversionStep
from desktop_app.engine.device import memory_errors_translated
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.restyle import MAX_STEPS, Pass, keep_pass, passes, prepare
from desktop_app.engine.invert.run_state import RunState
from desktop_app.engine.invert.steps import StepRecorder
from desktop_app.engine.metrics.l2 import l2

BOOTSTRAP_NOTE = "Started from '{first}'; step {steps} is that model's own inversion."


def check_pair(first: InversionModel, second: InversionModel) -> None:
    """Refuse two models whose codes or pictures do not fit.

    Raises:
        WeightsError: They cannot be combined.
    """
    if first.input_nc <= 3 or second.input_nc <= 3:
        raise WeightsError("Bootstrapping needs two ReStyle models; a one-pass encoder cannot refine.")
    if (first.n_styles, first.style_dim) != (second.n_styles, second.style_dim):
        raise WeightsError(
            f"The models '{first.name}' and '{second.name}' have codes of different sizes.",
            "Choose two models with the same output size.",
        )
    if first.input_size != second.input_size:
        raise WeightsError(f"The models '{first.name}' and '{second.name}' look at pictures of other sizes.")


def bootstrap_passes(
    first: InversionModel, second: InversionModel, x: Tensor, *, first_steps: int = 1
) -> Iterator[Pass]:
    """The first model's passes, then passes of the second without end.

    Args:
        first: Model whose average image and code start the loop.
        second: Model that goes on.
        x: Pictures, (B, 3, h, w).
        first_steps: Passes of the first model.
    """
    for start in itertools.islice(passes(first, x), first_steps):
        yield start
    yield from passes(second, x, w_plus=start.w_plus, y_small=start.y_small)


def bootstrap(
    first: InversionModel,
    second: InversionModel,
    image: Image,
    *,
    steps: int,
    first_steps: int = 1,
    state: RunState | None = None,
) -> Iterator[InversionStep]:
    """Invert with `first`, then restyle with `second`.

    Args:
        first: For example `restyle_psp.ffhq`.
        second: For example `restyle_psp.toonify`.
        image: An aligned picture, (H, W, 3) uint8.
        steps: Passes of the second model, 1 to 20; the authors recommend 1 or 2.
        first_steps: Passes of the first model, 1 to 20; the authors take 1.
        state: Of a run that was closed: it goes on there. Kept up to date.

    Yields:
        `first_steps + steps` steps; those of the first model come first.

    Raises:
        UserInputError: `steps` is out of range, or the state belongs to another run.
        WeightsError: The models do not fit, or produced values that are no numbers.
        ResourceError: Out of memory.
    """
    for count in (steps, first_steps):
        if not 1 <= count <= MAX_STEPS:
            raise UserInputError(f"The number of steps must be 1 to {MAX_STEPS}, not {count}.")
    check_pair(first, second)
    state = RunState() if state is None else state
    models = f"{first.name}+{second.name}"
    state.claim("bootstrap", model=models, image=image, options=str(first_steps))
    with torch.inference_mode(), memory_errors_translated("invert the face"):
        x = prepare(first, image)
    note = BOOTSTRAP_NOTE.format(first=first.name, steps=first_steps)
    recorder = StepRecorder(second.name, first.average_output, note=note)
    loop = bootstrap_passes(first, second, x, first_steps=first_steps)
    if state.is_started:
        recorder.restore(state)
        loop = _continued(first, second, x, state=state, first_steps=first_steps)
    for t in range(state.done, first_steps + steps):
        recorder.resume()
        with torch.inference_mode(), memory_errors_translated("invert the face"):
            done = next(loop)
            step = recorder.record(done.w_plus, done.y_hat, l2=l2(done.y_small, x))
        keep_pass(state, done, recorder, count=t + 1)
        yield step


def _continued(
    first: InversionModel, second: InversionModel, x: Tensor, *, state: RunState, first_steps: int
) -> Iterator[Pass]:
    """The passes that come after those of a closed run."""
    w_plus, y_small = state.tensors["w_plus"], state.tensors["y_small"]
    for done in itertools.islice(
        passes(first, x, w_plus=w_plus, y_small=y_small), max(first_steps - state.done, 0)
    ):
        yield done
        w_plus, y_small = done.w_plus, done.y_small
    yield from passes(second, x, w_plus=w_plus, y_small=y_small)
