"""Embeddings to a plane in which neighbours stay neighbours, by t-SNE; new rows beside their like.

Source: van der Maaten and Hinton, 2008; the interpolation of Linderman et al., 2019; start from the
principal components and early exaggeration after Kobak and Berens, 2019. All of it from openTSNE, which
is compiled ahead: nothing is translated while the program runs.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from openTSNE import TSNEEmbedding, _tsne
from openTSNE.affinity import PrecomputedAffinities
from scipy.sparse import csr_matrix

from desktop_app.core.types import FloatArray

try:
    import faiss
except ImportError:  # a machine without the wheel: numpy answers
    faiss = None  # type: ignore[assignment]

LEAST_ROWS = 10
PERPLEXITY = 20.0
# Iterations with exaggerated attraction, then without.
EARLY, LATE = 250, 450
EARLY_EXAGGERATION = 12.0
# Above this many rows repulsion is interpolated on a grid; below, the tree is faster.
_GRID_FROM = 5_000
# Neighbours are compared in the leading principal components; later ones hold little but noise.
_COMPONENTS = 48
_COVARIANCE_ROWS = 20_000
_QUERIES_A_STEP = 1024
_STEP_S = 0.4
_MOST_ITERATIONS_A_STEP = 25
# A new row lies at the weighted mean of the places of this many nearest rows.
PLACED_BY = 3
_TINY = 1e-12

IndexArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LayoutStep:
    """How far a layout is.

    Attributes:
        stage: What is being done.
        done: Units done.
        total: Units in all, of the whole layout.
        places: (N, 2) so far, or None before there are any.
    """

    stage: str
    done: int
    total: int
    places: FloatArray | None = None


def lay_out(rows: FloatArray, *, seed: int = 0, threads: int = 1) -> Generator[LayoutStep, None, FloatArray]:
    """Find a place for every row.

    Args:
        rows: (N, D) unit-length embeddings, N at least `LEAST_ROWS`.
        seed: Of the tiny noise that parts equal rows.
        threads: For the gradient.

    Yields:
        Steps, several in a second where the rows are not many.

    Returns:
        (N, 2), centred; the outermost rows lie about 1 from the middle.
    """
    if len(rows) < LEAST_ROWS:
        raise ValueError(f"a layout needs {LEAST_ROWS} rows")
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3.01)
    wanted = min(int(3 * perplexity), len(rows) - 1)
    searches = -(-len(rows) // _QUERIES_A_STEP)
    # One search of a thousand rows takes about as long as ten iterations.
    total = searches * 10 + EARLY + LATE
    yield LayoutStep("Reducing", 0, total)
    small = reduced(rows)
    neighbours = np.empty((len(rows), wanted), dtype=np.int64)
    distances = np.empty((len(rows), wanted), dtype=np.float64)
    index = _Nearest(small)
    for number in range(searches):
        piece = slice(number * _QUERIES_A_STEP, (number + 1) * _QUERIES_A_STEP)
        neighbours[piece], distances[piece] = index.others(piece, wanted)
        # In place of the distances: how strongly each row is drawn to its neighbours.
        distances[piece] = _tsne.compute_gaussian_perplexity(
            distances[piece], np.array([perplexity]), num_threads=threads
        )
        yield LayoutStep("Finding neighbours", (number + 1) * 10, total)
    pull = _symmetric(neighbours, distances)
    yield LayoutStep("Finding neighbours", searches * 10, total)
    embedding = _started(small, pull, seed=seed, threads=threads)
    done = searches * 10
    for iterations, exaggeration, momentum in ((EARLY, EARLY_EXAGGERATION, 0.5), (LATE, None, 0.8)):
        left, size = iterations, 5
        while left:
            size = min(size, left)
            started = time.monotonic()
            embedding.optimize(n_iter=size, inplace=True, exaggeration=exaggeration, momentum=momentum)
            left, done = left - size, done + size
            pace = size * _STEP_S / max(time.monotonic() - started, 1e-6)
            size = int(np.clip(pace, 3, _MOST_ITERATIONS_A_STEP))
            yield LayoutStep("Arranging", done, total, scaled(np.asarray(embedding)))
    return scaled(np.asarray(embedding))


def place_beside(rows: FloatArray, known_rows: FloatArray, known_places: FloatArray) -> FloatArray:
    """Places for new rows: the mean of the places of the nearest known ones, weighted by similarity.

    Args:
        rows: (M, D) unit-length embeddings without a place.
        known_rows: (N, D) of those with one.
        known_places: (N, 2).

    Returns:
        (M, 2).
    """
    count = min(PLACED_BY, len(known_rows))
    found = np.empty((len(rows), 2), dtype=np.float32)
    for start in range(0, len(rows), _QUERIES_A_STEP):
        piece = slice(start, start + _QUERIES_A_STEP)
        similarity = rows[piece] @ known_rows.T
        nearest = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        weight = np.take_along_axis(similarity, nearest, axis=1).clip(0.0) ** 8 + _TINY
        weight /= weight.sum(axis=1, keepdims=True)
        found[piece] = (known_places[nearest] * weight[..., None]).sum(axis=1)
    return found


def reduced(rows: FloatArray) -> FloatArray:
    """The leading principal components: (N, D) -> (N, at most 48)."""
    sample = rows[:: max(1, len(rows) // _COVARIANCE_ROWS)].astype(np.float64)
    mean = sample.mean(axis=0)
    covariance = (sample - mean).T @ (sample - mean) / len(sample)
    values, vectors = np.linalg.eigh(covariance)
    leading = vectors[:, np.argsort(-values)[:_COMPONENTS]]
    result: FloatArray = np.ascontiguousarray((rows - mean.astype(np.float32)) @ leading.astype(np.float32))
    return result


def scaled(places: npt.NDArray[np.float64]) -> FloatArray:
    """Places about the middle, 99 of 100 of them nearer to it than 1."""
    centred = places - np.median(places, axis=0)
    reach = float(np.quantile(np.abs(centred).max(axis=1), 0.99))
    return (centred / max(reach, _TINY)).astype(np.float32)


def _symmetric(neighbours: IndexArray, strengths: npt.NDArray[np.float64]) -> csr_matrix:
    """Conditional strengths (N, K) as joint ones, which sum to 1 (van der Maaten and Hinton, section 3.1)."""
    count, each = neighbours.shape
    rows = np.arange(0, count * each + 1, each)
    one_way = csr_matrix((strengths.ravel(), neighbours.ravel(), rows), shape=(count, count))
    both = (one_way + one_way.T).tocsr()
    both.data /= both.data.sum()
    return both


def _started(small: FloatArray, pull: csr_matrix, *, seed: int, threads: int) -> TSNEEmbedding:
    start = small[:, :2].astype(np.float64)
    start = start / max(float(start[:, 0].std()), _TINY) * 1e-4
    start += np.random.default_rng(seed).normal(scale=1e-6, size=start.shape)
    if start.shape[1] < 2:
        start = np.pad(start, ((0, 0), (0, 1)))
    method = "fft" if len(small) >= _GRID_FROM else "bh"
    return TSNEEmbedding(
        start,
        PrecomputedAffinities(pull, normalize=False),
        negative_gradient_method=method,
        n_jobs=threads,
        random_state=seed,
    )


class _Nearest:
    """Exact nearest rows by Euclidean distance."""

    def __init__(self, rows: FloatArray) -> None:
        self._rows = rows
        self._squares = (rows**2).sum(axis=1)
        self._index = None
        if faiss is not None:
            self._index = faiss.IndexFlatL2(rows.shape[1])
            self._index.add(rows)

    def others(self, piece: slice, count: int) -> tuple[IndexArray, npt.NDArray[np.float64]]:
        """Nearest other rows of a stretch of rows, nearest first, and their distances."""
        queries = self._rows[piece]
        own = np.arange(piece.start, piece.start + len(queries))
        if self._index is not None:
            squares, found = self._index.search(queries, count + 1)
        else:
            whole = self._squares - 2.0 * queries @ self._rows.T + self._squares[own][:, None]
            found = np.argpartition(whole, count, axis=1)[:, : count + 1]
            squares = np.take_along_axis(whole, found, axis=1)
        # A row is its own nearest one, unless others are equal to it: it is put last and cut off.
        squares = np.where(found == own[:, None], np.inf, squares)
        order = np.argsort(squares, axis=1, kind="stable")[:, :count]
        near = np.take_along_axis(squares, order, axis=1)
        return np.take_along_axis(found, order, axis=1), np.sqrt(np.maximum(near, 0.0)).astype(np.float64)
