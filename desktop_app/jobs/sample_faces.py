"""Draw random pictures with a model's mapping network."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.core.types import Image, Progress, SampledFaces, SampleFacesRequest

if TYPE_CHECKING:
    from desktop_app.jobs.services import Services

MOST = 256
DULL = 2.0  # levels of 255: less spread over faces than this is one face again and again


def run(request: SampleFacesRequest, services: Services) -> Generator[Progress, None, SampledFaces]:
    """Answer a `SampleFacesRequest`, one picture after the other.

    Raises:
        UserInputError: A number is out of range.
        WeightsError: The model cannot be loaded, or its mapping network draws the same face each time.
        ResourceError: Out of memory.
    """
    if not 1 <= request.count <= MOST or not 0 <= request.psi <= 2:
        raise UserInputError(
            "That number of faces or truncation is out of range.",
            f"Choose 1 to {MOST} faces and a truncation between 0 and 2.",
        )
    import torch

    from desktop_app.engine.device import memory_errors_translated
    from desktop_app.engine.edit.random_codes import draw_codes
    from desktop_app.engine.image_tensor import tensor_to_image

    model = services.faces.model(request.model)
    images: list[Image] = []
    with memory_errors_translated("draw faces"), torch.inference_mode():
        codes = draw_codes(model.generator, request.count, psi=request.psi, seed=request.seed)
        for number, code in enumerate(codes, start=1):
            images.append(tensor_to_image(model.decode(code[None])[0]))
            yield Progress(number, request.count)
    if request.count > 1 and request.psi > 0 and _spread(images) < DULL:
        raise WeightsError(
            f"The model '{model.name}' always draws the same picture: its mapping network was not trained.",
            "Invert a photo instead; the encoder does not need it.",
        )
    return SampledFaces(model.name, tuple(images))


def _spread(images: list[Image]) -> float:
    """Mean over pixels of the standard deviation over pictures, in levels."""
    import numpy as np

    return float(np.stack(images).astype(np.float32).std(axis=0).mean())
