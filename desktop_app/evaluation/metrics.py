"""How well neighbours agree with labels: average precision, first neighbour, vote of five."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from desktop_app.core.types import FloatArray

NEIGHBOURS = 5
_CHUNK = 512
_SHUFFLE_SEED = 20


@dataclass(frozen=True, slots=True)
class RetrievalScores:
    """Figures of one encoder on one set; each picture is a query against all others.

    Attributes:
        mean_average_precision: Over the whole ranking, 0 to 1.
        recall_at_1: Share of queries whose nearest neighbour has their label.
        knn_accuracy: Share of queries whose label wins the vote of the five nearest.
        queries: Pictures that share their label with another one; others ask nothing.
        pictures: All pictures of the set.
    """

    mean_average_precision: float
    recall_at_1: float
    knn_accuracy: float
    queries: int
    pictures: int


def retrieval_scores(embeddings: FloatArray, labels: Sequence[str]) -> RetrievalScores | None:
    """Score a set.

    Args:
        embeddings: (N, D), unit length; similarity is their inner product.
        labels: N labels.

    Returns:
        The scores, or None when no two pictures share a label.
    """
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    # Equal similarities would be ranked in the order of the files, which often are sorted by label.
    order = np.random.default_rng(_SHUFFLE_SEED).permutation(len(codes))
    vectors, codes = embeddings[order], codes[order]
    asking = np.flatnonzero(np.bincount(codes)[codes] > 1)
    if not len(asking):
        return None
    precision, first, vote = [], [], []
    for start in range(0, len(asking), _CHUNK):
        rows = asking[start : start + _CHUNK]
        similarity = vectors[rows] @ vectors.T
        similarity[np.arange(len(rows)), rows] = -np.inf
        ranking = np.argsort(-similarity, axis=1, kind="stable")[:, :-1]  # the query comes last
        found = codes[ranking]
        is_alike = found == codes[rows][:, None]
        precision.append(_average_precision(is_alike))
        first.append(is_alike[:, 0])
        vote.append(_votes(found[:, :NEIGHBOURS]) == codes[rows])
    return RetrievalScores(
        mean_average_precision=float(np.concatenate(precision).mean()),
        recall_at_1=float(np.concatenate(first).mean()),
        knn_accuracy=float(np.concatenate(vote).mean()),
        queries=len(asking),
        pictures=len(codes),
    )


@dataclass(frozen=True, slots=True, eq=False)
class RetrievalCurves:
    """Means over the queries of a set.

    Attributes:
        found_at: (K,) share of queries with a picture of their label among the first 1 to K.
        precision_at: (R,) precision at the recalls of `RECALLS`, interpolated.
    """

    found_at: npt.NDArray[np.float64]
    precision_at: npt.NDArray[np.float64]


FIRST_NEIGHBOURS = 50
RECALLS = np.linspace(0.0, 1.0, 21)


def retrieval_curves(embeddings: FloatArray, labels: Sequence[str]) -> RetrievalCurves | None:
    """Curves of a set, of the same rankings as `retrieval_scores`; None when nobody can ask."""
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    order = np.random.default_rng(_SHUFFLE_SEED).permutation(len(codes))
    vectors, codes = embeddings[order], codes[order]
    asking = np.flatnonzero(np.bincount(codes)[codes] > 1)
    if not len(asking):
        return None
    depth = min(FIRST_NEIGHBOURS, len(codes) - 1)
    found, precisions = np.zeros(depth), np.zeros(len(RECALLS))
    for query in asking.tolist():
        similarity = vectors @ vectors[query]
        similarity[query] = -np.inf
        ranking = np.argsort(-similarity, kind="stable")[:-1]
        is_alike = codes[ranking] == codes[query]
        found += np.maximum.accumulate(is_alike[:depth])
        hits = np.cumsum(is_alike)
        precision = hits / np.arange(1, len(hits) + 1)
        # Interpolated: the best precision at this recall or a higher one (Manning et al., 2008, 8.4).
        best = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(hits, np.ceil(RECALLS * hits[-1] - 1e-9).clip(1), side="left")
        precisions += best[at]
    return RetrievalCurves(found / len(asking), precisions / len(asking))


def _average_precision(is_alike: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Mean of the precision at each alike neighbour, for each row of a ranking."""
    hits = np.cumsum(is_alike, axis=1)
    precision = hits / np.arange(1, is_alike.shape[1] + 1)
    result: npt.NDArray[np.float64] = (precision * is_alike).sum(axis=1) / is_alike.sum(axis=1)
    return result


def _votes(found: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The most frequent label of each row; of equally frequent ones that of the nearest neighbour."""
    counts = (found[:, :, None] == found[:, None, :]).sum(axis=2)
    winner: npt.NDArray[np.intp] = found[np.arange(len(found)), counts.argmax(axis=1)]
    return winner
