"""People of the library: faces that were found, groups of them, names; all of it stays on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from desktop_app.core.library_types import PhotoRow, PhotoSource


@dataclass(frozen=True, slots=True)
class FaceTile:
    """One face of a photo of the library.

    Attributes:
        face_id: Row key.
        photo: The photo it is in.
        picture: File with the aligned face, small.
        person_id: Whose it is, or 0.
        is_confirmed: The user said so.
    """

    face_id: int
    photo: PhotoRow
    picture: Path
    person_id: int = 0
    is_confirmed: bool = False


@dataclass(frozen=True, slots=True)
class PersonInfo:
    """One person.

    Attributes:
        person_id: Row key.
        name: As the user wrote it, or empty.
        faces: How many.
        photos: In how many photos.
        cover: File with the face that stands for the person, or None.
        is_hidden: The user does not want to see this person in the list.
    """

    person_id: int
    name: str
    faces: int
    photos: int
    cover: Path | None
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class PeopleRequest:
    """Ask for all people. Answer: `PeopleList`."""


@dataclass(frozen=True, slots=True)
class FindPeopleRequest:
    """Look for faces in all photos that were not looked at yet, and group them. Answer: `PeopleList`.

    Attributes:
        regroup_only: Group the faces that are there again; no photo is read.
    """

    regroup_only: bool = False


@dataclass(frozen=True, slots=True)
class PeopleList:
    """All people, the most frequent first.

    Attributes:
        people: Named and unnamed, hidden ones included.
        faces: Faces in all.
        loose: Faces of nobody: seen once only, or taken out.
        searched: Photos that were looked at.
        waiting: Photos that were not looked at yet.
        encoder: Face encoder of the stored vectors; empty when nothing was looked for yet.
        is_usable: Its vectors can be compared: the encoder of the program is still the same.
        problem: What the user should know, one sentence; else empty.
        changed: The person that the request changed or made, or 0.
    """

    people: tuple[PersonInfo, ...]
    faces: int
    loose: int
    searched: int
    waiting: int
    encoder: str = ""
    is_usable: bool = True
    problem: str = ""
    changed: int = 0


@dataclass(frozen=True, slots=True)
class PersonFacesRequest:
    """Ask for the faces of a person; 0: those of nobody. Answer: `PersonFaces`."""

    person_id: int


@dataclass(frozen=True, slots=True)
class PersonFaces:
    """The faces of a person, the most typical first.

    Attributes:
        person: The person, or None for the faces of nobody.
        faces: The faces.
    """

    person: PersonInfo | None
    faces: tuple[FaceTile, ...]


@dataclass(frozen=True, slots=True)
class NamePersonRequest:
    """Give a person a name; the name of another one joins the two. Answer: `PeopleList`."""

    person_id: int
    name: str


@dataclass(frozen=True, slots=True)
class MergePeopleRequest:
    """Say that several groups are one person; the first one's name stays. Answer: `PeopleList`."""

    person_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HidePersonRequest:
    """Hide a person from the list, or show them again. Answer: `PeopleList`."""

    person_id: int
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class MoveFacesRequest:
    """Say of faces that they are not of their person, or that they are of another. Answer: `PeopleList`.

    Attributes:
        face_ids: The faces.
        person_id: Whose they are; 0: not of the person they are with now; -1: of a new person.
    """

    face_ids: tuple[int, ...]
    person_id: int = 0


@dataclass(frozen=True, slots=True)
class ForgetFacesRequest:
    """Wipe all faces, vectors, people and names from this machine; photos stay. Answer: `PeopleList`."""


@dataclass(frozen=True, slots=True)
class FaceSearchRequest:
    """More photos of this person. Answer: `FaceSearchResult`.

    Attributes:
        face_id: A face of the library; 0: the largest face of `source`.
        source: Any picture.
        top_k: Faces at most.
    """

    face_id: int = 0
    source: PhotoSource | None = None
    top_k: int = 60


@dataclass(frozen=True, slots=True)
class FaceHit:
    """A face that may be of the same person; `similarity` in [-1, 1]."""

    face: FaceTile
    similarity: float
    is_likely: bool


@dataclass(frozen=True, slots=True)
class FaceSearchResult:
    """Faces like one, nearest first.

    Attributes:
        hits: One face for each photo, the face itself left out.
        threshold: Similarity from which on two faces count as one person.
        searched: Faces that were compared.
        faces_in_query: Faces of the query picture, when it is not of the library.
        seconds: Wall time.
    """

    hits: tuple[FaceHit, ...]
    threshold: float
    searched: int
    faces_in_query: int
    seconds: float
