"""Tell what tuning can learn from and where it stands; forget a tuning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import (
    AlikeChoice,
    AlikeKind,
    DiscardTuningRequest,
    KnownEncoder,
    MarkedGroup,
    PageRequest,
    PhotoRow,
    PhotoState,
    TuneOptions,
    TuneOptionsRequest,
)
from desktop_app.jobs.mark_groups import marked_groups
from desktop_app.jobs.services import Services
from desktop_app.jobs.tuning_folder import TuningFolder

_TUNED = "contrastive_tuned"
# Rows read at once while folders are counted.
_ROWS_A_PAGE = 5000
# People with two photos each, that there is something to differ from.
LEAST_PEOPLE = 2
_NO_GROUPS = (
    "Mark photos that belong together first: in the library of the window, choose several and press G."
)


def run(
    request: TuneOptionsRequest | DiscardTuningRequest, services: Services
) -> Generator[object, None, TuneOptions]:
    """Answer either request.

    Returns:
        `TuneOptions`.
    """
    yield None
    folder = TuningFolder(services.library)
    if isinstance(request, DiscardTuningRequest):
        folder.discard()
    photos = services.catalogue.photos.counts()[PhotoState.INDEXED]
    groups = marked_groups(services)
    plan, result = folder.plan(), folder.result(services.catalogue)
    is_stopped = plan is not None and result is None
    return TuneOptions(
        photos=photos,
        encoders=known_encoders(services),
        used=services.encoder_name,
        choices=_choices(services, photos, groups),
        groups=groups,
        stopped_at=plan.done if plan is not None and is_stopped else 0,
        stopped_of=plan.all_steps if plan is not None and is_stopped else 0,
        result=result,
    )


def known_encoders(services: Services) -> tuple[KnownEncoder, ...]:
    """Encoders with embeddings in the library, the one in use first; their cards are read without torch."""
    counts = services.catalogue.vector_counts()
    counts.setdefault(services.encoder_name, 0)
    found = []
    for name, photos in counts.items():
        card = services.card_of(name)
        base = str(card["config"].get("base", "")) if card.get("architecture") == _TUNED else ""
        found.append(KnownEncoder(name, str(card.get("title") or name), photos, base))
    found.sort(key=lambda encoder: (encoder.name != services.encoder_name, encoder.name))
    return tuple(found)


def encoder_to_tune(wanted: str, services: Services) -> str:
    """The encoder named; without a name the one in use or, when that is tuned itself, the one it stands on.

    Raises:
        UserInputError: The encoder named is tuned itself.
    """
    name = wanted or services.encoder_name
    card = services.card_of(name)
    if card.get("architecture") != _TUNED:
        return name
    base = str(card["config"].get("base", ""))
    if wanted or not base:
        told = f"'{base}', the encoder" if base else "the encoder"
        raise UserInputError(
            f"'{name}' is a tuned encoder already.", f"Tune {told} that it stands on; both are kept."
        )
    return base


def all_photos(services: Services) -> list[PhotoRow]:
    """Every indexed photo, oldest first."""
    rows: list[PhotoRow] = []
    while True:
        page = services.catalogue.photos.page(PageRequest(len(rows), _ROWS_A_PAGE))
        rows.extend(page.rows)
        if not page.rows or len(rows) >= page.total:
            return rows


def _choices(services: Services, photos: int, groups: Sequence[MarkedGroup]) -> tuple[AlikeChoice, ...]:
    nothing = "" if photos else "The library holds no photos yet."
    marked = sum(len(group.photos) for group in groups)
    folders = services.catalogue.photos.folder_counts() if photos else Counter[Path]()
    shared = [count for count in folders.values() if count > 1]
    folder_problem = nothing
    if not nothing and len(folders) < 2:
        folder_problem = "All photos lie in one folder."
    elif not nothing and not shared:
        folder_problem = "No folder holds two photos."
    return (
        AlikeChoice(AlikeKind.VIEWS, photos, photos, nothing),
        AlikeChoice(
            AlikeKind.GROUPS,
            len(groups),
            marked,
            nothing or ("" if groups else _NO_GROUPS),
        ),
        AlikeChoice(AlikeKind.BURSTS, None, None, nothing),
        AlikeChoice(AlikeKind.FOLDERS, len(shared), sum(shared), folder_problem),
        _people_choice(services, nothing),
    )


def _people_choice(services: Services, nothing: str) -> AlikeChoice:
    sets = photos_by_person(services)
    problem = nothing
    if not nothing and not services.catalogue.people.searched():
        problem = "The library does not know who is in a photo. Press Find people on the page People first."
    elif not nothing and len(sets) < LEAST_PEOPLE:
        problem = "Two people with two photos each are needed; the library knows fewer."
    return AlikeChoice(AlikeKind.PEOPLE, len(sets), sum(len(photos) for photos in sets.values()), problem)


def photos_by_person(services: Services) -> dict[int, list[int]]:
    """Photos of each person who is in two or more, hidden people left out.

    A photo of several people counts for the one with the fewest photos: a set of its own says more.
    """
    hidden = {person.person_id for person in services.catalogue.people.people() if person.is_hidden}
    photos_of: dict[int, set[int]] = {}
    for face in services.catalogue.people.faces():
        if face.person_id and face.person_id not in hidden:
            photos_of.setdefault(face.person_id, set()).add(face.photo_id)
    taken: set[int] = set()
    found: dict[int, list[int]] = {}
    for person_id in sorted(photos_of, key=lambda one: (len(photos_of[one]), one)):
        photos = sorted(photos_of[person_id] - taken)
        if len(photos) > 1:
            found[person_id] = photos
            taken.update(photos)
    return found
