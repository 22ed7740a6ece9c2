"""Faces to people: average linkage over similarities, with what the user said kept as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from desktop_app.core.types import FloatArray

Labels = npt.NDArray[np.int64]

# Faces of one linkage; a larger tangle is cut at a higher similarity first. 3,000: 36 MB of distances.
MOST_LINKED = 3000
# Chosen on 200 training people that the encoder did not see (500 faces) among 0 to 2,554 faces of
# strangers, by F 0.5 over pairs: the best fixed thresholds are .39 among 500 faces, .43 among 750, .47
# among 1,000, .53 among 1,500, about .6 among 3,054. Held-out people among 2,973 faces: of the pairs in one
# group .43 are right at .39 and .98 at the grown threshold; of the pairs of one person .89 and .87 are in
# one group (`tests.benchmarks people_groups`). Complete and single linkage give the same; HDBSCAN joins far
# more strangers.
_FEW_FACES = 250
_STRICTER = 0.18  # for ten times as many
_STRICTEST = 0.62  # copies of one photograph have that and more, and shall stay together
_ROWS = 1024
_TIGHTER = 0.05


def threshold_among(faces: int, threshold: float) -> float:
    """The similarity from which on two of many faces count as one person.

    Each face more may be like one of the others by chance, so a threshold that was chosen among few joins
    strangers among many.

    Args:
        faces: Faces that are compared with one another.
        threshold: The one that suits few faces, from the card of the encoder.
    """
    grown = threshold + _STRICTER * max(0.0, math.log10(max(faces, 1) / _FEW_FACES))
    return max(threshold, min(grown, _STRICTEST))


def group_faces(vectors: FloatArray, *, threshold: float) -> Labels:
    """Faces whose mean similarity is at least a threshold get one number.

    Two groups are joined while the mean similarity over all pairs of them reaches the threshold (average
    linkage): one doubtful pair does not chain two people together, as it would with single links.

    Args:
        vectors: (N, D) unit length.
        threshold: Similarity in [-1, 1].

    Returns:
        (N,) numbers from 0, in the order of first appearance.
    """
    labels = np.full(len(vectors), -1, dtype=np.int64)
    following = 0
    for members in _tangles(vectors, np.arange(len(vectors)), threshold):
        part = _linked(vectors[members], threshold)
        labels[members] = part + following
        following += int(part.max()) + 1
    return _in_order(labels)


def attach_faces(
    vectors: FloatArray, people: Sequence[FloatArray], *, threshold: float
) -> tuple[Labels, FloatArray]:
    """The person each face is most like, by mean similarity to the faces of the person.

    Args:
        vectors: (N, D) unit length.
        people: For each person their faces, (n, D).
        threshold: Least mean similarity.

    Returns:
        (N,) positions in `people`, -1 where nobody is like enough, and (N,) the best mean similarity.
    """
    if not len(vectors) or not people:
        return np.full(len(vectors), -1, dtype=np.int64), np.full(len(vectors), -1.0, dtype=np.float32)
    # The mean of similarities is the similarity to the mean.
    means = np.stack([faces.mean(axis=0) for faces in people])
    similarity = vectors @ means.T
    best = similarity.argmax(axis=1)
    value = similarity[np.arange(len(vectors)), best].astype(np.float32)
    return np.where(value >= threshold, best, -1).astype(np.int64), value


def _tangles(vectors: FloatArray, rows: Labels, threshold: float) -> list[Labels]:
    """Rows that hang together by pairs at the threshold; groups never reach across two of them."""
    firsts, seconds = [], []
    for start in range(0, len(rows), _ROWS):
        near = vectors[rows[start : start + _ROWS]] @ vectors[rows].T >= threshold
        first, second = np.nonzero(near)
        firsts.append(first + start)
        seconds.append(second)
    if not firsts:
        return []
    pairs = (np.concatenate(firsts), np.concatenate(seconds))
    graph = coo_matrix((np.ones(len(pairs[0]), dtype=np.int8), pairs), shape=(len(rows), len(rows)))
    count, labels = connected_components(graph, directed=False)
    found: list[Labels] = []
    order = np.argsort(labels, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if count else []:
        whole = rows[members]
        is_tangle = len(whole) > MOST_LINKED and threshold + _TIGHTER < 1.0
        found += _tangles(vectors, whole, threshold + _TIGHTER) if is_tangle else [whole]
    return found


def _linked(vectors: FloatArray, threshold: float) -> Labels:
    """Average linkage of one tangle: (n,) numbers from 0."""
    if len(vectors) == 1:
        return np.zeros(1, dtype=np.int64)
    distance = np.clip(1.0 - vectors @ vectors.T, 0.0, 2.0).astype(np.float64)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), method="average")
    return np.asarray(fcluster(tree, 1.0 - threshold, criterion="distance"), dtype=np.int64) - 1


def _in_order(labels: Labels) -> Labels:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    place = np.empty(len(first), dtype=np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    return place[inverse] if len(labels) else labels
