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
from desktop_app.engine.invert.run_state import RunState, adam_tensors, restore_adam
from desktop_app.engine.invert.search_loop import SearchPlan, search_steps
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
    state: RunState | None = None,
) -> Iterator[InversionStep | Progress]:
    """The encoder's code as step 1, then optimised codes.

    Args:
        model: The model.
        image: An aligned picture, (H, W, 3) uint8.
        options: How to optimise.
        vgg: Perceptual features; None: a pyramid L1 stands in, and steps say so.
        start: Code to go on from instead of the encoder's.
        state: Of a run that was closed: it goes on there. Kept up to date.

    Yields:
        `Progress` after each iteration, an `InversionStep` at the start, every `report_every`
        iterations and at the end.

    Raises:
        UserInputError: The options are out of range, or code or state do not belong here.
        WeightsError: The networks produced values that are no numbers.
        ResourceError: Out of memory.
    """
    if not 0 <= options.iterations <= MAX_ITERATIONS:
        raise UserInputError(f"The number of iterations must be 0 to {MAX_ITERATIONS}.")
    state = RunState() if state is None else state
    state.claim("idinvert", model=model.name, image=image, options=f"{options.rate} {options.domain_weight}")
    note = "" if vgg is not None or options.iterations == 0 else NO_VGG_NOTE
    recorder = StepRecorder(model.name, model.average_output, note=note)
    with torch.no_grad(), memory_errors_translated("invert the face"):
        search = _Search(model, prepare(model, image), options=options, vgg=vgg)
        if not state.is_started:
            first = search.begin(recorder, start)
    if state.is_started:
        search.restore(state)
        recorder.restore(state)
    else:
        search.keep(state)
        recorder.keep(state)
        yield first
        recorder.resume()
    plan = SearchPlan(options.iterations, options.report_every, "Searching the code", "optimise the face")
    yield from search_steps(search, recorder, state, plan=plan)


class _Search:
    """The optimiser's state, and what is made small: pixels, a perceptual term, distance from the domain."""

    def __init__(
        self, model: InversionModel, x: Tensor, *, options: InDomainOptions, vgg: Vgg16Features | None
    ) -> None:
        self._model = model
        self._x = x
        self._options = options
        self._vgg = vgg
        self._features = None if vgg is None else vgg(x)
        self._losses: tuple[tuple[str, float], ...] = ()
        self._use(model.average_codes(1))

    def _use(self, code: Tensor) -> None:
        self._code = code.detach().clone().requires_grad_(True)
        self._optimiser = torch.optim.Adam([self._code], lr=self._options.rate)

    def begin(self, recorder: StepRecorder, start: FloatArray | None) -> InversionStep:
        """The code before any optimisation."""
        self._use(encoder_code(self._model, self._x) if start is None else code_to_tensor(self._model, start))
        return self.record(recorder)

    def keep(self, state: RunState) -> None:
        """Write everything that changes into the state of the run."""
        state.tensors.update(code=self._code, **adam_tensors(self._optimiser))

    def restore(self, state: RunState) -> None:
        """Go on where a run stood."""
        self._use(state.tensors["code"])
        restore_adam(self._optimiser, state)

    def record(self, recorder: StepRecorder) -> InversionStep:
        """What was found so far."""
        y = self._model.decode(self._code)
        error = l2(self._model.pool(y), self._x)
        return recorder.record(self._code, y, l2=error, losses=self._losses)

    def step(self, i: int) -> bool:
        """One iteration; there is always more to gain."""
        loss, terms = self._loss()
        _finite_or_raise(self._model, loss)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        self._losses = numbers(terms)
        return False

    def _loss(self) -> tuple[Tensor, Terms]:
        y_small = self._model.pool(self._model.decode(self._code))
        pixels = F.mse_loss(y_small, self._x)
        perceptual = self._perceptual(y_small)
        domain = F.mse_loss(self._code, encoder_code(self._model, y_small))
        terms = (("l2", pixels), ("perceptual", perceptual), ("domain", domain))
        return pixels + perceptual + self._options.domain_weight * domain, terms

    def _perceptual(self, y_small: Tensor) -> Tensor:
        if self._vgg is None or self._features is None:
            return PYRAMID_WEIGHT * pyramid_l1(y_small, self._x)
        return PERCEPTUAL_WEIGHT * F.mse_loss(self._vgg(y_small), self._features)


def _finite_or_raise(model: InversionModel, loss: Tensor) -> None:
    if not bool(loss.isfinite()):
        raise WeightsError(
            f"The model '{model.name}' produced values that are no numbers.", "Import it again."
        )
