"""Checkpoints for moving: in parts of 16 MB with digests, and thin ones that hold only weights and step.

Parts go where large files may not (mail, forums, repositories). Every file is written whole to a temporary
name and renamed, the manifest last: a kill leaves either the old set or the new one, never a mixture.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch

from desktop_app.core.errors import ResourceError, UserInputError, WeightsError, display_path
from desktop_app.core.types import Progress
from desktop_app.training.run_folder import CHECKPOINT, RunFolder

MANIFEST = "checkpoint.parts.json"
VERSION = 1
PART_BYTES = 16 * 1024**2
# What a thin checkpoint keeps: choices, how far the run has come, and whatever is learned.
_KEPT = (
    ("config", "generator_config", "pictures", "mark"),
    ("seen", "done", "iteration", "step", "seconds", "figures", "first_uniformity"),
    ("model", "average", "is_grown"),  # faces: generator, encoder, second domain
    ("network", "slow", "objective", "queue"),  # contrastive
    ("head", "change", "changed"),  # tuning of a head or of last layers
)
# Of what plays against a network, the network of its own and how far it has come.
_KEPT_OF_RIVALS = {"adversary": ("network", "chance", "iteration"), "game": ("discriminator", "turns")}
# Pictures within which fresh optimisers reach their full rate.
WARM_UP = 1_000


def split_checkpoint(
    run: Path, out: Path, *, part_bytes: int = PART_BYTES
) -> Generator[Progress, None, None]:
    """Write a run's checkpoint as parts and a manifest.

    Args:
        run: Folder of the run.
        out: Folder of the parts; made when missing.
        part_bytes: Largest size of a part.

    Raises:
        UserInputError: There is no checkpoint.
        ResourceError: The parts cannot be written.
    """
    file = run / CHECKPOINT
    if not file.is_file():
        raise UserInputError(f"There is no checkpoint in {display_path(run)}.", "Name the folder of a run.")
    size = file.stat().st_size
    digest = _digest(file)
    parts: list[dict[str, Any]] = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as handle:
            while content := handle.read(part_bytes):
                name = f"checkpoint.{digest[:8]}.{len(parts):03d}"
                _write(out / name, content)
                sha256 = hashlib.sha256(content).hexdigest()
                parts.append({"file": name, "bytes": len(content), "sha256": sha256})
                yield Progress(handle.tell(), size, text="Writing parts")
        manifest = {"version": VERSION, "bytes": size, "sha256": digest, "parts": parts}
        _write(out / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode("utf-8"))
        _remove_others(out, {part["file"] for part in parts})
    except OSError as error:
        raise ResourceError(
            f"The parts could not be written to {display_path(out)}: {error.strerror}.",
            "Free some space; parts of an earlier checkpoint there are still whole.",
        ) from error


def join_checkpoint(parts: Path, run: Path) -> Generator[Progress, None, None]:
    """Put a checkpoint together again; every part and the whole are checked.

    Args:
        parts: Folder of the parts.
        run: Folder of the run; made when missing.

    Raises:
        WeightsError: The manifest or a part is missing, torn or of another checkpoint.
        ResourceError: The checkpoint cannot be written.
    """
    manifest = _manifest(parts)
    temporary = run / f"{CHECKPOINT}.tmp"
    whole = hashlib.sha256()
    try:
        run.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as target:
            for number, part in enumerate(manifest["parts"]):
                content = _checked_part(parts / part["file"], part)
                whole.update(content)
                target.write(content)
                yield Progress(number + 1, len(manifest["parts"]), text="Joining parts")
            target.flush()
            os.fsync(target.fileno())
        if whole.hexdigest() != manifest["sha256"]:
            raise WeightsError(
                f"The parts in {display_path(parts)} do not make the checkpoint that {MANIFEST} names.",
                "Copy the manifest and all parts again from one place.",
            )
        temporary.replace(run / CHECKPOINT)
    except OSError as error:
        raise ResourceError(
            f"The checkpoint could not be written to {display_path(run)}: {error.strerror}.",
            "Free some space and join again.",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_thin(run: Path, out: Path) -> int:
    """Write a checkpoint that holds only weights and step; returns its size in bytes.

    Args:
        run: Folder of the run.
        out: Folder of the thin checkpoint, which is not the run's own.

    Raises:
        UserInputError: There is no checkpoint, or both folders are the same.
    """
    if run.resolve() == out.resolve():
        raise UserInputError(
            "A thin checkpoint would replace the run's full one.", "Name another folder for it."
        )
    saved = RunFolder(run).load() if run.is_dir() else None
    if saved is None:
        raise UserInputError(f"There is no checkpoint in {display_path(run)}.", "Name the folder of a run.")
    RunFolder(out).save(thin(saved))
    return (out / CHECKPOINT).stat().st_size


def thin(saved: dict[str, Any]) -> dict[str, Any]:
    """Weights and step of a checkpoint: no optimiser, no random state, no batch in flight."""
    kept: dict[str, Any] = {key: saved[key] for keys in _KEPT for key in keys if key in saved}
    for rival, keys in _KEPT_OF_RIVALS.items():
        if saved.get(rival):
            kept[rival] = {key: saved[rival][key] for key in keys if key in saved[rival]}
    return {**kept, "is_thin": True}


def is_thin(saved: dict[str, Any]) -> bool:
    """Whether optimisers have to start afresh."""
    return bool(saved.get("is_thin", False))


def reseeded(random: torch.Generator, seed: int, step: int) -> None:
    """Draws of their own for a run that goes on without its random state."""
    random.manual_seed(seed * 1_000_003 + step)


def warmth(done: int, since: int, batch: int) -> float:
    """Share of the learning rate, 0 to 1, so long after the optimisers started."""
    return min(1.0, (done - since + batch) / WARM_UP)


def _manifest(parts: Path) -> dict[str, Any]:
    file = parts / MANIFEST
    if not file.is_file():
        raise WeightsError(
            f"{display_path(parts)} holds no {MANIFEST}.", "Copy it there beside the parts: it names them."
        )
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        is_known = manifest["version"] == VERSION
        names = [str(part["file"]) for part in manifest["parts"]]
        str(manifest["sha256"]), [(int(part["bytes"]), str(part["sha256"])) for part in manifest["parts"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{display_path(file)} is damaged.", "Copy it again.") from error
    if not is_known or not names or any(Path(name).name != name for name in names):
        raise WeightsError(f"{display_path(file)} is of an unknown kind.", "Split the checkpoint again.")
    return manifest


def _checked_part(file: Path, part: dict[str, Any]) -> bytes:
    if not file.is_file():
        raise WeightsError(f"The part {display_path(file)} is missing.", "Copy it there and join again.")
    content = file.read_bytes()
    if len(content) != part["bytes"]:
        raise WeightsError(
            f"The part {display_path(file)} has {len(content):,} bytes instead of {part['bytes']:,}.",
            "It was not copied whole: copy it again.",
        )
    if hashlib.sha256(content).hexdigest() != part["sha256"]:
        raise WeightsError(
            f"The part {display_path(file)} is damaged: its SHA-256 is another.", "Copy it again."
        )
    return content


def _remove_others(out: Path, names: set[str]) -> None:
    """Parts of an earlier checkpoint."""
    for old in out.glob("checkpoint.????????.[0-9][0-9][0-9]"):
        if old.name not in names:
            old.unlink()


def _write(file: Path, content: bytes) -> None:
    temporary = file.with_name(file.name + ".tmp")
    with temporary.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(file)


def _digest(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
