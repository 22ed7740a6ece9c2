"""Run commands in this process, with a tiny encoder."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from desktop_app.cli.app import main
from desktop_app.jobs.services import Services
from tests.tiny_embedder import TinyEmbedder


@dataclass(frozen=True)
class Outcome:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        (line,) = self.out.splitlines()
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """The command sets up logging anew; put back what was there."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in list(root.handlers):
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """`run("index", folder)` gives exit code and output."""
    monkeypatch.setattr(Services, "_load_embedder", lambda self, name: TinyEmbedder(name))

    def command(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments] + ["--data", str(tmp_path / "data")])
        streams = capsys.readouterr()
        return Outcome(code, streams.out, streams.err)

    return command
