"""Imports a foreign weights file: starts the confined process, waits for it, and keeps its work.

Nothing of the file is looked at here beyond its first bytes. What the other process writes goes into a
temporary folder beside the models and is moved to its place only when everything was right.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import re
import secrets
import shutil
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from desktop_app.core.errors import AppError, ResourceError, UserInputError, WeightsError, display_path
from desktop_app.engine.weights.child import LOG_NAME, WEIGHTS_NAME, ImportOrder, run_child
from desktop_app.engine.weights.confine import OUT_OF_MEMORY_EXIT
from desktop_app.engine.weights.converted import tag_of
from desktop_app.engine.weights.import_container import check_head
from desktop_app.engine.weights.import_values import ImportRefused
from desktop_app.engine.weights.store import DIRECTIONS_ENDING, ModelCard, ModelStore, read_card

_log = logging.getLogger(__name__)

NAME_PATTERN = r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*"
MAX_NAME = 80
LICENCE_UNKNOWN = "not stated"

_POLL_S = 0.05
_BASE_TIME_S = 600.0
_SECONDS_PER_BYTE = 1 / 2e6
_MAX_MESSAGE = 1 << 20
_FREE_SPACE_FACTOR = 1.1
_END_PATIENCE_S = 5.0
_TEMPORARY = ".import-"
# Folders of imports that died with the program are cleared after that.
_STALE_S = 24 * 3600.0
_WINDOWS_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


@dataclass(frozen=True, slots=True)
class ImportWish:
    """What the user asked for.

    Attributes:
        file: The weights file.
        folder: The user's model folder; made when missing.
        licence: Licence as the user states it; empty: not stated.
        name: Name of the model; empty: made from what the file is.
        limit_s: Longest time; 0: by the file's size.
    """

    file: Path
    folder: Path
    licence: str = ""
    name: str = ""
    limit_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is; `total` is None while unknown."""

    done: int
    total: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A finished import.

    Attributes:
        card: The model.
        notes: What the user should know.
        peak_bytes: Largest memory of the process that read the file.
        seconds: Wall time.
    """

    card: ModelCard
    notes: tuple[str, ...]
    peak_bytes: int
    seconds: float


def import_file(wish: ImportWish, store: ModelStore) -> Generator[ImportProgress, None, Imported]:
    """Import a file; closing the generator ends the process and leaves nothing behind.

    Yields:
        Progress, several times a second.

    Raises:
        WeightsError: The file cannot be used; the message says why in one sentence.
        UserInputError: The file or the name cannot be used.
        ResourceError: Disk full, folder not writable, too much time.
    """
    started_at = time.monotonic()
    title = display_path(wish.file.name)
    cards = store.cards()
    _check_name(wish.name, cards)
    size = _checked_size(wish, title)
    with _temporary_folder(wish.folder, size) as folder:
        order = ImportOrder(wish.file.resolve(), folder, label=wish.file.stem, known=_known(cards))
        yield ImportProgress(0, None, f"Reading {title}")
        limit_s = wish.limit_s or _BASE_TIME_S + size * _SECONDS_PER_BYTE
        answer = yield from _supervise(order, title, limit_s=limit_s)
        imported = _keep(answer, wish, folder=folder, cards=cards)
    seconds = time.monotonic() - started_at
    peak = int(answer["done"].get("peak_bytes", 0))
    _log.info("imported %s in %.1f s, peak %.0f MB", imported.name, seconds, peak / 1e6)
    return Imported(imported, tuple(answer["done"]["notes"]), peak, seconds)


def remove_model(store: ModelStore, name: str) -> None:
    """Delete an imported model; the card first, so that no half of it stays usable.

    Raises:
        WeightsError: There is no such model.
        UserInputError: It came with the program.
        ResourceError: A file cannot be deleted.
    """
    card = store.card(name)
    if card.is_builtin:
        raise UserInputError(f"The model '{name}' came with the program and cannot be removed.")
    try:
        (card.folder / f"{name}.json").unlink()
        for ending in (".safetensors", ".md", DIRECTIONS_ENDING, ".directions.safetensors"):
            (card.folder / f"{name}{ending}").unlink(missing_ok=True)
    except OSError as error:
        raise ResourceError(
            f"The model '{name}' cannot be removed: {error.strerror}.", "Close what uses it and try again."
        ) from error


# --- before -------------------------------------------------------------------------------------


def _check_name(name: str, cards: list[ModelCard]) -> None:
    if not name:
        return
    is_plain = re.fullmatch(NAME_PATTERN, name) and len(name) <= MAX_NAME
    if not is_plain or _WINDOWS_NAMES.fullmatch(name) or f"{name}.json".endswith(DIRECTIONS_ENDING):
        raise UserInputError(
            f"'{name}' cannot be the name of a model.",
            "Use small letters, digits, '_', '-' and '.', beginning with a letter or digit.",
        )
    if any(card.name == name for card in cards):
        raise UserInputError(
            f"There is a model named '{name}' already.", "Choose another name, or remove that model first."
        )


def _checked_size(wish: ImportWish, title: str) -> int:
    try:
        check_head(wish.file)
        return wish.file.stat().st_size
    except ImportRefused as refused:
        raise _refusal(title, refused.reason, refused.hint) from refused
    except OSError as error:
        raise UserInputError(f"'{title}' cannot be read: {error.strerror}.") from error


def _refusal(title: str, reason: str, hint: str) -> WeightsError:
    return WeightsError(f"'{title}' {reason}.", hint)


def _known(cards: list[ModelCard]) -> dict[str, str]:
    return {card.facts["source_sha256"]: card.name for card in cards if "source_sha256" in card.facts}


@contextmanager
def _temporary_folder(parent: Path, size: int) -> Iterator[Path]:
    """A folder beside the models that is gone at the end, whatever happens."""
    folder = parent / f"{_TEMPORARY}{secrets.token_hex(6)}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _clear_stale(parent)
        free = shutil.disk_usage(parent).free
        if free < size * _FREE_SPACE_FACTOR:
            raise ResourceError(
                f"The disk has {free / 1e9:.1f} GB left, and the model needs about {size / 1e9:.1f} GB.",
                "Free some space.",
            )
        folder.mkdir()
    except OSError as error:
        raise ResourceError(
            f"The model folder {display_path(parent)} cannot be written: {error.strerror}."
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clear_stale(parent: Path) -> None:
    for old in parent.glob(f"{_TEMPORARY}*"):
        if time.time() - old.stat().st_mtime > _STALE_S:
            shutil.rmtree(old, ignore_errors=True)


# --- while it runs --------------------------------------------------------------------------------


def _supervise(
    order: ImportOrder, title: str, *, limit_s: float
) -> Generator[ImportProgress, None, dict[str, Any]]:
    """Run the confined process to its end and return its `done` message."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=run_child, args=(order, sender), daemon=True, name="import")
    ends_at = time.monotonic() + limit_s
    try:
        process.start()
        sender.close()
        shown, shown_at = ImportProgress(0, None, f"Reading {title}"), time.monotonic()
        while True:
            if time.monotonic() > ends_at:
                raise ResourceError(
                    f"'{title}' was given up after {limit_s:.0f} seconds: no weights file takes that long."
                )
            message = _receive(receiver)
            if message is not None and "progress" not in message:
                return _ending(message, process, title, order.folder)
            if message is not None:
                shown = ImportProgress(int(message["progress"]), int(message["total"]), str(message["text"]))
            if time.monotonic() - shown_at >= _POLL_S:
                yield shown
                shown_at = time.monotonic()
    finally:
        _end(process)
        receiver.close()
        sender.close()


def _receive(receiver: Connection) -> dict[str, Any] | None:
    """The next message; None: nothing came within the pace. The other side is not trusted."""
    try:
        if not receiver.poll(_POLL_S):
            return None
        message = json.loads(receiver.recv_bytes(_MAX_MESSAGE))
    except (EOFError, OSError):
        return {"ended": True}
    except ValueError:
        return {"ended": True}
    return message if isinstance(message, dict) else {"ended": True}


def _ending(message: Mapping[str, Any], process: SpawnProcess, title: str, folder: Path) -> dict[str, Any]:
    """The message when it is a good one, else the error it stands for."""
    if "done" in message:
        return dict(message)
    if "refused" in message:
        raise _refusal(title, str(message["refused"]), str(message.get("hint", "")))
    if "failed" in message:
        raise ResourceError(f"'{title}' could not be imported: {message['failed']}.")
    process.join(_END_PATIENCE_S)
    raise _died(process.exitcode, title, folder)


def _died(exit_code: int | None, title: str, folder: Path) -> AppError:
    log = folder / LOG_NAME
    details = log.read_text(encoding="utf-8", errors="replace")[-4000:] if log.is_file() else ""
    _log.info("the import of a file ended with %s: %s", exit_code, details.strip())
    if "Forbidden" in details:
        return _refusal(title, "tried to do what no weights file needs and was stopped", "")
    if exit_code == OUT_OF_MEMORY_EXIT or (exit_code is not None and exit_code < 0):
        return _refusal(title, "was given up: reading it took more than it may", "")
    return _refusal(
        title, "could not be read: it is of a form that was not expected", "The log holds details."
    )


def _end(process: SpawnProcess) -> None:
    if process.pid is None:
        return
    if process.is_alive():
        process.join(0.2)
    if process.is_alive():
        process.kill()
    process.join(_END_PATIENCE_S)
    process.close()


# --- afterwards -----------------------------------------------------------------------------------


def _keep(answer: dict[str, Any], wish: ImportWish, *, folder: Path, cards: list[ModelCard]) -> ModelCard:
    """Write the card and move both files to the models, the card last."""
    fields = answer["done"]
    name = wish.name or _free_name(fields, wish.file, cards)
    content = {
        "name": name,
        "role": fields["role"],
        "architecture": fields["architecture"],
        "title": fields["title"],
        "licence": wish.licence.strip() or LICENCE_UNKNOWN,
        "sources": f"imported from '{display_path(wish.file.name)}'",
        "sha256": fields["sha256"],
        "bytes": fields["bytes"],
        "config": fields["config"],
        "facts": {
            **fields["facts"],
            "source_sha256": answer["source"],
            **({"notes": " ".join(fields["notes"])} if fields["notes"] else {}),
        },
    }
    try:
        card_file = folder / f"{name}.json"
        card_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        card = read_card(card_file, is_builtin=False)
        if card.bytes != (folder / WEIGHTS_NAME).stat().st_size:
            raise WeightsError("The imported weights are not complete.", "Import the file again.")
        target = wish.folder / f"{name}.safetensors"
        (folder / WEIGHTS_NAME).replace(target)
        try:
            card_file.replace(wish.folder / card_file.name)
        except OSError:
            target.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ResourceError(
            f"The model could not be written to {display_path(wish.folder)}: {error.strerror}."
        ) from error
    return read_card(wish.folder / f"{name}.json", is_builtin=False)


def _free_name(fields: Mapping[str, Any], file: Path, cards: list[ModelCard]) -> str:
    """`kind.tag`, with a number when that is taken."""
    tag = fields["tag"] or tag_of(display_path(file.stem)) or "imported"
    base = f"{fields['stem']}.{tag}"
    taken = {card.name for card in cards}
    number = 1
    name = base
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name
