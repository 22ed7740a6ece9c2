"""Marking, proposing and exporting over a real library."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from desktop_app.catalogue.sidecar import tags_of
from desktop_app.core.errors import UserInputError
from desktop_app.core.types import (
    ClassesRequest,
    ClassList,
    CreateClassRequest,
    ExportTagsRequest,
    Mark,
    MarkPhotosRequest,
    Proposals,
    ProposeRequest,
    RemoveClassRequest,
    RenameClassRequest,
    TagsExported,
)
from desktop_app.jobs import export_tags, mark_photos, propose_members
from desktop_app.jobs.services import Services
from tests.library import drive, index, open_services

_RED, _BLUE = 24, 36


def _save(folder: Path, name: str, colour: tuple[int, int, int], seed: int) -> None:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    coarse = np.clip(rng.normal(colour, 45, (6, 8, 3)), 0, 255).astype(np.uint8)
    PillowImage.fromarray(coarse).resize((96, 72), PillowImage.Resampling.BICUBIC).save(folder / name)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Services]:
    """Reddish and bluish photos."""
    photos = tmp_path / "photos"
    for number in range(_RED):
        _save(photos, f"red{number:02d}.png", (190, 70, 60), number)
    for number in range(_BLUE):
        _save(photos, f"blue{number:02d}.png", (60, 80, 190), 100 + number)
    services = open_services(tmp_path)
    index(services, photos)
    yield services
    services.close()


def ids(services: Services, *names: str) -> tuple[int, ...]:
    folder = services.catalogue.folders()[0]
    rows = [services.catalogue.photos.by_path(folder / name) for name in names]
    return tuple(row.photo_id for row in rows if row is not None)


def ask(request: object, services: Services) -> ClassList:
    return drive(mark_photos.run(request, services))[1]  # type: ignore[arg-type]


def make(services: Services, *names: str, name: str = "red") -> int:
    class_id = ask(CreateClassRequest(name), services).changed
    if names:
        ask(MarkPhotosRequest(class_id, ids(services, *names), Mark.IS), services)
    return class_id


def propose(services: Services, class_id: int, most: int = 60) -> Proposals:
    return drive(propose_members.run(ProposeRequest(class_id, most), services))[1]


def export(services: Services, request: ExportTagsRequest) -> TagsExported:
    return drive(export_tags.run(request, services))[1]


def test_classes_are_made_renamed_marked_and_removed(library: Services) -> None:
    red = make(library, "red00.png", "red01.png")
    made = ask(RenameClassRequest(red, "Rot"), library)
    assert [(one.name, one.members) for one in made.classes] == [("Rot", 2)] and made.changed == red
    ask(MarkPhotosRequest(red, ids(library, "red00.png"), Mark.NONE), library)
    assert ask(ClassesRequest(), library).classes[0].members == 1
    with pytest.raises(UserInputError, match="no longer in the library"):
        ask(MarkPhotosRequest(red, (999,), Mark.IS), library)
    assert ask(RemoveClassRequest(red), library).classes == ()


def test_few_marks_propose_the_rest(library: Services) -> None:
    red = make(library, *(f"red{n:02d}.png" for n in range(5)))
    answer = propose(library, red)
    names = [proposal.row.path.name for proposal in answer.proposals]
    assert sum(name.startswith("red") for name in names[:15]) >= 14
    assert not {f"red{n:02d}.png" for n in range(5)} & set(names), "marked photos are not proposed"
    confidences = [proposal.confidence for proposal in answer.proposals]
    assert confidences == sorted(confidences, reverse=True) and all(0 <= c <= 1 for c in confidences)
    assert answer.is_calibrated and answer.warnings == ()
    assert answer.searched == _RED + _BLUE - 5
    assert {row.path.name for row in answer.members} == {f"red{n:02d}.png" for n in range(5)}
    fewer = drive(propose_members.run(ProposeRequest(red, 60, min_confidence=0.5), library))[1]
    assert 0 < len(fewer.proposals) < len(answer.proposals)


def test_answers_change_the_next_proposals_and_survive_a_restart(library: Services, tmp_path: Path) -> None:
    red = make(library, "red00.png", "red01.png", "red02.png")
    first = propose(library, red).proposals
    accepted, rejected = first[0].row.photo_id, first[-1].row.photo_id
    ask(MarkPhotosRequest(red, (accepted,), Mark.IS, is_answer=True), library)
    ask(MarkPhotosRequest(red, (rejected,), Mark.IS_NOT, is_answer=True), library)
    again = propose(library, red)
    there = {proposal.row.photo_id for proposal in again.proposals}
    assert not {accepted, rejected} & there
    assert (again.class_info.members, again.class_info.others, again.class_info.answered) == (4, 1, 2)
    reopened = open_services(tmp_path)
    assert propose(reopened, red).proposals == again.proposals
    reopened.close()


def test_no_member_no_photo_no_class_are_told(library: Services, tmp_path: Path) -> None:
    empty = make(library)
    with pytest.raises(UserInputError, match="No photo is marked as 'red'"):
        propose(library, empty)
    ask(MarkPhotosRequest(empty, ids(library, "red00.png"), Mark.IS_NOT), library)
    with pytest.raises(UserInputError, match="No photo is marked"):
        propose(library, empty)
    with pytest.raises(UserInputError, match="no longer there"):
        propose(library, 99)
    bare = open_services(tmp_path / "bare")
    with pytest.raises(UserInputError, match="no photos that can be compared"):
        propose(bare, ask(CreateClassRequest("red"), bare).changed)
    bare.close()


def test_contradicting_marks_are_told_and_the_last_word_counts(library: Services) -> None:
    folder = library.catalogue.folders()[0]
    (folder / "copy.png").write_bytes((folder / "red03.png").read_bytes())
    index(library)
    red = make(library, "red00.png", "red01.png", "red02.png", "red03.png")
    ask(MarkPhotosRequest(red, ids(library, "copy.png"), Mark.IS_NOT), library)
    answer = propose(library, red)
    assert len(answer.warnings) == 1
    assert "red03.png and copy.png look the same" in answer.warnings[0]
    assert answer.proposals, "the other marks still count"
    ask(MarkPhotosRequest(red, ids(library, "copy.png"), Mark.IS), library)
    assert propose(library, red).warnings == ()


@pytest.mark.parametrize("marked", [1, 2, 3])
def test_library_of_three_photos(tmp_path: Path, marked: int) -> None:
    photos = tmp_path / "photos"
    for number in range(3):
        _save(photos, f"{number}.png", (190 - 60 * number, 90, 40 + 60 * number), number)
    services = open_services(tmp_path)
    index(services, photos)
    one = make(services, *(f"{n}.png" for n in range(marked)), name="few")
    if marked == 3:
        with pytest.raises(UserInputError, match="no other photo"):
            propose(services, one)
    else:
        answer = propose(services, one)
        assert answer.searched == 3 - marked and len(answer.proposals) <= answer.searched
        assert answer.warnings, "the confidence is a guess, or nothing can be learnt"
    services.close()


def test_library_of_identical_photos_proposes_nothing_and_says_why(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for number in range(12):
        _save(photos, f"{number:02d}.png", (120, 120, 120), 7)
        with (photos / f"{number:02d}.png").open("ab") as handle:
            handle.write(bytes([number]))  # other content, same picture
    services = open_services(tmp_path)
    index(services, photos)
    same = make(services, "00.png", "01.png", "02.png", name="same")
    answer = propose(services, same)
    assert answer.proposals == () and "look no different" in answer.warnings[0]
    services.close()


def test_all_marked_is_told(library: Services) -> None:
    red = make(library, *(f"red{n:02d}.png" for n in range(_RED)))
    blues = ids(library, *(f"blue{n:02d}.png" for n in range(_BLUE)))
    ask(MarkPhotosRequest(red, blues, Mark.IS_NOT), library)
    answer = propose(library, red)
    assert answer.proposals == () and "marked already" in answer.warnings[0]


def _digests(folder: Path) -> dict[str, str]:
    return {
        f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir() if f.suffix == ".png"
    }


def test_export_writes_table_and_sidecars_and_touches_no_photo(library: Services, tmp_path: Path) -> None:
    folder = library.catalogue.folders()[0]
    before = _digests(folder)
    red = make(library, "red00.png", "red01.png", "red02.png", "red03.png")
    make(library, "red00.png", name='Größe, "quer"')
    target = tmp_path / "tags.csv"
    done = export(library, ExportTagsRequest(target, writes_sidecars=True))
    assert (done.photos, done.tags, done.sidecars, done.problems) == (4, 5, 4, ())
    with target.open(encoding="utf-8", newline="") as handle:
        lines = list(csv.DictReader(handle))
    assert {(Path(line["file"]).name, line["tag"]) for line in lines} >= {("red00.png", 'Größe, "quer"')}
    assert {line["source"] for line in lines} == {"marked"}
    content = (folder / "red00.png.xmp").read_bytes()
    assert set(tags_of(content, file=folder)) == {"red", 'Größe, "quer"'}
    again = export(library, ExportTagsRequest(None, writes_sidecars=True, class_ids=(red,)))
    assert (again.sidecars, again.unchanged) == (0, 4)
    more = export(library, ExportTagsRequest(target, class_ids=(red,), min_confidence=0.4))
    assert more.tags > 4 and more.sidecars == 0
    assert "proposed" in target.read_text(encoding="utf-8")
    assert _digests(folder) == before


def test_a_bad_sidecar_is_listed_kept_and_stops_nothing(library: Services) -> None:
    folder = library.catalogue.folders()[0]
    (folder / "red00.png.xmp").write_text("my notes", encoding="utf-8")
    make(library, "red00.png", "red01.png", "red02.png")
    (folder / "red02.png").unlink()
    done = export(library, ExportTagsRequest(None, writes_sidecars=True))
    assert done.sidecars == 1 and {photo.name for photo, _ in done.problems} == {"red00.png", "red02.png"}
    assert (folder / "red00.png.xmp").read_text(encoding="utf-8") == "my notes"
    assert not (folder / "red02.png.xmp").exists()


def test_export_of_nothing_and_to_nowhere_is_told(library: Services, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="No photo is marked"):
        export(library, ExportTagsRequest(tmp_path / "t.csv"))
    make(library, "red00.png")
    with pytest.raises(UserInputError, match="Nothing was chosen"):
        export(library, ExportTagsRequest(None))
    with pytest.raises(UserInputError, match="no folder"):
        export(library, ExportTagsRequest(tmp_path / "none" / "t.csv"))
