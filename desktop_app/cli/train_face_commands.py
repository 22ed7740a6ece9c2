"""`contrastyle train generator`, `contrastyle train mapping` and `contrastyle train restyle`."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desktop_app.cli.numbers import decimal_number, whole_number
from desktop_app.core.errors import UserInputError, display_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from desktop_app.cli.app import Console
    from desktop_app.core.types import Progress

SIZES = (32, 64, 128, 256)
FILTER_NAMES = ("toon", "paint")
_NAMES_TOLD = 3  # of files that cannot be read


def add_parsers(train: Any) -> None:  # Any: argparse gives its subparsers no public type
    """Add the commands below `train`."""
    _add_generator(train)
    _add_restyle(train)
    _add_domain(train)
    _add_mapping(train)


def _add_generator(train: Any) -> None:  # Any: as above, here and below
    generator = train.add_parser(
        "generator",
        help="train a StyleGAN2 generator as an autoencoder, then sharpen it with a discriminator",
    )
    _shared(generator)
    generator.add_argument(
        "--images",
        type=whole_number(0),
        default=-1,
        help="pictures seen by the autoencoder stage; 0 with --start: only the discriminator's stage",
    )
    generator.add_argument(
        "--sharpen", type=whole_number(0), default=-1, help="pictures seen with the discriminator"
    )
    generator.add_argument("--start", default="", metavar="MODEL", help="begin with a model's weights")
    generator.add_argument("--size", type=int, default=64, choices=SIZES, help="pixels")
    generator.add_argument(
        "--widths", type=whole_number(1, 1024), nargs=4, help="feature maps of the encoder's four groups"
    )
    generator.add_argument(
        "--steps", type=whole_number(1, 20), default=3, help="deepest refinement step seen in training"
    )
    _texture(generator, 0.0)
    generator.set_defaults(command=train_generator)


def _add_restyle(train: Any) -> None:
    restyle = train.add_parser("restyle", help="train a ReStyle encoder on a finished generator run")
    _shared(restyle)
    restyle.add_argument("--generator", type=Path, required=True, help="folder of the generator run")
    restyle.add_argument(
        "--steps", type=whole_number(1, 20), default=None, help="passes N; default 5, of a one-pass encoder 1"
    )
    restyle.add_argument("--passes", type=whole_number(0), default=0, help="pictures times passes")
    restyle.add_argument(
        "--kind",
        default="psp",
        choices=("psp", "e4e", "one_pass"),
        help="answers: residuals of all rows (psp), one w and differences (e4e), the code at once (one_pass)",
    )
    restyle.add_argument(
        "--similarity", default="", metavar="ENCODER", help="contrastive encoder for the identity term"
    )
    restyle.add_argument("--publish", default="", metavar="NAME", help="write the result as a model")
    restyle.add_argument("--models", type=Path, help="folder for the model; default: your model folder")
    restyle.add_argument("--title", default="Faces, trained here")
    restyle.add_argument("--licence", default="as the training pictures")
    restyle.add_argument("--sources", default="see the training run")
    restyle.set_defaults(command=train_restyle)


def _add_domain(train: Any) -> None:
    domain = train.add_parser(
        "domain",
        help="fine-tune a ReStyle run's generator, codes kept: to a filter's domain, or to finer detail",
    )
    _shared(domain)
    domain.add_argument("--generator", type=Path, required=True, help="folder of the ReStyle run")
    domain.add_argument("--images", type=whole_number(0), default=0, help="pictures seen")
    _texture(domain, 1.0)
    domain.set_defaults(command=train_domain)


def _add_mapping(train: Any) -> None:
    mapping = train.add_parser(
        "mapping", help="give a finished run's codes common axes and train the mapping network on them"
    )
    mapping.add_argument("--pictures", type=Path, required=True, help="folder of aligned pictures")
    mapping.add_argument("--generator", type=Path, required=True, help="folder of the generator run")
    mapping.add_argument("--out", type=Path, required=True, help="folder for the result, a run again")
    mapping.add_argument(
        "--iterations", type=whole_number(1), default=4000, help="of the mapping network's training"
    )
    mapping.add_argument(
        "--keep-axes", action="store_true", help="the codes have common axes already; only fit the mapping"
    )
    mapping.add_argument("--threads", type=whole_number(0), default=0, help="CPU threads")
    mapping.set_defaults(command=train_mapping, resume=False)


def train_generator(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Run or resume a generator training."""
    from desktop_app.engine.device import choose_device
    from desktop_app.engine.weights.store import ModelStore
    from desktop_app.training.generator import GeneratorConfig, GeneratorTraining
    from desktop_app.training.run_folder import RunFolder

    config = replace(GeneratorConfig(), size=args.size, filter=args.filter)
    if args.images >= 0:
        config = replace(config, images=args.images)
    if args.sharpen >= 0:
        config = replace(config, sharpen_images=args.sharpen)
    if args.widths:
        config = replace(config, encoder_widths=tuple(args.widths))
    config = replace(
        config, texture=args.texture, max_steps=args.steps, deeper=0.5 if args.steps <= 3 else 0.7
    )
    if config.images == 0 and not args.start:
        raise UserInputError(
            "Without pictures for the autoencoder there is nothing to sharpen.",
            "Name a model with --start, or leave --images out.",
        )
    run = RunFolder(args.out)
    _prepare(args)
    training = GeneratorTraining(
        config, args.pictures, run, device=choose_device(args.device), compile_networks=args.compile
    )
    if args.start:
        training.start_from(ModelStore(console.paths.builtin_models, console.paths.models), args.start)
    _start(run, asdict(config), training.restore)
    _tell_left_out(training.left_out, console)
    _follow(training.steps(), training.save, console)
    console.line(f"Trained on {training.seen} pictures; the run is in {args.out}.")
    return {"run": str(args.out), "images": training.seen, "left_out": training.left_out}


def train_restyle(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Run or resume a ReStyle training; publish it when asked."""
    from desktop_app.engine.device import choose_device
    from desktop_app.engine.weights.store import ModelStore
    from desktop_app.training.inversion_kinds import Kind
    from desktop_app.training.precision import training_dtype
    from desktop_app.training.publish import Publication, publish_restyle
    from desktop_app.training.restyle import RestyleConfig, RestyleTraining
    from desktop_app.training.run_folder import RunFolder
    from desktop_app.training.similarity_term import load_similarity

    kind = Kind(args.kind)
    steps = args.steps or (1 if kind is Kind.ONE_PASS else 5)
    config = replace(
        RestyleConfig(), kind=kind, steps=steps, filter=args.filter, similarity_model=args.similarity
    )
    if args.passes:
        config = replace(config, passes=args.passes)
    run = RunFolder(args.out)
    _prepare(args)
    similarity = None
    if args.similarity:
        store = ModelStore(console.paths.builtin_models, console.paths.models)
        similarity = load_similarity(store, args.similarity, dtype=training_dtype("auto"))
    training = RestyleTraining(
        config,
        RunFolder(args.generator),
        args.pictures,
        run,
        similarity=similarity,
        device=choose_device(args.device),
        compile_networks=args.compile,
    )
    _start(run, asdict(config), training.restore)
    _tell_left_out(training.left_out, console)
    _follow(training.train(), training.save, console)
    answer: dict[str, object] = {"run": str(args.out), "passes": training.done, "left_out": training.left_out}
    if args.publish:
        folder = args.models or console.paths.models
        words = Publication(args.publish, folder, args.title, args.licence, args.sources)
        card = publish_restyle(run, args.pictures, words)
        console.line(f"Wrote {card.weights_file} ({card.bytes / 1e6:.1f} MB): {card.facts}")
        answer.update(model=card.name, file=str(card.weights_file), facts=card.facts)
    return answer


def train_mapping(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Give a run's latent space common axes, fit the mapping network, look at random faces."""
    from desktop_app.training.mapping_run import train_mapping_run
    from desktop_app.training.run_folder import RunFolder

    _prepare(args)
    out = RunFolder(args.out)
    figures: dict[str, object] = {}
    for item in train_mapping_run(
        RunFolder(args.generator), args.pictures, out, iterations=args.iterations, keeps_axes=args.keep_axes
    ):
        if isinstance(item, dict):
            figures = dict(item)
        else:
            console.progress(item)
    console.line(f"The run with its mapping network is in {args.out}; random faces: samples.png. {figures}")
    return {"run": str(args.out), **figures}


def train_domain(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Fine-tune the generator of a ReStyle run to a filter's domain, codes kept."""
    from desktop_app.engine.device import choose_device
    from desktop_app.training.run_folder import RunFolder
    from desktop_app.training.second_domain import SecondDomainConfig, SecondDomainTraining

    config = SecondDomainConfig(filter=args.filter, texture=args.texture)
    if args.images:
        config = replace(config, images=args.images)
    run = RunFolder(args.out)
    _prepare(args)
    training = SecondDomainTraining(
        config,
        RunFolder(args.generator),
        args.pictures,
        run,
        device=choose_device(args.device),
        compile_networks=args.compile,
    )
    _start(run, asdict(config), training.restore)
    _tell_left_out(training.left_out, console)
    _follow(training.train(), training.save, console)
    console.line(f"Fine-tuned on {training.seen} pictures; the run is in {args.out}.")
    return {"run": str(args.out), "images": training.seen, "left_out": training.left_out}


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pictures", type=Path, required=True, help="folder of aligned pictures")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue from the run's checkpoint")
    parser.add_argument(
        "--filter", default="", choices=FILTER_NAMES, help="learn to draw or paint the photographs"
    )
    parser.add_argument("--compile", action="store_true", help="compile the networks (needs a C++ compiler)")
    parser.add_argument(
        "--device", default="auto", metavar="NAME", help="where to train: auto, cpu, cuda, mps (auto)"
    )
    parser.add_argument(
        "--threads", type=whole_number(0), default=0, help="CPU threads; 0: torch's own choice"
    )


def _texture(parser: argparse.ArgumentParser, usual: float) -> None:
    parser.add_argument(
        "--texture",
        type=decimal_number(0, 100),
        default=usual,
        metavar="WEIGHT",
        help=f"weight of the term that asks for as much fine detail as the photo has ({usual:g})",
    )


def _prepare(args: argparse.Namespace) -> None:
    from desktop_app.engine.device import set_threads

    if (args.out / "checkpoint.pt").is_file() and not args.resume:
        raise UserInputError(
            f"The folder {args.out} already holds a run.", "Add --resume to continue it, or choose another."
        )
    set_threads(args.threads)


def _start(run: Any, config: dict[str, Any], restore: Any) -> None:
    if not restore():
        run.describe(config)


def _tell_left_out(files: list[str], console: Console) -> None:
    """One sentence about pictures that cannot be read, however many they are."""
    if not files:
        return
    count = "1 picture was" if len(files) == 1 else f"{len(files):,} pictures were"
    names = ", ".join(display_path(name) for name in files[:_NAMES_TOLD])
    more = f" and {len(files) - _NAMES_TOLD:,} more" if len(files) > _NAMES_TOLD else ""
    them = "it" if len(files) == 1 else "they"
    console.line(f"{count} left out, because {them} cannot be read: {names}{more}.")


def _follow(steps: Iterator[Progress], save: Any, console: Console) -> None:
    try:
        for progress in steps:
            console.progress(progress)
    except KeyboardInterrupt:
        save()
        raise
