"""Projection by optimisation: search the code, and the noise, whose picture is nearest.

Source: Karras et al., 2020, projection appendix (W, noise regularised); the W+ variant and the
start from an encoder's code follow PTI's and rosinality's code (reference, section 7).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from torch import Tensor

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.core.types import FloatArray, Image, InversionStep, Progress
from desktop_app.engine.device import memory_errors_translated
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.noise_maps import noise_regularisation, normalise_rms_
from desktop_app.engine.invert.objective import Objective, numbers
from desktop_app.engine.invert.restyle import prepare
from desktop_app.engine.invert.run_state import RunState, adam_tensors, restore_adam
from desktop_app.engine.invert.schedule import W_NOISE_STRENGTH, learning_rate, w_noise_factor
from desktop_app.engine.invert.search_loop import SearchPlan, search_steps
from desktop_app.engine.invert.steps import StepRecorder, code_to_tensor
from desktop_app.engine.metrics.l2 import l2
from desktop_app.engine.networks.lpips_net import Lpips

NOISE_WEIGHT = 1e5
MAX_ITERATIONS = 10_000
UNFIT_SPREADS = 2.0
NOISE_NOTE = "Shown with its own noise maps; edits use those of the model."
UNFIT_NOTE = "The model's mapping network does not belong to its codes: started from the average code."


class Space(StrEnum):
    """What is optimised: one w for all layers, or a row for each."""

    W = "w"
    W_PLUS = "w_plus"


@dataclass(frozen=True, slots=True)
class ProjectionOptions:
    """How to search.

    Attributes:
        iterations: Steps of the optimiser.
        base_rate: Learning rate between ramp up and ramp down.
        space: W or W+.
        optimises_noise: Optimise the noise maps too, kept white by a penalty; else the registered
            maps stay.
        noise_weight: Weight of that penalty.
        w_noise: Noise added to the code early on, in spreads of w; 0 for a start that is good.
        mse_weight: Weight of L2 beside LPIPS.
        samples: Mapped samples that give the average code and its spread.
        report_every: Iterations between two steps.
        done: Iterations done before, when a run is taken up again from its last code.
        seed: Of samples and noise.
    """

    iterations: int = 1000
    base_rate: float = 0.1
    space: Space = Space.W
    optimises_noise: bool = True
    noise_weight: float = NOISE_WEIGHT
    w_noise: float = W_NOISE_STRENGTH
    mse_weight: float = 0.0
    samples: int = 10_000
    report_every: int = 50
    done: int = 0
    seed: int = 123


@dataclass(frozen=True, slots=True)
class CodeStatistics:
    """Average code (D,) and spread of w; `fits` when the mapping network belongs to the codes."""

    mean: Tensor
    spread: float
    fits: bool


def code_statistics(model: InversionModel, *, samples: int, seed: int) -> CodeStatistics:
    """Mean of mapped normal samples, and the root of their mean squared distance to it.

    A generator may have been trained without its mapping network (as an autoencoder); its samples
    then lie far from the model's average code, which is the better start.
    """
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        z = torch.randn(samples, model.style_dim, generator=random).to(model.device)
        w = model.generator.map_z(z)
        mean = w.mean(dim=0)
        spread = float((w - mean).square().sum().div(samples).sqrt())
        fits = bool((mean - model.w_avg).norm() <= UNFIT_SPREADS * max(spread, 1e-6))
    return CodeStatistics(mean if fits else model.w_avg, spread if fits else 0.0, fits)


def project(
    model: InversionModel,
    image: Image,
    *,
    options: ProjectionOptions,
    lpips: Lpips | None = None,
    start: FloatArray | None = None,
    state: RunState | None = None,
) -> Iterator[InversionStep | Progress]:
    """Optimise a code, yielding at every iteration.

    Args:
        model: The model; only its generator is used.
        image: An aligned picture, (H, W, 3) uint8.
        options: How to search.
        lpips: Perceptual distance; None: L2, pyramid L1 and MS-SSIM stand in, and steps say so.
        start: Code (L, D) or (D,) to start from; None: the average code.
        state: Of a run that was closed: it goes on there, with its noise maps, moments and random
            numbers. Kept up to date.

    Yields:
        `Progress` after each iteration, and an `InversionStep` every `report_every` of them and at
        the end. Closing the generator stops it. Without a `state`, starting from the last step's
        `w_plus` with `done` set goes on with the schedule alone.

    Raises:
        UserInputError: The options are out of range, or code or state do not belong here.
        WeightsError: The networks produced values that are no numbers.
        ResourceError: Out of memory.
    """
    if not 0 <= options.done < options.iterations <= MAX_ITERATIONS:
        raise UserInputError(f"The number of iterations must be 1 to {MAX_ITERATIONS}.")
    state = RunState() if state is None else state
    state.claim("project", model=model.name, image=image, options=_identity(options))
    with memory_errors_translated("optimise the face"):
        search = _Search(model, prepare(model, image), options=options, lpips=lpips, start=start)
        if state.is_started:
            search.restore(state)
        recorder = StepRecorder(model.name, search.render(), note=search.note)
        if state.is_started:
            recorder.restore(state)
    plan = SearchPlan(
        total=options.iterations,
        report_every=options.report_every,
        text="Searching the code",
        action="optimise the face",
        first=options.done,
    )
    yield from search_steps(search, recorder, state, plan=plan)


def _identity(options: ProjectionOptions) -> str:
    """What must stay the same for a run to go on; steps may be reported at another pace."""
    return repr(replace(options, report_every=1))


class _Search:
    """The optimiser's state: code, noise maps, moments."""

    def __init__(
        self,
        model: InversionModel,
        x: Tensor,
        *,
        options: ProjectionOptions,
        lpips: Lpips | None,
        start: FloatArray | None,
    ) -> None:
        self._x = x
        self._losses: tuple[tuple[str, float], ...] = ()
        self._model = model
        self._options = options
        self._random = torch.Generator().manual_seed(options.seed)
        self._objective = Objective(x, lpips=lpips, mse_weight=options.mse_weight)
        statistics = code_statistics(model, samples=options.samples, seed=options.seed)
        self._spread = statistics.spread
        self._code = self._start(statistics, start).requires_grad_(True)
        self._maps = self._start_noise()
        learned = [self._code] + [n for n in self._maps if n is not None and n.requires_grad]
        self._optimiser = torch.optim.Adam(learned, lr=options.base_rate, betas=(0.9, 0.999))
        notes = [
            self._objective.note,
            NOISE_NOTE if options.optimises_noise else "",
            "" if statistics.fits or start is not None else UNFIT_NOTE,
        ]
        self.note = " ".join(note for note in notes if note)

    def _start(self, statistics: CodeStatistics, start: FloatArray | None) -> Tensor:
        rows = 1 if self._options.space == Space.W else self._model.n_styles
        if start is None:
            return statistics.mean.detach().clone().expand(1, rows, -1).clone()
        codes = code_to_tensor(self._model, start).clone()
        return codes.mean(dim=1, keepdim=True) if self._options.space == Space.W else codes

    def _start_noise(self) -> list[Tensor | None]:
        if not self._options.optimises_noise:
            return self._model.generator.registered_noise()
        maps = self._model.generator.fresh_noise(1, self._random)
        return [n if n is None else n.requires_grad_(True) for n in maps]

    def keep(self, state: RunState) -> None:
        """Write everything that changes into the state of the run."""
        maps = {f"noise.{k}": n for k, n in enumerate(self._maps) if n is not None and n.requires_grad}
        state.tensors.update(code=self._code, random=self._random.get_state(), **maps)
        state.tensors.update(adam_tensors(self._optimiser))

    @torch.no_grad()
    def restore(self, state: RunState) -> None:
        """Go on where a run stood."""
        self._code.copy_(state.tensors["code"])
        for k, noise in enumerate(self._maps):
            if noise is not None and f"noise.{k}" in state.tensors:
                noise.copy_(state.tensors[f"noise.{k}"])
        self._random.set_state(state.tensor("random"))
        restore_adam(self._optimiser, state)

    def codes(self, code: Tensor | None = None) -> Tensor:
        """The code as W+, (1, L, D)."""
        return (self._code if code is None else code).expand(-1, self._model.n_styles, -1)

    def render(self) -> Tensor:
        """Picture of the code now, without noise on the code, (1, 3, H, W)."""
        with torch.no_grad():
            y = self._model.generator.synthesize(self.codes(), noise=self._maps)
            return self._model.visible(y)

    def record(self, recorder: StepRecorder) -> InversionStep:
        """What was found so far."""
        y = self.render()
        error = l2(self._model.pool(y), self._x)
        return recorder.record(self.codes(), y, l2=error, losses=self._losses)

    def step(self, i: int) -> bool:
        """One iteration; there is always more to gain."""
        options = self._options
        t = i / options.iterations
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(t, options.base_rate)
        jitter = torch.randn(self._code.shape, generator=self._random).to(self._code.device)
        code = self._code + jitter * (self._spread * options.w_noise * w_noise_factor(t))
        y = self._model.generator.synthesize(self.codes(code), noise=self._maps)
        loss, terms = self._objective(self._model.visible(y))
        if options.optimises_noise:
            penalty = noise_regularisation(n for n in self._maps if n is not None)
            loss = loss + options.noise_weight * penalty
            terms = (*terms, ("noise_penalty", penalty))
        if not bool(loss.isfinite()):
            raise WeightsError(
                f"The model '{self._model.name}' produced values that are no numbers.", "Import it again."
            )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        if options.optimises_noise:
            normalise_rms_(n for n in self._maps if n is not None)
        self._losses = numbers(terms)
        return False
