"""In-domain inversion: an encoder's code, then optimisation that the encoder keeps in its domain.

Source: IDInvert (Zhu et al., 2020); reference, section 7. The published encoder belongs to
StyleGAN at 256 px; the method works with any encoder, which answers for rendered pictures as it does
for the photo.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.core.types import FloatArray, Image, InversionStep, Progress
from desktop_app.engine.device import memory_errors_translated
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.objective import Terms, numbers, pyramid_l1
from desktop_app.engine.invert.optimise import MAX_ITERATIONS
from desktop_app.engine.invert.restyle import prepare
from desktop_app.engine.invert.steps import StepRecorder, code_to_tensor
from desktop_app.engine.metrics.l2 import l2
from desktop_app.engine.networks.vgg16 import Vgg16Features

PERCEPTUAL_WEIGHT = 5e-5
DOMAIN_WEIGHT = 2.0
PYRAMID_WEIGHT = 0.5
NO_VGG_NOTE = "A pyramid L1 stood in for the perceptual term: the weights of VGG16 are not installed."


@dataclass(frozen=True, slots=True)
class InDomainOptions:
    """How to optimise; the defaults are those of the official script.

    Attributes:
        iterations: Steps of the optimiser; 0: the encoder's code alone.
        rate: Learning rate of Adam.
        domain_weight: Weight of the distance between a code and the encoder's answer to its picture.
        report_every: Iterations between two steps.
    """

    iterations: int = 100
    rate: float = 0.01
    domain_weight: float = DOMAIN_WEIGHT
    report_every: int = 10


def encoder_code(model: InversionModel, x: Tensor) -> Tensor:
    """What the encoder answers for pictures in one pass, (B, L, D)."""
    code = model.encode(x)
    return code + model.average_codes(x.shape[0]) if model.adds_average else code


def invert_in_domain(
    model: InversionModel,
    image: Image,
    *,
    options: InDomainOptions,
    vgg: Vgg16Features | None = None,
    start: FloatArray | None = None,
) -> Iterator[InversionStep | Progress]:
    """The encoder's code as step 1, then optimised codes.

    Args:
        model: The model.
        image: An aligned picture, (H, W, 3) uint8.
        options: How to optimise.
        vgg: Perceptual features; None: a pyramid L1 stands in, and steps say so.
        start: Code to go on from instead of the encoder's.

    Yields:
        `Progress` after each iteration, an `InversionStep` at the start, every `report_every`
        iterations and at the end.

    Raises:
        UserInputError: The options are out of range, or the code is of another model.
        WeightsError: The networks produced values that are no numbers.
        ResourceError: Out of memory.
    """
    if not 0 <= options.iterations <= MAX_ITERATIONS:
        raise UserInputError(f"The number of iterations must be 0 to {MAX_ITERATIONS}.")
    note = "" if vgg is not None or options.iterations == 0 else NO_VGG_NOTE
    recorder = StepRecorder(model.name, model.average_output, note=note)
    with torch.no_grad(), memory_errors_translated("invert the face"):
        x = prepare(model, image)
        code = encoder_code(model, x) if start is None else code_to_tensor(model, start)
        y = model.decode(code)
        features = None if vgg is None else vgg(x)
        first = recorder.record(code, y, l2=l2(model.pool(y), x))
    yield first
    recorder.resume()
    loss_of = _Loss(model, x, vgg=vgg, features=features, domain_weight=options.domain_weight)
    code = code.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([code], lr=options.rate)
    for i in range(options.iterations):
        with memory_errors_translated("optimise the face"):
            loss, terms = loss_of(code)
            _finite_or_raise(model, loss)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        if i + 1 == options.iterations or (i + 1) % options.report_every == 0:
            with torch.no_grad(), memory_errors_translated("optimise the face"):
                y = model.decode(code)
                found = recorder.record(code, y, l2=l2(model.pool(y), x), losses=numbers(terms))
            yield found
            recorder.resume()
        yield Progress(done=i + 1, total=options.iterations, text="Searching the code")


class _Loss:
    """What is made small: pixels, a perceptual term, and the distance from the encoder's domain."""

    def __init__(
        self,
        model: InversionModel,
        x: Tensor,
        *,
        vgg: Vgg16Features | None,
        features: Tensor | None,
        domain_weight: float,
    ) -> None:
        self._model = model
        self._x = x
        self._vgg = vgg
        self._features = features
        self._domain_weight = domain_weight

    def __call__(self, code: Tensor) -> tuple[Tensor, Terms]:
        """The loss of a code (B, L, D), and its terms."""
        y_small = self._model.pool(self._model.decode(code))
        pixels = F.mse_loss(y_small, self._x)
        perceptual = self._perceptual(y_small)
        domain = F.mse_loss(code, encoder_code(self._model, y_small))
        terms = (("l2", pixels), ("perceptual", perceptual), ("domain", domain))
        return pixels + perceptual + self._domain_weight * domain, terms

    def _perceptual(self, y_small: Tensor) -> Tensor:
        if self._vgg is None or self._features is None:
            return PYRAMID_WEIGHT * pyramid_l1(y_small, self._x)
        return PERCEPTUAL_WEIGHT * F.mse_loss(self._vgg(y_small), self._features)


def _finite_or_raise(model: InversionModel, loss: Tensor) -> None:
    if not bool(loss.isfinite()):
        raise WeightsError(
            f"The model '{model.name}' produced values that are no numbers.", "Import it again."
        )
