"""The command `invert`."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.cli.console import Console
from desktop_app.cli.numbers import whole_number
from desktop_app.core.errors import ResourceError, UserInputError, display_path
from desktop_app.core.inversion_types import METHOD_NAMES, REFINE_ITERATIONS
from desktop_app.core.types import (
    AlignedFace,
    DirectionList,
    DirectionsRequest,
    Edit,
    EditRequest,
    ExportKind,
    ExportRequest,
    InversionResult,
    InversionStep,
    InvertRequest,
    Measure,
    MeasureRequest,
    PasteMode,
    PhotoSource,
)

if TYPE_CHECKING:
    from desktop_app.jobs.services import Services

    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

# This share of all changes lies below full red; single bright pixels do not set the scale.
PEAK_QUANTILE = 0.995


@dataclass(slots=True)
class _Run:
    """What an inversion left on disk and in memory.

    Attributes:
        out: Folder of the results.
        files: Kind of file -> path or paths.
        face: The aligned face.
        steps: All steps.
        warnings: What the user should know.
        measures: Figures of the last step.
    """

    out: Path
    files: dict[str, object] = field(default_factory=dict)
    face: AlignedFace | None = None
    steps: list[InversionStep] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    measures: tuple[Measure, ...] = ()


def register(subparsers: _Subparsers) -> None:
    """Add the command."""
    invert = subparsers.add_parser("invert", help="invert a face step by step and write every step")
    invert.add_argument("photo", type=Path, metavar="PHOTO", help="a photo with a face")
    invert.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    invert.add_argument(
        "--steps", type=whole_number(1, 20), default=0, metavar="N", help="encoder passes, 1 to 20"
    )
    invert.add_argument("--aligned", action="store_true", help="the picture is a cut-out face already")
    invert.add_argument(
        "--face", type=whole_number(1), default=1, metavar="N", help="which face, 1 = the largest (1)"
    )
    invert.add_argument("--model", default="", metavar="NAME", help="inversion model")
    _add_method_options(invert)
    invert.add_argument(
        "--edit",
        type=_edit,
        action="append",
        default=[],
        metavar="NAME=STRENGTH",
        help="edit the last step; may be given several times (names: contrastyle directions)",
    )
    invert.add_argument("--paste-back", action="store_true", help="put the edited face into the photo")
    invert.add_argument(
        "--paste-mode",
        type=PasteMode,
        choices=tuple(PasteMode),
        default=None,
        help="change: move and tint the photo's own pixels as the edit does; replace: put the model's face "
        "there (change; replace for a model that draws cartoons)",
    )
    invert.set_defaults(command=run_invert)


def _add_method_options(invert: argparse.ArgumentParser) -> None:
    invert.add_argument(
        "--method",
        choices=METHOD_NAMES,
        default="",
        help="inversion method (the one that the model's encoder is made for)",
    )
    invert.add_argument(
        "--iterations",
        type=whole_number(1),
        default=0,
        metavar="N",
        help="iterations of a method that optimises",
    )
    invert.add_argument(
        "--refine",
        type=whole_number(1),
        nargs="?",
        const=REFINE_ITERATIONS,
        default=0,
        metavar="N",
        help=f"tune the generator to the photo after the last step, N iterations ({REFINE_ITERATIONS})",
    )
    invert.add_argument(
        "--toonify",
        default="",
        metavar="MODEL",
        help="let the inversion model find the face and MODEL restyle it in the steps after that",
    )
    invert.add_argument(
        "--first-steps",
        type=whole_number(1, 20),
        default=0,
        metavar="N",
        help="with --toonify: steps of the first (1)",
    )


def run_invert(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Invert, edit and paste back as asked; every step is written as soon as it is there."""
    from desktop_app.jobs import invert_photo, measure_face

    if args.toonify and args.method not in ("", "bootstrap"):
        raise UserInputError("Toonifying is a method of its own.", "Leave out --method.")
    if args.method == "bootstrap" and not args.toonify:
        raise UserInputError("This method needs a second model.", "Name it with --toonify MODEL.")
    if args.paste_back and args.aligned:
        raise UserInputError("An aligned picture has no photo to paste back into.", "Leave out --paste-back.")
    if args.paste_mode and not args.paste_back:
        raise UserInputError(
            "--paste-mode says how to paste, but nothing is pasted back.", "Add --paste-back."
        )
    if args.first_steps and not args.toonify:
        raise UserInputError("--first-steps belongs to toonifying.", "Add --toonify MODEL.")
    services = console.services()
    beyond = _require_edits(args, console, services)  # before anything is computed or written
    run = _Run(args.out)
    make_folder(args.out)
    request = InvertRequest(
        source=PhotoSource(path=args.photo),
        face_index=args.face - 1,
        is_aligned=args.aligned,
        steps=args.steps,
        method=args.method,
        model=args.model,
        iterations=args.iterations,
        refine=args.refine,
    )
    if args.toonify:
        request = replace(
            request,
            method="bootstrap",
            model=args.toonify,
            first_model=args.model or services.settings.inversion.model,
            first_steps=args.first_steps or 1,
        )
    result = console.drive(invert_photo.run(request, services), lambda message: _take(message, run))
    run.warnings.extend((*beyond, *_unused_numbers(args, result.method)))
    run.warnings.extend(dict.fromkeys(step.note for step in run.steps if step.note))
    _write_changes(run)
    measured = console.drive(measure_face.run(MeasureRequest(result.session_id), services))
    run.measures = measured.measures
    edit = Edit(strengths=tuple(args.edit))
    _export(result, edit, args, run=run, services=services, console=console)
    answer = _report(result, args, run)
    _write_report(answer, run)
    _show(answer, run, console)
    return answer


def _require_edits(args: argparse.Namespace, console: Console, services: Services) -> list[str]:
    """Refuse edits that the model does not have; warnings about those that are too strong."""
    from desktop_app.jobs import edit_photo

    if not args.edit:
        return []
    answer = console.drive(edit_photo.run(DirectionsRequest(args.toonify or args.model), services))
    sliders = answer.directions if isinstance(answer, DirectionList) else ()
    known = [one.name for one in sliders]
    unknown = sorted({name for name, _ in args.edit} - set(known))
    if unknown:
        raise UserInputError(
            f"The model has no edit named '{', '.join(unknown)}'.", f"It has: {', '.join(known)}."
        )
    ranges, beyond = {one.name: (one.minimum, one.maximum) for one in sliders}, []
    for name, strength in args.edit:
        low, high = ranges[name]
        if not low <= strength <= high:
            beyond.append(f"{name}={strength:g} is beyond {low:.3g} to {high:.3g}: the face may fall apart.")
    return beyond


def _unused_numbers(args: argparse.Namespace, name: str) -> list[str]:
    """Sentences about numbers that were given and that the method has no use for."""
    from desktop_app.engine.invert.methods import METHODS

    method, told = METHODS[name], []
    if args.steps and not method.uses_steps:
        why = "makes one pass" if name == "one_pass" else "does not repeat the encoder's pass"
        told.append(f"--steps {args.steps} changed nothing: the method {name} {why}.")
    if args.iterations and not method.iterations:
        why = "it optimises nothing; --refine N tunes the generator after it"
        told.append(f"--iterations {args.iterations} changed nothing with the method {name}: {why}.")
    return told


def _take(message: object, run: _Run) -> None:
    from desktop_app.engine.image_file import write_image

    if isinstance(message, AlignedFace):
        run.face = message
        run.warnings.extend(message.notices)
        run.files["aligned"] = _named(run, "aligned.png")
        write_image(message.image, run.out / "aligned.png")
    elif isinstance(message, InversionStep):
        run.steps.append(message)
        name = f"step_{message.index}.png"
        write_image(message.y_hat, run.out / name)
        _append(run, "steps", name)


def _write_changes(run: _Run) -> None:
    """Heat maps of all steps on one scale, and the strip: faces above, their changes below."""
    from desktop_app.engine.image_file import write_image
    from desktop_app.engine.invert.change_map import colour_change_map
    from desktop_app.engine.invert.step_pictures import strip

    peak = max(float(np.quantile(step.change_map, PEAK_QUANTILE)) for step in run.steps)
    heats = [colour_change_map(step.change_map, peak) for step in run.steps]
    for step, heat in zip(run.steps, heats, strict=True):
        name = f"change_{step.index}.png"
        write_image(heat, run.out / name)
        _append(run, "changes", name)
    assert run.face is not None
    above = [run.face.image, run.face.start, *(step.y_hat for step in run.steps)]
    below = [None, None, *heats]
    write_image(strip([above, below]), run.out / "strip.png")
    run.files["strip"] = _named(run, "strip.png")


def _export(
    result: InversionResult,
    edit: Edit,
    args: argparse.Namespace,
    *,
    run: _Run,
    services: Services,
    console: Console,
) -> None:
    """Latents and the animation always; the edited face and the photo when asked for."""
    from desktop_app.jobs import edit_photo, export_photo

    wanted = [
        ("latents", ExportKind.LATENTS, "latents.npz"),
        ("animation", ExportKind.STEPS, "steps.gif"),
    ]
    if edit.strengths:
        # also tells early about an unknown name
        console.drive(edit_photo.run(EditRequest(result.session_id, edit, 1), services))
        wanted.append(("edited", ExportKind.FACE, "edited.png"))
    if args.paste_back:
        wanted.append(("photo", ExportKind.PHOTO, "photo.png"))
    for key, kind, name in wanted:
        paste = args.paste_mode or result.usual_paste
        request = ExportRequest(result.session_id, edit, kind, args.out / name, paste=paste)
        done = console.drive(export_photo.run(request, services))
        run.files[key] = _named(run, name)
        run.warnings.extend(done.warnings)


def _report(result: InversionResult, args: argparse.Namespace, run: _Run) -> dict[str, object]:
    assert run.face is not None
    return {
        "model": result.model,
        "method": result.method,
        "tuned_from": result.tuned_from,
        "measures": {one.name: round(one.value, 6) for one in run.measures},
        "photo": str(args.photo),
        "faces": run.face.faces,
        "face": args.face,
        "detector": run.face.detector,
        "quad": [list(corner) for corner in run.face.quad],
        "seconds": round(result.seconds, 4),
        "steps": [
            {
                "index": step.index,
                "l2": round(step.l2, 6),
                "relative_change": round(step.relative_change, 6),
                "seconds": round(step.seconds, 4),
                "phase": step.phase,
            }
            for step in run.steps
        ],
        "edit": dict(args.edit),
        "files": run.files,
        "warnings": run.warnings,
    }


def _write_report(answer: dict[str, object], run: _Run) -> None:
    from desktop_app.engine.image_file import write_file

    run.files["report"] = _named(run, "report.json")
    content = json.dumps(answer, indent=2).encode()
    write_file(run.out / "report.json", lambda handle: handle.write(content))


def _show(answer: dict[str, object], run: _Run, console: Console) -> None:
    console.line(f"{answer['faces']} face(s), detector {answer['detector']}, model {answer['model']}")
    console.line("step       L2   change  seconds")
    for step in run.steps:
        figures = f"{step.index:4d}  {step.l2:7.4f}  {step.relative_change:7.3f}  {step.seconds:7.3f}"
        console.line(f"{figures}  {step.phase}".rstrip())
    for one in run.measures:
        console.line(f"{one.name:8s} {one.value:8.4f}" + (f"  {one.note}" if one.note else ""))
    for warning in run.warnings:
        console.line(f"Note: {warning}")
    console.line(f"Wrote {display_path(run.out)}")


def make_folder(folder: Path) -> None:
    """Make a folder for results.

    Raises:
        ResourceError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UserInputError(
            f"{display_path(folder)} is a file, not a folder.", "Choose another folder."
        ) from error
    except OSError as error:
        raise ResourceError(
            f"The folder {display_path(folder)} cannot be made: {error.strerror}.", "Choose another folder."
        ) from error


def _named(run: _Run, name: str) -> str:
    return str(run.out / name)


def _append(run: _Run, key: str, name: str) -> None:
    listed = run.files.setdefault(key, [])
    assert isinstance(listed, list)
    listed.append(_named(run, name))


def _edit(text: str) -> tuple[str, float]:
    name, sign, strength = text.partition("=")
    try:
        value = float(strength)
    except ValueError:
        value = float("nan")
    if not name or not sign or not np.isfinite(value):
        raise argparse.ArgumentTypeError(f"'{text}' is no NAME=STRENGTH, for example sefa.coarse.1=2.5")
    return name, value
