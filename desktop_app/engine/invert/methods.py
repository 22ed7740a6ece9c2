"""Every inversion method by name, behind one call.

A method takes models, an aligned picture and options, and yields `InversionStep` objects, with
`Progress` in between when its steps take many iterations. Closing the iterator cancels; the same
call with the same `MethodInputs.state` goes on as if it had never been closed, and passing a step's
`w_plus` as `start` begins a new run there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.core.types import FloatArray, Image, InversionStep, Progress
from desktop_app.engine.invert.bootstrap import bootstrap
from desktop_app.engine.invert.idinvert import InDomainOptions, invert_in_domain
from desktop_app.engine.invert.model import InversionModel
from desktop_app.engine.invert.optimise import ProjectionOptions, Space, project
from desktop_app.engine.invert.restyle import invert
from desktop_app.engine.invert.run_state import RunState
from desktop_app.engine.invert.steps import locked
from desktop_app.engine.networks.lpips_net import Lpips
from desktop_app.engine.networks.vgg16 import Vgg16Features

Steps = Iterator[InversionStep | Progress]
HYBRID_RATE = 0.01
HYBRID_ITERATIONS = 200
# Encoders that answer with one w and small differences to it: nearer to W, so that edits work better.
E4E_ENCODERS = (
    "ProgressiveBackboneEncoder",
    "ResNetProgressiveBackboneEncoder",
    "Encoder4Editing",
    "SingleStyleCodeEncoder",
)


@dataclass(frozen=True, slots=True)
class MethodInputs:
    """What a method works on.

    Attributes:
        model: The model; of a pair the one that ends.
        image: An aligned picture, (H, W, 3) uint8.
        first: Model that starts, for bootstrapping.
        lpips: Perceptual distance, when its weights are there.
        vgg: Perceptual features of in-domain inversion, when their weights are there.
        state: State of the run: kept up to date, and where a closed run goes on.
    """

    model: InversionModel
    image: Image
    first: InversionModel | None = None
    lpips: Lpips | None = None
    vgg: Vgg16Features | None = None
    state: RunState | None = None


@dataclass(frozen=True, slots=True)
class MethodOptions:
    """What a user may choose.

    Attributes:
        steps: Encoder passes, 1 to 20.
        iterations: Optimiser steps; 0: the method's own number.
        report_every: Iterations between two steps; 0: twenty steps in all.
        start: Code to go on from, (L, D).
        done: Iterations done before, when an optimisation is taken up again.
        resize_outputs: ReStyle hands out pictures of the encoder's input size.
        optimises_noise: Karras: noise maps are optimised too.
        first_steps: Bootstrapping: passes of the first model.
        seed: Of everything random.
    """

    steps: int = 5
    iterations: int = 0
    report_every: int = 0
    start: FloatArray | None = None
    done: int = 0
    resize_outputs: bool = False
    optimises_noise: bool = True
    first_steps: int = 1
    seed: int = 123

    def interval(self, iterations: int) -> int:
        """Iterations between two steps of a run of so many."""
        return self.report_every or max(1, (iterations - self.done) // 20)


class SizesForMethods(Protocol):
    """What decides whether a method fits: a loaded model, or its card alone."""

    @property
    def name(self) -> str:
        """Model name."""

    @property
    def input_nc(self) -> int:
        """Channels of the encoder's input; 0 without an encoder."""

    @property
    def n_styles(self) -> int:
        """Rows of a code."""


@dataclass(frozen=True, slots=True)
class InversionMethod:
    """One method.

    Attributes:
        name: Key.
        title: For the user.
        sentence: What it does and when to choose it.
        run: The call.
        fits: Whether a model can be used with it.
        needs_first: A second model has to start (`MethodInputs.first`).
        uses_steps: The number of encoder passes counts.
        iterations: Iterations of its optimiser unless the user says otherwise; 0: it has none.
    """

    name: str
    title: str
    sentence: str
    run: Callable[[MethodInputs, MethodOptions], Steps]
    fits: Callable[[SizesForMethods], bool]
    needs_first: bool = False
    uses_steps: bool = False
    iterations: int = 0

    def title_with(self, encoder_type: str) -> str:
        """The title for a model: ReStyle and one pass are named after the encoder's family."""
        family = "e4e" if encoder_type in E4E_ENCODERS else "pSp"
        return self.title.format(family=family)


def _restyle(inputs: MethodInputs, options: MethodOptions) -> Steps:
    return invert(
        inputs.model,
        inputs.image,
        steps=options.steps,
        start=options.start,
        resize_outputs=options.resize_outputs,
        state=inputs.state,
    )


def _one_pass(inputs: MethodInputs, options: MethodOptions) -> Steps:
    return invert(
        inputs.model, inputs.image, steps=1, resize_outputs=options.resize_outputs, state=inputs.state
    )


def _bootstrap(inputs: MethodInputs, options: MethodOptions) -> Steps:
    if inputs.first is None:
        raise WeightsError("Bootstrapping needs a second model to start from.")
    if options.start is not None:  # the first model's part is done
        return invert(
            inputs.model, inputs.image, steps=options.steps, start=options.start, state=inputs.state
        )
    return bootstrap(
        inputs.first,
        inputs.model,
        inputs.image,
        steps=options.steps,
        first_steps=options.first_steps,
        state=inputs.state,
    )


def _idinvert(inputs: MethodInputs, options: MethodOptions) -> Steps:
    iterations = options.iterations or InDomainOptions().iterations
    chosen = InDomainOptions(iterations=iterations, report_every=options.interval(iterations))
    return invert_in_domain(
        inputs.model,
        inputs.image,
        options=chosen,
        vgg=inputs.vgg,
        start=options.start,
        state=inputs.state,
    )


def _karras(space: Space) -> Callable[[MethodInputs, MethodOptions], Steps]:
    def run(inputs: MethodInputs, options: MethodOptions) -> Steps:
        base = ProjectionOptions(space=space, seed=options.seed, done=options.done)
        iterations = options.iterations or base.iterations
        chosen = replace(
            base,
            iterations=iterations,
            base_rate=base.base_rate if space == Space.W else HYBRID_RATE,
            optimises_noise=options.optimises_noise,
            report_every=options.interval(iterations),
        )
        return _search(inputs, chosen, start=options.start, state=inputs.state)

    return run


def _search(
    inputs: MethodInputs, chosen: ProjectionOptions, *, start: FloatArray | None, state: RunState | None
) -> Steps:
    return project(inputs.model, inputs.image, options=chosen, lpips=inputs.lpips, start=start, state=state)


def _hybrid(inputs: MethodInputs, options: MethodOptions) -> Steps:
    iterations = options.iterations or HYBRID_ITERATIONS
    chosen = ProjectionOptions(
        iterations=iterations,
        base_rate=HYBRID_RATE,
        space=Space.W_PLUS,
        optimises_noise=False,
        w_noise=0.0,
        mse_weight=1.0,
        report_every=options.interval(iterations),
        done=options.done,
        seed=options.seed,
    )
    if options.start is not None:
        return _search(inputs, chosen, start=options.start, state=inputs.state)
    return _then_project(inputs, options, chosen)


def _then_project(inputs: MethodInputs, options: MethodOptions, chosen: ProjectionOptions) -> Steps:
    """The encoder's steps, then the optimiser's, numbered on; changes are against the first step."""
    state = RunState() if inputs.state is None else inputs.state
    encoder, search = state.part("encoder"), state.part("search")
    for step in invert(inputs.model, inputs.image, steps=options.steps, state=encoder):
        state.values.setdefault("first_size", _change(step))
        yield step
    start = locked(encoder.tensors["w_plus"][0])
    for item in _search(inputs, chosen, start=start, state=search):
        if isinstance(item, InversionStep):
            first_size = state.values["first_size"]
            relative = _change(item) / first_size if first_size > 0 else 0.0
            item = replace(item, index=encoder.done + item.index, relative_change=relative)
        yield item


def _change(step: InversionStep) -> float:
    return float(step.change_map.mean()) ** 0.5


def _has_encoder_that_refines(model: SizesForMethods) -> bool:
    return model.input_nc > 3


def _is_one_pass(model: SizesForMethods) -> bool:
    return 0 < model.input_nc <= 3


def _has_encoder(model: SizesForMethods) -> bool:
    return model.input_nc > 0


def _any(model: SizesForMethods) -> bool:
    return model.n_styles > 0


METHODS: dict[str, InversionMethod] = {
    method.name: method
    for method in (
        InversionMethod(
            "restyle",
            "ReStyle-{family}",
            "The encoder looks at the photo and its own last result, several times; quick and editable.",
            _restyle,
            _has_encoder_that_refines,
            uses_steps=True,
        ),
        InversionMethod(
            "one_pass",
            "One pass ({family})",
            "The encoder answers at once; the quickest, and the least like the photo.",
            _one_pass,
            _is_one_pass,
        ),
        InversionMethod(
            "bootstrap",
            "Toonify (two models)",
            "A first model finds the face, a second one restyles it and keeps the likeness.",
            _bootstrap,
            _has_encoder_that_refines,
            needs_first=True,
            uses_steps=True,
        ),
        InversionMethod(
            "idinvert",
            "In-domain (IDInvert)",
            "Starts from the encoder and optimises without leaving the codes that the encoder knows.",
            _idinvert,
            _has_encoder,
            iterations=InDomainOptions().iterations,
        ),
        InversionMethod(
            "karras_w",
            "Projection to W (Karras)",
            "Searches one w for all layers, with noise; slow, edits well, keeps little detail.",
            _karras(Space.W),
            _any,
            iterations=ProjectionOptions().iterations,
        ),
        InversionMethod(
            "karras_w_plus",
            "Projection to W+",
            "Searches a row for each layer, with noise; slow, close to the photo, edits badly.",
            _karras(Space.W_PLUS),
            _any,
            iterations=ProjectionOptions().iterations,
        ),
        InversionMethod(
            "hybrid",
            "Hybrid",
            "Starts from the encoder's last step and optimises from there; closest to the photo.",
            _hybrid,
            _has_encoder,
            uses_steps=True,
            iterations=HYBRID_ITERATIONS,
        ),
    )
}


def fitting_methods(model: SizesForMethods) -> list[InversionMethod]:
    """Methods that can run on a model, in the order of the registry."""
    return [method for method in METHODS.values() if method.fits(model)]


def natural_method(model: SizesForMethods) -> str:
    """The method that a model's encoder is made for; the closest one where there is no encoder."""
    if not _has_encoder(model):
        return "karras_w_plus"
    return "restyle" if _has_encoder_that_refines(model) else "one_pass"


def fitting_method(name: str, model: SizesForMethods) -> InversionMethod:
    """The method of a name, which has to fit the model.

    Raises:
        UserInputError: There is no such method.
        WeightsError: The model does not fit it.
    """
    method = METHODS.get(name)
    if method is None:
        raise UserInputError(f"There is no inversion method '{name}'.", f"Known: {', '.join(METHODS)}.")
    if not method.fits(model):
        fitting = ", ".join(one.name for one in fitting_methods(model))
        why = "" if _has_encoder(model) else ": it is a generator alone, and the method needs an encoder"
        raise WeightsError(
            f"The model '{model.name}' cannot be used with the method '{name}'{why}.",
            f"It can be used with: {fitting}.",
        )
    return method


def run_method(name: str, inputs: MethodInputs, options: MethodOptions | None = None) -> Steps:
    """Start a method.

    Yields:
        `InversionStep` objects, with `Progress` in between.

    Raises:
        UserInputError: There is no such method.
        WeightsError: The model does not fit it.
    """
    return fitting_method(name, inputs.model).run(inputs, options or MethodOptions())
