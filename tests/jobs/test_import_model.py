"""Importing and removing models: the job, its process, and the command line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop_app.cli.app import main
from desktop_app.core.errors import AppError, ResourceError, UserInputError, WeightsError
from desktop_app.core.paths import AppPaths, paths_below
from desktop_app.core.settings import Settings
from desktop_app.core.types import ImportedModel, ImportModelRequest, Progress, RemoveModelRequest
from desktop_app.engine.weights import import_file
from desktop_app.jobs import import_model, registry
from desktop_app.jobs.services import Services
from tests.jobs import import_children
from tests.library import drive
from tests.security import foreign_files as made
from tests.security.test_malicious_pickles import MARK, PAYLOADS


@pytest.fixture
def paths(tmp_path: Path) -> AppPaths:
    return paths_below(tmp_path / "app")


@pytest.fixture
def services(paths: AppPaths) -> Iterator[Services]:
    opened = Services(paths, Settings(), paths.library)
    yield opened
    opened.close()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return made.save(made.restyle_checkpoint(), tmp_path / "My Faces (1).pt")


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Puts a stand-in in the place of the confined process."""
    return lambda stand_in: monkeypatch.setattr(import_file, "run_child", stand_in)


def run(request: ImportModelRequest, services: Services) -> tuple[list[object], ImportedModel]:
    return drive(import_model.run(request, services))


def written(paths: AppPaths) -> list[str]:
    return sorted(file.name for file in paths.models.iterdir()) if paths.models.is_dir() else []


# --- with the real process ----------------------------------------------------------------------


def test_import_then_use_then_again_then_remove(weights: Path, services: Services, paths: AppPaths) -> None:
    messages, answer = run(ImportModelRequest(weights, licence="MIT, as its page says"), services)
    assert messages and all(isinstance(message, Progress) for message in messages)
    assert answer.model.name == "restyle_psp.ffhq"
    assert answer.model.is_usable and not answer.model.is_builtin
    assert answer.model.licence == "MIT, as its page says"
    assert 0 < answer.peak_bytes < 2 << 30
    assert written(paths) == ["restyle_psp.ffhq.json", "restyle_psp.ffhq.safetensors"]
    card = json.loads((paths.models / "restyle_psp.ffhq.json").read_text(encoding="utf-8"))
    assert card["facts"]["source_sha256"] == import_file_digest(weights)
    assert card["sources"] == "imported from 'My Faces (1).pt'"
    assert services.faces.model(answer.model.name).domain == "faces"
    with pytest.raises(WeightsError, match=r"is there already, as the model 'restyle_psp\.ffhq'"):
        run(ImportModelRequest(weights, name="other"), services)
    _, left = drive(import_model.run(RemoveModelRequest(answer.model.name), services))
    assert answer.model.name not in [model.name for model in left.models]
    assert written(paths) == []


def test_malicious_file_through_the_command_line(
    tmp_path: Path, paths: AppPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "evil.pt"
    file.write_bytes(PAYLOADS["os_system"](f"touch {tmp_path / MARK}"))
    code = main(["models", "import", str(file), "--json", "--data", str(tmp_path / "app")])
    answer = json.loads(capsys.readouterr().out)
    assert code == 1
    assert "nothing of it was run" in answer["error"]
    assert not (tmp_path / MARK).exists()
    assert written(paths) == []


def import_file_digest(file: Path) -> str:
    from desktop_app.engine.weights.store import file_digest

    return file_digest(file)


# --- with stand-ins -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stand_in", "expected"),
    [
        (import_children.dies, "could not be read"),
        (import_children.babbles, "could not be read"),
        (import_children.lies, "not complete"),
    ],
)
def test_a_process_that_fails_leaves_nothing(
    stand_in: object,
    expected: str,
    weights: Path,
    services: Services,
    paths: AppPaths,
    child: Callable[[object], None],
) -> None:
    child(stand_in)
    with pytest.raises(AppError, match=expected) as caught:
        run(ImportModelRequest(weights), services)
    assert "My Faces (1).pt" in caught.value.message or stand_in is import_children.lies
    assert written(paths) == []


def test_cancelling_ends_the_process(
    weights: Path, services: Services, paths: AppPaths, child: Callable[[object], None]
) -> None:
    child(import_children.hangs)
    job = import_model.run(ImportModelRequest(weights), services)
    pid = 0
    while not pid:
        message = next(job)
        assert isinstance(message, Progress)
        pid = int(message.text) if message.text.isdigit() else 0
    os.kill(pid, 0)  # it is there
    job.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert written(paths) == []


def test_an_import_without_end_is_given_up(
    weights: Path, services: Services, paths: AppPaths, child: Callable[[object], None]
) -> None:
    child(import_children.hangs)
    wish = import_file.ImportWish(weights, paths.models, limit_s=1.0)
    with pytest.raises(ResourceError, match="given up after 1 seconds"):
        for _ in import_file.import_file(wish, services.models):
            pass
    assert written(paths) == []


def test_names_are_free_and_plain(
    tmp_path: Path, services: Services, paths: AppPaths, child: Callable[[object], None]
) -> None:
    child(import_children.succeeds)
    file = tmp_path / "Größe – über.PT"
    file.write_bytes(b"\x80\x02N.")
    names = [run(ImportModelRequest(file), services)[1].model.name for _ in range(2)]
    names.append(run(ImportModelRequest(file, name="mine.v-2"), services)[1].model.name)
    assert names == ["stylegan2.gr_e_ber", "stylegan2.gr_e_ber_2", "mine.v-2"]
    answer = run(ImportModelRequest(file, name="fourth"), services)[1]
    assert (answer.notes, answer.peak_bytes, answer.model.licence) == (("a note",), 5, "not stated")


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "Upper", ".hidden", "a b", "con", "nul.x", "x" * 90, "x.directions", "a\n"]
)
def test_unusable_names(name: str, weights: Path, services: Services, paths: AppPaths) -> None:
    with pytest.raises(UserInputError, match="cannot be the name"):
        run(ImportModelRequest(weights, name=name), services)
    assert written(paths) == []


def test_a_taken_name_is_refused(weights: Path, services: Services, child: Callable[[object], None]) -> None:
    child(import_children.succeeds)
    run(ImportModelRequest(weights, name="mine"), services)
    with pytest.raises(UserInputError, match="already"):
        run(ImportModelRequest(weights, name="mine"), services)


def test_full_disk(
    weights: Path, services: Services, paths: AppPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(import_file.shutil, "disk_usage", lambda _folder: usage)
    with pytest.raises(ResourceError, match="disk has"):
        run(ImportModelRequest(weights), services)
    assert written(paths) == []


def test_what_needs_no_process_is_refused_at_once(
    tmp_path: Path, services: Services, child: Callable[[object], None]
) -> None:
    child(import_children.hangs)
    page = tmp_path / "restyle_psp_ffhq_encode.pt"
    page.write_text("<!DOCTYPE html><html>Quota exceeded</html>", encoding="utf-8")
    for path, expected in ((page, "web page"), (tmp_path, "is a folder"), (tmp_path / "no", "not there")):
        with pytest.raises(WeightsError, match=expected):
            run(ImportModelRequest(path), services)


def test_built_in_and_unknown_models_cannot_be_removed(services: Services, tmp_path: Path) -> None:
    for model in services.models.infos():
        if model.is_builtin:
            with pytest.raises(UserInputError, match="came with the program"):
                next(import_model.run(RemoveModelRequest(model.name), services))
            break
    with pytest.raises(WeightsError, match="no model named"):
        next(import_model.run(RemoveModelRequest("nothing"), services))


def test_requests_are_registered() -> None:
    assert registry.use_case_of(RemoveModelRequest("x")).module == "import_model"
    assert registry.use_case_of(ImportModelRequest(Path("x"))).module == "import_model"


def test_remove_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], child: Callable[[object], None]
) -> None:
    child(import_children.succeeds)
    file = tmp_path / "x.pkl"
    file.write_bytes(b"\x80\x02N.")
    data = ["--data", str(tmp_path / "app")]
    assert main(["models", "import", str(file), "--name", "mine", "--licence", "CC BY", *data]) == 0
    text = capsys.readouterr().out
    assert "mine" in text and "CC BY" in text
    assert main(["models", "remove", "mine", "--json", *data]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": "mine"}
    assert main(["models", "remove", "mine", *data]) == 1
