"""Inversion methods and the models they fit, going on with an inversion, and its final figures."""

from __future__ import annotations

from dataclasses import dataclass

from desktop_app.core.common_types import Image

MAX_PASSES = 20
MAX_ITERATIONS = 10_000
# Tuning comes near after this many.
REFINE_ITERATIONS = 100
# Keys of the methods; what they do is said by the engine.
METHOD_NAMES = ("restyle", "one_pass", "bootstrap", "idinvert", "karras_w", "karras_w_plus", "hybrid")


@dataclass(frozen=True, slots=True)
class MethodInfo:
    """An inversion method as it works with one model.

    Attributes:
        name: Key.
        title: For the user, for example `ReStyle-pSp`.
        sentence: What it does and when to choose it.
        uses_steps: The number of encoder passes counts.
        iterations: Optimiser iterations unless the user says otherwise; 0: it does not optimise.
        needs_first: A second model starts.
    """

    name: str
    title: str
    sentence: str
    uses_steps: bool
    iterations: int = 0
    needs_first: bool = False


@dataclass(frozen=True, slots=True)
class FaceModelInfo:
    """A model that inverts pictures, as the choosers need it.

    Attributes:
        name: Model name.
        title: One line for the user.
        sentence: What it is, in one sentence.
        domain: Key of what it paints, for example `faces`.
        domain_title: The same for the user.
        needs_face: Pictures are cropped around a face first.
        output_px: Side of what it paints.
        methods: Methods that fit, the natural one first.
        starters: Models that can start a bootstrapping that this one ends.
        rows: Rows of its codes.
        pass_s: Expected seconds of one encoder pass and rendering.
        iteration_s: Expected seconds of one iteration of an optimiser.
        is_measured: The seconds were measured in earlier runs; else they are estimated.
    """

    name: str
    title: str
    sentence: str
    domain: str
    domain_title: str
    needs_face: bool
    output_px: int
    methods: tuple[MethodInfo, ...]
    starters: tuple[str, ...] = ()
    rows: int = 0
    pass_s: float = 0.0
    iteration_s: float = 0.0
    is_measured: bool = False

    def method(self, name: str = "") -> MethodInfo | None:
        """The method of a name; empty: the natural one."""
        return next((one for one in self.methods if name in ("", one.name)), None)

    def expected_s(self, method: str = "", *, steps: int = 0, iterations: int = 0, refine: int = 0) -> float:
        """Seconds a run will take.

        Args:
            method: Its name; empty: the natural one.
            steps: Encoder passes.
            iterations: Iterations of an optimiser; 0: the method's own number.
            refine: Iterations of tuning afterwards.
        """
        chosen = self.method(method)
        if chosen is None:
            return 0.0
        passes = steps if chosen.uses_steps else 1
        searched = (iterations or chosen.iterations) if chosen.iterations else 0
        return passes * self.pass_s + (searched + refine) * self.iteration_s


@dataclass(frozen=True, slots=True)
class FaceModelsRequest:
    """Ask which models invert pictures, and how. Answer: `FaceModelList`."""


@dataclass(frozen=True, slots=True)
class FaceModelList:
    """Models that invert pictures, built-in first."""

    models: tuple[FaceModelInfo, ...]

    def model(self, name: str) -> FaceModelInfo | None:
        """The model of a name, or None."""
        return next((one for one in self.models if one.name == name), None)

    def toon_pair(self, wanted: str = "") -> tuple[str, str] | None:
        """Two models for bootstrapping: the one that starts and the one that ends.

        Args:
            wanted: A model that should be one of the two when it fits.
        """
        pairs = [(first, second.name) for second in self.models for first in second.starters]
        return next((pair for pair in pairs if wanted in pair), pairs[0] if pairs else None)


@dataclass(frozen=True, slots=True)
class ContinueRequest:
    """Go on with an open inversion: more steps, or tuning. Answer: `InversionResult`.

    The session keeps its id; a run that is stopped keeps the steps that were made.

    Attributes:
        session_id: The inversion.
        step: Go on from this step, later ones are forgotten; 0: from the last one.
        steps: Further encoder passes, for methods that use them.
        iterations: Further iterations of an optimiser.
        refine: Iterations of tuning the generator to the photo, after the steps.
        finishes: Take up the run that was stopped where it stood, to the last bit, and finish it;
            the numbers above do not count then, `step` says which steps are known already.
    """

    session_id: str
    step: int = 0
    steps: int = 0
    iterations: int = 0
    refine: int = 0
    finishes: bool = False


@dataclass(frozen=True, slots=True)
class MeasureRequest:
    """Compare the last step of an inversion with its photo. Answer: `Measures`."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure.

    Attributes:
        name: `l2`, `ms_ssim`, `lpips`, `identity` or `seconds`.
        value: The figure.
        is_higher_better: Which of two is nearer to the photo, or quicker.
        note: Whose weights measured it; else empty.
    """

    name: str
    value: float
    is_higher_better: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Measures:
    """All figures of an inversion that can be had on this machine."""

    session_id: str
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class SampleFacesRequest:
    """Ask for random pictures of a model. Answer: `SampledFaces`.

    Attributes:
        model: Model name; empty: that of the settings.
        count: How many, 1 to 256.
        psi: Truncation, 0 (the average picture) to 2.
        seed: The same seed draws the same pictures.
    """

    model: str = ""
    count: int = 16
    psi: float = 0.7
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SampledFaces:
    """Random pictures.

    Attributes:
        model: Which model drew them.
        images: (H, W, 3) uint8 each.
    """

    model: str
    images: tuple[Image, ...]
