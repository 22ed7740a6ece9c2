"""Which module answers which request, and how urgent it is; modules are imported when first used."""

from __future__ import annotations

import importlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from desktop_app.core import types
from desktop_app.core.types import Urgency

if TYPE_CHECKING:
    from desktop_app.jobs.services import Services

Job = Generator[object, None, object]


@dataclass(frozen=True, slots=True)
class UseCase:
    """Where a request is answered.

    Attributes:
        module: Module below `desktop_app.jobs` with a `run(request, services)` generator.
        urgency: Which of several open jobs is resumed first.
        title: What the job does, for the log and for the user.
    """

    module: str
    urgency: Urgency
    title: str


_USE_CASES: dict[type[object], UseCase] = {
    types.IndexRequest: UseCase("index_photos", Urgency.LOW, "Index photos"),
    types.PageRequest: UseCase("page_photos", Urgency.HIGH, "Show photos"),
    types.LibraryRequest: UseCase("manage_library", Urgency.HIGH, "Look into the library"),
    types.RemoveFolderRequest: UseCase("manage_library", Urgency.NORMAL, "Remove a folder"),
    types.SearchRequest: UseCase("search_photos", Urgency.HIGH, "Find similar photos"),
    types.ClassesRequest: UseCase("mark_photos", Urgency.HIGH, "List classes"),
    types.CreateClassRequest: UseCase("mark_photos", Urgency.HIGH, "Make a class"),
    types.RenameClassRequest: UseCase("mark_photos", Urgency.HIGH, "Rename a class"),
    types.RemoveClassRequest: UseCase("mark_photos", Urgency.HIGH, "Remove a class"),
    types.MarkPhotosRequest: UseCase("mark_photos", Urgency.HIGH, "Mark photos"),
    types.PeopleRequest: UseCase("people", Urgency.HIGH, "List people"),
    types.PersonFacesRequest: UseCase("people", Urgency.HIGH, "Show the faces of a person"),
    types.NamePersonRequest: UseCase("people", Urgency.HIGH, "Name a person"),
    types.MergePeopleRequest: UseCase("people", Urgency.HIGH, "Join people"),
    types.HidePersonRequest: UseCase("people", Urgency.HIGH, "Hide a person"),
    types.MoveFacesRequest: UseCase("people", Urgency.HIGH, "Move faces"),
    types.ForgetFacesRequest: UseCase("people", Urgency.NORMAL, "Forget faces"),
    types.FindPeopleRequest: UseCase("find_people", Urgency.LOW, "Find people"),
    types.FaceSearchRequest: UseCase("search_face", Urgency.HIGH, "Find this person"),
    types.ProposeRequest: UseCase("propose_members", Urgency.HIGH, "Propose photos of a class"),
    types.ExportTagsRequest: UseCase("export_tags", Urgency.NORMAL, "Export tags"),
    types.PhotosRequest: UseCase("page_photos", Urgency.HIGH, "Show photos"),
    types.MapRequest: UseCase("map_library", Urgency.NORMAL, "Load the map"),
    types.ComputeMapRequest: UseCase("map_library", Urgency.LOW, "Compute the map"),
    types.ComparePhotosRequest: UseCase("compare_photos", Urgency.HIGH, "Compare photos"),
    types.WarmUpRequest: UseCase("warm_up", Urgency.LOW, "Load the engine"),
    types.ModelsRequest: UseCase("list_models", Urgency.HIGH, "List models"),
    types.ImportModelRequest: UseCase("import_model", Urgency.NORMAL, "Import a model"),
    types.RemoveModelRequest: UseCase("import_model", Urgency.NORMAL, "Remove a model"),
    types.PreviewRequest: UseCase("preview_photo", Urgency.HIGH, "Show a photo"),
    types.FindFacesRequest: UseCase("find_faces", Urgency.NORMAL, "Find faces"),
    types.QuadRequest: UseCase("find_faces", Urgency.HIGH, "Place the crop"),
    types.InvertRequest: UseCase("invert_photo", Urgency.NORMAL, "Invert a face"),
    types.ContinueRequest: UseCase("invert_photo", Urgency.NORMAL, "Go on with an inversion"),
    types.FaceModelsRequest: UseCase("list_face_models", Urgency.NORMAL, "List face models"),
    types.SampleFacesRequest: UseCase("sample_faces", Urgency.NORMAL, "Draw random faces"),
    types.MeasureRequest: UseCase("measure_face", Urgency.NORMAL, "Compare a face with its photo"),
    types.DirectionsRequest: UseCase("edit_photo", Urgency.NORMAL, "Load edit directions"),
    types.EditRequest: UseCase("edit_photo", Urgency.HIGH, "Edit a face"),
    types.ReportRequest: UseCase("picture_report", Urgency.LOW, "Write a picture report"),
    types.PastePreviewRequest: UseCase("preview_paste", Urgency.HIGH, "Show the photo with the face"),
    types.ExportRequest: UseCase("export_photo", Urgency.NORMAL, "Export"),
    types.GroupsRequest: UseCase("mark_groups", Urgency.HIGH, "Look at marked groups"),
    types.MarkGroupRequest: UseCase("mark_groups", Urgency.NORMAL, "Mark photos"),
    types.UnmarkPhotosRequest: UseCase("mark_groups", Urgency.NORMAL, "Unmark photos"),
    types.TuneOptionsRequest: UseCase("tune_options", Urgency.HIGH, "See what can be learned from"),
    types.DiscardTuningRequest: UseCase("tune_options", Urgency.NORMAL, "Discard a tuning"),
    types.TuneRequest: UseCase("tune_library", Urgency.LOW, "Learn from the library"),
    types.KeepTuningRequest: UseCase("keep_tuning", Urgency.LOW, "Keep a tuned encoder"),
    types.SwitchEncoderRequest: UseCase("switch_encoder", Urgency.NORMAL, "Switch the encoder"),
}


def use_case_of(request: object) -> UseCase:
    """The use case that answers a request.

    Raises:
        TypeError: No use case takes such a request.
    """
    try:
        return _USE_CASES[type(request)]
    except KeyError:
        raise TypeError(f"no job answers a {type(request).__name__}") from None


def urgency_of(request: object) -> Urgency:
    """How urgent a request is."""
    return use_case_of(request).urgency


def title_of(request: object) -> str:
    """What the job of a request does, for the log and for the user."""
    return use_case_of(request).title


def start_job(request: object, services: Services) -> Job:
    """The generator that answers a request; nothing runs before its first `next`."""
    module = importlib.import_module(f"desktop_app.jobs.{use_case_of(request).module}")
    return cast(Job, module.run(request, services))
