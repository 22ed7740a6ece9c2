"""Tuning the generator to one picture, kept as a small low-rank change.

Source: pivotal tuning (PTI; Roich et al., 2021): the code stays, the weights move. PTI moves all
weights and keeps a copy of the generator; here each convolution gets a change of low rank,
`weight + left @ right`, which is some per cent of the generator's size, is attached and detached
without touching the weights, and lies in a file of its own.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Generator as Yields
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from desktop_app.core.errors import ResourceError, UserInputError, WeightsError, display_path
from desktop_app.core.types import FloatArray, Image, InversionStep, Progress
from desktop_app.engine.device import memory_errors_translated
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.objective import Objective, numbers
from desktop_app.engine.invert.optimise import MAX_ITERATIONS
from desktop_app.engine.invert.restyle import prepare
from desktop_app.engine.invert.run_state import RunState, adam_tensors, restore_adam
from desktop_app.engine.invert.search_loop import SearchPlan, search_steps
from desktop_app.engine.invert.steps import StepRecorder, code_to_tensor
from desktop_app.engine.metrics.l2 import l2
from desktop_app.engine.networks.lpips_net import Lpips
from desktop_app.engine.networks.stylegan2 import Generator, ModulatedConv

FORMAT = "contrastyle.generator_delta.1"
TUNED_NOTE = "The generator was tuned to this photo; other codes render differently with this change."


@dataclass(frozen=True, slots=True)
class RefineOptions:
    """How to tune.

    Attributes:
        iterations: Steps of the optimiser at most.
        rate: Learning rate of Adam; PTI's 3e-4 moves weights of unit size as far in full rank.
        rank: Rank of each change.
        mse_weight: Weight of L2 beside LPIPS.
        stop_at_l2: Stop once L2 is at or below this.
        report_every: Iterations between two steps.
        seed: Of the factors' start.
    """

    iterations: int = 200
    rate: float = 1e-3
    rank: int = 8
    mse_weight: float = 1.0
    stop_at_l2: float = 0.0
    report_every: int = 20
    seed: int = 0


class GeneratorDelta:
    """Low-rank changes of a generator's convolutions.

    Args:
        model: Name of the model that was tuned.
        factors: By layer name: left (out, r) and right (r, in * k * k).
    """

    def __init__(self, model: str, factors: dict[str, tuple[Tensor, Tensor]]) -> None:
        self.model = model
        self.factors = factors

    @property
    def value_count(self) -> int:
        """Numbers in all factors."""
        return sum(left.numel() + right.numel() for left, right in self.factors.values())

    def attach(self, generator: Generator) -> None:
        """Let the generator render with this change.

        Raises:
            WeightsError: It belongs to another generator.
        """
        layers = tunable_layers(generator)
        if set(layers) != set(self.factors):
            raise WeightsError("The change of the generator belongs to another architecture.")
        for name, (left, right) in self.factors.items():
            weight = layers[name].weight[0]
            if left.shape[0] != weight.shape[0] or right.shape[1] != weight[0].numel():
                raise WeightsError(f"The change of the generator does not fit layer {name}.")
        for name, (left, right) in self.factors.items():
            device = layers[name].weight.device
            layers[name].delta = (left.to(device), right.to(device))

    def copied(self) -> GeneratorDelta:
        """The same change now, for keeping while this one goes on changing."""
        factors = {
            name: (left.detach().clone(), right.detach().clone())
            for name, (left, right) in self.factors.items()
        }
        return GeneratorDelta(self.model, factors)

    def save(self, file: Path) -> None:
        """Write the factors as safetensors.

        Raises:
            ResourceError: The file cannot be written.
        """
        tensors = {}
        for name, (left, right) in self.factors.items():
            tensors[f"{name}.left"] = left.detach().cpu().contiguous()
            tensors[f"{name}.right"] = right.detach().cpu().contiguous()
        temporary = file.with_name(f".{file.name}.tmp")
        try:
            safetensors.torch.save_file(tensors, temporary, {"format": FORMAT, "model": self.model})
            temporary.replace(file)
        except OSError as error:
            raise ResourceError(f"The file {display_path(file)} could not be written: {error}.") from error

    @classmethod
    def load(cls, file: Path, *, model: str) -> GeneratorDelta:
        """Read factors that were saved for the model of this name.

        Raises:
            WeightsError: The file is missing, damaged, or of another model.
        """
        try:
            with safe_open(file, framework="pt") as content:
                about = content.metadata() or {}
                tensors = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"The file {display_path(file)} cannot be read: {error}.") from error
        if about.get("format") != FORMAT:
            raise WeightsError(f"The file {display_path(file)} holds no change of a generator.")
        if about.get("model") != model:
            raise WeightsError(
                f"The file {display_path(file)} belongs to the model '{about.get('model')}', not '{model}'."
            )
        names = {key.rsplit(".", 1)[0] for key in tensors}
        try:
            return cls(model, {n: (tensors[f"{n}.left"], tensors[f"{n}.right"]) for n in sorted(names)})
        except KeyError as error:
            raise WeightsError(f"The file {display_path(file)} lacks {error}.") from error


def detach(generator: Generator) -> None:
    """Render with the generator's own weights again."""
    for layer in tunable_layers(generator).values():
        layer.delta = None


@contextlib.contextmanager
def attached(delta: GeneratorDelta, generator: Generator) -> Iterator[None]:
    """The generator with a change, inside the block only."""
    delta.attach(generator)
    try:
        yield
    finally:
        detach(generator)


def tunable_layers(generator: Generator) -> dict[str, ModulatedConv]:
    """Convolutions that can change, by name."""
    return {n: m for n, m in generator.named_modules() if isinstance(m, ModulatedConv)}


def fresh_delta(model: InversionModel, *, rank: int, seed: int) -> GeneratorDelta:
    """Factors whose product is zero: left zeros, right N(0, 1)."""
    random = torch.Generator().manual_seed(seed)
    factors = {}
    for name, layer in tunable_layers(model.generator).items():
        weight = layer.weight[0]
        inputs = weight[0].numel()
        kept = min(rank, weight.shape[0], inputs)
        right = torch.randn(kept, inputs, generator=random).to(weight.device)
        factors[name] = (torch.zeros(weight.shape[0], kept, device=weight.device), right)
    return GeneratorDelta(model.name, factors)


def refine(
    model: InversionModel,
    image: Image,
    w_plus: FloatArray,
    *,
    options: RefineOptions,
    lpips: Lpips | None = None,
    start: GeneratorDelta | None = None,
    state: RunState | None = None,
) -> Yields[InversionStep | Progress, None, GeneratorDelta]:
    """Tune the generator so that a code renders a picture.

    The model renders without the change whenever this generator is not running; its weights are
    never touched.

    Args:
        model: The model.
        image: The aligned picture, (H, W, 3) uint8.
        w_plus: The code that stays, (L, D).
        options: How to tune.
        lpips: Perceptual distance; None: L2, pyramid L1 and MS-SSIM stand in.
        start: A change to go on from.
        state: Of a run that was closed: it goes on there. Kept up to date.

    Yields:
        `Progress` after each iteration, an `InversionStep` every `report_every` and at the end.

    Returns:
        The change; attach it to render with it.

    Raises:
        UserInputError: The options are out of range, or code or state do not belong here.
        WeightsError: The networks produced values that are no numbers.
        ResourceError: Out of memory.
    """
    _check(options)
    state = RunState() if state is None else state
    state.claim("refine", model=model.name, image=image, options=_identity(options, w_plus))
    with memory_errors_translated("tune the model"):
        delta = start or fresh_delta(model, rank=options.rank, seed=options.seed)
        tuning = _Tuning(model, delta, x=prepare(model, image), code=code_to_tensor(model, w_plus))
        tuning.begin(options, lpips)
        with torch.no_grad():
            before = model.decode(code_to_tensor(model, w_plus))
    recorder = StepRecorder(model.name, before, note=f"{TUNED_NOTE} {tuning.note}".strip())
    if state.is_started:
        tuning.restore(state)
        recorder.restore(state)
    plan = SearchPlan(
        options.iterations, options.report_every, "Tuning the model to the photo", "tune the model"
    )
    yield from search_steps(tuning, recorder, state, plan=plan)
    tuning.freeze()
    return delta


def _identity(options: RefineOptions, w_plus: FloatArray) -> str:
    """What must stay the same for a run to go on: not its length or the pace of its steps."""
    same = replace(options, iterations=1, report_every=1, stop_at_l2=0.0)
    return f"{same!r} {zlib.crc32(w_plus.tobytes()):08x}"


def _check(options: RefineOptions) -> None:
    if not 1 <= options.iterations <= MAX_ITERATIONS or options.rank < 1:
        raise UserInputError(f"Tuning needs 1 to {MAX_ITERATIONS} iterations and a rank of 1 or more.")


class _Tuning:
    """A change on its way; it is attached to the generator only while it is worked on."""

    def __init__(self, model: InversionModel, delta: GeneratorDelta, *, x: Tensor, code: Tensor) -> None:
        self._model = model
        self._delta = delta
        self._x = x
        self._code = code
        self._factors = [f.requires_grad_(True) for pair in delta.factors.values() for f in pair]
        self._losses: tuple[tuple[str, float], ...] = ()

    def begin(self, options: RefineOptions, lpips: Lpips | None) -> None:
        """Choose the loss and the optimiser."""
        self._objective = Objective(self._x, lpips=lpips, mse_weight=options.mse_weight)
        self._optimiser = torch.optim.Adam(self._factors, lr=options.rate)
        self._stop_at_l2 = options.stop_at_l2
        self.note = self._objective.note

    def keep(self, state: RunState) -> None:
        """Write everything that changes into the state of the run."""
        state.tensors.update({f"factor.{k}": factor for k, factor in enumerate(self._factors)})
        state.tensors.update(adam_tensors(self._optimiser))

    @torch.no_grad()
    def restore(self, state: RunState) -> None:
        """Go on where a run stood."""
        for k, factor in enumerate(self._factors):
            factor.copy_(state.tensors[f"factor.{k}"])
        restore_adam(self._optimiser, state)

    def freeze(self) -> None:
        """End of tuning: the factors are plain values again."""
        for factor in self._factors:
            factor.requires_grad_(False)

    def record(self, recorder: StepRecorder) -> InversionStep:
        """The picture with the change as it is now."""
        with attached(self._delta, self._model.generator):
            y = self._model.decode(self._code)
        return recorder.record(self._code, y, l2=l2(self._model.pool(y), self._x), losses=self._losses)

    def step(self, i: int) -> bool:
        """One step of the optimiser.

        Returns:
            Whether the picture was near enough already, so that nothing moved.

        Raises:
            WeightsError: The networks produced values that are no numbers.
        """
        with attached(self._delta, self._model.generator):
            y = self._model.decode(self._code)
            loss, terms = self._objective(y)
            if not bool(loss.isfinite()):
                raise WeightsError(f"Tuning '{self._model.name}' produced values that are no numbers.")
            self._losses = numbers(terms)
            if l2(self._model.pool(y.detach()), self._x) <= self._stop_at_l2:
                return True
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self._optimiser.step()
        return False
