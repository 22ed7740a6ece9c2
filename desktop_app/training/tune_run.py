"""What tuning a head and tuning last layers share: steps to the end, figures, checkpoints, refusals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from desktop_app.core.errors import UserInputError
from desktop_app.training.checkpoint_parts import is_thin, reseeded
from desktop_app.training.run_folder import RunFolder, cosine_rate

# The collapse alarm: this much nearer to a single point than at the start.
COLLAPSE_SHARE = 0.35
_LAST_RATE = 0.05
# Steps within which a fresh optimiser reaches its full rate, where a run goes on without its old one.
_WARM_STEPS = 10


@dataclass(frozen=True, slots=True)
class StepFigures:
    """What is watched.

    Attributes:
        step: Steps done.
        loss: Without the pull; of a head on the same photos at every step, of layers on those of the step.
        alignment: Mean squared distance of what is alike, 0 to 4; lower is better.
        uniformity: At most 0; lower is more even, near 0 is a collapse.
        is_collapsed: The embeddings run together.
    """

    step: int
    loss: float
    alignment: float
    uniformity: float
    is_collapsed: bool


class TuneChoices(Protocol):
    """What both configurations have."""

    @property
    def steps(self) -> int:
        """Steps of the training."""

    @property
    def seed(self) -> int:
        """Of batches and views."""

    @property
    def rate(self) -> float:
        """Highest learning rate."""


class TuneRun(ABC):
    """A tuning on its way.

    Args:
        config: How, a dataclass.
        run: Where the checkpoint goes.
        optimiser: Of what is learned.
    """

    def __init__(self, config: TuneChoices, run: RunFolder, optimiser: torch.optim.Optimizer) -> None:
        self._choices: dict[str, Any] = asdict(config)  # type: ignore[call-overload]
        self._run = run
        self._optimiser = optimiser
        self._random = torch.Generator().manual_seed(config.seed)
        self._first_uniformity = 0.0
        self._fresh_since = 0  # step at which the optimiser started
        self.step = 0
        self.figures: list[StepFigures] = []

    @abstractmethod
    def _advance(self) -> StepFigures:
        """One step."""

    @abstractmethod
    def _mark(self) -> list[float]:
        """Figures that differ when what is learned from differs."""

    @abstractmethod
    def _learned(self) -> dict[str, Any]:
        """What is learned, for a checkpoint."""

    @abstractmethod
    def _take(self, saved: dict[str, Any]) -> None:
        """Take up what was learned."""

    def steps(self) -> Generator[StepFigures, None, None]:
        """Train to the end; saves after the last step and when it is closed early."""
        try:
            while self.step < self._choices["steps"]:
                yield self._advance()
        finally:
            self.save()

    def save(self) -> None:
        """Write a checkpoint that restores everything."""
        self._run.save(
            {
                **self._learned(),
                "config": self._choices,
                "mark": self._mark(),
                "step": self.step,
                "optimiser": self._optimiser.state_dict(),
                "random": self._random.get_state(),
                "fresh_since": self._fresh_since,
                "first_uniformity": self._first_uniformity,
                "figures": [tuple(asdict(one).values()) for one in self.figures],
            }
        )

    def restore(self) -> bool:
        """Continue from the run's checkpoint; False when there is none.

        Raises:
            UserInputError: It is of other choices, or of other photos.
            WeightsError: It is damaged.
        """
        saved = self._run.load()
        if saved is None:
            return False
        theirs, ours = ({**choices, "steps": 0} for choices in (saved["config"], self._choices))
        if theirs != ours or saved.get("mark") != self._mark():
            raise UserInputError(
                "The stopped tuning was begun with other choices, or library or program changed since.",
                "Discard it and start again; the library and its index are untouched.",
            )
        with torch.no_grad():
            self._take(saved)
        self.step, self._first_uniformity = saved["step"], saved["first_uniformity"]
        self.figures = [StepFigures(*values) for values in saved["figures"]]
        self._fresh_since = saved.get("fresh_since", 0)
        if is_thin(saved):
            self._fresh_since = self.step
            reseeded(self._random, self._choices["seed"], self.step)
            return True
        self._optimiser.load_state_dict(saved["optimiser"])
        self._random.set_state(saved["random"])
        return True

    def _set_rate(self) -> None:
        rate = self._choices["rate"] * cosine_rate(self.step / self._choices["steps"], floor=_LAST_RATE)
        if self._fresh_since:
            rate *= min(1.0, (self.step - self._fresh_since + 1) / _WARM_STEPS)
        for group in self._optimiser.param_groups:
            group["lr"] = rate

    def _note(self, loss: Tensor, near: float, even: float) -> StepFigures:
        """Count the step and keep its figures: loss, alignment, uniformity."""
        self.step += 1
        if not self.figures:
            self._first_uniformity = even
        is_collapsed = even > COLLAPSE_SHARE * self._first_uniformity
        self.figures.append(StepFigures(self.step, float(loss.detach()), near, even, is_collapsed))
        return self.figures[-1]


def refuse_divergence(loss: Tensor, advice: str) -> None:
    """Stop when a loss is no number.

    Raises:
        UserInputError: It is none.
    """
    if not torch.isfinite(loss):
        raise UserInputError("The tuning diverged: the loss is no number.", advice)
