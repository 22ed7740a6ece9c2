"""Tuning of the last layers of an encoder on the user's photos; the layers before stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image as PillowImage
from torch import Tensor, nn

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import Image
from desktop_app.engine.embed.embedder import Embedder
from desktop_app.engine.embed.tuned_encoder import CHANGED
from desktop_app.training.alike import AlikeSets
from desktop_app.training.losses import alignment, nt_xent, sup_con, uniformity
from desktop_app.training.run_folder import RunFolder
from desktop_app.training.tune_run import StepFigures, TuneRun, refuse_divergence
from desktop_app.training.tune_views import TUNE_VIEWS
from desktop_app.training.views import draw_views

MIN_PICTURES = 4
_STORED_PER_INPUT = 1.5
_CLIP = 1.0


@dataclass(frozen=True, slots=True)
class BlockConfig:
    """How the last layers are trained.

    Attributes:
        steps: Steps of the training.
        seed: Of batches and views.
        batch: Photos of one step.
        rate: Highest learning rate (AdamW).
        temperature: Of the losses.
        share: Part of all weights that may change, counted from the end, (0, 1].
    """

    steps: int = 60
    seed: int = 0
    batch: int = 32
    rate: float = 1e-4
    temperature: float = 0.2
    share: float = 0.35


class BlockTuning(TuneRun):
    """One training of last layers: state, steps, checkpoint, and the changed weights.

    Args:
        config: How.
        embedder: The encoder, loaded for this training alone: its weights change.
        images: Photos to learn from, (H, W, 3) uint8 each.
        sets: Which of them belong together.
        run: Where the checkpoint goes.

    Raises:
        UserInputError: The encoder has no layers that can be changed, or there are too few photos.
    """

    def __init__(
        self,
        config: BlockConfig,
        embedder: Embedder,
        images: Sequence[Image],
        *,
        sets: AlikeSets,
        run: RunFolder,
    ) -> None:
        network = getattr(embedder, "network", None)
        if not isinstance(network, nn.Module) or not list(network.parameters()):
            raise UserInputError(
                f"The layers of '{embedder.name}' cannot be changed.", "Tune without changing layers."
            )
        if len(images) < MIN_PICTURES:
            raise UserInputError(
                "Too few photos can be read to change layers.", "Tune without changing layers."
            )
        self.config = config
        self.embedder = embedder
        self._network = network
        self._sets = sets
        self._device = next(network.parameters()).device
        self._pictures, self._ratio = _squares(images, embedder.input_px)
        self.names = last_names(network, config.share)
        chosen = dict(network.named_parameters())
        self._weights = [chosen[name].requires_grad_(True) for name in self.names]
        super().__init__(config, run, torch.optim.AdamW(self._weights, lr=config.rate, weight_decay=0.0))

    def changed(self) -> dict[str, Tensor]:
        """The changed weights, under the names of a tuned encoder's file."""
        weights = zip(self.names, self._weights, strict=True)
        return {CHANGED + name: weight.detach().cpu().clone() for name, weight in weights}

    def _learned(self) -> dict[str, Any]:
        return {"changed": self.changed()}

    def _take(self, saved: dict[str, Any]) -> None:
        for name, weight in zip(self.names, self._weights, strict=True):
            weight.copy_(saved["changed"][CHANGED + name])

    def _mark(self) -> list[float]:
        return [float(len(self._pictures))]

    def _advance(self) -> StepFigures:
        config = self.config
        self._set_rate()
        count = min(config.batch, len(self._pictures))
        rows = torch.randperm(len(self._pictures), generator=self._random)[:count]
        others = self._sets.partners(rows, self._random)
        first, second = self._placed(rows), self._placed(others)
        loss = nt_xent(first, second, temperature=config.temperature)
        if self._sets.shared:
            kinds = self._sets.kinds[rows].repeat(2).to(self._device)
            loss = loss + sup_con(torch.cat([first, second]), kinds, temperature=config.temperature)
        refuse_divergence(loss, "Discard it and start again.")
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._weights, _CLIP)
        self._optimiser.step()
        with torch.no_grad():
            near, even = float(alignment(first, second)), float(uniformity(first))
        return self._note(loss, near, even)

    def _placed(self, rows: Tensor) -> Tensor:
        """Embeddings of a view of each picture; norms keep their statistics."""
        x = draw_views(
            self._pictures[rows],
            self._ratio[rows],
            size=self.embedder.input_px,
            config=TUNE_VIEWS,
            generator=self._random,
        )
        features: Tensor = self._network(self.embedder.normalised(x.to(self._device)))
        return F.normalize(features.float(), dim=1)


def last_names(network: nn.Module, share: float) -> list[str]:
    """Names of the last weights of a network: as many as make up a share of all, at least one."""
    named = [(name, weight.numel()) for name, weight in network.named_parameters()]
    room = share * sum(size for _, size in named)
    chosen: list[str] = []
    for name, size in reversed(named):
        room -= size
        if room < 0 and chosen:
            break
        chosen.append(name)
    return chosen[::-1]


def _squares(images: Sequence[Image], input_px: int) -> tuple[Tensor, Tensor]:
    side = round(input_px * _STORED_PER_INPUT)
    small: list[Any] = [
        np.asarray(PillowImage.fromarray(image).resize((side, side), PillowImage.Resampling.BICUBIC))
        for image in images
    ]
    pictures = torch.from_numpy(np.ascontiguousarray(np.stack(small).transpose(0, 3, 1, 2)))
    return pictures, torch.tensor([image.shape[1] / image.shape[0] for image in images])
