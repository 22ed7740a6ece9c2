"""Which encoder is searched with, and the one click that goes back."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QWidget

from desktop_app.core.types import KnownEncoder, TuneOptions
from ui import texts
from ui.widgets.controls import button, column, frame, label, row


class EncoderPanel(QFrame):
    """One row for each encoder that has embeddings in the library.

    Signals:
        switch_wanted: Another encoder is to be searched with (name).

    Args:
        parent: Qt owner.
    """

    switch_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[QWidget] = []
        self.buttons: dict[str, QWidget] = {}
        self._is_locked = False
        self._box = column(spacing=6)
        self.setLayout(self._box)
        self.setAccessibleName(self.tr("Encoders"))

    def set_options(self, options: TuneOptions) -> None:
        """Show the encoders of the library."""
        for old in self._rows:
            self._box.removeWidget(old)
            old.deleteLater()
        self._rows, self.buttons = [], {}
        used = next((encoder for encoder in options.encoders if encoder.name == options.used), None)
        for encoder in options.encoders:
            made = self._row(encoder, used=used, photos=options.photos)
            self._rows.append(made)
            self._box.addWidget(made)
        self.set_locked(self._is_locked)

    def set_locked(self, is_locked: bool) -> None:
        """Nothing can be switched while a tuning is being kept."""
        self._is_locked = is_locked
        for made in self.buttons.values():
            made.setEnabled(not is_locked)

    def _row(self, encoder: KnownEncoder, *, used: KnownEncoder | None, photos: int) -> QFrame:
        is_used = used is not None and encoder.name == used.name
        count = texts.photos_text(encoder.photos)
        if encoder.photos < photos:
            count = self.tr("{} of {}").format(texts.count_text(encoder.photos), texts.photos_text(photos))
        words = column(label(encoder.title, wraps=True), label(count, role="value"), spacing=1)
        line = row(spacing=10)
        line.addLayout(words, 1)
        if is_used:
            line.addWidget(label(self.tr("in use"), role="best"))
        elif encoder.photos:
            is_back = used is not None and used.base == encoder.name
            text = self.tr("Go back") if is_back else self.tr("Switch to it")
            made = button(text, icon="undo" if is_back else "", tip=self.tr("Search with it from now on"))
            made.setAccessibleName(f"{text}: {encoder.title}")
            made.clicked.connect(lambda: self.switch_wanted.emit(encoder.name))
            self.buttons[encoder.name] = made
            line.addWidget(made)
        line.setContentsMargins(12, 8, 10, 8)
        return frame("inset", line)
