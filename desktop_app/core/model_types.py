"""Models, the engine, and the picture report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """Index folders, find similar photos, invert a face, and write all that as a page.

    Attributes:
        folders: Folders of photos.
        out: Folder of the report; made when missing.
        queries: Photos whose neighbours are shown.
        faces: Files tried for the inversion, or empty for the photos of the folders.
    """

    folders: tuple[Path, ...]
    out: Path
    queries: int = 8
    faces: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportResult:
    """The written page.

    Attributes:
        page: The HTML file.
        photos: Photos indexed.
        queries: Queries shown.
        inverted: Faces inverted.
    """

    page: Path
    photos: int
    queries: int
    inverted: int


@dataclass(frozen=True, slots=True)
class ModelsRequest:
    """Ask for all models. Answer: `ModelList`."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that can be used.

    Attributes:
        name: `architecture.training_tag`.
        role: `encoder`, `inversion` or `face_points`.
        title: One line for the user.
        licence: Licence of the weights.
        bytes: Size on disk.
        is_builtin: Shipped with the program.
        is_usable: False when a file is missing or damaged.
        problem: Why it is not usable; else empty.
        facts: Further name and value pairs from the card.
    """

    name: str
    role: str
    title: str
    licence: str
    bytes: int
    is_builtin: bool
    is_usable: bool
    problem: str = ""
    facts: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class ModelList:
    """All models, built-in first."""

    models: tuple[ModelInfo, ...]


@dataclass(frozen=True, slots=True)
class ImportModelRequest:
    """Bring a published weights file into the models. Answer: `ImportedModel`.

    Attributes:
        path: The file; what it is gets told from its contents.
        licence: Licence as the user states it; empty: not stated.
        name: Name of the model; empty: made from what the file is.
    """

    path: Path
    licence: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """A model that was imported.

    Attributes:
        model: The model.
        architecture: Builder of its networks, for example `restyle` or `stylegan2`.
        notes: What the user should know, for example that the average code was estimated.
        seconds: Wall time.
        peak_bytes: Largest memory of the process that read the file; 0 where it cannot be told.
    """

    model: ModelInfo
    architecture: str
    notes: tuple[str, ...]
    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class RemoveModelRequest:
    """Delete an imported model from disk. Answer: `ModelList`."""

    name: str


@dataclass(frozen=True, slots=True)
class WarmUpRequest:
    """Import the engine and load the encoder, so that the first answer is quick."""


@dataclass(frozen=True, slots=True)
class EngineReady:
    """Answer to a `WarmUpRequest`: device and threads in use."""

    device: str
    threads: int
    seconds: float
