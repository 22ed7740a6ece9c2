from __future__ import annotations

import re
from pathlib import Path

from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication

from desktop_app.core.paths import resources_folder
from ui import theme

_UI = Path(theme.__file__).parent


def test_every_colour_name_of_the_sheet_is_defined() -> None:
    sheet = (resources_folder() / "style.qss").read_text(encoding="utf-8")
    filled = theme.filled_sheet(sheet, theme.sheet_colours(sheet))
    body = re.sub(r"/\*.*?\*/", "", filled, flags=re.DOTALL)
    assert "@" not in body


def test_files_named_by_the_sheet_exist() -> None:
    sheet = (resources_folder() / "style.qss").read_text(encoding="utf-8")
    for file in re.findall(r'url\("@icons/([\w.]+)"\)', sheet):
        assert (resources_folder() / "icons" / file).is_file(), file


def test_palette_carries_the_accent_of_the_sheet(themed: QApplication) -> None:
    sheet = (resources_folder() / "style.qss").read_text(encoding="utf-8")
    accent = theme.sheet_colours(sheet)["accent"]
    assert themed.palette().color(QPalette.ColorRole.Accent).name() == accent


def test_no_colour_is_written_in_code() -> None:
    for file in _UI.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r'"#[0-9a-fA-F]{3,8}"|GlobalColor\.(?!transparent)', text), file


def test_icons_are_drawn_in_all_states() -> None:
    for file in (resources_folder() / "icons").glob("*.svg"):
        icon = theme.icon(file.stem)
        assert not icon.isNull()
        assert not icon.pixmap(20, 20).toImage().allGray() or file.stem.endswith(("muted", "on_accent"))
