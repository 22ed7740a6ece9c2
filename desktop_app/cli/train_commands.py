"""The command `train`: a contrastive encoder here, the face models in their own module."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.cli import checkpoint_commands, train_face_commands, tune_commands
from desktop_app.cli.console import Console
from desktop_app.cli.numbers import decimal_number, whole_number
from desktop_app.core.errors import UserInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from desktop_app.engine.embed.face_encoder import FaceEncoder
    from desktop_app.training.config import ContrastiveConfig, EncoderConfig, ViewConfig
    from desktop_app.training.datasets import SmallPictures

    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

METHOD_NAMES = (
    "simclr", "moco", "moco_v2", "hard", "supcon", "joint", "joint_sets", "facenet", "pair", "n_pair",
    "byol", "dino", "vicreg",
)  # fmt: skip
ALIKE_NAMES = ("views", "crops", "bursts", "folders", "people", "groups", "labels")
# Stored squares are larger than a view, so that a crop need not be blown up.
STORED_PER_VIEW = 1.75
USED_PER_VIEW = 1.5
USUAL_STAGES = 3
# The face network: views of whole aligned faces, at the size that it looks at.
FACE_ENCODER = "face"
FACE_PX = 96
FACE_WIDTHS = (40, 80, 160)
FACE_WHITEN_POWER = 0.45


def register(subparsers: _Subparsers) -> None:
    """Add the command."""
    train = subparsers.add_parser("train", help="train encoders and generators")
    kinds = train.add_subparsers(title="what to train", required=True, metavar="KIND")
    _add_contrastive(kinds)
    train_face_commands.add_parsers(kinds)
    tune_commands.add_parser(kinds)
    checkpoint_commands.add_parser(kinds)


def train_contrastive(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Run or resume a contrastive training and write its model."""
    from desktop_app.engine.device import memory_errors_translated, set_threads
    from desktop_app.engine.weights.store import ModelStore
    from desktop_app.training.alike import find_alike
    from desktop_app.training.config import config_to_dict
    from desktop_app.training.contrastive import ContrastiveTraining, ModelWords, begun_with, write_encoder
    from desktop_app.training.run_folder import RunFolder

    if (args.out / "checkpoint.pt").is_file() and not args.resume:
        raise UserInputError(
            f"The folder {args.out} already holds a run.", "Add --resume to continue it, or choose another."
        )
    set_threads(args.threads)
    run = RunFolder(args.out)
    config = _config(args)
    store = ModelStore(console.paths.builtin_models, console.paths.models)
    if args.start and not args.widths:
        config = begun_with(config, store.card(args.start))
    config = _weighted(args, config)
    pictures, judge = _read_pictures(args, config, console)
    alike = find_alike(pictures.files, config.similarity, table=args.labels)
    if alike.shared:
        console.line(f"{alike.shared} of them belong together with others (by {config.similarity}).")
    with memory_errors_translated("train"):
        training = ContrastiveTraining(config, pictures, run, alike=alike, start=console.paths.models)
        if training.has_start:
            console.line(f"Begins with the published weights of {config.encoder.network}.")
        if args.start:
            training.start_from(store, args.start)
        if not training.restore():
            run.describe({**config_to_dict(config), "pictures": len(pictures)})
        console.drive(training.steps())
        words = ModelWords(
            args.name, args.models or args.out / "model", args.title, args.licence, args.sources
        )
        card = write_encoder(training, words, store=args.store, judge=judge)
    console.line(f"Trained on {training.seen} pictures in {training.seconds / 60:.1f} minutes.")
    console.line(f"Wrote {card.weights_file} ({card.bytes / 1e6:.1f} MB).")
    return {
        "run": str(args.out),
        "model": card.name,
        "file": str(card.weights_file),
        "bytes": card.bytes,
        "images": training.seen,
        "pictures": len(pictures),
        "left_out": pictures.left_out,
        "seconds": round(training.seconds, 1),
    }


def _read_pictures(
    args: argparse.Namespace, config: ContrastiveConfig, console: Console
) -> tuple[SmallPictures, Callable[[FaceEncoder], float] | None]:
    """The pictures to train on, and what chooses on people that are held out."""
    from desktop_app.training.datasets import load_pictures
    from desktop_app.training.hold_out import hold_out

    is_face = args.encoder == FACE_ENCODER
    side = config.encoder.view_px if is_face else round(config.encoder.view_px * STORED_PER_VIEW)
    pictures = console.drive(load_pictures(args.pictures, args.out / "pictures", side=side))
    console.line(f"{len(pictures)} pictures, {pictures.left_out} left out because they cannot be read.")
    if args.hold_out and args.labels:
        chosen = hold_out(pictures.files, args.labels, share=args.hold_out, run=args.out)
        console.line(f"{len(pictures) - len(chosen)} pictures are held out, listed in the run's folder.")
        return pictures.only(chosen), None
    if args.hold_out_people:
        pictures, judge = _without_people(pictures, args)
        console.line(f"{args.hold_out_people} people are held out, {len(pictures)} pictures remain.")
        return pictures, judge
    return pictures, None


def _without_people(
    pictures: SmallPictures, args: argparse.Namespace
) -> tuple[SmallPictures, Callable[[FaceEncoder], float]]:
    """The pictures to train on, and what is chosen on the people that are held out."""
    import torch

    from desktop_app.training.alike import held_out_people, labels_of
    from desktop_app.training.face_threshold import choose_threshold

    if args.labels is None:
        raise UserInputError("Who is in which picture has to be listed.", "Give the list with --labels CSV.")
    people = labels_of(pictures.files, args.labels)
    left = held_out_people(people, args.hold_out_people)
    rows = [row for row, name in enumerate(people) if name in left]
    if not rows:
        raise UserInputError("Nobody can be held out: no person of the list has two pictures.")
    faces, _ = pictures.chosen(torch.tensor(rows))
    names = [people[row] for row in rows]
    kept = pictures.only([row for row, name in enumerate(people) if name not in left])
    return kept, lambda encoder: choose_threshold(encoder, faces, names)


def _config(args: argparse.Namespace) -> ContrastiveConfig:
    from desktop_app.training.config import METHODS, ContrastiveConfig, Similarity

    config = replace(ContrastiveConfig(), **METHODS[args.method])
    config = replace(config, images=args.images, seed=args.seed, precision=args.precision)
    if args.batch:
        config = replace(config, batch=args.batch)
    if args.rate:
        config = replace(config, rate=args.rate)
    if args.temperature:
        config = replace(config, temperature=args.temperature)
    if args.view_weight is not None:
        config = replace(config, view_weight=args.view_weight)
    if args.alike:
        config = replace(config, similarity=Similarity(args.alike))
    if args.encoder == FACE_ENCODER:
        side = args.size or FACE_PX
        face = replace(
            config.encoder,
            network=args.encoder,
            view_px=side,
            input_px=FACE_PX,
            widths=FACE_WIDTHS,
            whiten_power=FACE_WHITEN_POWER,
        )
        return replace(config, encoder=face)
    if args.size:
        used_px = round(args.size * USED_PER_VIEW)
        config = replace(config, encoder=replace(config.encoder, view_px=args.size, input_px=used_px))
    config = replace(config, encoder=_network(args, config.encoder), frozen_stages=args.freeze)
    config = replace(config, encoder=replace(config.encoder, network=args.encoder))
    return replace(config, views=_views(args, config.views))


def _network(args: argparse.Namespace, encoder: EncoderConfig) -> EncoderConfig:
    widths, blocks = tuple(args.widths or encoder.widths), tuple(args.blocks or encoder.blocks)
    if len(widths) != len(blocks):
        raise UserInputError("--widths and --blocks have to name as many stages each.")
    encoder = replace(encoder, widths=widths, blocks=blocks)
    if not args.kinds:
        return encoder
    return replace(
        encoder,
        class_size=args.kinds,
        class_weight=1.0,
        class_head_size=args.kinds_head,
        # A last stage beyond the usual ones serves what is alike only.
        learned_stages=min(USUAL_STAGES, len(widths)),
        embedding_size=encoder.embedding_size + args.kinds,
    )


def _weighted(args: argparse.Namespace, config: ContrastiveConfig) -> ContrastiveConfig:
    """The weights of the parts of an embedding, where they were given."""
    encoder = config.encoder
    if args.kinds_weight is not None:
        encoder = replace(encoder, class_weight=args.kinds_weight)
    if args.colours_weight is not None:
        encoder = replace(encoder, colour_weight=args.colours_weight)
    return replace(config, encoder=encoder)


def _views(args: argparse.Namespace, views: ViewConfig) -> ViewConfig:
    if args.min_area:
        views = replace(views, min_area=args.min_area)
    return replace(
        views,
        brightness=min(views.brightness * args.colour, 1.0),
        contrast=min(views.contrast * args.colour, 1.0),
        saturation=min(views.saturation * args.colour, 1.0),
        hue=args.hue,
        recompress=args.recompress,
        grey=args.grey,
    )


def _add_contrastive(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = kinds.add_parser("contrastive", help="train an encoder on any pictures, with labels or without")
    parser.add_argument(
        "--pictures",
        dest="pictures",
        type=Path,
        action="append",
        required=True,
        help="folder of pictures; may be given several times",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--images", type=whole_number(0), default=300_000, help="pictures seen in all; 0: untrained"
    )
    parser.add_argument("--resume", action="store_true", help="continue from the run's checkpoint")
    parser.add_argument("--method", choices=METHOD_NAMES, default="simclr", help="a row of choices")
    parser.add_argument("--alike", choices=ALIKE_NAMES, help="what counts as alike; default: the method's")
    parser.add_argument(
        "--labels", type=Path, metavar="CSV", help="columns file, label (or person) and maybe set"
    )
    parser.add_argument(
        "--hold-out-people",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="leave out N people of several pictures, named by --labels, to choose on (0)",
    )
    parser.add_argument(
        "--view-weight",
        type=decimal_number(0),
        metavar="X",
        help="weight of two views of one picture beside --method joint; default: the method's",
    )
    parser.add_argument(
        "--encoder",
        default="builtin",
        metavar="NETWORK",
        help="builtin, face, timm:<model> or open_clip:<model>",
    )
    _add_choices(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", choices=("auto", "bfloat16", "float32"), default="auto")
    parser.add_argument(
        "--threads", type=whole_number(0), default=0, help="CPU threads; 0: torch's own choice"
    )
    parser.add_argument("--name", default="contrastive_photo.own", help="name of the model")
    parser.add_argument("--models", type=Path, help="folder for the model; default: `model` in the run")
    parser.add_argument("--title", default="Similar photos, trained on your pictures")
    parser.add_argument("--licence", default="as the training pictures")
    parser.add_argument("--sources", default="pictures of this computer")
    parser.set_defaults(command=train_contrastive)


def _add_choices(parser: argparse.ArgumentParser) -> None:
    """What may differ from the method's row of choices."""
    parser.add_argument(
        "--batch", type=whole_number(0), default=0, help="pictures of one step; 0: the method's"
    )
    parser.add_argument(
        "--size", type=int, default=0, choices=(0, 32, 64, 96, 128), help="input side in pixels"
    )
    parser.add_argument(
        "--rate", type=decimal_number(0), default=0.0, help="highest learning rate; 0: the method's"
    )
    parser.add_argument(
        "--temperature", type=decimal_number(0), default=0.0, help="of the loss; 0: the method's"
    )
    parser.add_argument("--start", default="", metavar="MODEL", help="begin with a model's backbone")
    parser.add_argument(
        "--min-area", type=decimal_number(0, 1), default=0.0, help="smallest crop; 0: the method's"
    )
    parser.add_argument(
        "--colour", type=decimal_number(0), default=1.0, help="factor on all changes of colour"
    )
    parser.add_argument(
        "--grey", type=decimal_number(0, 1), default=0.0, help="share of views without colour"
    )
    parser.add_argument("--hue", type=decimal_number(0, 0.5), default=0.0, help="largest turn of the hue")
    parser.add_argument(
        "--recompress",
        type=decimal_number(0, 1),
        default=0.0,
        help="share of views with marks of strong JPEG",
    )
    parser.add_argument(
        "--widths", type=int, nargs="+", metavar="N", help="channels of each stage of the built-in network"
    )
    parser.add_argument("--blocks", type=int, nargs="+", metavar="N", help="residual blocks of each stage")
    parser.add_argument(
        "--freeze", type=whole_number(0), default=0, help="first stages that stay as they began"
    )
    parser.add_argument(
        "--kinds", type=whole_number(0, 512), default=0,
        help="numbers of the embedding that a head for what is alike gives, with joint and joint_sets",
    )  # fmt: skip
    parser.add_argument(
        "--kinds-head", type=whole_number(0, 512), default=0,
        help="outputs of that head in training, where --kinds directions are found afterwards in closed form",
    )  # fmt: skip
    parser.add_argument(
        "--kinds-weight", type=decimal_number(0), help="weight of these in the embedding; usually 1"
    )
    parser.add_argument(
        "--colours-weight", type=decimal_number(0), help="weight of the colours in the embedding"
    )
    parser.add_argument(
        "--store", choices=("float32", "half", "byte"), default="float32",
        help="how the weights of the model are written; byte: kernels in one byte each, the rest in half",
    )  # fmt: skip
    parser.add_argument(
        "--hold-out", type=decimal_number(0, 0.9), default=0.0,
        help="share of the pictures listed by --labels that is not trained on, whole groups together",
    )  # fmt: skip
