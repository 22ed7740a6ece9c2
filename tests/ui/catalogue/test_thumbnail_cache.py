from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from ui.catalogue.thumbnail_cache import ThumbnailCache


def test_thumbnail_comes_after_it_was_asked_for(
    qtbot: object, thumbnails: ThumbnailCache, thumbnail_files: list[Path]
) -> None:
    assert thumbnails.pixmap(thumbnail_files[0]) is None
    with qtbot.waitSignal(thumbnails.ready) as ready:
        pass
    assert ready.args == [thumbnail_files[0]]
    pixmap = thumbnails.pixmap(thumbnail_files[0])
    assert (pixmap.width(), pixmap.height()) == (32, 24)


def test_memory_stays_below_the_limit(qtbot: object, thumbnail_files: list[Path]) -> None:
    one = 32 * 24 * 4
    cache = ThumbnailCache(limit_bytes=5 * one)
    seen: list[Path] = []
    cache.ready.connect(seen.append)
    for file in thumbnail_files:
        cache.pixmap(file)
    qtbot.waitUntil(lambda: len(seen) == len(thumbnail_files))
    assert cache.used_bytes == 5 * one
    assert sum(cache.pixmap(file) is not None for file in seen[-5:]) == 5
    cache.close()


def test_unreadable_file_is_told_once_and_can_be_tried_again(
    qtbot: object, thumbnails: ThumbnailCache, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"not a picture")
    thumbnails.pixmap(bad)
    qtbot.waitUntil(lambda: thumbnails.has_failed(bad))
    assert thumbnails.pixmap(bad) is None
    thumbnails.forget_failures()
    assert not thumbnails.has_failed(bad)


def test_old_wishes_are_forgotten(thumbnails: ThumbnailCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda _thread: None)  # nothing is read
    for number in range(1000):
        thumbnails.pixmap(Path(f"/nowhere/{number}.jpg"))
    assert len(thumbnails._wishes) == 400
    assert next(reversed(thumbnails._wishes)) == Path("/nowhere/999.jpg")
    thumbnails._thread = None


def test_newest_wish_is_read_first(
    qtbot: object, thumbnails: ThumbnailCache, thumbnail_files: list[Path]
) -> None:
    seen: list[Path] = []
    thumbnails.ready.connect(seen.append)
    with thumbnails._wake:  # the reading thread has to wait until all are wished for
        for file in thumbnail_files:
            thumbnails.pixmap(file)
    qtbot.waitUntil(lambda: len(seen) == len(thumbnail_files))
    assert seen == thumbnail_files[::-1]


def test_closed_cache_reads_nothing(thumbnails: ThumbnailCache, thumbnail_files: list[Path]) -> None:
    thumbnails.close()
    assert thumbnails.pixmap(thumbnail_files[0]) is None
    assert not thumbnails._wishes


def _repaint(file: Path, colour: int, side: int = 40) -> None:
    picture = QImage(side, side, QImage.Format.Format_RGB32)
    picture.fill(colour)
    assert picture.save(str(file))


def test_renewed_thumbnail_is_shown_as_it_was_until_the_new_one_is_read(
    qtbot: object, thumbnails: ThumbnailCache, thumbnail_files: list[Path]
) -> None:
    file, other = thumbnail_files[:2]
    for wanted in (file, other):
        with qtbot.waitSignal(thumbnails.ready):
            thumbnails.pixmap(wanted)
    used = thumbnails.used_bytes
    _repaint(file, 0xFF0000)
    thumbnails.renew([file, thumbnail_files[5]])
    with qtbot.waitSignal(thumbnails.ready) as ready:
        assert thumbnails.pixmap(file).width() == 32, "no gap in the grid meanwhile"
        assert thumbnails.is_awaited(file) and not thumbnails.is_awaited(other)
        assert thumbnails.pixmap(other) is not None
    assert ready.args == [file]
    assert thumbnails.pixmap(file).width() == 40 and not thumbnails.is_awaited(file)
    assert thumbnails.used_bytes == used + 4 * (40 * 40 - 32 * 24)


def test_thumbnail_renewed_while_the_old_one_is_being_read_is_read_again(
    qtbot: object, thumbnails: ThumbnailCache, thumbnail_files: list[Path]
) -> None:
    file = thumbnail_files[0]
    with qtbot.waitSignal(thumbnails.ready):
        thumbnails.pixmap(file)
        qtbot.waitUntil(lambda: bool(thumbnails._read) or thumbnails.pixmap(file) is not None)
        _repaint(file, 0x00FF00)
        thumbnails.renew([file])
    qtbot.waitUntil(lambda: thumbnails.pixmap(file).width() == 40)


def test_thumbnail_that_could_not_be_read_recovers_when_it_is_renewed(
    qtbot: object, thumbnails: ThumbnailCache, tmp_path: Path
) -> None:
    file = tmp_path / "late.png"
    thumbnails.pixmap(file)
    qtbot.waitUntil(lambda: thumbnails.has_failed(file))
    assert thumbnails.pixmap(file) is None and not thumbnails.is_awaited(file)
    _repaint(file, 0xFF00FF)
    thumbnails.renew([file])
    assert not thumbnails.has_failed(file)
    with qtbot.waitSignal(thumbnails.ready):
        assert thumbnails.pixmap(file) is None and thumbnails.is_awaited(file)
    assert thumbnails.pixmap(file).width() == 40


def test_thumbnail_renewed_while_the_damaged_one_is_being_read_is_asked_for_again(
    qtbot: object, thumbnails: ThumbnailCache, tmp_path: Path
) -> None:
    file = tmp_path / "late.png"
    thumbnails.pixmap(file)
    until = time.monotonic() + 5
    while not thumbnails._read and time.monotonic() < until:  # no events: it is read, and not decoded
        time.sleep(0.001)
    _repaint(file, 0xFF00FF)
    with qtbot.waitSignal(thumbnails.ready):
        thumbnails.renew([file])
    assert not thumbnails.has_failed(file)
    qtbot.waitUntil(lambda: thumbnails.pixmap(file) is not None)


def test_wish_for_a_renewed_thumbnail_outlives_fast_scrolling(
    qtbot: object, thumbnails: ThumbnailCache, thumbnail_files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = thumbnail_files[0]
    with qtbot.waitSignal(thumbnails.ready):
        thumbnails.pixmap(file)
    _repaint(file, 0x0000FF)
    thumbnails.renew([file])
    with thumbnails._wake:  # the reading thread has to wait until all are wished for
        thumbnails.pixmap(file)
        for number in range(500):
            thumbnails.pixmap(Path(f"/nowhere/{number}.jpg"))
        assert file not in thumbnails._wishes
    qtbot.waitUntil(lambda: thumbnails.pixmap(file).width() == 40)
