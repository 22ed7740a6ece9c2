"""Models on disk: one JSON card and one safetensors file each, found by name.

A model `name` is the pair `<name>.json` and `<name>.safetensors` in the folder of built-in models
or in the user's model folder. The card states what code needs to rebuild the network (`config`)
and what a person needs to judge it (title, licence, sources).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor, nn

from desktop_app.core.errors import ResourceError, WeightsError, display_path
from desktop_app.core.types import ModelInfo
from desktop_app.engine.weights.compact import unpack
from desktop_app.engine.weights.safetensors_file import DamagedFile, read_safetensors

_log = logging.getLogger(__name__)

_CHUNK = 1 << 20
# Edit directions lie beside their model; they are no card.
DIRECTIONS_ENDING = ".directions.json"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The machine-readable card of a model.

    Attributes:
        name: `architecture.training_tag`; also the file name.
        role: `encoder`, `inversion` or `face_points`.
        architecture: Builder that understands `config`.
        config: What the builder needs: sizes, widths, input size, mean, std ...
        title: One line for the user.
        licence: Licence of the weights.
        sources: What it was trained on, or where it came from.
        sha256: Digest of the weights file.
        bytes: Its size.
        facts: Measured figures and other name and value pairs.
        folder: Where the files lie.
        is_builtin: Shipped with the program.
    """

    name: str
    role: str
    architecture: str
    config: dict[str, Any]
    title: str
    licence: str
    sources: str
    sha256: str
    bytes: int
    facts: dict[str, str] = field(default_factory=dict)
    folder: Path = Path()
    is_builtin: bool = False

    @property
    def weights_file(self) -> Path:
        """The safetensors file."""
        return self.folder / f"{self.name}.safetensors"


class ModelStore:
    """Finds models in the built-in folder and in the user's folder.

    Args:
        builtin: Folder of shipped models.
        user: Folder of models that the user added; need not exist.

    Attributes:
        user_folder: Folder of models that the user added.
    """

    def __init__(self, builtin: Path, user: Path) -> None:
        self._folders = ((builtin, True), (user, False))
        self._verified: set[tuple[str, int, int]] = set()
        self.user_folder = user

    def cards(self) -> list[ModelCard]:
        """All readable cards, built-in first; a damaged card is logged and left out."""
        found: dict[str, ModelCard] = {}
        for folder, is_builtin in self._folders:
            for file in sorted(folder.glob("*.json")) if folder.is_dir() else []:
                if file.name.endswith(DIRECTIONS_ENDING):
                    continue
                try:
                    card = read_card(file, is_builtin=is_builtin)
                except WeightsError as error:
                    _log.warning("%s", error)
                    continue
                found.setdefault(card.name, card)
        return list(found.values())

    def card(self, name: str, *, roles: Sequence[str] = ()) -> ModelCard:
        """The card of a model.

        Args:
            name: Its name.
            roles: What it is wanted for: where there is none of that name, only such models are offered.

        Raises:
            WeightsError: There is no such model.
        """
        for card in self.cards():
            if card.name == name:
                return card
        offered = [card.name for card in self.cards() if not roles or card.role in roles]
        known = ", ".join(offered) or "none"
        raise WeightsError(f"There is no model named '{name}'.", f"Known models: {known}.")

    def tensors(self, card: ModelCard) -> dict[str, Tensor]:
        """The weights of a model, digest checked once a run.

        Raises:
            WeightsError: The file is missing, damaged or not the one the card describes.
        """
        file = card.weights_file
        try:
            stat = file.stat()
            mark = (str(file), stat.st_size, stat.st_mtime_ns)
            is_known = mark in self._verified
            tensors, digest = read_safetensors(file, with_digest=not is_known)
            if not is_known and digest != card.sha256:
                raise WeightsError(
                    f"The weights {file.name} do not match their card (SHA-256 differs).",
                    "Install or import the model again.",
                )
            self._verified.add(mark)
            return unpack(tensors, what=f"'{card.name}'")
        except FileNotFoundError as error:
            raise WeightsError(
                f"The weights {file.name} of model '{card.name}' are missing.",
                "Install or import the model again.",
            ) from error
        except (OSError, DamagedFile) as error:
            raise WeightsError(f"The weights {display_path(file)} cannot be read: {error}.") from error

    def infos(self) -> list[ModelInfo]:
        """All models for the user, with a problem where a file is missing or of another size."""
        infos = []
        for card in self.cards():
            problem = ""
            if not card.weights_file.is_file():
                problem = f"The file {card.weights_file.name} is missing."
            elif card.weights_file.stat().st_size != card.bytes:
                problem = f"The file {card.weights_file.name} is damaged (wrong size)."
            infos.append(
                ModelInfo(
                    name=card.name,
                    role=card.role,
                    title=card.title,
                    licence=card.licence,
                    bytes=card.bytes,
                    is_builtin=card.is_builtin,
                    is_usable=not problem,
                    problem=problem,
                    facts=tuple((key, str(value)) for key, value in card.facts.items()),
                )
            )
        return infos


def load_strict(module: nn.Module, tensors: dict[str, Tensor], *, what: str, assign: bool = False) -> None:
    """Load a state dict and name every key that does not fit.

    Args:
        module: The network.
        tensors: Its state dict.
        what: Names the network in a message.
        assign: Take the tensors themselves instead of copying their values, for a network that was
            built on the meta device.

    Raises:
        WeightsError: Keys are missing or unexpected, shapes differ, or values are not finite.
    """
    own = module.state_dict()
    missing = sorted(set(own) - set(tensors))
    unexpected = sorted(set(tensors) - set(own))
    shapes = [
        f"{key} {tuple(tensors[key].shape)} instead of {tuple(own[key].shape)}"
        for key in sorted(set(own) & set(tensors))
        if own[key].shape != tensors[key].shape
    ]
    if missing or unexpected or shapes:
        raise WeightsError(
            f"The weights of {what} have another architecture: missing {missing}, "
            f"unexpected {unexpected}, other shapes {shapes}."
        )
    broken = [k for k, v in tensors.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise WeightsError(f"The weights of {what} hold values that are no numbers: {broken[:5]}.")
    module.load_state_dict(tensors, assign=assign)


def read_card(file: Path, *, is_builtin: bool) -> ModelCard:
    """Read one card.

    Raises:
        WeightsError: The card is not readable or a field is missing.
    """
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        return ModelCard(
            name=str(raw["name"]),
            role=str(raw["role"]),
            architecture=str(raw["architecture"]),
            config=dict(raw["config"]),
            title=str(raw["title"]),
            licence=str(raw["licence"]),
            sources=str(raw["sources"]),
            sha256=str(raw["sha256"]),
            bytes=int(raw["bytes"]),
            facts={str(key): str(value) for key, value in raw.get("facts", {}).items()},
            folder=file.parent,
            is_builtin=is_builtin,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"The model card {display_path(file)} is not usable: {error!r}.") from error


def write_model(card: ModelCard, tensors: dict[str, Tensor]) -> ModelCard:
    """Write weights and card into `card.folder`, each to a temporary file that is renamed.

    Returns:
        The card with digest and size filled in.

    Raises:
        ResourceError: The files cannot be written.
    """
    try:
        card.folder.mkdir(parents=True, exist_ok=True)
        temporary = card.folder / f".{card.name}.safetensors.tmp"
        safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, temporary)
        size = temporary.stat().st_size
        digest = file_digest(temporary)
        temporary.replace(card.weights_file)
        content = {
            "name": card.name,
            "role": card.role,
            "architecture": card.architecture,
            "title": card.title,
            "licence": card.licence,
            "sources": card.sources,
            "sha256": digest,
            "bytes": size,
            "config": card.config,
            "facts": card.facts,
        }
        card_file = card.folder / f"{card.name}.json"
        card_temporary = card.folder / f".{card.name}.json.tmp"
        card_temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        card_temporary.replace(card_file)
    except OSError as error:
        raise ResourceError(
            f"The model could not be written to {display_path(card.folder)}: {error.strerror}."
        ) from error
    return read_card(card_file, is_builtin=card.is_builtin)


def file_digest(file: Path) -> str:
    """SHA-256 of a file, as hexadecimal text."""
    digest = hashlib.sha256()
    with file.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
