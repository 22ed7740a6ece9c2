"""How far a tuned head may go: judged on marks that it did not see, before it is trained.

A head that was learned from a few marked groups brings photos of the marked kinds together. Photos of other
kinds may lose by it, and where the groups use up nearly all photos of their kind, as with the products of a
shop, most of a library is of other kinds. So it counts how much of the library looks like the marked kinds,
and for the rest whether groups that were left out gain by what the others teach, by the closed form that a
tuning begins with. (Left-out members of the marked groups tell too little: on the label sets of the benchmark
`tuning_gain` their gain says nothing about that of the unmarked photos, the two figures above do.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.training.tune_start import Grouping, LibraryStart, start_head

SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
# Fewer groups than this cannot be left out in turn: they say nothing about photos of other kinds.
LEAST_SETS = 4
_MOST_SETS = 40
# With all label sets as one library and ten groups, photos of other kinds lost 3 % by a share of what is
# covered, and nothing by this power of it.
_DOUBT = 6
_FOLDS = 2
_MOST_PHOTOS = 4000


@dataclass(frozen=True, slots=True)
class Guard:
    """What was found.

    Attributes:
        share: How much of what the groups say is taken, 0 to 1.
        covered: Share of the library that looks like the marked kinds, 0 to 1, rather too high.
        other_share: Share of the change that suits left-out groups best.
    """

    share: float
    covered: float = 1.0
    other_share: float = 1.0


def find_guard(library: LibraryStart, vectors: Tensor, *, grouping: Grouping, seed: int) -> Guard:
    """Find the share of a head that marks it has not seen agree with.

    Args:
        library: What the library says without sets.
        vectors: (N, D) embeddings of the library, unit length.
        grouping: The user's groups.
        seed: Of the folds.
    """
    sets = _sets(grouping, seed)
    covered = _covered(vectors, sets) if sets else 0.0
    if covered == 1.0:
        return Guard(1.0)
    certain = covered**_DOUBT
    if len(sets) < LEAST_SETS:
        return Guard(certain, covered, 0.0)
    gains = torch.zeros(len(SHARES))
    for fold in range(_FOLDS):
        taught, asked = sets[fold::_FOLDS], sets[1 - fold :: _FOLDS]
        kinds = torch.cat([torch.full((len(rows),), n) for n, rows in enumerate(taught)])
        known = Grouping(torch.cat(taught), kinds, grouping.stretch)
        hidden = torch.zeros(len(vectors), dtype=torch.bool)
        hidden[known.rows] = True
        sample = _sample(len(vectors), asked, seed)
        for number, share in enumerate(SHARES):
            matrix = start_head(library, vectors, groupings=[known], share=share)
            placed = F.normalize((vectors[sample] - library.mean.float()) @ matrix, dim=1)
            gains[number] += _agreement(placed, sample, asked, hidden[sample])
    other = SHARES[int(gains.argmax())]
    return Guard(certain + (1.0 - certain) * other, covered, other)


def _sample(count: int, sets: list[Tensor], seed: int) -> Tensor:
    """Rows of the sets first, then others by chance, `_MOST_PHOTOS` or all."""
    chance = torch.Generator().manual_seed(seed)
    asked = torch.cat(sets)
    is_other = torch.ones(count, dtype=torch.bool)
    is_other[asked] = False
    others = is_other.nonzero().flatten()
    others = others[torch.randperm(len(others), generator=chance)]
    return torch.cat([asked, others[: max(_MOST_PHOTOS - len(asked), 0)]])


def _sets(grouping: Grouping, seed: int) -> list[Tensor]:
    """Rows of each set of two or more, sets and members in an order by chance."""
    chance = torch.Generator().manual_seed(seed)
    found = [grouping.rows[grouping.kinds == kind] for kind in grouping.kinds.unique()]
    found = [rows[torch.randperm(len(rows), generator=chance)] for rows in found if len(rows) > 1]
    return [found[n] for n in torch.randperm(len(found), generator=chance).tolist()][:_MOST_SETS]


def _agreement(placed: Tensor, rows: Tensor, sets: list[Tensor], hidden: Tensor) -> float:
    """Mean average precision of set members among all photos of a sample that are not hidden."""
    place = {row: number for number, row in enumerate(rows.tolist())}
    scores = []
    for members in sets:
        own = torch.tensor([place[row] for row in members.tolist()])
        for row in own.tolist():
            similarity = placed @ placed[row]
            similarity[hidden] = -2.0
            similarity[row] = -2.0
            values = similarity[own[own != row]].sort(descending=True).values
            ranks = (similarity[None] > values[:, None]).sum(dim=1) + 1
            scores.append(float((torch.arange(1, len(values) + 1) / ranks).clamp(max=1.0).mean()))
    return sum(scores) / len(scores)


def _covered(vectors: Tensor, sets: list[Tensor]) -> float:
    """Share of the unmarked photos that lie as near to a group as half of its own members do."""
    centres = F.normalize(torch.stack([vectors[rows].mean(dim=0) for rows in sets]), dim=1)
    own = []
    for rows in sets:
        for row in rows.tolist():
            rest = F.normalize(vectors[rows[rows != row]].mean(dim=0), dim=0)
            own.append(float(vectors[row] @ rest))
    unmarked = torch.ones(len(vectors), dtype=torch.bool)
    unmarked[torch.cat(sets)] = False
    if not unmarked.any():
        return 1.0
    nearest = (vectors[unmarked] @ centres.T).max(dim=1).values
    middle = float(torch.tensor(own).median())
    return min(1.0, 2.0 * float((nearest >= middle).float().mean()))
