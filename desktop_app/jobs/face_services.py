"""What the face jobs share: detector, inversion models, edit directions, open inversions."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Generator
from typing import TYPE_CHECKING

from desktop_app.core.errors import WeightsError
from desktop_app.core.paths import AppPaths
from desktop_app.core.settings import Settings
from desktop_app.core.types import Edit, FloatArray, Image, Progress
from desktop_app.jobs.face_sessions import FaceSession, SessionStore, synthesize_session

if TYPE_CHECKING:
    from torch import Tensor

    from desktop_app.engine.align.face_detector import FaceDetector
    from desktop_app.engine.edit.directions import Direction
    from desktop_app.engine.invert.model import InversionModel
    from desktop_app.engine.invert.model_sizes import Work
    from desktop_app.engine.networks.lpips_net import Lpips
    from desktop_app.engine.networks.vgg16 import Vgg16Features
    from desktop_app.engine.weights.store import ModelCard, ModelStore

_log = logging.getLogger(__name__)

# A published model takes about 1 GB, so only the one in use and the one before it stay loaded.
MODELS_KEPT = 2


class Timings:
    """Seconds of a pass and of an iteration by model, as they were measured in this run."""

    def __init__(self) -> None:
        self._measured: dict[tuple[str, str], float] = {}

    def note(self, model: str, kind: str, seconds: float | None) -> None:
        """Remember a measurement; the smaller of two counts, since other work only adds.

        Args:
            model: Model name.
            kind: `pass` or `iteration`.
            seconds: Wall time; None is no measurement.
        """
        if seconds is None:
            return
        before = self._measured.get((model, kind), seconds)
        self._measured[model, kind] = min(before, seconds)

    def of(self, model: str, kind: str) -> float | None:
        """What was measured, or None."""
        return self._measured.get((model, kind))


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
        self._lpips: list[Lpips | None] = []
        self._vgg: list[Vgg16Features | None] = []
        self._work: dict[str, Work] = {}
        self._speed = 0.0
        self.sessions = SessionStore()
        self.timings = Timings()

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
        """The code of a session after an edit, (L, D): first the mix, then the directions.

        Raises:
            UserInputError: An unknown direction or step, or the other face of a mix is not open or
                of another size.
        """
        from desktop_app.engine.edit.directions import edit_code
        from desktop_app.engine.edit.mix import mix_codes

        code = session.code(edit.step)
        if edit.mix is not None:
            other = self.sessions.get(edit.mix.session_id).code(0)
            self.sessions.get(session.session_id)  # both were used now
            code = mix_codes(code, other, groups=edit.mix.groups, strength=edit.mix.strength)
        strengths = [pair for pair in edit.strengths if pair[1] != 0]
        return edit_code(code, self.directions(session.model), strengths) if strengths else code

    def synthesize_edit(self, session: FaceSession, edit: Edit) -> Tensor:
        """The edited face, (1, 3, H, W) float32, not clipped, with the session's tuned generator.

        Raises:
            UserInputError: The edit does not fit the session.
        """
        code = self.edited_code(session, edit)
        return synthesize_session(session, self.model(session.model), code, step=edit.step)

    def synthesize_step(self, session: FaceSession, step: int) -> Tensor:
        """The same of a step as it is."""
        model = self.model(session.model)
        return synthesize_session(session, model, session.code(step), step=step)

    def render_edit(self, session: FaceSession, edit: Edit) -> Image:
        """The edited face, (H, W, 3) uint8."""
        from desktop_app.engine.image_tensor import tensor_to_image

        return tensor_to_image(self.synthesize_edit(session, edit))

    def expected_seconds(self, card: ModelCard) -> tuple[float, float, bool]:
        """Seconds of a pass and of an iteration with a model, and whether both were measured.

        What was not measured in this run is estimated: operations by the speed of this machine.

        Raises:
            WeightsError: The card does not describe an inversion model.
        """
        from desktop_app.engine.device import choose_device, set_threads
        from desktop_app.engine.invert.model_sizes import BACKWARD_FACTOR, machine_speed, work_of

        a_pass, an_iteration = (self.timings.of(card.name, kind) for kind in ("pass", "iteration"))
        if card.sha256 not in self._work:
            self._work[card.sha256] = work_of(card)
        if not self._speed:
            set_threads(self._settings.engine.threads)
            self._speed = machine_speed(choose_device(self._settings.engine.device))
        work = self._work[card.sha256]
        pass_s = (work.encoder + work.generator) / self._speed
        iteration_s = BACKWARD_FACTOR * work.generator / self._speed
        return (
            pass_s if a_pass is None else a_pass,
            iteration_s if an_iteration is None else an_iteration,
            a_pass is not None,
        )

    def lpips(self) -> Lpips | None:
        """The perceptual distance when its weights are there, loaded once.

        Raises:
            WeightsError: They are there, but damaged.
        """
        if not self._lpips:
            from desktop_app.engine.device import choose_device
            from desktop_app.engine.metrics.lpips import load_lpips

            device = choose_device(self._settings.engine.device)
            self._lpips.append(load_lpips(self._store, device=device))
        return self._lpips[0]

    def vgg16(self) -> Vgg16Features | None:
        """The perceptual features of the in-domain method when their weights are there, loaded once.

        Raises:
            WeightsError: They are there, but damaged.
        """
        if not self._vgg:
            from desktop_app.engine.device import choose_device
            from desktop_app.engine.metrics.lpips import load_vgg16

            self._vgg.append(load_vgg16(self._store, device=choose_device(self._settings.engine.device)))
        return self._vgg[0]

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
        self._lpips.clear()
        self._vgg.clear()


def _calibrated_closed_form(model: InversionModel) -> Generator[Progress, None, tuple[Direction, ...]]:
    """SeFa directions whose ranges change the average picture by a set amount.

    A direction that changes nothing is left out, unless too few would remain.
    """
    from desktop_app.engine.device import memory_errors_translated
    from desktop_app.engine.edit.calibrate import average_codes, calibrated, target_of
    from desktop_app.engine.edit.directions import closed_form_directions

    plain = closed_form_directions(model.generator)
    codes = average_codes(model)
    found = []
    for number, direction in enumerate(plain):
        yield Progress(number, len(plain), text="Finding edit directions")
        with memory_errors_translated("find edit directions"):
            ranged = calibrated(direction, model, codes, target=target_of(direction))
        if ranged is not None:
            found.append(ranged)
    return tuple(found) if len(found) >= 6 else plain
