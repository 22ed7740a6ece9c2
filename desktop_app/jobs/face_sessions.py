"""Open inversions: their codes, what is needed to go on from them, and how they are rendered."""

from __future__ import annotations

import contextlib
import math
import uuid
from collections import OrderedDict
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import (
    FloatArray,
    Image,
    InversionResult,
    InversionStep,
    PasteMode,
    PhotoSource,
    read_only,
)

if TYPE_CHECKING:
    from torch import Tensor

    from desktop_app.engine.invert.methods import MethodOptions
    from desktop_app.engine.invert.model import InversionModel
    from desktop_app.engine.invert.refine import GeneratorDelta, RefineOptions
    from desktop_app.engine.invert.run_state import RunState

# A session holds codes and two small pictures, some megabytes; earlier faces stay there for mixes.
SESSIONS_KEPT = 12

Quad = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that has not reached its end.

    Attributes:
        state: Where it stands.
        options: What was asked of its method; None when it tunes.
        tuning: What was asked of tuning; else None.
        start: Number of the session's steps when it began.
        refine: Iterations of tuning that are to follow it.
    """

    state: RunState
    options: MethodOptions | None = None
    tuning: RefineOptions | None = None
    start: int = 0
    refine: int = 0


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
        method: Inversion method.
        first_model: Model that started a bootstrapping; else empty.
        errors: L2 of each step.
        seconds: Wall time of all steps.
        last: The last step as it was told, or None when it is not known any more.
        open_run: The run that is on its way, or was stopped; None when it reached its end.
        first_change: Size of the first step's change, to which later ones are compared.
        searches: Iterations of the optimiser that were done at each step.
        delta: Change of the generator that tuning found, or None.
        tuned_from: First step that renders with it; 0: none.
        usual_paste: How the face goes back into its photo unless the user says otherwise.
    """

    session_id: str
    model: str
    codes: FloatArray
    aligned: Image
    source: PhotoSource
    quad: Quad
    method: str = ""
    first_model: str = ""
    errors: tuple[float, ...] = ()
    seconds: float = 0.0
    last: InversionStep | None = None
    open_run: OpenRun | None = None
    first_change: float = 0.0
    searches: tuple[int, ...] = ()
    delta: GeneratorDelta | None = None
    tuned_from: int = 0
    usual_paste: PasteMode = PasteMode.CHANGE

    def code(self, step: int) -> FloatArray:
        """The code (L, D) of a step, from 1; 0: the last one.

        Raises:
            UserInputError: There is no such step.
        """
        count = len(self.codes)
        if not count or not 0 <= step <= count:
            raise UserInputError(f"The inversion has {count} steps; there is no step {step}.")
        code: FloatArray = self.codes[step - 1]
        return code

    def is_tuned(self, step: int) -> bool:
        """Whether a step, 0: the last one, renders with the tuned generator."""
        return self.delta is not None and (step or len(self.codes)) >= self.tuned_from

    def until(self, step: int) -> FaceSession:
        """The session as it was after a step; tuning goes with the steps that it made."""
        self.code(step)
        if step in (0, len(self.codes)):
            return self
        keeps_delta = self.is_tuned(step)
        return replace(
            self,
            codes=_locked(self.codes[:step]),
            errors=self.errors[:step],
            searches=self.searches[:step],
            last=None,
            open_run=None,
            delta=self.delta if keeps_delta else None,
            tuned_from=self.tuned_from if keeps_delta else 0,
        )

    def with_step(self, step: InversionStep, *, searched: int) -> FaceSession:
        """The session with one more step."""
        codes = np.concatenate([self.codes, step.w_plus[None]]).astype(np.float32)
        return replace(
            self,
            codes=_locked(codes),
            errors=(*self.errors, step.l2),
            seconds=self.seconds + step.seconds,
            last=step,
            first_change=self.first_change or change_size(step),
            searches=(*self.searches, searched),
        )

    @property
    def searched(self) -> int:
        """Iterations of the optimiser that are done."""
        return self.searches[-1] if self.searches else 0

    @property
    def result(self) -> InversionResult:
        """What the window needs to know of it."""
        return InversionResult(
            session_id=self.session_id,
            model=self.model,
            steps=len(self.codes),
            seconds=self.seconds,
            can_paste_back=bool(self.quad),
            method=self.method,
            tuned_from=self.tuned_from,
            is_unfinished=self.open_run is not None,
            usual_paste=self.usual_paste,
        )


def change_size(step: InversionStep) -> float:
    """Root of the mean squared change of a step's picture."""
    return math.sqrt(float(step.change_map.mean()))


def tuned(session: FaceSession, model: InversionModel, *, step: int) -> AbstractContextManager[None]:
    """The model with the session's own change inside the block, where the step has one."""
    from desktop_app.engine.invert.refine import attached

    if session.delta is None or not session.is_tuned(step):
        return contextlib.nullcontext()
    return attached(session.delta, model.generator)


def synthesize_session(session: FaceSession, model: InversionModel, code: FloatArray, *, step: int) -> Tensor:
    """Picture of a code that was made from a step of a session: (1, 3, H, W) float32, not clipped."""
    from desktop_app.engine.invert.restyle import synthesize

    with tuned(session, model, step=step):
        return synthesize(model, code)


class SessionStore:
    """The last few inversions; the one that was used longest ago is forgotten first."""

    def __init__(self, kept: int = SESSIONS_KEPT) -> None:
        self._kept = kept
        self._sessions: OrderedDict[str, FaceSession] = OrderedDict()

    def new_id(self) -> str:
        """A key for a new session."""
        return uuid.uuid4().hex

    def add(self, session: FaceSession) -> None:
        """Keep a session; one of the same id is replaced."""
        self._sessions[session.session_id] = session
        self._sessions.move_to_end(session.session_id)
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

    @property
    def newest(self) -> FaceSession:
        """The one that was used last; there has to be one."""
        return next(reversed(self._sessions.values()))

    def __len__(self) -> int:
        return len(self._sessions)


def _locked(codes: FloatArray) -> FloatArray:
    own: FloatArray = np.array(codes, dtype=np.float32)
    read_only(own)
    return own
