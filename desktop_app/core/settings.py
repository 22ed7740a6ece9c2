"""What the user can change, in one file: load, validate, migrate, save."""

from __future__ import annotations

import json
import logging
import types
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from desktop_app.core.errors import ResourceError, display_path

_log = logging.getLogger(__name__)

SETTINGS_VERSION = 2
# Defaults of before, which files of that time hold although nobody chose them.
_OLD_DEFAULTS: dict[int, dict[str, dict[str, object]]] = {1: {"search": {"duplicate_similarity": 0.95}}}


@dataclass(frozen=True, slots=True)
class LibrarySettings:
    """How photos are indexed.

    Attributes:
        encoder: Name of the encoder whose embeddings are searched.
        decode_threads: Threads that decode photos ahead of the encoder; 0 chooses.
        batch_size: Photos embedded together.
        thumbnail_px: Longer side of a thumbnail in pixels.
        max_megapixels: Larger images are refused as a possible decompression bomb.
    """

    encoder: str = "contrastive_photo.builtin"
    decode_threads: int = 0
    batch_size: int = 32
    thumbnail_px: int = 256
    max_megapixels: int = 250


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How similar photos are answered.

    Attributes:
        top_k: Most neighbours shown.
        cutoff_percentile: A photo is shown when it is more similar to the query than this
            percentage of random pairs of the library, 0 to 100.
        duplicate_similarity: From this similarity on, [-1, 1], a photo counts as a near-duplicate
            when its fine picture agrees too. Measured with the built-in encoder on 300 photos among 4,677
            (`tests.benchmarks near_duplicates`): of copies with several small changes .74 pass at .88 and
            .57 at .95 (.76 have a fine picture that agrees), of those saved with low quality .90 and .70;
            of 10.9 million pairs of different photos 36 and 12 pass, of which many are one thing twice in a
            row before one background.
    """

    top_k: int = 60
    cutoff_percentile: float = 99.0
    duplicate_similarity: float = 0.88


@dataclass(frozen=True, slots=True)
class InversionSettings:
    """How faces are inverted.

    Attributes:
        model: Name of the inversion model.
        steps: Encoder passes, 1 to 20.
    """

    model: str = "restyle_psp.builtin"
    steps: int = 5


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The machine.

    Attributes:
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: CPU threads of torch; 0 leaves its own choice.
    """

    device: str = "auto"
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; created once in `main.py` and passed down.

    Attributes:
        library: Indexing.
        search: Similar photos.
        inversion: Faces.
        engine: The machine.
        unknown: Keys of the file that this version does not know; written back as they were.
    """

    library: LibrarySettings = field(default_factory=LibrarySettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    inversion: InversionSettings = field(default_factory=InversionSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    unknown: types.MappingProxyType[str, Any] = field(
        default_factory=lambda: types.MappingProxyType({})
    )  # Any: values of a JSON file


_RANGES: dict[str, tuple[float, float]] = {
    "decode_threads": (0, 64),
    "batch_size": (1, 1024),
    "thumbnail_px": (64, 1024),
    "max_megapixels": (1, 10_000),
    "top_k": (1, 10_000),
    "cutoff_percentile": (0, 100),
    "duplicate_similarity": (-1, 1),
    "steps": (1, 20),
    "threads": (0, 256),
}
_CHOICES: dict[str, tuple[str, ...]] = {"device": ("auto", "cpu", "cuda", "mps")}


def load_settings(file: Path) -> Settings:
    """Read the settings; a missing or damaged file gives the defaults and a log line."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError) as error:
        _log.warning("settings file is not readable, defaults are used: %s", error)
        return Settings()
    if not isinstance(raw, dict):
        _log.warning("settings file holds no object, defaults are used")
        return Settings()
    return settings_from_dict(raw)


def settings_from_dict(raw: dict[str, Any]) -> Settings:
    """Settings from a parsed file: wrong values fall back to defaults, unknown keys are kept."""
    raw = _without_old_defaults(raw)
    groups: dict[str, Any] = {}
    unknown: dict[str, Any] = {}
    known = {f.name: f for f in fields(Settings) if f.name != "unknown"}
    for key, value in raw.items():
        if key == "version":
            continue
        if key not in known or not isinstance(value, dict):
            _log.info("unknown settings key %r is kept as it is", key)
            unknown[key] = value
    for name in known:
        group_class = get_type_hints(Settings)[name]
        given = raw.get(name)
        groups[name] = _group(group_class, given if isinstance(given, dict) else {}, unknown, name)
    return Settings(**groups, unknown=types.MappingProxyType(unknown))


def _without_old_defaults(raw: dict[str, Any]) -> dict[str, Any]:
    """A parsed file less what it only repeats of defaults that have changed since it was written."""
    version = raw.get("version", 1)
    changed = dict(raw)
    for name, defaults in _OLD_DEFAULTS.get(version if isinstance(version, int) else 1, {}).items():
        group = raw.get(name)
        if isinstance(group, dict):
            changed[name] = {k: v for k, v in group.items() if k not in defaults or v != defaults[k]}
    return changed


def save_settings(settings: Settings, file: Path) -> None:
    """Write the settings to a temporary file and rename it.

    Raises:
        ResourceError: The file cannot be written.
    """
    content: dict[str, Any] = {"version": SETTINGS_VERSION}
    for f in fields(settings):
        value = getattr(settings, f.name)
        if is_dataclass(value) and not isinstance(value, type):
            content[f.name] = asdict(value)
    for dotted, value in settings.unknown.items():
        group, _, key = dotted.partition(".")
        if key and isinstance(content.get(group), dict):
            content[group][key] = value
        else:
            content.setdefault(dotted, value)
    temporary = file.with_suffix(".tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content, indent=2), encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        raise ResourceError(
            f"The settings could not be saved to {display_path(file)}: {error.strerror}.",
            "Check that the disk is not full and that you may write there.",
        ) from error


def _group(group_class: type[Any], given: dict[str, Any], unknown: dict[str, Any], name: str) -> Any:
    hints = get_type_hints(group_class)
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in hints:
            unknown[f"{name}.{key}"] = value
        elif _fits(key, value, hints[key]):
            values[key] = hints[key](value)
        else:
            _log.warning("settings value %s.%s = %r is not usable, the default is used", name, key, value)
    return group_class(**values)


def _fits(key: str, value: object, wanted: type[Any]) -> bool:
    if get_args(wanted):
        return False
    if wanted is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    elif wanted is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    else:
        fits = isinstance(value, wanted)
    if not fits:
        return False
    if key in _RANGES:
        low, high = _RANGES[key]
        return isinstance(value, (int, float)) and low <= value <= high
    return value in _CHOICES.get(key, (value,))
