"""Set-up of logging: a rotating file, and the terminal when asked for."""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_FILE_BYTES = 2_000_000


def set_up_logging(logs: Path | None, *, verbose: bool) -> None:
    """Send our log to `logs/contrastyle.log` and, when verbose, to standard error.

    Args:
        logs: Folder for the log file, or None for no file.
        verbose: Show debug messages on standard error; otherwise warnings only.
    """
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        if isinstance(old, logging.handlers.RotatingFileHandler):
            old.close()
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    stream = logging.StreamHandler()
    stream.setLevel(logging.DEBUG if verbose else logging.WARNING)
    stream.setFormatter(logging.Formatter(_FORMAT))
    root.addHandler(stream)
    if logs is None:
        return
    try:
        logs.mkdir(parents=True, exist_ok=True)
        file = logging.handlers.RotatingFileHandler(
            logs / "contrastyle.log", maxBytes=_FILE_BYTES, backupCount=2, encoding="utf-8", errors="replace"
        )
    except OSError as error:
        logging.getLogger(__name__).warning("no log file is written: %s", error)
        return
    file.setFormatter(logging.Formatter(_FORMAT))
    root.addHandler(file)
