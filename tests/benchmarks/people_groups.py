"""Groups of faces against the names of people, among more and more faces of strangers.

Chosen on training people that the face encoder did not see, reported on held-out people (`val`): precision
and recall over pairs, F 0.5, and B-cubed. Some people stand in the data under two codes, one for each
collection: faces of two codes that are as alike as only copies are (.62 or more; looked at) count as one
person. Strangers are one face each of the people that the encoder was trained on. Needs `CONTRASTYLE_DATA`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform
from sklearn.cluster import HDBSCAN

from desktop_app.core.paths import default_paths
from desktop_app.core.types import FloatArray
from desktop_app.engine.embed.picture_file import read_picture
from desktop_app.engine.embed.registry import load_embedder
from desktop_app.engine.space.people import Labels, threshold_among
from desktop_app.engine.weights.store import ModelStore
from desktop_app.training.alike import held_out_people

ENCODER = "contrastive_face.builtin"
HELD_OUT = 200
STRANGERS = (0, 250, 500, 1000, 2554)
TRIED = np.round(np.arange(0.35, 0.66, 0.01), 2)
_COPY = 0.62
_BETA = 0.5
_BATCH = 64


def run() -> dict[str, object]:
    """Best and built-in thresholds for each number of strangers, and other ways to group."""
    vectors, people, own, val, strangers = _faces(Path(os.environ.get("CONTRASTYLE_DATA", "../shared/data")))
    figures: dict[str, object] = {}
    rng = np.random.default_rng(0)
    for count in STRANGERS:
        added = rng.permutation(strangers)[:count]
        for split, rows in (("chosen on", own), ("reported on", val)):
            every = np.concatenate([rows, added])
            figures[f"{split}, {len(every)} faces"] = _one_size(vectors[every], people[every])
    return figures


def _one_size(vectors: FloatArray, people: Labels) -> dict[str, object]:
    distance = np.clip(1.0 - vectors @ vectors.T, 0.0, 2.0).astype(np.float64)
    np.fill_diagonal(distance, 0.0)
    flat = squareform(distance, checks=False)
    found: dict[str, object] = {}
    for method in ("average", "complete", "single"):
        tree = linkage(flat, method=method)
        cut = _cutter(tree)
        scores = {float(value): pair_scores(cut(float(value)), people) for value in TRIED}
        best = max(scores, key=lambda value: scores[value]["f_half"])
        found[f"{method}, best"] = {"threshold": best, **scores[best]}
        if method == "average":
            built_in = threshold_among(len(people), 0.39)
            found["average, .39"] = pair_scores(cut(0.39), people)
            found["average, built-in"] = {
                "threshold": round(built_in, 3),
                **pair_scores(cut(built_in), people),
            }
    labels = HDBSCAN(min_cluster_size=2, metric="precomputed", copy=True).fit_predict(distance)
    loose = labels < 0
    labels[loose] = labels.max() + 1 + np.arange(int(loose.sum()))
    found["hdbscan"] = pair_scores(labels.astype(np.int64), people)
    return found


def _cutter(tree: FloatArray) -> Callable[[float], Labels]:
    return lambda threshold: np.asarray(fcluster(tree, 1.0 - threshold, "distance"), dtype=np.int64)


def pair_scores(labels: Labels, people: Labels) -> dict[str, float]:
    """Agreement of groups with names, over pairs and over faces (B-cubed)."""
    joint = labels * (int(people.max()) + 1) + people
    right, joined, same = (_pairs(one) for one in (joint, labels, people))
    precision, recall = right / max(joined, 1), right / max(same, 1)
    square = _BETA**2
    f_half = (1 + square) * precision * recall / max(square * precision + recall, 1e-9)
    both, group, person = (_sizes(one) for one in (joint, labels, people))
    scores = {
        "precision": precision,
        "recall": recall,
        "f_half": f_half,
        "b3_precision": float((both / group).mean()),
        "b3_recall": float((both / person).mean()),
    }
    return {name: round(value, 3) for name, value in scores.items()}


def _sizes(keys: Labels) -> FloatArray:
    """For each face how many have its key."""
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return counts[inverse].astype(np.float32)


def _pairs(keys: Labels) -> int:
    counts = np.unique(keys, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def _faces(data: Path) -> tuple[FloatArray, Labels, Labels, Labels, Labels]:
    """Vectors, people, rows of unseen training people, of held-out people and of strangers."""
    with (data / "faces" / "index.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    vectors = _embedded([data / "faces" / row["file"] for row in rows])
    names = np.array([row["person"] for row in rows])
    is_val = np.array([row["split"] == "val" for row in rows])
    unseen = held_out_people(names[~is_val].tolist(), HELD_OUT)
    is_own = np.array([name in unseen for name in names]) & ~is_val
    people = _one_code_each(vectors, np.unique(names, return_inverse=True)[1].astype(np.int64))
    others = np.flatnonzero(~is_val & ~is_own)
    others = others[~np.isin(people[others], people[is_own | is_val])]
    strangers = others[np.unique(people[others], return_index=True)[1]]
    return vectors, people, np.flatnonzero(is_own), np.flatnonzero(is_val), strangers.astype(np.int64)


def _one_code_each(vectors: FloatArray, people: Labels) -> Labels:
    first, second = np.nonzero(np.triu(vectors @ vectors.T >= _COPY, 1))
    count = int(people.max()) + 1
    pairs = (people[first], people[second])
    graph = coo_matrix((np.ones(len(first)), pairs), shape=(count, count))
    joined: Labels = connected_components(graph, directed=False)[1].astype(np.int64)[people]
    return joined


def _embedded(files: list[Path]) -> FloatArray:
    paths = default_paths()
    store = ModelStore(paths.builtin_models, paths.models)
    embedder = load_embedder(store, ENCODER, device=torch.device("cpu"))
    parts = []
    for start in range(0, len(files), _BATCH):
        images = [read_picture(file, at_least_px=160) for file in files[start : start + _BATCH]]
        parts.append(embedder.embed(images))
    return np.concatenate(parts)
