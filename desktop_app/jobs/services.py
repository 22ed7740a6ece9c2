"""What jobs share: library, models, encoder, vectors; opened when first used, on one thread."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from desktop_app.catalogue.catalogue import Catalogue
from desktop_app.catalogue.decode import decode_photo
from desktop_app.core.errors import UserInputError
from desktop_app.core.paths import AppPaths
from desktop_app.core.settings import Settings
from desktop_app.core.types import FloatArray, Image, PhotoSource

if TYPE_CHECKING:
    from desktop_app.catalogue.vector_store import VectorStore
    from desktop_app.engine.weights.store import ModelStore
    from desktop_app.jobs.face_services import FaceServices

_log = logging.getLogger(__name__)


class Embedder(Protocol):
    """Images to unit-length embeddings; what jobs need of `engine.embed`.

    Attributes:
        name: Model name; stored with each embedding.
        embedding_size: Length D of an embedding.
        input_px: Side of the square network input.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  (described above)

    @property
    def embedding_size(self) -> int: ...  # noqa: D102

    @property
    def input_px(self) -> int: ...  # noqa: D102

    def prepare(self, image: Image) -> Image:
        """One image -> (input_px, input_px, 3) uint8; thread-safe."""
        ...

    def embed_prepared(self, batch: Image) -> FloatArray:
        """(B, input_px, input_px, 3) uint8 -> (B, D) float32, unit length."""
        ...

    def embed(self, images: Sequence[Image]) -> FloatArray:
        """Both steps."""
        ...


EmbedderFactory = Callable[[str], Embedder]


class Services:
    """Opens and caches what jobs share. Used and closed on one thread, the engine thread.

    Args:
        paths: Folders of the installation.
        settings: Settings of this run.
        library: Folder of the library.
        embedder_factory: Makes an encoder from its name; None: from the models on disk.
    """

    def __init__(
        self,
        paths: AppPaths,
        settings: Settings,
        library: Path,
        *,
        embedder_factory: EmbedderFactory | None = None,
    ) -> None:
        self.paths = paths
        self.settings = settings
        self.library = library
        self._embedder_factory = embedder_factory or self._load_embedder
        self._catalogue: Catalogue | None = None
        self._models: ModelStore | None = None
        self._embedders: dict[str, Embedder] = {}
        self._vectors: dict[str, VectorStore] = {}
        self._faces: FaceServices | None = None

    @property
    def catalogue(self) -> Catalogue:
        """The library on disk.

        Raises:
            CatalogueError: It is damaged or newer than the program.
            ResourceError: It cannot be opened or written.
        """
        if self._catalogue is None:
            self._catalogue = Catalogue.open(self.library)
        return self._catalogue

    @property
    def models(self) -> ModelStore:
        """Models on disk (imports torch)."""
        if self._models is None:
            from desktop_app.engine.weights.store import ModelStore

            self._models = ModelStore(self.paths.builtin_models, self.paths.models)
        return self._models

    @property
    def faces(self) -> FaceServices:
        """Face detector, inversion models and open sessions."""
        if self._faces is None:
            from desktop_app.jobs.face_services import FaceServices

            self._faces = FaceServices(self.paths, self.settings, self.models)
        return self._faces

    @property
    def encoder_name(self) -> str:
        """The encoder whose embeddings are searched."""
        return self.settings.library.encoder

    def use_encoder(self, name: str) -> None:
        """Search and index with another encoder from now on."""
        self.settings = replace(self.settings, library=replace(self.settings.library, encoder=name))

    def embedder(self, name: str = "") -> Embedder:
        """An encoder, loaded once.

        Args:
            name: Model name; empty: from the settings.

        Raises:
            WeightsError: It is not there or not usable.
        """
        wanted = name or self.encoder_name
        if wanted not in self._embedders:
            self._embedders[wanted] = self._embedder_factory(wanted)
        return self._embedders[wanted]

    def fresh_embedder(self, name: str) -> Embedder:
        """An encoder loaded for one job alone, which may change it."""
        return self._embedder_factory(name)

    def encoder_version(self, name: str = "") -> str:
        """What tells two sets of weights of one name apart; empty when there are none.

        Read from the card alone, or from size and time of weights without a card: an index run with
        nothing to do and a search for a photo of the library need no torch.
        """
        wanted = name or self.encoder_name
        library, _, model = wanted.partition(":")
        if model:
            return _weights_mark(self.paths.models, model.replace("/", "."))
        for folder in (self.paths.builtin_models, self.paths.models):
            file = folder / f"{library}.json"
            try:
                return str(json.loads(file.read_text(encoding="utf-8"))["sha256"])[:16]
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError) as error:
                _log.debug("the card %s tells no version: %r", file.name, error)
        return ""

    def card_of(self, name: str) -> dict[str, Any]:
        """The card of a model as it lies on disk, read without torch; empty when there is none."""
        for folder in (self.paths.builtin_models, self.paths.models):
            try:
                raw = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(raw, dict) and isinstance(raw.get("config"), dict):
                return raw
        return {}

    @property
    def vectors(self) -> VectorStore:
        """Stored embeddings of the current encoder, with the index over them."""
        name = self.encoder_name
        if name not in self._vectors:
            from desktop_app.catalogue.vector_store import VectorStore

            self._vectors[name] = VectorStore(self.catalogue, model_name=name)
        return self._vectors[name]

    def read_photo(self, source: PhotoSource) -> Image:
        """The picture of a source: full size, upright, RGB.

        Raises:
            UserInputError: The source is not readable, or not exactly one place is given.
        """
        if source.image is not None:
            return checked_image(source.image)
        return decode_photo(
            self.source_path(source), max_megapixels=self.settings.library.max_megapixels, at_least_px=None
        ).image

    def source_path(self, source: PhotoSource) -> Path:
        """The file of a source.

        Raises:
            UserInputError: The source names no file, or the photo is not in the library.
        """
        if source.path is not None:
            return source.path
        if source.photo_id is None:
            raise UserInputError("No photo was given.", "Choose a photo first.")
        row = self.catalogue.photos.by_id(source.photo_id)
        if row is None:
            raise UserInputError("This photo is no longer in the library.", "Choose another photo.")
        return row.path

    def close(self) -> None:
        """Close the library; what was loaded is forgotten."""
        self._vectors.clear()
        self._embedders.clear()
        self._faces = None
        if self._catalogue is not None:
            self._catalogue.close()
            self._catalogue = None

    def _load_embedder(self, name: str) -> Embedder:
        from desktop_app.engine.device import choose_device, set_threads
        from desktop_app.engine.embed.registry import load_embedder

        set_threads(self.settings.engine.threads)
        embedder: Embedder = load_embedder(
            self.models, name, device=choose_device(self.settings.engine.device)
        )
        return embedder


def _weights_mark(folder: Path, stem: str) -> str:
    """Changes when a weight file `<stem>.<ending>`, or one in a folder `<stem>`, is replaced."""
    digest = hashlib.sha256()
    is_found = False
    files = [*folder.glob(f"{glob.escape(stem)}.*"), *folder.glob(f"{glob.escape(stem)}/*")]
    for file in sorted(files):
        with contextlib.suppress(OSError):
            status = file.stat()
            digest.update(f"{file.name} {status.st_size} {status.st_mtime_ns}\n".encode())
            is_found = True
    return digest.hexdigest()[:16] if is_found else ""


def checked_image(image: Image) -> Image:
    """The same image when it is (H, W, 3) uint8 and not empty.

    Raises:
        UserInputError: It is not.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise UserInputError("The given picture cannot be used.", "Copy it again, or open it as a file.")
    return image
