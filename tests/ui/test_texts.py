from __future__ import annotations

from pathlib import Path

import pytest

from ui import texts


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "almost done"), (12, "12 s left"), (240, "4 min left"), (7200, "2.0 h left")]
)
def test_time_left(seconds: float, text: str) -> None:
    assert texts.left_text(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.0341, "34 ms"), (1.24, "1.2 s"), (200, "3 min 20 s")])
def test_durations(seconds: float, text: str) -> None:
    assert texts.seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(12, "12 B"), (7_400_000, "7.4 MB"), (3_000_000_000_000, "3.0 TB")]
)
def test_sizes(size: int, text: str) -> None:
    assert texts.bytes_text(size) == text


def test_only_a_perfect_match_reads_one() -> None:
    assert texts.similarity_text(0.998) == "0.99"
    assert texts.similarity_text(1.0) == "1.00"
    assert texts.similarity_text(0.456) == "0.46"


def test_names_that_are_no_text_can_be_shown() -> None:
    assert "\ufffd" in texts.name_text(Path("/x/b\udcffd.jpg"))
