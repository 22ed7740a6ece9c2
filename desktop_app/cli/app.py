"""The command line: parsers, exit codes, and the one JSON object of `--json`."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, cast

from desktop_app import __version__
from desktop_app.cli.console import Console
from desktop_app.core.errors import AppError, JobCancelled
from desktop_app.core.log import set_up_logging
from desktop_app.core.paths import default_paths, paths_below
from desktop_app.core.settings import load_settings

__all__ = ["Console", "build_parser", "main"]

_log = logging.getLogger(__name__)

OK, FAILED, USAGE, CANCELLED = 0, 1, 2, 130

# One module a command group, each with `register(subparsers)`; kept light, since all are imported.
_GROUPS = (
    "library_commands",
    "class_commands",
    "model_commands",
    "face_commands",
    "sample_command",
    "direction_commands",
    "train_commands",
    "evaluate_commands",
    "report_commands",
)

_COMMON_HELP = """
options of every command:
  --json         print one JSON object and nothing else on standard output
  --verbose      show debug messages on standard error
  --data FOLDER  keep settings, models, logs and the default library below this folder
"""

Command = Callable[[argparse.Namespace, Console], dict[str, object]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments without the program's name; None: those of the process.

    Returns:
        Exit code: 0 done, 1 failed, 2 wrong usage, 130 cancelled.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        # The common options are taken out first, so that they may stand anywhere on the line.
        common, rest = _common_options().parse_known_args(arguments)
        options = build_parser(is_json=common.json).parse_args(rest)
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else USAGE
    paths = paths_below(common.data) if common.data else default_paths()
    set_up_logging(paths.logs, verbose=common.verbose)
    console = Console(paths, load_settings(paths.settings_file), is_json=common.json)
    try:
        return _run(cast(Command, options.command), options, console=console)
    finally:
        console.close()


def build_parser(*, is_json: bool = False) -> argparse.ArgumentParser:
    """The parser with all commands; the common options are taken out of the line before.

    Args:
        is_json: Report usage errors as a JSON object too.
    """
    kind = _JsonParser if is_json else _Parser
    parser = kind(
        prog="contrastyle",
        description="Browse similar photos, invert and edit faces step by step, offline. "
        "Without a command the window opens.",
    )
    parser.add_argument("--version", action="version", version=f"contrastyle {__version__}")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for group in _GROUPS:
        importlib.import_module(f"desktop_app.cli.{group}").register(subparsers)
    return parser


def _common_options() -> argparse.ArgumentParser:
    """Options that every command takes."""
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--json", action="store_true")
    common.add_argument("--verbose", action="store_true")
    common.add_argument("--data", type=Path, default=None)
    return common


class _Parser(argparse.ArgumentParser):
    """A parser whose help names the common options; parsers of sub-commands are of the same class."""

    def format_help(self) -> str:
        """The usual help and the common options."""
        return super().format_help() + _COMMON_HELP


class _JsonParser(_Parser):
    """A parser that reports wrong usage as a JSON object as well."""

    def error(self, message: str) -> NoReturn:
        """Print the object, then end as usual."""
        sys.stdout.write(json.dumps({"error": message, "hint": f"See {self.prog} --help."}) + "\n")
        super().error(message)


def _run(command: Command, options: argparse.Namespace, *, console: Console) -> int:
    try:
        with console.stopping_at_yields():
            answer = command(options, console)
        console.json(answer)
    except AppError as error:
        _log.debug("the command failed", exc_info=True)
        console.error(error.message, error.hint)
        return FAILED
    except (JobCancelled, KeyboardInterrupt):
        console.error("Cancelled.", "What was finished before is kept.")
        return CANCELLED
    except BrokenPipeError:
        # The reader of our output went away; keep Python from complaining about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return OK
