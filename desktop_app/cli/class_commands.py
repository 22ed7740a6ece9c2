"""The command `classes`: mark a few photos, have the rest proposed, export tags."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.cli.console import Console
from desktop_app.cli.numbers import decimal_number, whole_number
from desktop_app.core.errors import UserInputError, display_path
from desktop_app.core.types import (
    ClassInfo,
    ClassList,
    CreateClassRequest,
    ExportTagsRequest,
    Mark,
    MarkPhotosRequest,
    ProposeRequest,
    RemoveClassRequest,
    RenameClassRequest,
)

if TYPE_CHECKING:
    from desktop_app.jobs.services import Services

    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def register(subparsers: _Subparsers) -> None:
    """Add the command."""
    group = subparsers.add_parser("classes", help="mark a few photos, have the rest proposed, export tags")
    kinds = group.add_subparsers(title="what to do", required=True, metavar="ACTION")
    _add(kinds, "list", run_list, "list classes with their marks")
    mark = _add(kinds, "mark", run_mark, "say which photos are of a class and which are not")
    mark.add_argument("name", metavar="NAME", help="the class; made when there is none of that name")
    for option, text in (("--is", "photos that are"), ("--is-not", "photos that are not")):
        mark.add_argument(option, nargs="+", type=Path, default=[], metavar="PHOTO", help=text)
    mark.add_argument("--clear", nargs="+", type=Path, default=[], metavar="PHOTO", help="take marks back")
    propose = _add(kinds, "propose", run_propose, "propose further photos of a class")
    propose.add_argument("name", metavar="NAME", help="the class")
    propose.add_argument(
        "--top", type=whole_number(1), default=40, metavar="N", help="proposals at most (40)"
    )
    propose.add_argument(
        "--min-confidence",
        type=decimal_number(0, 1),
        default=0.0,
        metavar="P",
        help="least confidence, 0 to 1 (0)",
    )
    export = _add(kinds, "export", run_export, "write classes as tags")
    export.add_argument("--csv", type=Path, metavar="FILE", help="table to write")
    export.add_argument("--xmp", action="store_true", help="write a sidecar beside each photo")
    export.add_argument(
        "--class", dest="names", action="append", default=[], metavar="NAME", help="only these"
    )
    export.add_argument(
        "--proposals-from",
        type=decimal_number(0, 1),
        metavar="P",
        help="also proposals from this confidence on, 0 to 1",
    )
    rename = _add(kinds, "rename", run_rename, "give a class another name")
    rename.add_argument("name", metavar="NAME")
    rename.add_argument("new_name", metavar="NEW_NAME")
    remove = _add(kinds, "remove", run_remove, "forget a class and its marks")
    remove.add_argument("name", metavar="NAME")


def _add(kinds: _Subparsers, name: str, command: object, text: str) -> argparse.ArgumentParser:
    parser = kinds.add_parser(name, help=text)
    parser.add_argument("--library", type=Path, default=None, metavar="FOLDER", help="where the library lies")
    parser.add_argument("--encoder", default="", metavar="NAME", help="encoder (default: from the settings)")
    parser.set_defaults(command=command)
    return parser


def run_list(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """List classes."""
    services = _services(args, console)
    classes = services.catalogue.classes.all()
    for one in classes:
        console.line(f"{one.name:24s} {one.members:5d} are, {one.others:5d} are not")
    if not classes:
        console.line("There are no classes yet; contrastyle classes mark makes one.")
    return {"classes": [_class_object(one) for one in classes]}


def run_mark(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Mark photos of the library."""
    from desktop_app.jobs import mark_photos

    services = _services(args, console)
    wanted = [(Mark.IS, getattr(args, "is")), (Mark.IS_NOT, args.is_not), (Mark.NONE, args.clear)]
    ids = {mark: [_photo_id(file, services) for file in files] for mark, files in wanted}
    both = set(ids[Mark.IS]) & set(ids[Mark.IS_NOT])
    if both:
        raise UserInputError(
            f"{len(both)} photos are given as members and as others of '{args.name}'.",
            "Give each photo once.",
        )
    made = console.drive(mark_photos.run(CreateClassRequest(args.name), services))
    answer: ClassList = made
    for mark, photo_ids in ids.items():
        if photo_ids:
            request = MarkPhotosRequest(made.changed, tuple(photo_ids), mark)
            answer = console.drive(mark_photos.run(request, services))
    found = next(one for one in answer.classes if one.class_id == made.changed)
    console.line(f"{found.name}: {found.members} are, {found.others} are not.")
    return {"class": _class_object(found)}


def run_propose(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Propose photos, the surest first."""
    from desktop_app.jobs import propose_members

    services = _services(args, console)
    found = services.catalogue.classes.by_name(args.name)
    request = ProposeRequest(found.class_id, args.top, args.min_confidence)
    answer = console.drive(propose_members.run(request, services))
    for proposal in answer.proposals:
        console.line(f"{proposal.confidence * 100:5.1f} %  {display_path(proposal.row.path)}")
    for warning in answer.warnings:
        console.line(f"Note: {warning}")
    console.line(
        f"{len(answer.proposals)} proposals; about {answer.expected:.0f} of {answer.searched:,} unmarked "
        f"photos are expected to be '{found.name}'. {answer.seconds:.2f} s."
    )
    return {
        "class": _class_object(answer.class_info),
        "proposals": [
            {"path": str(p.row.path), "photo_id": p.row.photo_id, "confidence": round(p.confidence, 4)}
            for p in answer.proposals
        ],
        "expected": round(answer.expected, 2),
        "searched": answer.searched,
        "is_calibrated": answer.is_calibrated,
        "warnings": list(answer.warnings),
        "seconds": round(answer.seconds, 3),
    }


def run_export(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Write a table, sidecars or both."""
    from desktop_app.jobs import export_tags

    services = _services(args, console)
    ids = tuple(services.catalogue.classes.by_name(name).class_id for name in args.names)
    request = ExportTagsRequest(args.csv, args.xmp, ids, args.proposals_from)
    done = console.drive(export_tags.run(request, services))
    if done.table is not None:
        console.line(f"Wrote {display_path(done.table)}: {done.tags} tags of {done.photos} photos.")
    if args.xmp:
        console.line(f"{done.sidecars} sidecars written, {done.unchanged} had the tags already.")
    for _photo, reason in done.problems:
        console.line(f"left out: {reason}")
    return {
        "csv": str(done.table) if done.table else None,
        "photos": done.photos,
        "tags": done.tags,
        "sidecars": done.sidecars,
        "unchanged": done.unchanged,
        "problems": [{"file": str(photo), "reason": reason} for photo, reason in done.problems],
    }


def run_rename(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Rename a class."""
    from desktop_app.jobs import mark_photos

    services = _services(args, console)
    found = services.catalogue.classes.by_name(args.name)
    console.drive(mark_photos.run(RenameClassRequest(found.class_id, args.new_name), services))
    console.line(f"'{found.name}' is now '{args.new_name}'.")
    return {"class": _class_object(services.catalogue.classes.by_id(found.class_id))}


def run_remove(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Forget a class."""
    from desktop_app.jobs import mark_photos

    services = _services(args, console)
    found = services.catalogue.classes.by_name(args.name)
    console.drive(mark_photos.run(RemoveClassRequest(found.class_id), services))
    console.line(f"'{found.name}' is forgotten; the photos are as they were.")
    return {"removed": found.name}


def _services(args: argparse.Namespace, console: Console) -> Services:
    if args.encoder:
        library = replace(console.settings.library, encoder=args.encoder)
        console.settings = replace(console.settings, library=library)
    return console.known_services(args.library)


def _photo_id(file: Path, services: Services) -> int:
    row = services.catalogue.photos.by_path(file.absolute())
    if row is None:
        raise UserInputError(
            f"The photo {display_path(file)} is not in the library.", "Index its folder first."
        )
    return row.photo_id


def _class_object(one: ClassInfo) -> dict[str, object]:
    return {"name": one.name, "members": one.members, "others": one.others, "answered": one.answered}
