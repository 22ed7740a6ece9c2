"""Tell what the library holds, and take folders out of it."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.types import LibraryOverview, LibraryRequest, PhotoState, RemoveFolderRequest
from desktop_app.jobs.services import Services

_MOST_PROBLEMS = 1000


def run(
    request: LibraryRequest | RemoveFolderRequest, services: Services
) -> Generator[object, None, LibraryOverview]:
    """Answer either request.

    Returns:
        `LibraryOverview`.

    Raises:
        UserInputError: The folder is not watched.
        CatalogueError: Another program or job is changing the library.
    """
    yield from ()
    if isinstance(request, RemoveFolderRequest):
        _remove(Path(os.path.abspath(request.folder)), services)  # noqa: PTH100
    return _overview(services)


def _remove(folder: Path, services: Services) -> None:
    catalogue = services.catalogue
    if folder not in catalogue.folders():
        raise UserInputError(f"The library does not watch the folder '{display_path(folder)}'.")
    with catalogue.writing():
        services.vectors.remove(catalogue.remove_folder(folder))


def _overview(services: Services) -> LibraryOverview:
    catalogue = services.catalogue
    counts = catalogue.photos.counts()
    return LibraryOverview(
        folders=tuple((folder, catalogue.photos.count_below(folder)) for folder in catalogue.folders()),
        photos=counts[PhotoState.INDEXED],
        unreadable=counts[PhotoState.UNREADABLE],
        missing=counts[PhotoState.MISSING],
        encoder=services.encoder_name,
        problems=catalogue.photos.problems(_MOST_PROBLEMS),
    )
