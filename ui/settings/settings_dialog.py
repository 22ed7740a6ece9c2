"""The settings dialog."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QSpinBox,
    QWidget,
)

from desktop_app.core.settings import (
    EngineSettings,
    InversionSettings,
    LibrarySettings,
    SearchSettings,
    Settings,
)
from desktop_app.core.types import ModelInfo
from ui.widgets.controls import column, label, pad_spin_box, restyle
from ui.widgets.elided_combo import ElidedCombo

_WIDTH_PX = 640
_LIBRARIES = ("timm", "open_clip")
_DEVICES = ("auto", "cpu", "cuda", "mps")


class SettingsDialog(QDialog):
    """Shows settings and makes new ones; saving is the caller's affair.

    Args:
        settings: The settings now.
        models: Models to choose from.
        parent: Window of the dialog.
    """

    def __init__(self, settings: Settings, models: tuple[ModelInfo, ...], *, parent: QWidget) -> None:
        super().__init__(parent)
        self._settings = settings
        self._encoder = QComboBox()
        self._problem = label(role="problem", wraps=True)
        self._model = ElidedCombo(self.tr("What the page Faces begins with"))
        self._build_fields(models)
        self._build_ui()
        self._show_values()
        self._connect()

    def settings(self) -> Settings:
        """The settings as the fields say."""
        old = self._settings
        return replace(
            old,
            library=replace(
                old.library,
                encoder=self._encoder_name(),
                decode_threads=self._decode_threads.value(),
            ),
            search=SearchSettings(
                top_k=self._top_k.value(),
                cutoff_percentile=self._cutoff.value(),
                duplicate_similarity=self._duplicates.value(),
            ),
            inversion=InversionSettings(
                model=str(self._model.currentData() or old.inversion.model), steps=self._steps.value()
            ),
            engine=EngineSettings(device=str(self._device.currentData()), threads=self._threads.value()),
        )

    def _build_fields(self, models: tuple[ModelInfo, ...]) -> None:
        for model in models:
            target = {"encoder": self._encoder, "inversion": self._model}.get(model.role)
            if target is not None and model.is_usable:
                target.addItem(model.title, model.name)
        self._encoder.setEditable(True)
        self._encoder.setToolTip(
            self.tr("A model of the list, or timm:NAME or open_clip:NAME with weights in the model folder")
        )
        self._top_k = _spin(1, 10_000)
        self._top_k.setToolTip(self.tr("Photos that a search for similar ones shows"))
        self._cutoff = _decimal(0.0, 100.0, step=0.1, decimals=2)
        self._cutoff.setSuffix(" %")
        self._cutoff.setToolTip(
            self.tr("Shown are photos more similar than this share of random pairs of your library")
        )
        self._duplicates = _decimal(0.0, 1.0, step=0.01, decimals=2)
        self._duplicates.setToolTip(
            self.tr("From this similarity on (1: the same) a photo may be marked as a near-duplicate")
        )
        self._steps = _spin(1, 20)
        self._steps.setToolTip(self.tr("How often the encoder refines a face at first, 1 to 20"))
        self._device = QComboBox()
        self._device.setToolTip(self.tr("Where networks are computed; automatic takes the fastest there is"))
        names = (self.tr("automatic"), self.tr("processor (CPU)"), "NVIDIA (CUDA)", "Apple (MPS)")
        for name, key in zip(names, _DEVICES, strict=True):
            self._device.addItem(name, key)
        self._threads = _spin(0, 256)
        self._decode_threads = _spin(0, 64)
        self._threads.setToolTip(self.tr("Processor threads of the networks"))
        self._decode_threads.setToolTip(self.tr("Threads that open photos ahead of the encoder"))
        for spin in (self._threads, self._decode_threads):
            spin.setSpecialValueText(self.tr("automatic"))

    def _build_ui(self) -> None:
        self.setWindowTitle(self.tr("Settings"))
        self.setMinimumWidth(_WIDTH_PX)
        box = column(spacing=10, margin=22)
        groups = (
            (
                self.tr("SIMILAR PHOTOS"),
                (
                    (self.tr("Encoder *"), self._encoder),
                    (self.tr("Neighbours at most"), self._top_k),
                    (self.tr("Cut-off *"), self._cutoff),
                    (self.tr("Near-duplicate from *"), self._duplicates),
                ),
            ),
            (self.tr("FACES"), ((self.tr("Model"), self._model), (self.tr("Steps"), self._steps))),
            (
                self.tr("MACHINE"),
                (
                    (self.tr("Device *"), self._device),
                    (self.tr("Threads *"), self._threads),
                    (self.tr("Threads that read photos *"), self._decode_threads),
                ),
            ),
        )
        for number, (title, fields) in enumerate(groups):
            box.addWidget(label(title, role="section"))
            form = QFormLayout()
            form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
            form.setFormAlignment(Qt.AlignmentFlag.AlignTop)
            form.setHorizontalSpacing(24)
            form.setVerticalSpacing(8)
            for name, field in fields:
                text = label(name)
                text.setMinimumSize(200, field.sizeHint().height())
                text.setBuddy(field)
                field.setAccessibleName(name.replace(" *", ""))
                form.addRow(text, field)
            box.addLayout(form)
            if number == 0:
                box.addWidget(self._problem)  # it is about the encoder
            box.addSpacing(8)
        self._restart = label(self.tr("* takes effect at the next start"), role="muted", wraps=True)
        box.addWidget(self._restart)
        box.addStretch(1)
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Save
            | QDialogButtonBox.StandardButton.Cancel
            | QDialogButtonBox.StandardButton.RestoreDefaults
        )
        save = self._buttons.button(QDialogButtonBox.StandardButton.Save)
        save.setProperty("role", "primary")
        restyle(save)
        box.addWidget(self._buttons)
        self.setLayout(box)

    def _connect(self) -> None:
        self._encoder.activated.connect(self._show_start)
        self._encoder.editTextChanged.connect(self._check_encoder)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        defaults = self._buttons.button(QDialogButtonBox.StandardButton.RestoreDefaults)
        defaults.clicked.connect(self._restore_defaults)

    def _show_values(self, shown: Settings | None = None) -> None:
        shown = shown or self._settings
        _choose(self._encoder, shown.library.encoder)
        self._show_start()
        _choose(self._model, shown.inversion.model)
        _choose(self._device, shown.engine.device)
        self._top_k.setValue(shown.search.top_k)
        self._cutoff.setValue(shown.search.cutoff_percentile)
        self._duplicates.setValue(shown.search.duplicate_similarity)
        self._steps.setValue(shown.inversion.steps)
        self._check_encoder()
        self._threads.setValue(shown.engine.threads)
        self._decode_threads.setValue(shown.library.decode_threads)

    def _show_start(self) -> None:
        """Show a long encoder from its start, where its name stands."""
        line = self._encoder.lineEdit()
        if line is not None:
            line.setCursorPosition(0)

    def _check_encoder(self, _text: str = "") -> None:
        """Say at once when no encoder has the name that was typed."""
        name = self._encoder_name()
        library, _, model = name.partition(":")
        is_known = self._encoder.findData(name) >= 0 or name == self._settings.library.encoder
        is_known = is_known or (library in _LIBRARIES and bool(model.strip()))
        self._problem.setText(
            ""
            if is_known
            else self.tr("No encoder is named “{}”. Choose one of the list, or type timm:NAME.").format(name)
        )
        self._problem.setVisible(not is_known)
        self._buttons.button(QDialogButtonBox.StandardButton.Save).setEnabled(is_known)

    def _restore_defaults(self) -> None:
        self._show_values(
            replace(
                self._settings,
                library=LibrarySettings(),
                search=SearchSettings(),
                inversion=InversionSettings(),
                engine=EngineSettings(),
            )
        )

    def _encoder_name(self) -> str:
        """The chosen model's name, or what was typed."""
        text = self._encoder.currentText().strip()
        number = self._encoder.findText(text)
        if number >= 0:
            return str(self._encoder.itemData(number))
        return text or self._settings.library.encoder


def needs_restart(old: Settings, new: Settings) -> bool:
    """Whether something changed that only the next start takes up."""
    return (
        old.library != new.library
        or old.engine != new.engine
        or replace(old.search, top_k=0) != replace(new.search, top_k=0)
    )


def _choose(combo: QComboBox, name: str) -> None:
    number = combo.findData(name)
    if number >= 0:
        combo.setCurrentIndex(number)
    elif combo.isEditable():
        combo.setEditText(name)
    else:  # a model that is not there now stays chosen until the user chooses another
        combo.addItem(name, name)
        combo.setCurrentIndex(combo.count() - 1)


def _spin(low: int, high: int) -> QSpinBox:
    made = QSpinBox()
    made.setRange(low, high)
    pad_spin_box(made)
    return made


def _decimal(low: float, high: float, *, step: float, decimals: int) -> QDoubleSpinBox:
    made = QDoubleSpinBox()
    made.setRange(low, high)
    made.setSingleStep(step)
    made.setDecimals(decimals)
    pad_spin_box(made)
    return made
