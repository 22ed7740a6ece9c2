"""Batches in which several pictures of a set come together, sets of every family getting their turn."""

from __future__ import annotations

import torch
from torch import Tensor

from desktop_app.training.alike import AlikeSets


class SetOrder:
    """Which pictures come next: members of sets beside pictures that stand alone.

    A family, such as garments among fruit and flowers, is drawn by the root of its size, a set within it by
    the root of its own: large ones come more often, but not as often as their pictures are many. Nothing
    needs to be stored to continue: seed and step say it all.

    Args:
        alike: The sets.
        batch: Pictures of one step.
        in_sets: Share of them that comes from sets, (0, 1].
        members: Pictures of one set at a time.
        seed: Of the draws.
    """

    def __init__(self, alike: AlikeSets, *, batch: int, in_sets: float, members: int, seed: int) -> None:
        counts = torch.bincount(alike.kinds)
        self.batch = min(batch, len(alike.kinds))
        self._members = members
        self._seed = seed
        self._rows = [rows for rows in alike.members() if len(rows) > 1]
        self._alone = torch.nonzero(counts[alike.kinds] < 2).flatten()
        families = torch.tensor([int(alike.families[rows[0]]) for rows in self._rows], dtype=torch.long)
        sizes = torch.tensor([len(rows) for rows in self._rows], dtype=torch.float64)
        family_sizes = torch.zeros(int(families.max()) + 1, dtype=torch.float64).index_add_(
            0, families, sizes
        )
        roots = sizes.sqrt()
        root_sums = torch.zeros_like(family_sizes).index_add_(0, families, roots)
        self._weights = family_sizes.sqrt()[families] * roots / root_sums[families]
        self._draws = round(self.batch * in_sets / members)
        if not len(self._alone):
            self._draws = -(-self.batch // members)

    def rows(self, step: int) -> Tensor:
        """Rows of the pictures of a step, each once: those beside the sets, then the sets."""
        chance = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        found: list[int] = []
        if self._draws:
            for number in torch.multinomial(
                self._weights, self._draws, replacement=True, generator=chance
            ).tolist():
                rows = self._rows[number]
                picked = torch.randperm(len(rows), generator=chance)[: self._members]
                found.extend(rows[picked].tolist())
        in_sets = list(dict.fromkeys(found))[: self.batch]
        pool = self._alone if len(self._alone) else torch.cat(self._rows)
        taken = set(in_sets)
        beside: list[int] = []
        for row in pool[torch.randperm(len(pool), generator=chance)].tolist():
            if len(beside) + len(in_sets) == self.batch:
                break
            if row not in taken:
                beside.append(row)
        return torch.tensor(beside + in_sets, dtype=torch.long)
