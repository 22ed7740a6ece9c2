"""The evaluation: every run on every photo, kept as it goes, and taken up again where it stopped."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from desktop_app.core.errors import AppError, ResourceError, UserInputError, display_path
from desktop_app.core.types import FileProblem, FloatArray, Image, Progress
from desktop_app.engine.align.face_detector import FaceDetector
from desktop_app.engine.device import memory_errors_translated
from desktop_app.engine.invert.methods import MethodOptions
from desktop_app.engine.invert.model import InversionModel, load_inversion_model
from desktop_app.engine.invert.restyle import MAX_STEPS
from desktop_app.engine.weights.store import ModelCard, ModelStore
from desktop_app.evaluation.inversion.edits import EditPlan, plan_edits
from desktop_app.evaluation.inversion.measure import Bench, measure_photo
from desktop_app.evaluation.inversion.meters import Meters
from desktop_app.evaluation.inversion.photos import PhotoFile, PhotoReader, photos_of
from desktop_app.evaluation.inversion.plan import EvaluatedMethod, NotRun, PlannedRun, make_plan
from desktop_app.evaluation.inversion.records import PhotoRecord, RecordStore, record_key

_log = logging.getLogger(__name__)

RECORDS_FOLDER = "records"


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What is asked for.

    Attributes:
        folder: Photos.
        out: Where results are kept.
        methods: Which methods.
        models: Model names; none: one that fits for each method.
        steps: Encoder passes, 1 to 20.
        iterations: Of the searching methods; 0: each method's own number.
        is_aligned: The photos are cut-out faces already.
        limit: Most photos; 0: all.
        edit_photos: Photos on which editing is measured.
        shown: Photos whose pictures are in the report.
        seed: Of everything random.
        is_fresh: Measure again what is there already.
    """

    folder: Path
    out: Path
    methods: tuple[EvaluatedMethod, ...]
    models: tuple[str, ...] = ()
    steps: int = 5
    iterations: int = 0
    is_aligned: bool = False
    limit: int = 0
    edit_photos: int = 8
    shown: int = 4
    seed: int = 123
    is_fresh: bool = False


@dataclass(slots=True)
class RunResult:
    """What a run has found so far.

    Attributes:
        run: The method and its model.
        edits: Directions that were compared.
        generator: Tells generators apart; edits compare within one.
        records: Numbers of each photo, without pictures.
        keys: Where a photo's whole record lies, by photo.
        map_sum: Sum of the kept change maps, (k, h, w).
    """

    run: PlannedRun
    edits: EditPlan
    generator: str
    records: list[PhotoRecord] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    map_sum: FloatArray | None = None

    def add(self, key: str, record: PhotoRecord) -> None:
        """Take a result in."""
        self.map_sum = record.change_maps if self.map_sum is None else self.map_sum + record.change_maps
        self.keys[record.photo] = key
        nothing = np.empty((0,), dtype=np.uint8)
        self.records.append(
            replace(
                record,
                change_maps=np.empty((0,), dtype=np.float32),
                photo_picture=nothing,
                pictures=nothing,
                edit_pictures=None,
                unedited=None,
            )
        )


class InversionEvaluation:
    """An evaluation and what it has found so far; a report can be made at any moment.

    Args:
        options: What is asked for.
        store: Models on disk.
        meters: What is measured.
        detector: Finds faces; used unless the photos are aligned.
        preferred: Model of the settings.
        device: Where to compute.

    Attributes:
        results: In the order asked for.
        left_out: Methods that could not run, with a sentence.
        problems: Photos that could not be used, with a sentence.
        photos: Photos of the folder that were to be measured.
        reused: Results that were there from an earlier run.
    """

    def __init__(
        self,
        options: EvaluationOptions,
        store: ModelStore,
        *,
        meters: Meters,
        detector: FaceDetector,
        preferred: str,
        device: torch.device,
    ) -> None:
        if not 1 <= options.steps <= MAX_STEPS:
            raise UserInputError(f"The number of steps must be 1 to {MAX_STEPS}, not {options.steps}.")
        self.options = options
        self.meters = meters
        self.records = RecordStore(options.out / RECORDS_FOLDER)
        self.results: list[RunResult] = []
        self.left_out: list[NotRun] = []
        self.problems: list[FileProblem] = []
        self.photos: list[PhotoFile] = []
        self.reused = 0
        self._store = store
        self._reader = PhotoReader(None if options.is_aligned else detector)
        self._preferred = preferred
        self._device = device
        self._edits: dict[str, EditPlan] = {}
        self._pace = _Pace()

    def run(self) -> Generator[Progress, None, None]:
        """Measure everything that is not there yet.

        Yields:
            Progress with the time left; closing the generator keeps what was finished.

        Raises:
            UserInputError: The folder holds no usable photo.
            WeightsError: No method can run.
            ResourceError: Results cannot be written.
        """
        plan = make_plan(
            self._store, self.options.methods, models=self.options.models, preferred=self._preferred
        )
        self.left_out = list(plan.left_out)
        yield Progress(0, None, text="Looking for photos")
        self.photos = photos_of(self.options.folder, limit=self.options.limit)
        _make_folder(self.records.folder)
        self._pace.plan({run.key: len(self.photos) for run in plan.runs})
        by_model: dict[str, list[PlannedRun]] = defaultdict(list)
        for run in plan.runs:
            by_model[run.card.name].append(run)
        for runs in by_model.values():
            yield from self._run_model(runs)
        order = [method.name for method in self.options.methods]
        self.results.sort(key=lambda result: order.index(result.run.method.name))
        if not any(result.records for result in self.results):
            self._raise_nothing_found()

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of the photos whose pictures are in the report."""
        count = self.options.shown
        return tuple(p.name for k, p in enumerate(self.photos) if self._is_among(k, count))

    # --- one model, one photo, one run ----------------------------------------------------------

    def _run_model(self, runs: Sequence[PlannedRun]) -> Generator[Progress, None, None]:
        card = runs[0].card
        yield self._pace.progress(f"Loading {card.name}")
        try:
            with memory_errors_translated("load the model"):
                model = load_inversion_model(self._store, card.name, device=self._device)
        except AppError as error:
            _log.info("left out: %s", error)
            self._leave_out(runs, error.message)
            return
        generator = _digest_of(model)
        edits = self._edits_of(generator, card, model)
        results = [RunResult(run, edits, generator) for run in runs]
        self.results += results
        benches = [Bench(run, model, self.meters, self._method_options(), edits) for run in runs]
        for position, photo in enumerate(self.photos):
            yield from self._measure_photo(photo, position, results=results, benches=benches)
        for result in results:
            if not result.records and any(other.records for other in self.results):
                self.results.remove(result)
                self._leave_out([result.run], "It failed on every photo; see the list of photos left out.")

    def _measure_photo(
        self, photo: PhotoFile, position: int, *, results: Sequence[RunResult], benches: Sequence[Bench]
    ) -> Generator[Progress, None, None]:
        image: Image | None = None
        for result, bench in zip(results, benches, strict=True):
            key = self._key(bench, photo, position)
            record = None if self.options.is_fresh else self.records.load(key)
            label = f"{result.run.label}: photo {position + 1} of {len(self.photos)}"
            if record is not None:
                self.reused += 1
                result.add(key, record)
                self._pace.skip(result.run.key)
                yield self._pace.progress(label)
                continue
            try:
                image = self._reader.read(photo, bench.model) if image is None else image
                record = yield from self._measured(bench, image, photo=photo, position=position)
            except AppError as error:
                self._note_problem(photo, error, bench=None if image is None else bench)
                if image is None:
                    self._pace.skip(*(one.run.key for one in results))
                    return
                self._pace.skip(result.run.key)
                continue
            self.records.save(key, record)
            result.add(key, record)
            yield self._pace.progress(label)

    def _measured(
        self, bench: Bench, image: Image, *, photo: PhotoFile, position: int
    ) -> Generator[Progress, None, PhotoRecord]:
        label = f"{bench.run.label}: photo {position + 1} of {len(self.photos)}"
        began = time.monotonic()
        with memory_errors_translated("measure the photo"):
            job = measure_photo(
                bench,
                image,
                photo=photo.name,
                is_shown=self._is_among(position, self.options.shown),
                has_edits=self._is_among(position, self.options.edit_photos),
            )
            while True:
                try:
                    inner = next(job)
                except StopIteration as ending:
                    record: PhotoRecord = ending.value
                    break
                more = f", {inner.done} of {inner.total}" if inner.total else ""
                yield self._pace.progress(label + more)
        self._pace.measured(bench.run.key, time.monotonic() - began)
        return record

    # --- small parts ----------------------------------------------------------------------------

    def _is_among(self, position: int, count: int) -> bool:
        """Whether a photo is one of `count`, evenly spaced."""
        total = len(self.photos)
        return count >= total or position in np.linspace(0, total - 1, count).round().astype(int)

    def _method_options(self) -> MethodOptions:
        return MethodOptions(
            steps=self.options.steps, iterations=self.options.iterations, seed=self.options.seed
        )

    def _key(self, bench: Bench, photo: PhotoFile, position: int) -> str:
        options = self.options
        has_edits = self._is_among(position, options.edit_photos)
        return record_key(
            {
                "photo": photo.name,
                "pixels": photo.digest,
                "aligned": options.is_aligned,
                "method": bench.run.method.method,
                "weights": bench.run.card.sha256,
                "steps": options.steps if bench.run.method.is_stepped else 0,
                "iterations": options.iterations if bench.run.method.is_search else 0,
                "seed": options.seed,
                "meters": self.meters.names,
                "directions": bench.edits.digest,
                "edited": has_edits,
                "shown": self._is_among(position, options.shown),
            }
        )

    def _edits_of(self, generator: str, card: ModelCard, model: InversionModel) -> EditPlan:
        if self.options.edit_photos == 0:
            return EditPlan((), "")
        if generator not in self._edits:
            self._edits[generator] = plan_edits(self._store, card, model)
        return self._edits[generator]

    def _note_problem(self, photo: PhotoFile, error: AppError, *, bench: Bench | None) -> None:
        reason = error.message if bench is None else f"{bench.run.label}: {error.message}"
        _log.info("left out: %s", error)
        if not any(one.path == photo.file and one.reason == reason for one in self.problems):
            self.problems.append(FileProblem(photo.file, reason))

    def _leave_out(self, runs: Sequence[PlannedRun], reason: str) -> None:
        self.left_out += [NotRun(run.method.name, run.label, reason) for run in runs]
        self._pace.skip_all(*(run.key for run in runs))

    def _raise_nothing_found(self) -> None:
        reasons = [f"{display_path(one.path.name)}: {one.reason}" for one in self.problems[:3]]
        reasons += [f"{one.title}: {one.reason}" for one in self.left_out]
        raise UserInputError(
            f"None of the {len(self.photos)} photos could be measured.",
            "For example: " + " ".join(reasons) if reasons else "",
        )


class _Pace:
    """Units done and time left: what is left of each run at that run's own mean time."""

    def __init__(self) -> None:
        self._left: dict[str, int] = {}
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._total = 0

    def plan(self, units: dict[str, int]) -> None:
        """Photos of each run."""
        self._left = dict(units)
        self._total = sum(units.values())

    def measured(self, key: str, seconds: float) -> None:
        """A photo was measured."""
        self._seconds[key].append(seconds)
        self.skip(key)

    def skip(self, *keys: str) -> None:
        """A photo needs no measuring."""
        for key in keys:
            self._left[key] = max(0, self._left[key] - 1)

    def skip_all(self, *keys: str) -> None:
        """Nothing of these is left to do."""
        for key in keys:
            self._left[key] = 0

    def progress(self, text: str) -> Progress:
        """How far it is; the time left is unknown until each open run was measured once."""
        left = [
            count * float(np.mean(self._seconds[key])) if self._seconds[key] else None
            for key, count in self._left.items()
            if count
        ]
        known = [seconds for seconds in left if seconds is not None]
        done = self._total - sum(self._left.values())
        return Progress(done, self._total, sum(known) if len(known) == len(left) else None, text)


def _digest_of(model: InversionModel) -> str:
    """Tells generators apart."""
    digest = hashlib.sha256()
    for name, values in model.generator.state_dict().items():
        digest.update(name.encode())
        digest.update(values.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserInputError(
            f"{display_path(folder.parent)} is a file, not a folder.", "Choose another folder with --out."
        ) from error
    except OSError as error:
        raise ResourceError(
            f"The folder {display_path(folder)} cannot be made: {error.strerror}.",
            "Choose another folder with --out.",
        ) from error
