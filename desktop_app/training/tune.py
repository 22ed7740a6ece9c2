"""Tuning of an encoder on the user's photos: a head on embeddings that are not computed again.

The head begins where closed formulas lead (`tune_start`), which is most of the way: with the built-in encoder
the steps after it change a result by less than a hundredth, with weaker ones by one or two. They are
contrastive: photos that belong together against all others (SupCon), and views of one photo against other
photos (NT-Xent). A pull towards the start keeps a few marked photos from carrying the whole library along. At
the end a classifier of the marked kinds is joined to it (`tune_kinds`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import FloatArray
from desktop_app.engine.embed.tuned_head import MetricHead
from desktop_app.training.losses import alignment, nt_xent, sup_con, uniformity
from desktop_app.training.run_folder import RunFolder
from desktop_app.training.tune_guard import Guard, find_guard
from desktop_app.training.tune_kinds import fit_kinds
from desktop_app.training.tune_run import StepFigures, TuneRun, refuse_divergence
from desktop_app.training.tune_start import RECIPE, Grouping, leading_grouping, library_start, start_head

MIN_PHOTOS = 12
# Photos whose embeddings differ less than this on average look all the same to the encoder.
MIN_SPREAD = 1e-3
# The same picture: as near as half precision can tell.
SAME_PICTURE = 0.9995
_SET_BATCH, _VIEW_BATCH = 256, 128
_WATCH_SEED = 1_000_003


@dataclass(frozen=True, slots=True)
class TuneConfig:
    """How a head is trained.

    Where sets are the user's word for all of a library they lead and views only watch; where they say
    nothing, views lead. Then the head is held close to its start: views say which differences do not
    matter, not which do, and a longer way from the start lost on the flowers of the benchmark
    `tuning_gain`. Between these the share that the guard allows decides.

    Attributes:
        steps: Steps of the training.
        seed: Of batches and views.
        rate: Highest learning rate (Adam).
        temperature: Of both losses.
        pull: Weight of the squared change from the start, where sets lead.
        view_weight: Weight of the loss over views, where sets lead.
        pull_alone: The same where views lead.
        view_weight_alone: The same where views lead.
    """

    steps: int = 120
    seed: int = 0
    rate: float = 2e-4
    temperature: float = 0.3
    pull: float = 0.5
    view_weight: float = 0.25
    pull_alone: float = 2.0
    view_weight_alone: float = 1.0


@dataclass(frozen=True, slots=True)
class TuneData:
    """What a head learns from.

    Attributes:
        vectors: (N, D) embeddings of the library, unit length.
        views: (K, M, D) embeddings of views, unit length; K or M may be 0.
        view_rows: (M,) rows of the photos of the views.
        groupings: What belongs together, in rows of `vectors`.
    """

    vectors: Tensor
    views: Tensor
    view_rows: Tensor
    groupings: tuple[Grouping, ...] = ()


def make_data(
    vectors: FloatArray,
    *,
    views: FloatArray | None = None,
    view_rows: Sequence[int] = (),
    groupings: Sequence[tuple[Sequence[Sequence[int]], float]] = (),
) -> TuneData:
    """Check what a head is to learn from.

    Args:
        vectors: (N, D) embeddings of the library, unit length.
        views: (K, M, D) embeddings of views, or None.
        view_rows: Rows of their photos.
        groupings: Sets of rows, each with how far their directions are stretched.

    Raises:
        UserInputError: Too few photos, all the same, nothing that belongs together, or a contradiction.
    """
    if len(vectors) < MIN_PHOTOS:
        photos = "1 photo" if len(vectors) == 1 else f"{len(vectors)} photos"
        raise UserInputError(
            f"There is too little to learn from: {photos}, at least {MIN_PHOTOS} are needed.",
            "Add more photos to the library and index them first.",
        )
    if not np.isfinite(vectors).all():
        raise UserInputError("Some embeddings of the library are no numbers.", "Index the folders again.")
    if float(vectors.std(axis=0).mean()) * math.sqrt(vectors.shape[1]) < MIN_SPREAD:
        raise UserInputError(
            "All photos look the same to this encoder, so there is nothing to tell apart.",
            "Add photos that differ; the library stays as it is.",
        )
    wide = torch.from_numpy(np.array(vectors, dtype=np.float32))
    made = tuple(
        grouping for sets, stretch in groupings if (grouping := _grouping(sets, stretch)) is not None
    )
    for grouping in made:
        if grouping.stretch > 0:
            _check_contradiction(wide, grouping)
    if views is None or not len(view_rows):
        views = np.zeros((0, 0, vectors.shape[1]), dtype=np.float32)
    if views.shape[2] != vectors.shape[1]:
        raise UserInputError(
            f"The encoder gives {views.shape[2]} numbers for a photo, the library holds {vectors.shape[1]}: "
            "they do not come from the same encoder.",
            "Index the folders again with this encoder.",
        )
    if not made and not len(view_rows):
        raise UserInputError(
            "Nothing was chosen that counts as alike.", "Choose views, or mark photos that belong together."
        )
    rows = torch.tensor(list(view_rows), dtype=torch.long)
    return TuneData(wide, torch.from_numpy(np.array(views, dtype=np.float32)), rows, made)


class TuneTraining(TuneRun):
    """One tuning: state, steps, checkpoint, and the head made of it.

    Args:
        config: How.
        data: What is learned from.
        run: Where the checkpoint goes.
    """

    def __init__(self, config: TuneConfig, data: TuneData, run: RunFolder) -> None:
        self.config = config
        self._data = data
        self.guard = _guard(data)
        share = self.guard.share
        library = library_start(data.vectors, data.views, data.view_rows, set_share=share)
        self.mean = library.mean.float()
        self._start = start_head(library, data.vectors, groupings=data.groupings, share=share)
        self._change = torch.zeros_like(self._start, requires_grad=True)
        super().__init__(config, run, torch.optim.Adam([self._change], lr=config.rate))

    @property
    def matrix(self) -> Tensor:
        """The linear part of the head as it is now, (D, D)."""
        return self._start + self._change.detach()

    def head(self) -> MetricHead:
        """The head as it is now, with the kinds that the sets tell."""
        matrix = self.matrix
        placed = self._placed(self._data.vectors, matrix)
        kinds = fit_kinds(placed, self._data.groupings, covered=self.guard.covered)
        return MetricHead(self.mean, matrix, kinds=kinds)

    def _learned(self) -> dict[str, Any]:
        is_finished = self.step >= self.config.steps
        return {
            "change": self._change.detach().clone(),
            "head": self.head().tensors() if is_finished else {},
        }

    def _take(self, saved: dict[str, Any]) -> None:
        self._change.copy_(saved["change"])

    def _advance(self) -> StepFigures:
        self._set_rate()
        loss, _ = self._losses(self._random)
        pull = self._between(self.config.pull, self.config.pull_alone)
        whole = loss + pull * self._change.square().sum()
        self._optimiser.zero_grad(set_to_none=True)
        refuse_divergence(whole, "Discard it and choose other photos as alike.")
        whole.backward()
        self._optimiser.step()
        return self._watch()

    def _losses(self, chance: torch.Generator) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """Losses of batches drawn by chance, and pairs that are alike."""
        matrix = self._start + self._change
        loss, alike = self._view_loss(matrix, chance)
        for grouping in self._data.groupings:
            more, pairs = self._set_loss(matrix, grouping, chance)
            loss = loss + (self.guard.share if grouping.stretch > 0 else 1.0) * more
            alike = pairs if pairs is not None else alike
        return loss, alike

    @torch.no_grad()
    def _watch(self) -> StepFigures:
        """Figures of the same batches at every step, none of which is learned from as it is."""
        chance = torch.Generator().manual_seed(self.config.seed + _WATCH_SEED)
        loss, alike = self._losses(chance)
        sample = torch.randperm(len(self._data.vectors), generator=chance)[:_SET_BATCH]
        even = float(uniformity(self._placed(self._data.vectors[sample], self._start + self._change)))
        near = float(alignment(*alike)) if alike is not None else 0.0
        return self._note(loss, near, even)

    def _view_loss(
        self, matrix: Tensor, chance: torch.Generator
    ) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        data, config = self._data, self.config
        if not len(data.view_rows):
            return matrix.sum() * 0.0, None
        count = min(_VIEW_BATCH, len(data.view_rows))
        chosen = torch.randperm(len(data.view_rows), generator=chance)[:count]
        which = torch.randint(len(data.views), (count,), generator=chance)
        first = self._placed(data.vectors[data.view_rows[chosen]], matrix)
        second = self._placed(data.views[which, chosen], matrix)
        weight = self._between(config.view_weight, config.view_weight_alone)
        loss = weight * nt_xent(first, second, temperature=config.temperature)
        return loss, (first.detach(), second.detach())

    def _set_loss(
        self, matrix: Tensor, grouping: Grouping, chance: torch.Generator
    ) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        count = min(_SET_BATCH, len(grouping.rows))
        chosen = torch.randperm(len(grouping.rows), generator=chance)[:count]
        placed = self._placed(self._data.vectors[grouping.rows[chosen]], matrix)
        kinds = grouping.kinds[chosen]
        same = (kinds[:, None] == kinds[None]).triu(diagonal=1).nonzero()
        if not len(same):
            return matrix.sum() * 0.0, None
        pairs = (placed[same[:, 0]].detach(), placed[same[:, 1]].detach())
        if len(kinds.unique()) < 2:  # one set alone: other photos of the library stand against it
            others = torch.randint(len(self._data.vectors), (_VIEW_BATCH,), generator=chance)
            placed = torch.cat([placed, self._placed(self._data.vectors[others], matrix)])
            kinds = torch.cat([kinds, kinds.max() + 1 + torch.arange(len(others))])
        return sup_con(placed, kinds, temperature=self.config.temperature), pairs

    def _between(self, with_sets: float, alone: float) -> float:
        return self.guard.share * with_sets + (1.0 - self.guard.share) * alone

    def _placed(self, vectors: Tensor, matrix: Tensor) -> Tensor:
        return F.normalize((vectors - self.mean) @ matrix, dim=1)

    def _mark(self) -> list[float]:
        """Figures that differ when photos, views, sets or the recipe differ."""
        data = self._data
        sets = [float(len(g.rows)) + float((g.rows * (g.kinds + 1)).sum()) for g in data.groupings]
        return [
            float(len(data.vectors)),
            float(data.vectors.double().sum()),
            float(len(data.view_rows)),
            *sets,
            *(g.stretch for g in data.groupings),
            float(RECIPE),
        ]


def agreement(vectors: FloatArray, groupings: Sequence[Sequence[Sequence[int]]]) -> float | None:
    """How high photos of one's own set rank among all others: mean average precision over set members.

    Args:
        vectors: (N, D) unit length.
        groupings: Sets of rows.

    Returns:
        0 to 1, or None when there are no sets.
    """
    scores: list[float] = []
    for sets in groupings:
        for members in sets:
            chosen = np.asarray(members)
            for row in chosen if len(chosen) > 1 else ():
                similarity = vectors @ vectors[row]
                similarity[row] = -np.inf
                mine = np.sort(similarity[chosen[chosen != row]])[::-1]
                ranks = np.array([(similarity > value).sum() + 1 for value in mine])
                scores.append(
                    float((np.arange(1, len(mine) + 1) / np.maximum(ranks, 1)).clip(max=1.0).mean())
                )
    return float(np.mean(scores)) if scores else None


def _guard(data: TuneData) -> Guard:
    """How far the head may go by sets, by the grouping that changes most."""
    if not data.groupings:
        return Guard(0.0)
    leading = leading_grouping(data.groupings)
    return find_guard(data.vectors, leading) if leading is not None else Guard(1.0)


def _grouping(sets: Sequence[Sequence[int]], stretch: float) -> Grouping | None:
    rows: list[int] = []
    kinds: list[int] = []
    for kind, members in enumerate(chosen for chosen in sets if len(chosen) > 1):
        rows.extend(members)
        kinds.extend([kind] * len(members))
    if not rows:
        return None
    return Grouping(torch.tensor(rows, dtype=torch.long), torch.tensor(kinds, dtype=torch.long), stretch)


def _check_contradiction(vectors: Tensor, grouping: Grouping) -> None:
    """The same picture in two sets cannot be both: refuse when it happens at all often."""
    chosen = vectors[grouping.rows]
    if len(set(grouping.rows.tolist())) < len(grouping.rows):
        raise UserInputError(
            "One photo is in two groups of the same kind: they contradict each other.",
            "Take it out of one of them, or join the groups.",
        )
    same = (chosen @ chosen.T > SAME_PICTURE) & (grouping.kinds[:, None] != grouping.kinds[None])
    clashes = int(same.any(dim=1).sum())
    if clashes:
        raise UserInputError(
            f"The groups contradict each other: {clashes} photos show the same picture in different groups.",
            "Join these groups, or take the copies out of one of them.",
        )
