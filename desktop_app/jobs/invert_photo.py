"""Invert one face of a photo by a method of choice, tune the generator to it, and go on later."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.core.errors import UserInputError
from desktop_app.core.inversion_types import MAX_ITERATIONS, MAX_PASSES
from desktop_app.core.types import (
    AlignedFace,
    ContinueRequest,
    InversionResult,
    InversionStep,
    InvertRequest,
    Progress,
)
from desktop_app.jobs.face_crop import Crop, at_input_size, cut_out
from desktop_app.jobs.face_sessions import FaceSession, OpenRun, change_size
from desktop_app.jobs.pace import Pace

if TYPE_CHECKING:
    from desktop_app.engine.invert.methods import InversionMethod, MethodInputs, MethodOptions
    from desktop_app.engine.invert.model import InversionModel
    from desktop_app.jobs.services import Services

# Steps that are shown while the generator is tuned.
TUNING_STEPS = 10
ENCODER, SEARCH, TUNING = "encoder", "search", "tuning"

_Told = Generator[Progress | AlignedFace | InversionStep, None, InversionResult]
_Item = Iterator[InversionStep | Progress]


def run(request: InvertRequest | ContinueRequest, services: Services) -> _Told:
    """Answer an `InvertRequest` or a `ContinueRequest`.

    The session is open in `services.faces.sessions` from the first step on: a run that is stopped
    or fails keeps the steps that were made.

    Yields:
        Progress, then the `AlignedFace` (not when going on), then each `InversionStep`.

    Raises:
        UserInputError: No face, no such face, a photo that is too small or not readable, a number
            that is out of range.
        WeightsError: A model is missing, damaged, or does not fit the method.
        ResourceError: Out of memory.
    """
    if isinstance(request, ContinueRequest):
        return (yield from _go_on(request, services))
    return (yield from _begin(request, services))


@dataclass(slots=True)
class _Run:
    """A run of a method or of tuning on its way into the session.

    Attributes:
        services: Where the session is kept.
        session: The session so far.
        phases: Phase by number of the step in this run; the last one lasts.
        first_searches: Steps of this run before its optimiser begins.
        base: Iterations done before this run, when the method counts its own from 1.
    """

    services: Services
    session: FaceSession
    phases: tuple[tuple[int, str], ...] = ((0, ""),)
    first_searches: int = 0
    base: int = 0
    made: int = 0
    done: int | None = None

    def close(self) -> None:
        """The run reached its end: its state is not needed any more."""
        self.session = replace(self.session, open_run=None)
        if len(self.session.codes):
            self.services.faces.sessions.add(self.session)

    def keep(self, step: InversionStep) -> InversionStep:
        """Number a step on, put it into the session, and keep the session."""
        self.made += 1
        is_going_on = len(self.session.codes) >= self.made
        searched = self.session.searched
        if self.made > self.first_searches:
            searched = self.base + (self.done or 0) + 1
        first = self.session.first_change
        change = step.relative_change
        if is_going_on and first > 0:
            change = change_size(step) / first
        step = replace(
            step,
            index=len(self.session.codes) + 1,
            relative_change=change,
            phase=next(name for last, name in self.phases if not last or self.made <= last),
        )
        self.session = self.session.with_step(step, searched=searched)
        self.services.faces.sessions.add(self.session)
        return step


# --- beginning --------------------------------------------------------------------------------------


def _begin(request: InvertRequest, services: Services) -> _Told:
    steps = request.steps or services.settings.inversion.steps
    _check(steps=steps, iterations=request.iterations, refine=request.refine)
    yield Progress(0, None, text="Loading the model")
    model = services.faces.model(request.model)
    first = services.faces.model(request.first_model) if request.first_model else None
    method = _method(request.method, model)
    yield Progress(0, None, text="Reading the photo")
    photo = services.read_photo(request.source)
    yield Progress(0, None, text="Looking for the face")
    from desktop_app.engine.device import memory_errors_translated
    from desktop_app.engine.invert.methods import MethodOptions
    from desktop_app.engine.invert.run_state import RunState

    with memory_errors_translated("cut out the face"):
        crop = cut_out(photo, request, services=services, model=model)
        del photo
        session = _empty_session(crop, request, services=services, model=model)
    session = replace(session, method=method.name)
    yield _aligned_message(session, crop, first or model)

    options = MethodOptions(steps=steps, iterations=request.iterations, first_steps=request.first_steps)
    open_run = OpenRun(RunState(), options=options, refine=request.refine)
    session = replace(session, open_run=open_run)
    inputs = _inputs(session, method, model, services=services)
    run = _Run(services, session, _phases(inputs, options, method=method))
    run.first_searches = _encoder_steps(options, method)
    yield from _follow(method, inputs, options, run=run)
    run.close()
    if request.refine:
        run = yield from _tune(run, model, request.refine)
    return run.session.result


def _empty_session(
    crop: Crop, request: InvertRequest, *, services: Services, model: InversionModel
) -> FaceSession:
    from desktop_app.engine.invert.domains import usual_paste

    return FaceSession(
        session_id=services.faces.sessions.new_id(),
        model=model.name,
        codes=np.zeros((0, model.n_styles, model.style_dim), np.float32),
        aligned=at_input_size(crop.face, model),
        source=request.source,
        quad=crop.quad,
        first_model=request.first_model,
        usual_paste=usual_paste(model.domain),
    )


def _aligned_message(session: FaceSession, crop: Crop, starter: InversionModel) -> AlignedFace:
    from desktop_app.engine.image_tensor import tensor_to_image

    return AlignedFace(
        image=session.aligned,
        quad=session.quad,
        detector=crop.detector,
        faces=crop.faces,
        start=tensor_to_image(starter.average_output),
        session_id=session.session_id,
        model=session.model,
        notices=crop.notices,
        usual_paste=session.usual_paste,
    )


# --- going on ---------------------------------------------------------------------------------------


def _go_on(request: ContinueRequest, services: Services) -> _Told:
    if request.finishes:
        return (yield from _finish(request, services))
    if not (request.steps or request.iterations or request.refine):
        raise UserInputError("Nothing was asked for: give steps, iterations or tuning.")
    _check(steps=request.steps or 1, iterations=request.iterations, refine=request.refine)
    yield Progress(0, None, text="Loading the model")
    session = services.faces.sessions.get(request.session_id).until(request.step)
    session = replace(session, open_run=None)  # a run that was stopped before is not taken up any more
    model = services.faces.model(session.model)
    run = _Run(services, session)
    if request.steps or request.iterations:
        run.session = _before_tuning(session)
        yield from _more_steps(request, run, model)
    if request.refine:
        run = yield from _tune(run, model, request.refine)
    return run.session.result


def _before_tuning(session: FaceSession) -> FaceSession:
    """Steps of the encoder or the search go on from the code; what tuning found belonged to the end."""
    return session.until(session.tuned_from - 1) if session.is_tuned(0) else session


def _more_steps(
    request: ContinueRequest, run: _Run, model: InversionModel
) -> Generator[Progress | InversionStep, None, None]:
    from desktop_app.engine.invert.methods import MethodOptions
    from desktop_app.engine.invert.run_state import RunState

    session, method = run.session, _method(run.session.method, model)
    if method.name == "one_pass":
        raise UserInputError(
            "An encoder of one pass cannot go on.", "Tune the model to the photo, or choose another method."
        )
    counts_on = method.name != "idinvert"  # which counts its iterations from its start
    more = (request.iterations or method.iterations) if method.iterations else 0
    open_run = OpenRun(RunState(), start=len(session.codes), refine=request.refine)
    options = MethodOptions(
        steps=request.steps or 1,
        iterations=more + (session.searched if counts_on else 0) if more else 0,
        start=session.code(0),
        done=session.searched if counts_on else 0,
    )
    run.session = replace(session, open_run=replace(open_run, options=options))
    inputs = _inputs(run.session, method, model, services=run.services)
    _place(run, inputs, options, method=method)
    yield from _follow(method, inputs, options, run=run, skipped=0 if counts_on else 1)
    run.close()


def _place(run: _Run, inputs: MethodInputs, options: MethodOptions, *, method: InversionMethod) -> None:
    """Tell a run that goes on from a code what its steps are called and how far the search was."""
    counts_on = method.name != "idinvert"
    run.phases = (_phases(inputs, options, method=method)[-1],)
    run.base = 0 if counts_on else run.session.searched
    run.first_searches = 0 if method.iterations else 2 * MAX_PASSES


# --- finishing a run that was stopped ---------------------------------------------------------------


def _finish(request: ContinueRequest, services: Services) -> _Told:
    """Take up a stopped run with its own state; steps that were not told before are told now."""
    session = services.faces.sessions.get(request.session_id)
    open_run = session.open_run
    if open_run is None or request.step < len(session.codes) - 1:
        raise UserInputError("There is no stopped run to finish.", "Go on with further steps instead.")
    yield Progress(0, None, text="Loading the model")
    model = services.faces.model(session.model)
    if request.step == len(session.codes) - 1 and session.last is not None:
        yield session.last
    run = _Run(services, session, made=len(session.codes) - open_run.start)
    run.done = open_run.state.parts.get("search", open_run.state).done
    if open_run.tuning is not None:
        run = yield from _tune(run, model, open_run.tuning.iterations)
        return run.session.result
    assert open_run.options is not None
    yield from _finish_method(run, model, open_run.options)
    if open_run.refine:
        run = yield from _tune(run, model, open_run.refine)
    return run.session.result


def _finish_method(
    run: _Run, model: InversionModel, options: MethodOptions
) -> Generator[Progress | InversionStep, None, None]:
    session, method = run.session, _method(run.session.method, model)
    assert session.open_run is not None
    inputs = _inputs(run.session, method, model, services=run.services)
    if options.start is None:
        run.phases = _phases(inputs, options, method=method)
        run.first_searches = _encoder_steps(options, method)
    else:
        _place(run, inputs, options, method=method)
        run.base = 0 if method.name != "idinvert" else session.searches[session.open_run.start - 1]
    yield from _follow(method, inputs, options, run=run)
    run.close()


# --- both -------------------------------------------------------------------------------------------


def _follow(
    method: InversionMethod,
    inputs: MethodInputs,
    options: MethodOptions,
    *,
    run: _Run,
    skipped: int = 0,
) -> Generator[Progress | InversionStep, None, None]:
    """Pass on what a method yields; each step is in the session before it is told.

    Args:
        method: The method.
        inputs: What it works on.
        options: What the user chose.
        run: Where steps go.
        skipped: First steps that only repeat where the run went on from.
    """
    from desktop_app.engine.invert.methods import run_method

    passes = _encoder_steps(options, method)
    pace = Pace(max(passes, 1), "Inverting")
    searching: Pace | None = None
    timings, name = run.services.faces.timings, inputs.model.name
    if passes:
        yield pace.progress(0)
    with contextlib.closing(run_method(method.name, inputs, options)) as work:  # type: ignore[type-var]
        for item, seconds in _timed(work):
            if isinstance(item, Progress):
                run.done = item.done
                timings.note(name, "iteration", seconds)
                searching = searching or Pace(item.total or 0, item.text)
                yield searching.progress(item.done)
            elif skipped:
                skipped -= 1
            else:
                yield run.keep(item)
                if run.made <= passes:
                    timings.note(name, "pass", seconds)
                    yield pace.progress(run.made)


def _tune(
    before: _Run, model: InversionModel, iterations: int
) -> Generator[Progress | InversionStep, None, _Run]:
    """Tune the generator to the last step; what it found so far is kept at every step."""
    from desktop_app.engine.device import memory_errors_translated
    from desktop_app.engine.invert.refine import RefineOptions, fresh_delta, refine
    from desktop_app.engine.invert.run_state import RunState

    session, services = before.session, before.services
    options = RefineOptions(iterations=iterations, report_every=max(1, iterations // TUNING_STEPS))
    with memory_errors_translated("tune the model"):
        if session.delta is not None and session.is_tuned(0):
            delta, tuned_from = session.delta.copied(), session.tuned_from
        else:
            delta = fresh_delta(model, rank=options.rank, seed=options.seed)
            tuned_from = len(session.codes) + 1
    open_run = session.open_run
    if open_run is None or open_run.tuning is None:  # a new one
        open_run = OpenRun(RunState(), tuning=options, start=len(session.codes))
    run = _Run(services, replace(session, open_run=open_run), ((0, TUNING),), first_searches=iterations)
    pace = Pace(iterations, "Tuning the model to the photo")
    work = refine(
        model,
        session.aligned,
        session.code(0),
        options=options,
        lpips=services.faces.lpips(),
        start=delta,
        state=open_run.state,
    )
    yield pace.progress(open_run.state.done)
    with contextlib.closing(work):
        for item, seconds in _timed(work):
            if isinstance(item, Progress):
                services.faces.timings.note(model.name, "iteration", seconds)
                yield pace.progress(item.done)
            else:
                run.session = replace(run.session, delta=delta.copied(), tuned_from=tuned_from)
                yield run.keep(item)
    run.close()
    return run


def _timed(work: _Item) -> Iterator[tuple[InversionStep | Progress, float | None]]:
    """What an iterator yields, with the seconds it took.

    A step that an optimiser shows comes before the `Progress` of its iteration, which then tells no
    time: part of it was spent on rendering the step.
    """
    is_after_step = False
    while True:
        began = time.perf_counter()
        try:
            item = next(work)
        except StopIteration:
            return
        seconds = time.perf_counter() - began
        is_progress = isinstance(item, Progress)
        yield item, None if is_progress and is_after_step else seconds
        is_after_step = not is_progress


def _method(name: str, model: InversionModel) -> InversionMethod:
    """The method of a name; empty: the one that the encoder is made for.

    Raises:
        UserInputError: There is no such method.
        WeightsError: The model does not fit it.
    """
    from desktop_app.engine.invert.methods import fitting_method, natural_method

    return fitting_method(name or natural_method(model), model)


def _inputs(
    session: FaceSession, method: InversionMethod, model: InversionModel, *, services: Services
) -> MethodInputs:
    """What a session's open run works on; perceptual networks only where the method uses them."""
    from desktop_app.engine.invert.methods import MethodInputs

    assert session.open_run is not None
    is_in_domain = method.name == "idinvert"
    return MethodInputs(
        model,
        session.aligned,
        first=services.faces.model(session.first_model) if session.first_model else None,
        lpips=services.faces.lpips() if method.iterations and not is_in_domain else None,
        vgg=services.faces.vgg16() if is_in_domain else None,
        state=session.open_run.state,
    )


def _encoder_steps(options: MethodOptions, method: InversionMethod) -> int:
    """Steps of a run that an encoder makes; an optimiser makes those after them."""
    if method.name == "bootstrap":
        return options.steps + (options.first_steps if options.start is None else 0)
    if method.iterations and options.start is not None:
        return 0
    if method.uses_steps:
        return options.steps
    return 1 if method.name in ("one_pass", "idinvert") else 0


def _phases(
    inputs: MethodInputs, options: MethodOptions, *, method: InversionMethod
) -> tuple[tuple[int, str], ...]:
    """Names of the parts of a run, each with its last step; 0: until the end."""
    if inputs.first is not None:
        return (options.first_steps, inputs.first.preset.short), (0, inputs.model.preset.short)
    if method.name in ("hybrid", "idinvert"):
        return (_encoder_steps(options, method), ENCODER), (0, SEARCH)
    return ((0, ""),)


def _check(*, steps: int, iterations: int, refine: int) -> None:
    if not 1 <= steps <= MAX_PASSES:
        raise UserInputError(f"The number of steps must be 1 to {MAX_PASSES}, not {steps}.")
    for count in (iterations, refine):
        if not 0 <= count <= MAX_ITERATIONS:
            raise UserInputError(f"The number of iterations must be 1 to {MAX_ITERATIONS}, not {count}.")
