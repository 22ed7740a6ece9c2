"""How far a tuned head may go: as far as the marked kinds are what a library holds.

A head that was learned from a few marked groups brings photos of the marked kinds together. Photos of other
kinds may lose by it, and where the groups use up nearly all photos of their kind, as with the products of a
shop, most of a library is of other kinds. So it counts how much of the library looks like the marked kinds.
(What left-out groups, or left-out members of the groups, gain tells nothing more: groups that a user marks
are more like each other than like the rest of his library.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.training.tune_start import Grouping

# With all label sets as one library and ten groups, photos of other kinds lost 3 % by a share of what is
# covered, and nothing by this power of it.
DOUBT = 6


@dataclass(frozen=True, slots=True)
class Guard:
    """What was found.

    Attributes:
        share: How much of what the groups say is taken, 0 to 1.
        covered: Share of the library that looks like the marked kinds, 0 to 1, rather too high.
    """

    share: float
    covered: float = 1.0


def find_guard(vectors: Tensor, grouping: Grouping) -> Guard:
    """Find how far a head may go.

    Args:
        vectors: (N, D) embeddings of the library, unit length.
        grouping: The user's groups.
    """
    sets = [grouping.rows[grouping.kinds == kind] for kind in grouping.kinds.unique()]
    covered = _covered(vectors, [rows for rows in sets if len(rows) > 1])
    return Guard(covered**DOUBT, covered)


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
