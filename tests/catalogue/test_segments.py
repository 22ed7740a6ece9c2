"""Embeddings in append-only files."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from desktop_app.catalogue import segments as module
from desktop_app.catalogue.segments import SegmentFiles
from desktop_app.core.errors import ResourceError


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SegmentFiles:
    monkeypatch.setattr(module, "ROWS_A_SEGMENT", 8)
    return SegmentFiles(tmp_path / "v", 3)


def rows(count: int, first: int = 0) -> np.ndarray:
    return np.arange(first * 3, (first + count) * 3, dtype=np.float32).reshape(count, 3)


def test_rows_come_back_from_any_segment_in_any_order(files: SegmentFiles, tmp_path: Path) -> None:
    files.write(0, rows(5))
    files.write(5, rows(15, 5))
    assert len(list((tmp_path / "v").iterdir())) == 3
    at = np.array([19, 0, 7, 8, 0])
    read, is_there = files.read(at)
    assert is_there.all()
    assert np.array_equal(read.astype(np.float32), rows(20)[at])


def test_rows_beyond_the_end_and_lost_files_are_told(
    files: SegmentFiles, tmp_path: Path, expected_log: list[logging.LogRecord]
) -> None:
    files.write(0, rows(12))
    (tmp_path / "v" / "000000.f16").unlink()
    with (tmp_path / "v" / "000001.f16").open("r+b") as handle:
        handle.truncate(3 * 2 * 2 + 5)
    assert files.read(np.arange(14))[1].tolist() == [False] * 8 + [True] * 2 + [False] * 4


def test_what_a_crash_left_is_written_over(files: SegmentFiles) -> None:
    files.write(0, rows(4))
    files.write(2, rows(2, 50))
    read, _ = files.read(np.arange(4))
    assert np.array_equal(read.astype(np.float32)[2:], rows(2, 50))


def test_full_disk_is_a_resource_error(files: SegmentFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(ResourceError, match="disk is full"):
        files.write(0, rows(1))


def test_wrong_length_is_a_mistake(files: SegmentFiles) -> None:
    with pytest.raises(ValueError, match="expected"):
        files.write(0, np.zeros((1, 4), dtype=np.float32))
