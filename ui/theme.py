"""The look: reads the style sheet, gives its colours to the palette, and draws the icons."""

from __future__ import annotations

import functools
import re
import sys

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from desktop_app.core.paths import resources_folder

_COLOUR = re.compile(r"^@(\w+):\s*(#[0-9a-fA-F]{6});$", re.MULTILINE)
_Role = QPalette.ColorRole

# Painted widgets have no style sheet of their own: they read these roles of the palette.
_ROLES: dict[QPalette.ColorRole, str] = {
    _Role.Window: "window",
    _Role.WindowText: "text",
    _Role.Base: "surface",
    _Role.AlternateBase: "raised",
    _Role.Text: "text",
    _Role.Button: "raised",
    _Role.ButtonText: "text",
    _Role.BrightText: "danger",
    _Role.PlaceholderText: "muted",
    _Role.Highlight: "accent",
    _Role.HighlightedText: "on_accent",
    _Role.Accent: "accent",
    _Role.Link: "accent_strong",
    _Role.LinkVisited: "warning",
    _Role.Mid: "border",
    _Role.Midlight: "hover",
    _Role.Dark: "rail",
    _Role.Light: "hover",
    _Role.Shadow: "shadow",
    _Role.ToolTipBase: "raised",
    _Role.ToolTipText: "text",
}
BORDER_ROLE = _Role.Mid
MUTED_ROLE = _Role.PlaceholderText
DANGER_ROLE = _Role.BrightText
WARNING_ROLE = _Role.LinkVisited
SHADOW_ROLE = _Role.Shadow

_LINUX_FONTS = ["Inter", "Noto Sans", "Cantarell", "Ubuntu", "DejaVu Sans"]
_FONT_POINTS = 10.0


def apply_theme(application: QApplication) -> None:
    """Give the application its style, palette, font and style sheet."""
    sheet = (resources_folder() / "style.qss").read_text(encoding="utf-8")
    colours = sheet_colours(sheet)
    application.setStyle("Fusion")
    palette = QPalette()
    for role, name in _ROLES.items():
        palette.setColor(role, QColor(colours[name]))
    for role in (_Role.WindowText, _Role.Text, _Role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(colours["disabled"]))
    application.setPalette(palette)
    font = QFont(application.font())
    if sys.platform.startswith("linux"):
        font.setFamilies(_LINUX_FONTS)
    font.setPointSizeF(_FONT_POINTS)
    application.setFont(font)
    application.setWindowIcon(QIcon(str(resources_folder() / "icons" / "contrastyle.svg")))
    application.setStyleSheet(filled_sheet(sheet, colours))


def sheet_colours(sheet: str) -> dict[str, str]:
    """The named colours at the head of the style sheet."""
    return dict(_COLOUR.findall(sheet))


def filled_sheet(sheet: str, colours: dict[str, str]) -> str:
    """The style sheet with colour names and icon addresses replaced by what they stand for."""
    body = _COLOUR.sub("", sheet)
    body = body.replace("@icons", (resources_folder() / "icons").as_posix())
    return re.sub(r"@(\w+)", lambda match: colours.get(match[1], match[0]), body)


@functools.lru_cache(maxsize=128)
def icon(name: str) -> QIcon:
    """An icon of `resources/icons` in the colours of the palette: normal, disabled and checked."""
    palette = QApplication.palette()
    made = QIcon()
    states = (
        (QIcon.Mode.Normal, QIcon.State.Off, palette.color(_Role.Text)),
        (QIcon.Mode.Normal, QIcon.State.On, palette.color(_Role.Link)),
        (QIcon.Mode.Disabled, QIcon.State.Off, palette.color(QPalette.ColorGroup.Disabled, _Role.Text)),
    )
    for mode, state, colour in states:
        for side_px in (16, 20, 24, 48):
            made.addPixmap(_drawn(name, colour, side_px=side_px), mode, state)
    return made


def primary_icon(name: str) -> QIcon:
    """An icon for a button filled with the accent colour."""
    palette = QApplication.palette()
    made = QIcon(_drawn(name, palette.color(_Role.HighlightedText), side_px=48))
    made.addPixmap(_drawn(name, palette.color(MUTED_ROLE), side_px=48), QIcon.Mode.Disabled)
    return made


@functools.lru_cache(maxsize=128)
def icon_pixmap(name: str, role: QPalette.ColorRole, *, side_px: int) -> QPixmap:
    """An icon as a picture in one colour of the palette."""
    return _drawn(name, QApplication.palette().color(role), side_px=side_px)


def _drawn(name: str, colour: QColor, *, side_px: int) -> QPixmap:
    renderer = QSvgRenderer(QByteArray(_svg(name, colour.name())))
    pixmap = QPixmap(side_px, side_px)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    renderer.render(painter, QRectF(0, 0, side_px, side_px))
    painter.end()
    return pixmap


def _svg(name: str, colour: str) -> bytes:
    text = (resources_folder() / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    return text.replace("currentColor", colour).encode()
