"""Mark photos as belonging together, take marks off, tell what is marked."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import (
    GroupsRequest,
    MarkedGroup,
    MarkedGroups,
    MarkGroupRequest,
    UnmarkPhotosRequest,
)
from desktop_app.jobs.services import Services


def run(
    request: GroupsRequest | MarkGroupRequest | UnmarkPhotosRequest, services: Services
) -> Generator[object, None, MarkedGroups]:
    """Answer any of the three.

    Returns:
        `MarkedGroups`.

    Raises:
        UserInputError: Fewer than two photos of the library are to be marked.
        CatalogueError: Another program or job is changing the library.
    """
    yield from ()
    catalogue = services.catalogue
    if isinstance(request, MarkGroupRequest):
        known = catalogue.photos.by_ids(request.photo_ids)
        if len(known) < 2:
            raise UserInputError(
                "At least two photos are needed to belong together.",
                "Give two photos of the library or more; in the window, Ctrl+click adds one to the choice.",
            )
        with catalogue.writing():
            catalogue.groups.mark(list(known))
    elif isinstance(request, UnmarkPhotosRequest):
        with catalogue.writing():
            catalogue.groups.unmark(request.photo_ids)
    return MarkedGroups(marked_groups(services))


def joined(groups: Iterable[Sequence[int]]) -> list[list[int]]:
    """Groups of photo ids as they are once marked: those that share a photo become one."""
    group_of: dict[int, set[int]] = {}
    for members in groups:
        wide = set(members).union(*(group_of[i] for i in members if i in group_of))
        group_of.update(dict.fromkeys(wide, wide))
    return [sorted(members) for members in {id(wide): wide for wide in group_of.values()}.values()]


def marked_groups(services: Services) -> tuple[MarkedGroup, ...]:
    """All marked groups with their photos, newest first."""
    groups = services.catalogue.groups.all()
    rows = services.catalogue.photos.by_ids([i for photos in groups.values() for i in photos])
    return tuple(
        MarkedGroup(group_id, tuple(rows[i] for i in photos if i in rows))
        for group_id, photos in groups.items()
    )
