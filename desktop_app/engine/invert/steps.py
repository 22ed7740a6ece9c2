"""Turning codes and pictures of any inversion method into `InversionStep` objects."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.core.types import FloatArray, InversionStep
from desktop_app.engine.image_tensor import tensor_to_image
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.run_state import RunState


class StepRecorder:
    """Numbers the steps of one run, times them and compares each picture with the one before.

    Time spent between two calls by the receiver of a step is not counted when `resume` is called
    after it.

    Args:
        model_name: For error messages.
        y_before: Picture that the first step is compared with, (1, 3, H, W).
        note: What the user should know about every step of this run.
    """

    def __init__(self, model_name: str, y_before: Tensor, *, note: str = "") -> None:
        self._model_name = model_name
        self._y_before = y_before
        self._note = note
        self._index = 0
        self._first_change = 0.0
        self._began = time.perf_counter()

    def keep(self, state: RunState) -> None:
        """Write where the numbering stands into the state of a run."""
        state.values["recorded"] = self._index
        state.values["first_change"] = self._first_change
        state.tensors["y_before"] = self._y_before

    def restore(self, state: RunState) -> None:
        """Go on where a run stood."""
        self._index = int(state.values["recorded"])
        self._first_change = state.values["first_change"]
        self._y_before = state.tensors["y_before"]

    def resume(self) -> None:
        """Start the clock of the next step now."""
        self._began = time.perf_counter()

    def record(
        self, w_plus: Tensor, y_hat: Tensor, *, l2: float, losses: tuple[tuple[str, float], ...] = ()
    ) -> InversionStep:
        """One step, frozen.

        Args:
            w_plus: Code, (1, L, D).
            y_hat: Its picture, (1, 3, H, W), not clipped.
            l2: Mean squared error against the photo.
            losses: Further named values of this step.

        Raises:
            WeightsError: The networks produced values that are no numbers.
        """
        change = (y_hat - self._y_before).square().mean(dim=1)[0]  # (H, W)
        size = float(change.mean().sqrt())
        if not (np.isfinite(l2) and np.isfinite(size)):
            raise WeightsError(
                f"The model '{self._model_name}' produced values that are no numbers.", "Import it again."
            )
        self._first_change = self._first_change or size
        self._index += 1
        self._y_before = y_hat
        return InversionStep(
            index=self._index,
            y_hat=tensor_to_image(y_hat),
            w_plus=locked(w_plus[0]),
            change_map=locked(change),
            l2=l2,
            relative_change=size / self._first_change if self._first_change > 0 else 0.0,
            seconds=time.perf_counter() - self._began,
            losses=losses,
            note=self._note,
        )


def locked(values: Tensor) -> FloatArray:
    """A tensor as a read-only float32 array of its own."""
    array = np.array(values.detach().cpu().numpy(), dtype=np.float32, order="C")
    array.setflags(write=False)
    return array


def code_to_tensor(model: InversionModel, w_plus: FloatArray) -> Tensor:
    """A code on the model's device: (L, D) or (D,) -> (1, L, D).

    Raises:
        UserInputError: The code is of another model.
    """
    if w_plus.shape not in {(model.n_styles, model.style_dim), (model.style_dim,)}:
        raise UserInputError(
            f"The code has the shape {w_plus.shape}; the model '{model.name}' "
            f"needs ({model.n_styles}, {model.style_dim})."
        )
    codes = torch.from_numpy(np.array(w_plus, dtype=np.float32)).to(model.device)
    return codes.expand(1, model.n_styles, -1) if codes.dim() == 1 else codes[None]
