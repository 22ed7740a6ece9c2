"""Methods, tuning, going on, stopping, two models, notices, figures: as jobs with tiny real models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from desktop_app.core.errors import ResourceError, UserInputError, WeightsError
from desktop_app.core.types import (
    AlignedFace,
    ContinueRequest,
    Edit,
    EditRequest,
    ExportKind,
    ExportRequest,
    FaceModelsRequest,
    FacePoints,
    InversionResult,
    InversionStep,
    InvertRequest,
    MeasureRequest,
    Mix,
    PasteMode,
    PhotoSource,
    Progress,
)
from desktop_app.engine.edit.mix import group_rows
from desktop_app.engine.invert.model import InversionModel
from desktop_app.jobs import edit_photo, export_photo, invert_photo, list_face_models, measure_face
from desktop_app.jobs.export_photo import DELTA_ENDING
from desktop_app.jobs.services import Services
from tests.library import drive
from tests.pictures import picture
from tests.tiny_embedder import TinyEmbedder
from tests.tiny_inverter import (
    DATA,
    MODEL,
    N_STYLES,
    SIZE,
    face_paths,
    face_services,
    face_settings,
    needs_data,
    write_tiny_directions,
    write_tiny_generator,
    write_tiny_model,
)

TOON = "restyle_psp.tiny_toon"
FACE = PhotoSource(image=picture(2, width=64, height=64))
POINTS = FacePoints((80, 60), (110, 62), (82, 95), (108, 97))
PHOTO = PhotoSource(image=picture(1, width=200, height=150))


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return face_services(tmp_path, has_directions=True)


@pytest.fixture
def pair(services: Services) -> Services:
    write_tiny_directions(write_tiny_model(services.paths.models, name=TOON, domain="toon"))
    return services


def invert(services: Services, **options: object) -> tuple[list[InversionStep], InversionResult]:
    request = replace(InvertRequest(FACE, is_aligned=True), **options)
    messages, result = drive(invert_photo.run(request, services))
    return [message for message in messages if isinstance(message, InversionStep)], result


def go_on(services: Services, request: ContinueRequest) -> tuple[list[InversionStep], InversionResult]:
    messages, result = drive(invert_photo.run(request, services))
    return [message for message in messages if isinstance(message, InversionStep)], result


def edited(services: Services, session_id: str, edit: Edit) -> np.ndarray:
    return drive(edit_photo.run(EditRequest(session_id, edit, 1), services))[1].image


# --- methods ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["idinvert", "karras_w", "karras_w_plus", "hybrid"])
def test_methods_that_optimise_show_progress_and_steps(services: Services, method: str) -> None:
    request = InvertRequest(FACE, is_aligned=True, steps=2, method=method, iterations=6)
    messages, result = drive(invert_photo.run(request, services))
    steps = [message for message in messages if isinstance(message, InversionStep)]
    assert [step.index for step in steps] == list(range(1, result.steps + 1))
    assert result.method == method
    counted = [m for m in messages if isinstance(m, Progress) and m.total == 6]
    assert counted[-1].done == 6
    session = services.faces.sessions.get(result.session_id)
    assert session.searched == 6
    assert np.array_equal(session.code(0), steps[-1].w_plus)
    phases = {step.phase for step in steps}
    assert phases == ({"encoder", "search"} if method in ("hybrid", "idinvert") else {""})


def test_the_natural_method_is_the_one_of_the_encoder(services: Services) -> None:
    assert invert(services, steps=1)[1].method == "restyle"


def test_a_method_that_does_not_fit_or_is_unknown_is_refused(services: Services) -> None:
    with pytest.raises(WeightsError, match="cannot be used with the method 'one_pass'"):
        invert(services, method="one_pass")
    with pytest.raises(UserInputError, match="no inversion method 'magic'"):
        invert(services, method="magic")
    for numbers in ({"iterations": 10_001}, {"refine": -1}, {"steps": 21}):
        with pytest.raises(UserInputError, match="must be 1 to"):
            invert(services, **numbers)


# --- going on -----------------------------------------------------------------------------------------


def test_more_steps_are_the_same_as_asking_for_them_at_once(services: Services) -> None:
    whole, _ = invert(services, steps=5)
    _, first = invert(services, steps=2)
    more, result = go_on(services, ContinueRequest(first.session_id, steps=3))
    assert [step.index for step in more] == [3, 4, 5]
    assert (result.session_id, result.steps) == (first.session_id, 5)
    assert np.allclose(more[-1].w_plus, whole[-1].w_plus, atol=1e-5)
    assert more[-1].relative_change == pytest.approx(whole[-1].relative_change, rel=1e-2)


@pytest.mark.parametrize("method", ["idinvert", "karras_w_plus", "hybrid"])
def test_a_search_goes_on_where_it_stopped(services: Services, method: str) -> None:
    steps, first = invert(services, steps=1, method=method, iterations=4)
    more, result = go_on(services, ContinueRequest(first.session_id, iterations=4))
    session = services.faces.sessions.get(first.session_id)
    assert session.searched == 8
    assert [step.index for step in more] == list(range(len(steps) + 1, result.steps + 1))
    assert len(session.codes) == result.steps


def test_going_on_from_an_earlier_step_forgets_the_later_ones(services: Services) -> None:
    steps, first = invert(services, steps=4)
    more, result = go_on(services, ContinueRequest(first.session_id, step=2, steps=1))
    assert result.steps == 3
    assert np.allclose(more[0].w_plus, steps[2].w_plus, atol=1e-5)


def test_a_stopped_run_can_be_edited_and_taken_up_again(services: Services) -> None:
    job = invert_photo.run(InvertRequest(FACE, is_aligned=True, steps=5), services)
    session_id = ""
    seen: list[InversionStep] = []
    while len(seen) < 2:
        message = next(job)
        if isinstance(message, AlignedFace):
            session_id = message.session_id
        elif isinstance(message, InversionStep):
            seen.append(message)
    job.close()
    assert edited(services, session_id, Edit((("pca.1", 1.0),))).shape == (SIZE, SIZE, 3)
    more, result = go_on(services, ContinueRequest(session_id, steps=1))
    assert (more[0].index, result.steps) == (3, 3)


def stopped(services: Services, request: InvertRequest | ContinueRequest, after: int) -> list[InversionStep]:
    """Steps of a run that is closed after so many messages."""
    job = invert_photo.run(request, services)
    told = [next(job) for _ in range(after)]
    job.close()
    return [message for message in told if isinstance(message, InversionStep)]


@pytest.mark.parametrize("method", ["restyle", "idinvert", "karras_w_plus", "hybrid"])
@pytest.mark.parametrize("after", [9, 12, 15])
def test_a_stopped_run_ends_as_if_it_had_not_been_stopped(
    services: Services, method: str, after: int
) -> None:
    request = InvertRequest(FACE, is_aligned=True, steps=6, method=method, iterations=8)
    whole, _ = invert(services, steps=6, method=method, iterations=8)
    before = stopped(services, request, after)
    session_id = services.faces.sessions.newest.session_id
    assert services.faces.sessions.get(session_id).open_run is not None
    after_it, result = go_on(services, ContinueRequest(session_id, step=len(before), finishes=True))
    together = [*before, *after_it]
    assert [step.index for step in together] == [step.index for step in whole]
    assert [step.phase for step in together] == [step.phase for step in whole]
    assert np.array_equal(together[-1].w_plus, whole[-1].w_plus)
    assert np.array_equal(together[-1].y_hat, whole[-1].y_hat)
    assert [s.relative_change for s in together] == pytest.approx([s.relative_change for s in whole])
    assert not result.is_unfinished
    session = services.faces.sessions.get(session_id)
    assert session.searched == (0 if method == "restyle" else 8)
    assert session.open_run is None
    with pytest.raises(UserInputError, match="no stopped run"):
        go_on(services, ContinueRequest(session_id, step=result.steps, finishes=True))


def test_stopped_tuning_is_finished_and_follows_a_run_that_is(services: Services) -> None:
    whole, expected = invert(services, steps=2, refine=20)
    request = InvertRequest(FACE, is_aligned=True, steps=2, refine=20)
    for after in (6, 30):  # while it inverts, while it tunes
        before = stopped(services, request, after)
        session_id = services.faces.sessions.newest.session_id
        more, result = go_on(services, ContinueRequest(session_id, step=len(before), finishes=True))
        assert len(before) + len(more) == len(whole)
        assert np.array_equal(more[-1].w_plus, whole[-1].w_plus)
        assert np.array_equal(more[-1].y_hat, whole[-1].y_hat)
        assert result.tuned_from == expected.tuned_from == 3


def test_a_step_that_was_made_but_not_told_is_told(services: Services) -> None:
    before = stopped(services, InvertRequest(FACE, is_aligned=True, steps=6), 12)
    session_id = services.faces.sessions.newest.session_id
    known = len(before) - 1
    more, _ = go_on(services, ContinueRequest(session_id, step=known, finishes=True))
    assert [step.index for step in more] == list(range(known + 1, 7))


def test_in_domain_optimisation_uses_vgg16_where_it_is_installed(services: Services) -> None:
    from desktop_app.engine.metrics.lpips import VGG16
    from desktop_app.engine.networks.vgg16 import Vgg16Features
    from desktop_app.engine.weights.store import ModelCard, write_model

    plain, _ = invert(services, method="idinvert", iterations=4)
    assert "VGG16" in plain[-1].note
    card = ModelCard(
        "perceptual.vgg16", "metric", VGG16, {}, "VGG16", "", "", "", 0, {}, services.paths.models
    )
    write_model(card, Vgg16Features().state_dict())
    services.faces.models_changed()
    steps, _ = invert(services, method="idinvert", iterations=4)
    assert {step.note for step in steps} == {""}
    assert not np.array_equal(steps[-1].w_plus, plain[-1].w_plus)


def test_going_on_without_a_wish_or_a_session_is_refused(services: Services) -> None:
    _, first = invert(services, steps=1)
    with pytest.raises(UserInputError, match="Nothing was asked for"):
        go_on(services, ContinueRequest(first.session_id))
    with pytest.raises(UserInputError, match="no longer open"):
        go_on(services, ContinueRequest("gone", steps=1))
    with pytest.raises(UserInputError, match="there is no step 7"):
        go_on(services, ContinueRequest(first.session_id, step=7, steps=1))


# --- tuning -------------------------------------------------------------------------------------------


def test_tuning_comes_nearer_and_stays_with_its_session(services: Services, tmp_path: Path) -> None:
    plain, _ = invert(services, steps=2)
    steps, result = invert(services, steps=2, refine=30)
    assert result.tuned_from == 3
    assert {step.phase for step in steps[2:]} == {"tuning"}
    assert steps[-1].l2 < plain[-1].l2
    none = Edit()
    assert np.array_equal(edited(services, result.session_id, none), steps[-1].y_hat)
    assert np.array_equal(edited(services, result.session_id, Edit(step=2)), plain[-1].y_hat)
    _, other = invert(services, steps=2)  # another session of the model renders as before
    assert np.array_equal(edited(services, other.session_id, none), plain[-1].y_hat)
    face, latents = tmp_path / "face.png", tmp_path / "codes.npz"
    drive(export_photo.run(ExportRequest(result.session_id, none, ExportKind.FACE, face), services))
    from PIL import Image as PillowImage

    with PillowImage.open(face) as written:
        assert np.array_equal(np.asarray(written), steps[-1].y_hat)
    _, done = drive(
        export_photo.run(ExportRequest(result.session_id, none, ExportKind.LATENTS, latents), services)
    )
    from desktop_app.engine.invert.refine import GeneratorDelta

    delta = GeneratorDelta.load(tmp_path / f"codes{DELTA_ENDING}", model=MODEL)
    assert delta.value_count > 0
    assert DELTA_ENDING in done.warnings[0]


def test_tuning_later_and_again_and_steps_after_it(services: Services) -> None:
    _, first = invert(services, steps=2)
    tuned, result = go_on(services, ContinueRequest(first.session_id, refine=10))
    assert (tuned[0].index, result.tuned_from) == (3, 3)
    again, result = go_on(services, ContinueRequest(first.session_id, refine=10))
    assert result.tuned_from == 3
    assert again[-1].l2 < tuned[-1].l2
    more, result = go_on(services, ContinueRequest(first.session_id, steps=1))
    assert (more[0].index, result.tuned_from) == (3, 0)


def test_stopped_tuning_keeps_what_it_found(services: Services) -> None:
    _, first = invert(services, steps=1)
    job = invert_photo.run(ContinueRequest(first.session_id, refine=40), services)
    while not isinstance(step := next(job), InversionStep):
        pass
    job.close()
    assert np.array_equal(edited(services, first.session_id, Edit()), step.y_hat)


# --- a generator alone --------------------------------------------------------------------------------


def test_a_generator_alone_is_offered_the_projections_only(services: Services) -> None:
    name = write_tiny_generator(services.paths.models).name
    _, found = drive(list_face_models.run(FaceModelsRequest(), services))
    model = found.model(name)
    assert [method.name for method in model.methods] == ["karras_w_plus", "karras_w"]
    assert "has none" in model.sentence and not model.needs_face and model.starters == ()
    assert name not in found.model(MODEL).starters
    assert model.expected_s("karras_w", iterations=100) > 0


@pytest.mark.parametrize("method", ["", "karras_w"])
def test_a_generator_alone_is_inverted_edited_and_tuned(services: Services, method: str) -> None:
    name = write_tiny_generator(services.paths.models).name
    steps, result = invert(services, model=name, method=method, iterations=20)
    assert result.method == (method or "karras_w_plus")
    assert steps[-1].l2 < steps[0].l2
    sliders = services.faces.directions(name)
    assert edited(services, result.session_id, Edit(((sliders[0].name, 1.0),))).shape == (SIZE, SIZE, 3)
    assert drive(measure_face.run(MeasureRequest(result.session_id), services))[1].measures
    more, result = go_on(services, ContinueRequest(result.session_id, iterations=4, refine=4))
    assert result.tuned_from and more[-1].index == result.steps


@pytest.mark.parametrize("method", ["restyle", "one_pass", "idinvert", "hybrid", "bootstrap"])
def test_methods_with_an_encoder_say_why_they_need_one(services: Services, method: str) -> None:
    name = write_tiny_generator(services.paths.models).name
    with pytest.raises(
        WeightsError, match="it is a generator alone, and the method needs an encoder"
    ) as caught:
        invert(services, model=name, method=method, iterations=2)
    assert "karras_w" in caught.value.hint


def test_a_model_of_an_unstated_kind_gets_the_whole_picture_and_says_so(services: Services) -> None:
    name = write_tiny_generator(services.paths.models).name
    messages, _ = drive(invert_photo.run(InvertRequest(PHOTO, model=name, iterations=2), services))
    face = next(message for message in messages if isinstance(message, AlignedFace))
    assert "does not say what it paints" in face.notices[0] and face.quad == ()


# --- two models ---------------------------------------------------------------------------------------


def test_toonify_shows_both_models_and_can_be_edited(pair: Services) -> None:
    request = InvertRequest(
        PHOTO, points=POINTS, steps=2, method="bootstrap", first_model=MODEL, first_steps=2, model=TOON
    )
    messages, result = drive(invert_photo.run(request, pair))
    steps = [message for message in messages if isinstance(message, InversionStep)]
    assert [step.phase for step in steps] == ["face", "face", "toon", "toon"]
    assert (result.model, result.can_paste_back) == (TOON, True)
    face = next(message for message in messages if isinstance(message, AlignedFace))
    assert face.usual_paste is result.usual_paste is PasteMode.REPLACE  # drawn: no change of the photo's own
    assert edited(pair, result.session_id, Edit((("pca.1", 1.0),))).shape == (SIZE, SIZE, 3)
    more, _ = go_on(pair, ContinueRequest(result.session_id, steps=1))
    assert (more[0].index, more[0].phase) == (5, "toon")
    _, plain = drive(invert_photo.run(InvertRequest(PHOTO, points=POINTS, steps=1, model=MODEL), pair))
    assert plain.usual_paste is PasteMode.CHANGE


def test_toonify_is_offered_for_fitting_pairs_only(pair: Services) -> None:
    write_tiny_model(pair.paths.models, name="restyle_psp.tiny_cars", domain="cars")
    _, found = drive(list_face_models.run(FaceModelsRequest(), pair))
    assert found.toon_pair(TOON) == found.toon_pair(MODEL) == (MODEL, TOON)
    assert found.toon_pair() == ("restyle_psp.builtin", "restyle_psp_toon.builtin")
    toon, tiny, cars = (found.model(name) for name in (TOON, MODEL, "restyle_psp.tiny_cars"))
    assert toon.starters == (MODEL,)
    assert tiny.starters == cars.starters == ()
    assert "bootstrap" in [method.name for method in toon.methods]
    assert "bootstrap" not in [method.name for method in tiny.methods]
    assert not cars.needs_face and tiny.needs_face


def test_models_are_listed_with_methods_and_times(services: Services) -> None:
    _, found = drive(list_face_models.run(FaceModelsRequest(), services))
    tiny = found.model(MODEL)
    assert tiny.method().title == "ReStyle-pSp"
    assert all(method.sentence.endswith(".") for method in tiny.methods)
    assert tiny.pass_s > 0 and not tiny.is_measured
    assert tiny.expected_s("restyle", steps=4) == pytest.approx(4 * tiny.pass_s)
    assert tiny.expected_s("karras_w", iterations=10) > tiny.pass_s
    invert(services, steps=2)
    _, again = drive(list_face_models.run(FaceModelsRequest(), services))
    assert again.model(MODEL).is_measured


# --- mixes --------------------------------------------------------------------------------------------


def test_a_mix_takes_the_rows_of_another_face(services: Services) -> None:
    _, one = invert(services)
    other = PhotoSource(image=picture(7, width=64, height=64))
    _, two = invert(services, source=other)
    sessions = services.faces.sessions
    session = sessions.get(one.session_id)
    own, theirs = session.code(0), sessions.get(two.session_id).code(0)
    code = services.faces.edited_code(session, Edit(mix=Mix(two.session_id, ("coarse",), 1.0)))
    rows = list(group_rows("coarse", N_STYLES))
    assert np.array_equal(code[rows], theirs[rows])
    assert np.array_equal(code[rows[-1] + 1 :], own[rows[-1] + 1 :])
    half = services.faces.edited_code(
        session, Edit(mix=Mix(two.session_id, ("coarse", "middle", "fine"), 0.5))
    )
    assert np.allclose(half, (own + theirs) / 2, atol=1e-6)
    assert np.array_equal(services.faces.edited_code(session, Edit(mix=Mix(two.session_id, (), 1.0))), own)
    with pytest.raises(UserInputError, match="no longer open"):
        services.faces.edited_code(session, Edit(mix=Mix("gone", ("fine",))))
    with pytest.raises(UserInputError, match="0 to 1"):
        services.faces.edited_code(session, Edit(mix=Mix(two.session_id, ("fine",), 2.0)))


def test_groups_of_rows_cover_every_code() -> None:
    for count in (4, 6, 8, 10, 18):
        rows = [row for group in ("coarse", "middle", "fine") for row in group_rows(group, count)]
        assert rows == list(range(count))
    assert group_rows("coarse", 18) == range(4)
    assert group_rows("fine", 18) == range(8, 18)
    with pytest.raises(UserInputError, match="no group"):
        group_rows("ultra", 18)


# --- figures ------------------------------------------------------------------------------------------


def test_figures_name_what_measured_them(tmp_path: Path) -> None:
    paths = face_paths(tmp_path)
    write_tiny_model(paths.models)
    services = Services(paths, face_settings(), tmp_path / "library", embedder_factory=TinyEmbedder)
    steps, result = invert(services, steps=2)
    _, answer = drive(measure_face.run(MeasureRequest(result.session_id), services))
    found = {measure.name: measure for measure in answer.measures}
    assert list(found) == ["l2", "ms_ssim", "identity", "seconds"]
    assert found["l2"].value == steps[-1].l2
    assert 0 < found["ms_ssim"].value < 1
    assert "built-in face encoder" in found["identity"].note
    assert found["seconds"].value == result.seconds


# --- photos and models that do not fit ----------------------------------------------------------------


def notices(services: Services, request: InvertRequest) -> str:
    messages, _ = drive(invert_photo.run(request, services))
    return " ".join(next(message for message in messages if isinstance(message, AlignedFace)).notices)


def test_a_face_that_reaches_out_of_the_photo_is_told(services: Services) -> None:
    points = FacePoints((2, 60), (32, 62), (4, 95), (30, 97))
    assert "reaches out of the photo" in notices(services, InvertRequest(PHOTO, points=points, steps=1))
    assert notices(services, InvertRequest(PHOTO, points=POINTS, steps=1)) == ""


def test_a_small_face_is_told(services: Services) -> None:
    points = FacePoints((80, 60), (84.4, 60), (80.7, 64), (83.7, 64))
    assert "was enlarged" in notices(services, InvertRequest(PHOTO, points=points, steps=1))


@needs_data
def test_a_model_of_cars_says_that_the_photo_shows_a_face(services: Services) -> None:
    write_tiny_model(services.paths.models, name="restyle_psp.tiny_cars", domain="church")
    source = PhotoSource(path=sorted((DATA / "portraits").glob("*.jpg"))[0])
    said = notices(services, InvertRequest(source, model="restyle_psp.tiny_cars", steps=1))
    assert "shows a face" in said and "Churches" in said


# --- when something breaks ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "Not enough device memory"),
        (MemoryError(), "Not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "Not enough memory"),
    ],
)
def test_out_of_memory_leaves_the_session_and_the_next_run_works(
    services: Services, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: str
) -> None:
    _, before = invert(services, steps=2)
    real, calls = InversionModel.decode, []

    def fails_later(self: InversionModel, w_plus: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 3:
            raise error
        return real(self, w_plus)

    monkeypatch.setattr(InversionModel, "decode", fails_later)
    for request in (
        InvertRequest(FACE, is_aligned=True, steps=5),
        ContinueRequest(before.session_id, refine=8),
    ):
        calls.clear()
        with pytest.raises(ResourceError, match=expected):
            drive(invert_photo.run(request, services))
    monkeypatch.undo()
    assert edited(services, before.session_id, Edit()).shape == (SIZE, SIZE, 3)
    assert invert(services, steps=1)[1].steps == 1


@pytest.mark.parametrize("place", ["align_face", "ms_ssim_each", "paste_back", "fresh_delta"])
def test_no_memory_left_anywhere_is_told(
    services: Services, monkeypatch: pytest.MonkeyPatch, place: str, tmp_path: Path
) -> None:
    from desktop_app.engine.align import ffhq_crop
    from desktop_app.engine.align import paste_back as pasting
    from desktop_app.engine.invert import refine
    from desktop_app.engine.metrics import ms_ssim

    def fails(*_args: object, **_kwargs: object) -> None:
        raise MemoryError

    request = InvertRequest(PHOTO, points=POINTS, steps=1)
    _, good = drive(invert_photo.run(request, services))
    photo = ExportRequest(good.session_id, Edit(), ExportKind.PHOTO, tmp_path / "x.png")
    jobs = {
        "align_face": lambda: invert_photo.run(request, services),
        "ms_ssim_each": lambda: measure_face.run(MeasureRequest(good.session_id), services),
        "paste_back": lambda: export_photo.run(photo, services),
        "fresh_delta": lambda: invert_photo.run(ContinueRequest(good.session_id, refine=5), services),
    }
    owners = {"align_face": ffhq_crop, "ms_ssim_each": ms_ssim, "paste_back": pasting, "fresh_delta": refine}
    with monkeypatch.context() as patch:
        patch.setattr(owners[place], place, fails)
        with pytest.raises(ResourceError, match="Not enough memory to"):
            drive(jobs[place]())
    drive(jobs[place]())


def test_weights_that_are_no_numbers_are_told(services: Services) -> None:
    _, good = invert(services, steps=1)
    card = write_tiny_model(services.paths.models, name="restyle_psp.broken")
    from safetensors.torch import load_file

    from desktop_app.engine.weights.store import write_model

    tensors = load_file(card.weights_file)
    tensors["decoder.conv1.conv.weight"][0, 0, 0] = float("nan")
    write_model(card, tensors)
    with pytest.raises(WeightsError, match="no numbers"):
        invert(services, model="restyle_psp.broken")
    tensors["decoder.conv1.conv.weight"][0, 0, 0] = 0.0
    tensors["latent_avg"][0] = float("inf")
    write_model(card, tensors)
    with pytest.raises(WeightsError, match="no numbers"):
        invert(services, model="restyle_psp.broken")
    assert edited(services, good.session_id, Edit()).shape == (SIZE, SIZE, 3)
    assert invert(services, steps=1)[1].steps == 1
