"""Walking folders."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from desktop_app.catalogue.scanner import Scan, scan_folders

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs links, rights and names of POSIX")


def scan(*folders: Path, skip: tuple[Path, ...] = ()) -> Scan:
    found = list(scan_folders(folders, skip=skip))
    return found[-1]


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_finds_photos_by_ending_in_a_stable_order(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "sub/c.heic", "note.txt", "movie.mp4", "sub/noending"):
        touch(tmp_path / name)
    found = scan(tmp_path)
    assert [file.path.relative_to(tmp_path).as_posix() for file in found.files] == [
        "a.png",
        "b.JPG",
        "sub/c.heic",
    ]
    assert found.ignored == 3 and not found.problems
    status = (tmp_path / "a.png").stat()
    assert (found.files[0].size_bytes, found.files[0].modified_ns) == (1, status.st_mtime_ns)


def test_yields_while_walking(tmp_path: Path) -> None:
    for number in range(2500):
        touch(tmp_path / f"{number}.jpg")
    assert len(list(scan_folders([tmp_path]))) == 3


@posix_only
def test_links_in_a_loop_end_and_each_place_counts_once(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "one.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    assert [file.path.name for file in scan(tmp_path).files] == ["one.jpg"]


@posix_only
def test_link_to_nothing_and_link_in_a_loop_are_problems(tmp_path: Path) -> None:
    (tmp_path / "dead.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "round.jpg").symlink_to(tmp_path / "round.jpg")
    problems = {problem.path.name: problem.reason for problem in scan(tmp_path).problems}
    assert problems["dead.jpg"] == "The link leads to no file."
    assert "round.jpg" in problems


@posix_only
def test_link_to_a_photo_is_followed(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "a.jpg")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.jpg").symlink_to(tmp_path / "elsewhere" / "a.jpg")
    assert [file.path.name for file in scan(tmp_path / "in").files] == ["link.jpg"]


def test_nested_folders_are_walked_once(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "b" / "one.jpg")
    assert len(scan(tmp_path, tmp_path / "a", tmp_path / "a" / "b", tmp_path).files) == 1
    assert len(scan(tmp_path / "a" / "b", tmp_path).files) == 1


def test_missing_folder_and_file_in_place_of_a_folder_are_problems(tmp_path: Path) -> None:
    file = touch(tmp_path / "a.jpg")
    reasons = [problem.reason for problem in scan(tmp_path / "gone", file).problems]
    assert reasons == ["The folder does not exist.", "It is not a folder."]


def test_folder_that_cannot_be_read_is_told_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "closed" / "a.jpg")
    touch(tmp_path / "open" / "b.jpg")
    original = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = scan(tmp_path)
    assert [file.path.name for file in found.files] == ["b.jpg"]
    assert found.problems[0].reason == "You may not read this folder."
    assert found.closed_folders == [tmp_path / "closed"]


def test_folder_that_vanishes_during_the_walk_is_a_problem(tmp_path: Path) -> None:
    import shutil

    for number in range(1500):
        touch(tmp_path / "a" / f"{number}.jpg")
    touch(tmp_path / "b" / "one.jpg")
    walk = scan_folders([tmp_path])
    next(walk)
    shutil.rmtree(tmp_path / "b")
    found = list(walk)[-1]
    assert len(found.files) == 1500
    assert [problem.reason for problem in found.problems] == ["The folder does not exist."]


@pytest.mark.skipif(sys.platform != "linux", reason="the file system must take any bytes as a name")
def test_names_that_are_no_text_are_found(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\xff.jpg")
    touch(tmp_path / name)
    (file,) = scan(tmp_path).files
    assert os.fsencode(file.path.name) == b"caf\xe9\xff.jpg"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_named_pipe_is_a_problem(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert [problem.reason for problem in scan(tmp_path).problems] == ["It is not a file."]


def test_rubbish_of_other_programs_and_the_library_itself_are_passed_over(tmp_path: Path) -> None:
    for name in (".thumbnails/a.jpg", "__MACOSX/b.jpg", "._c.jpg", "library/thumbnails/d.jpg", "e.jpg"):
        touch(tmp_path / name)
    found = scan(tmp_path, skip=(tmp_path / "library",))
    assert [file.path.name for file in found.files] == ["e.jpg"]
