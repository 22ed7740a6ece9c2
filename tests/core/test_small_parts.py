"""Errors, paths, cancel token, log and read-only arrays."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from desktop_app.core.cancel import CancelToken
from desktop_app.core.errors import AppError, JobCancelled, UserInputError, display_path
from desktop_app.core.log import set_up_logging
from desktop_app.core.paths import default_paths, paths_below, resources_folder
from desktop_app.core.types import read_only


def test_error_shows_message_and_hint() -> None:
    error = UserInputError("No face was found.", "Choose another photo.")
    assert str(error) == "No face was found. Choose another photo."
    assert str(AppError("Only this.")) == "Only this."


def test_path_with_bytes_that_are_no_text_can_be_shown() -> None:
    shown = display_path(Path(os.fsdecode(b"caf\xe9.jpg")) if os.name != "nt" else Path("caf\udce9.jpg"))
    assert shown == "caf\ufffd.jpg"
    shown.encode("utf-8")


def test_paths_lie_below_the_user_and_below_a_folder(tmp_path: Path, temporary_user_folders: Path) -> None:
    below = paths_below(tmp_path)
    assert all(tmp_path in path.parents for path in (below.config, below.library, below.models, below.logs))
    assert below.settings_file.parent == below.config
    default = default_paths()
    assert all(
        temporary_user_folders in path.parents for path in (default.config, default.library, default.logs)
    )
    assert not below.config.exists() and not default.config.exists()
    assert resources_folder().name == "resources"


def test_token_stops_a_loop() -> None:
    token = CancelToken()
    token.raise_if_cancelled()
    token.cancel()
    assert token.is_cancelled
    with pytest.raises(JobCancelled):
        token.raise_if_cancelled()


def test_locked_array_cannot_be_written() -> None:
    array = read_only(np.zeros(3))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


@pytest.fixture
def own_root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_log_goes_to_a_file_and_a_second_set_up_does_not_double_it(
    tmp_path: Path, own_root_logger: logging.Logger
) -> None:
    for _ in range(2):
        set_up_logging(tmp_path / "logs", verbose=False)
    logging.getLogger("desktop_app.test").info("told %s", "once")
    for handler in own_root_logger.handlers:
        handler.flush()
    text = (tmp_path / "logs" / "contrastyle.log").read_text(encoding="utf-8")
    assert text.count("told once") == 1


def test_log_folder_that_cannot_be_made_is_no_reason_to_stop(
    tmp_path: Path, own_root_logger: logging.Logger, expected_log: list[logging.LogRecord]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    set_up_logging(tmp_path / "file" / "logs", verbose=False)
    assert "no log file" in expected_log[0].getMessage()
