"""A library with a tiny encoder, and a way to run jobs to their end, for tests."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

from desktop_app.core.paths import paths_below
from desktop_app.core.settings import LibrarySettings, Settings
from desktop_app.core.types import IndexRequest, IndexSummary
from desktop_app.jobs import index_photos
from desktop_app.jobs.services import Services
from tests.tiny_embedder import TinyEmbedder

_Answer = TypeVar("_Answer")


def open_services(
    folder: Path, *, encoder: str = "tiny.test", embedder: TinyEmbedder | None = None, batch_size: int = 4
) -> Services:
    """Services over a library below `folder`, with a tiny encoder."""
    settings = Settings(library=LibrarySettings(encoder=encoder, batch_size=batch_size, decode_threads=2))
    return Services(
        paths_below(folder),
        settings,
        folder / "library",
        embedder_factory=lambda name: embedder or TinyEmbedder(name),
    )


def drive(job: Generator[object, None, _Answer]) -> tuple[list[object], _Answer]:
    """Run a job to its end; its messages and its answer."""
    messages: list[object] = []
    while True:
        try:
            messages.append(next(job))
        except StopIteration as ending:
            return messages, ending.value


def index(services: Services, *folders: Path, recheck: bool = False) -> IndexSummary:
    """Index folders and give the summary."""
    return drive(index_photos.run(IndexRequest(folders=folders, recheck=recheck), services))[1]


def counts(summary: IndexSummary) -> tuple[int, ...]:
    """Photos added, changed, unchanged, missing and unreadable."""
    return (summary.added, summary.changed, summary.unchanged, summary.missing, summary.unreadable)
