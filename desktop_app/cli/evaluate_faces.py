"""The command `evaluate faces`: do encoders know a person again, and do reconstructions."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.cli.console import Console
from desktop_app.cli.numbers import whole_number
from desktop_app.core.errors import display_path

if TYPE_CHECKING:
    from desktop_app.engine.weights.store import ModelStore
    from desktop_app.evaluation.face_probes import ProbeScores
    from desktop_app.evaluation.faces import FacePicture, FaceReport, VerificationScores

    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def register(kinds: _Subparsers) -> None:
    """Add the command."""
    faces = kinds.add_parser("faces", help="whether a person is known again in another photo")
    faces.add_argument("--folder", type=Path, required=True, help="aligned faces, with an index.csv (file, "
                       "person, split) or one folder for each person")  # fmt: skip
    faces.add_argument("--split", default="", help="only this split of the list, for example val")
    faces.add_argument(
        "--held-out",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="only the N people that train contrastive --hold-out-people N leaves out (0: all)",
    )
    faces.add_argument(
        "--encoder",
        action="append",
        help="model name, or pixels16, hsv, phash; may be given several times; default: the built-in "
        "face encoder",
    )
    faces.add_argument(
        "--model", default="", help="also seek the reconstructions of this face model among real photos"
    )
    faces.add_argument(
        "--people", type=whole_number(2), default=100, metavar="N", help="people for --model (100)"
    )
    faces.add_argument("--steps", type=whole_number(1), default=5, metavar="N", help="steps for --model (5)")
    faces.add_argument("--models", type=Path, help="folder of further models; default: your model folder")
    faces.add_argument("--out", type=Path, metavar="DIR", help="write faces.json and faces.csv there")
    faces.set_defaults(command=run_faces)


def run_faces(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Measure encoders on people and show a table."""
    from desktop_app.engine.device import choose_device, set_threads
    from desktop_app.engine.embed.face_encoder import BUILTIN_FACES
    from desktop_app.engine.weights.store import ModelStore
    from desktop_app.evaluation.describers import make_describer
    from desktop_app.evaluation.faces import evaluate_faces, people_of_folder, write_face_report

    faces = _held_out(people_of_folder(args.folder, split=args.split), args.held_out)
    store = ModelStore(console.paths.builtin_models, args.models or console.paths.models)
    set_threads(console.settings.engine.threads)
    device = choose_device(console.settings.engine.device)
    names = list(dict.fromkeys(args.encoder or [BUILTIN_FACES]))
    describers = {name: make_describer(name, store, device=device) for name in names}
    report = console.drive(evaluate_faces(faces, describers))
    _show(report, console)
    answer: dict[str, object] = asdict(report)
    if args.out is not None:
        table = write_face_report(report, args.out)
        console.line(f"Wrote {display_path(table)}")
        answer["table"] = str(table)
    if args.model:
        probes = _probe(faces, args, (console, store, names[0]))
        answer["reconstructions"] = asdict(probes)
    return answer


def _held_out(faces: list[FacePicture], count: int) -> list[FacePicture]:
    from desktop_app.training.alike import held_out_people

    if not count:
        return faces
    chosen = held_out_people([face.person for face in faces], count)
    return [face for face in faces if face.person in chosen]


def _probe(
    faces: list[FacePicture], args: argparse.Namespace, tools: tuple[Console, ModelStore, str]
) -> ProbeScores:
    from desktop_app.engine.device import choose_device
    from desktop_app.engine.embed.registry import load_embedder
    from desktop_app.engine.invert.model import load_inversion_model
    from desktop_app.evaluation.face_probes import ProbePlan, probe_model

    console, store, encoder = tools
    device = choose_device(console.settings.engine.device)
    model = load_inversion_model(store, args.model, device=device)
    embedder = load_embedder(store, encoder, device=device)
    plan = ProbePlan(args.people, args.steps)
    found = console.drive(probe_model(model, faces, embedder=embedder, plan=plan))
    console.line()
    console.line(
        f"{found.model}, step {found.step}, judged by {found.encoder}: the true person is first among "
        f"{found.people} for {found.rank_1:.0%} of the reconstructions (median rank {found.median_rank:g}, "
        f"mean similarity {found.similarity:.3f})."
    )
    if found.other_rank_1 is not None:
        console.line(
            f"Sought in another photo of the person: {found.other_rank_1:.0%} of {found.others} people."
        )
    return found


def _show(report: FaceReport, console: Console) -> None:
    width = max(len("encoder"), *(len(encoder.name) for encoder in report.encoders))
    head = f"{'AUC':>7}{'TAR@1%':>8}{'rank-1':>8}"
    console.line(f"{'':<{width}}  {'two photos':>23}  {'copies included':>23}")
    console.line(f"{'encoder':<{width}}  {head}  {head}")
    for encoder in report.encoders:
        cells = f"{_cell(encoder.other_photos)}  {_cell(encoder.all_pairs)}"
        console.line(f"{encoder.name:<{width}}  {cells}")
    first = report.encoders[0]
    other, every = first.other_photos, first.all_pairs
    console.line(
        f"{report.faces} faces of {report.people} people. Pairs of one person: {other.pairs if other else 0} "
        f"of two photos, {every.pairs if every else 0} with copies of one photograph."
    )
    if report.left_out:
        console.line(f"{report.left_out} files could not be read.")


def _cell(scores: VerificationScores | None) -> str:
    if scores is None:
        return f"{'-':>23}"
    return f"{scores.auc:>7.3f}{scores.accepted:>8.3f}{scores.rank_1:>8.3f}"
