"""What the face jobs share: detector, inversion models, edit directions, open inversions."""

from __future__ import annotations

import logging
import uuid
from collections import OrderedDict
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.core.paths import AppPaths
from desktop_app.core.settings import Settings
from desktop_app.core.types import Edit, FloatArray, Image, PhotoSource, Progress

if TYPE_CHECKING:
    from desktop_app.engine.align.face_detector import FaceDetector
    from desktop_app.engine.edit.directions import Direction
    from desktop_app.engine.invert.model import InversionModel
    from desktop_app.engine.weights.store import ModelStore

_log = logging.getLogger(__name__)

# A published model takes about 1 GB, so only the one in use and the one before it stay loaded.
MODELS_KEPT = 2
SESSIONS_KEPT = 4

Quad = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class FaceSession:
    """An open inversion.

    Attributes:
        session_id: Its key.
        model: Model name.
        codes: (steps, L, D) float32, one code a step.
        aligned: The aligned face at the encoder's input size.
        source: The photo; read again when the face is pasted back.
        quad: Corners of the crop in the photo; empty for a picture that was aligned already.
    """

    session_id: str
    model: str
    codes: FloatArray
    aligned: Image
    source: PhotoSource
    quad: Quad

    def code(self, step: int) -> FloatArray:
        """The code (L, D) of a step, from 1; 0: the last one.

        Raises:
            UserInputError: There is no such step.
        """
        count = len(self.codes)
        if not 0 <= step <= count:
            raise UserInputError(f"The inversion has {count} steps; there is no step {step}.")
        code: FloatArray = self.codes[step - 1]
        return code


class SessionStore:
    """The last few inversions; the one that was used longest ago is forgotten first."""

    def __init__(self, kept: int = SESSIONS_KEPT) -> None:
        self._kept = kept
        self._sessions: OrderedDict[str, FaceSession] = OrderedDict()

    def new_id(self) -> str:
        """A key for a new session."""
        return uuid.uuid4().hex

    def add(self, session: FaceSession) -> None:
        """Keep a session."""
        self._sessions[session.session_id] = session
        while len(self._sessions) > self._kept:
            self._sessions.popitem(last=False)

    def get(self, session_id: str) -> FaceSession:
        """An open session.

        Raises:
            UserInputError: It was forgotten.
        """
        try:
            self._sessions.move_to_end(session_id)
        except KeyError:
            raise UserInputError(
                "This inversion is no longer open.", "Invert the photo again to go on."
            ) from None
        return self._sessions[session_id]

    def __len__(self) -> int:
        return len(self._sessions)


class FaceServices:
    """Opens and caches what the face jobs share; used on one thread.

    Args:
        paths: Folders of the installation.
        settings: Settings of this run.
        models: Models on disk.
    """

    def __init__(self, paths: AppPaths, settings: Settings, models: ModelStore) -> None:
        self._paths = paths
        self._settings = settings
        self._store = models
        self._detector: FaceDetector | None = None
        self._models: OrderedDict[str, InversionModel] = OrderedDict()
        self._directions: dict[str, tuple[Direction, ...]] = {}
        self.sessions = SessionStore()

    @property
    def detector(self) -> FaceDetector:
        """YuNet when its file lies in the model folder, else Haar cascades."""
        if self._detector is None:
            from desktop_app.engine.align.face_detector import make_detector

            self._detector = make_detector(self._store, self._paths.models)
        return self._detector

    def model_name(self, name: str = "") -> str:
        """The name itself, or that of the settings when it is empty."""
        return name or self._settings.inversion.model

    def model(self, name: str = "") -> InversionModel:
        """An inversion model, loaded once.

        Args:
            name: Model name; empty: from the settings.

        Raises:
            WeightsError: It is missing, damaged or of another kind.
        """
        wanted = self.model_name(name)
        if wanted not in self._models:
            from desktop_app.engine.device import choose_device, memory_errors_translated, set_threads
            from desktop_app.engine.invert.model import load_inversion_model

            set_threads(self._settings.engine.threads)
            device = choose_device(self._settings.engine.device)
            with memory_errors_translated("load the model"):
                self._models[wanted] = load_inversion_model(self._store, wanted, device=device)
            while len(self._models) > MODELS_KEPT:
                self._models.popitem(last=False)
        self._models.move_to_end(wanted)
        return self._models[wanted]

    def add_model(self, model: InversionModel) -> None:
        """Put a model that is in memory already under its name."""
        self._models[model.name] = model
        self._directions.pop(model.name, None)

    def finding_directions(self, name: str = "") -> Generator[Progress, None, tuple[Direction, ...]]:
        """The edit directions of a model: from its file, else found in its weights and calibrated.

        Yields:
            Progress, while ranges are calibrated.

        Raises:
            WeightsError: The model cannot be loaded.
        """
        wanted = self.model_name(name)
        if wanted not in self._directions:
            model = self.model(wanted)
            stored = self._stored_directions(model)
            own = stored or (yield from _calibrated_closed_form(model))
            self._directions[wanted] = (*own, *self._imported_directions(model))
        return self._directions[wanted]

    def directions(self, name: str = "") -> tuple[Direction, ...]:
        """The same in one go."""
        job = self.finding_directions(name)
        while True:
            try:
                next(job)
            except StopIteration as ending:
                found: tuple[Direction, ...] = ending.value
                return found

    def edited_code(self, session: FaceSession, edit: Edit) -> FloatArray:
        """The code of a session after an edit, (L, D).

        Raises:
            UserInputError: An unknown direction or step.
        """
        from desktop_app.engine.edit.directions import edit_code

        code = session.code(edit.step)
        strengths = [pair for pair in edit.strengths if pair[1] != 0]
        return edit_code(code, self.directions(session.model), strengths) if strengths else code

    def _stored_directions(self, model: InversionModel) -> tuple[Direction, ...] | None:
        from desktop_app.engine.edit.directions import load_directions

        try:
            card = self._store.card(model.name)
            return load_directions(
                card.folder, model.name, shape=(model.n_styles, model.style_dim), sha256=card.sha256
            )
        except WeightsError as error:
            _log.warning("edit directions are found in the weights instead: %s", error)
            return None

    def _imported_directions(self, model: InversionModel) -> tuple[Direction, ...]:
        from desktop_app.engine.edit.imported import imported_directions

        return imported_directions(self._store, shape=(model.n_styles, model.style_dim))

    def models_changed(self, removed: str = "") -> None:
        """Look for edit directions again, since models were imported or removed.

        Args:
            removed: A model that is gone.
        """
        self._directions.clear()
        self._models.pop(removed, None)


def _calibrated_closed_form(model: InversionModel) -> Generator[Progress, None, tuple[Direction, ...]]:
    """SeFa directions whose ranges change the average picture by a set amount.

    A direction that changes nothing is left out, unless too few would remain.
    """
    from desktop_app.engine.edit.calibrate import average_codes, calibrated, target_of
    from desktop_app.engine.edit.directions import closed_form_directions

    plain = closed_form_directions(model.generator)
    codes = average_codes(model)
    found = []
    for number, direction in enumerate(plain):
        yield Progress(number, len(plain), text="Finding edit directions")
        ranged = calibrated(direction, model, codes, target=target_of(direction))
        if ranged is not None:
            found.append(ranged)
    return tuple(found) if len(found) >= 6 else plain
