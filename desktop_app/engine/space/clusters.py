"""Groups of a layout that lie close together, by HDBSCAN.

Source: Campello, Moulavi and Sander, 2013; scikit-learn. Its time grows with the square of the rows, so
large layouts are grouped by a sample, and every other row joins the group of its nearest sampled one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from sklearn.cluster import HDBSCAN

from desktop_app.core.types import FloatArray

NO_CLUSTER = -1
_MOST_SAMPLED = 6_000
_LEAST_SHARE = 0.015
_LEAST_MEMBERS = 5

CodeArray = npt.NDArray[np.int32]


def find_clusters(places: FloatArray, *, seed: int = 0) -> CodeArray:
    """Number the groups of a layout, the largest first.

    Args:
        places: (N, 2).
        seed: Of the sample.

    Returns:
        (N,) numbers from 0; -1 for rows of no group.
    """
    sample = np.arange(len(places))
    if len(places) > _MOST_SAMPLED:
        sample = np.sort(np.random.default_rng(seed).choice(len(places), _MOST_SAMPLED, replace=False))
    least = max(_LEAST_MEMBERS, round(_LEAST_SHARE * len(sample)))
    if len(sample) <= least:
        return np.full(len(places), NO_CLUSTER, dtype=np.int32)
    method = HDBSCAN(min_cluster_size=least, min_samples=_LEAST_MEMBERS, algorithm="kd_tree", copy=True)
    found = method.fit_predict(places[sample].astype(np.float64)).astype(np.int32)
    if len(sample) < len(places):
        tree = cKDTree(places[sample])
        found = found[tree.query(places, k=1)[1]]
    return by_size(found)


def by_size(codes: CodeArray) -> CodeArray:
    """The same groups, numbered by their size; -1 stays."""
    numbers, counts = np.unique(codes[codes >= 0], return_counts=True)
    order = numbers[np.argsort(-counts, kind="stable")]
    renamed = np.full(int(codes.max(initial=-1)) + 2, NO_CLUSTER, dtype=np.int32)
    renamed[order] = np.arange(len(order), dtype=np.int32)
    return renamed[codes]
