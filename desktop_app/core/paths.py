"""Where the program keeps its files; the only user of platformdirs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import platformdirs

APP_NAME = "contrastyle"


@dataclass(frozen=True, slots=True)
class AppPaths:
    """Folders of one installation; none is created by reading them.

    Attributes:
        config: Settings file.
        library: Default library: database, vectors, thumbnails.
        models: Weights that the user added.
        logs: Log files.
        resources: Read-only files shipped with the program.
    """

    config: Path
    library: Path
    models: Path
    logs: Path
    resources: Path

    @property
    def settings_file(self) -> Path:
        """The settings file."""
        return self.config / "settings.json"

    @property
    def builtin_models(self) -> Path:
        """Weights shipped with the program."""
        return self.resources / "models"


def resources_folder() -> Path:
    """The shipped `resources` folder, of a source tree or of a packaged program."""
    bundle = getattr(sys, "_MEIPASS", None)
    root = Path(bundle) if bundle else Path(__file__).resolve().parents[2]
    return root / "resources"


def default_paths() -> AppPaths:
    """Folders by the rules of the operating system."""
    dirs = platformdirs.PlatformDirs(APP_NAME, appauthor=False)
    data = Path(dirs.user_data_dir)
    return AppPaths(
        config=Path(dirs.user_config_dir),
        library=data / "library",
        models=data / "models",
        logs=Path(dirs.user_log_dir),
        resources=resources_folder(),
    )


def paths_below(folder: Path) -> AppPaths:
    """All writable folders below one folder: a test, a second library, a stick."""
    return AppPaths(
        config=folder / "config",
        library=folder / "library",
        models=folder / "models",
        logs=folder / "logs",
        resources=resources_folder(),
    )
