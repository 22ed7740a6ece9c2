"""Find photos that are like one: from the library, from a file, or from a picture in memory."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from desktop_app.catalogue.decode import read_photo_file
from desktop_app.catalogue.duplicates import picture_signature, show_the_same
from desktop_app.catalogue.thumbnails import content_digest, shrink
from desktop_app.catalogue.vector_store import Neighbour
from desktop_app.core.errors import UserInputError
from desktop_app.core.types import (
    FloatArray,
    HitKind,
    Image,
    PhotoHit,
    PhotoRow,
    PhotoState,
    SearchRequest,
    SearchResult,
)
from desktop_app.jobs.photo_reader import PhotoReader
from desktop_app.jobs.services import Services, checked_image

_QUERY_THUMBNAIL_PX = 256


@dataclass(frozen=True, slots=True)
class _Query:
    """What is compared with the library.

    Attributes:
        embedding: (D,) unit length.
        signature: Of the picture, or None when it is unknown.
        same_file: Photos with the very same content.
        excluded: The query itself, when it is a photo of the library.
        thumbnail: Small picture of a query from outside.
    """

    embedding: FloatArray
    signature: bytes | None
    same_file: set[int] = field(default_factory=set)
    excluded: int | None = None
    thumbnail: Image | None = None


def run(request: SearchRequest, services: Services) -> Generator[object, None, SearchResult]:
    """Answer a search; a photo of the library is answered from its stored embedding, without torch.

    Returns:
        `SearchResult`.

    Raises:
        UserInputError: The query cannot be read, or nothing is indexed with the current encoder.
    """
    yield from ()
    started_at = time.monotonic()
    if sum(given is not None for given in (request.photo_id, request.path, request.image)) != 1:
        raise ValueError("a search needs exactly one of photo_id, path and image")
    _check_indexed(services)
    query = _query(request, services)
    top_k = request.top_k or services.settings.search.top_k
    excluded = 0 if query.excluded is None else 1
    neighbours = [
        n for n in services.vectors.search(query.embedding, top_k + 1) if n.photo_id != query.excluded
    ]
    neighbours = neighbours[:top_k]
    cutoff = request.min_similarity
    if cutoff is None:
        cutoff = calibrated_cutoff(
            services.vectors.background(),
            services.vectors.count,
            percentile=services.settings.search.cutoff_percentile,
        )
        cutoff = min(cutoff, services.settings.search.duplicate_similarity)
    hits = _hits(neighbours, query, services=services, cutoff=cutoff)
    return SearchResult(
        hits=hits,
        min_similarity=cutoff,
        below_cutoff=sum(n.similarity < cutoff and n.photo_id not in query.same_file for n in neighbours),
        searched=services.vectors.count - excluded,
        seconds=time.monotonic() - started_at,
        query_thumbnail=query.thumbnail,
    )


def calibrated_cutoff(background: FloatArray, photos: int, *, percentile: float) -> float:
    """The similarity from which on photos are shown.

    It is the wanted percentile of the similarities of random pairs. In a small library that would hide
    nearly everything, since its few pairs are the whole distribution; there the percentile is lowered
    so far that each photo has about one neighbour to show: 1 / photos of all pairs pass.

    Args:
        background: Similarities of random pairs, sorted.
        photos: Photos in the library.
        percentile: From the settings, 0 to 100.
    """
    if background.size == 0:
        return 0.0
    wanted = min(percentile, 100.0 * (1.0 - 1.0 / max(photos, 2)))
    return float(np.percentile(background, wanted))


def _check_indexed(services: Services) -> None:
    """Refuse a search that could only give wrong or empty answers, and say why."""
    model = services.vectors.model
    if services.vectors.count == 0 or model is None:
        photos = services.catalogue.photos.counts()[PhotoState.INDEXED]
        if photos == 0:
            raise UserInputError("The library holds no photos yet.", "Index a folder first.")
        raise UserInputError(
            f"The photos were not indexed with the encoder '{services.encoder_name}' yet.",
            "Index the folders again; photos that did not change are only embedded anew.",
        )
    if model.version != services.encoder_version():
        raise UserInputError(
            f"The encoder '{services.encoder_name}' was replaced since the photos were indexed.",
            "Index the folders again; photos that did not change are only embedded anew.",
        )


def _query(request: SearchRequest, services: Services) -> _Query:
    if request.photo_id is not None:
        row = services.catalogue.photos.by_id(request.photo_id)
        if row is None:
            raise UserInputError("This photo is no longer in the library.", "Choose another photo.")
        return _library_query(row, services)
    if request.path is not None:
        path = Path(os.path.abspath(request.path))  # noqa: PTH100
        row = services.catalogue.photos.by_path(path)
        if row is not None and _is_current(path, row):
            return _library_query(row, services)
        return _file_query(path, services)
    assert request.image is not None  # checked by run
    image = checked_image(request.image)
    prepared = _reader(services).prepare(image, None)
    return _Query(
        embedding=services.embedder().embed_prepared(prepared[None])[0],
        signature=picture_signature(image),
        thumbnail=_small(image),
    )


def _library_query(row: PhotoRow, services: Services) -> _Query:
    photo_id = row.photo_id
    digest = services.catalogue.photos.digest_of(photo_id)
    embedding = services.vectors.vector_of(photo_id)
    signature = services.catalogue.photos.signatures([photo_id], sure=True).get(photo_id)
    if embedding is None:  # unreadable, or not embedded by this encoder yet
        outside = _file_query(row.path, services)
        embedding, signature = outside.embedding, outside.signature
    same_file = services.catalogue.photos.ids_with_digest(digest) if digest else set()
    return _Query(embedding, signature, same_file=same_file - {photo_id}, excluded=photo_id)


def _file_query(path: Path, services: Services) -> _Query:
    content = read_photo_file(path)
    image, _, prepared = _reader(services).decode(content, path)
    return _Query(
        embedding=services.embedder().embed_prepared(prepared[None])[0],
        signature=picture_signature(image),
        same_file=services.catalogue.photos.ids_with_digest(content_digest(content)),
        thumbnail=_small(image),
    )


def _reader(services: Services) -> PhotoReader:
    return PhotoReader(
        services.embedder(), services.settings.library, thumbnails=services.catalogue.thumbnails
    )


def _is_current(path: Path, row: PhotoRow) -> bool:
    """Whether a file is still the one that was indexed, by its time."""
    try:
        return row.state is PhotoState.INDEXED and path.stat().st_mtime_ns / 1e9 == row.modified_at
    except OSError:
        return False


def _small(image: Image) -> Image:
    small = shrink(image, _QUERY_THUMBNAIL_PX)
    small.setflags(write=False)
    return small


def _hits(
    neighbours: list[Neighbour], query: _Query, *, services: Services, cutoff: float
) -> tuple[PhotoHit, ...]:
    """Neighbours at or above the cut-off as hits; the very same file is always shown."""
    shown = [n for n in neighbours if n.similarity >= cutoff or n.photo_id in query.same_file]
    rows = services.catalogue.photos.by_ids([n.photo_id for n in shown])
    threshold = services.settings.search.duplicate_similarity
    near = [n.photo_id for n in shown if n.similarity >= threshold]
    # A preview may be older than its photo: it is no ground to call two photos the same.
    signatures = services.catalogue.photos.signatures(near, sure=True)
    hits: list[PhotoHit] = []
    for neighbour in shown:
        row = rows.get(neighbour.photo_id)
        if row is None:
            continue
        kind = HitKind.SIMILAR
        other = signatures.get(neighbour.photo_id)
        if neighbour.photo_id in query.same_file:
            kind = HitKind.SAME_FILE
        elif other is not None and query.signature is not None and show_the_same(query.signature, other):
            kind = HitKind.NEAR_DUPLICATE
        hits.append(PhotoHit(row=row, similarity=neighbour.similarity, rank=len(hits) + 1, kind=kind))
    return tuple(hits)
