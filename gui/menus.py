"""What is in the menus, and under which keys."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMenu

from core.messages import StepOnce
from gui.actions import Entry, build_actions

if TYPE_CHECKING:
    from gui.main_window import MainWindow


class Menus(QObject):
    """Fills the window's menu bar; `recent` is the menu of files opened last."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        menus, self._actions = build_actions(window, self._entries())
        self.recent = QMenu(self.tr("Open &recent"), window)
        file, view = menus[self.tr("&File")], menus[self.tr("&View")]
        file.insertMenu(file.actions()[1], self.recent)
        deeds = window.undoing.deeds
        edit = QMenu(self.tr("&Edit"), window)
        window.menuBar().insertMenu(menus[self.tr("&Run")].menuAction(), edit)
        edit.addActions([deeds.undo_action(window), deeds.redo_action(window)])
        split = self._actions[self.tr("Show the two ways of the &gradient")]
        split.setCheckable(True)
        view.addSeparator()
        view.addActions(window.docks.view_actions())

    def _toggle_split(self) -> None:
        action = self._actions[self.tr("Show the two ways of the &gradient")]
        self._window.instruments.show_split(action.isChecked())

    def show_recent(self, paths: list[str]) -> None:
        """List the files opened last."""
        self.recent.clear()
        for path in paths:
            action = self.recent.addAction(path)
            action.setEnabled(Path(path).exists())
            action.triggered.connect(lambda _=False, path=path: self._window.opening.open_path(path))
        self.recent.setEnabled(bool(paths))

    def show_keys(self) -> None:
        """Show every key."""
        from gui.help_dialogs import KeysDialog  # seldom needed, and not before the window is seen

        rows = [
            (action.shortcut().toString(), text.replace("&", ""))
            for text, action in self._actions.items() if not action.shortcut().isEmpty()
        ]  # fmt: skip
        arrows = self.tr("In the network: choose block and lane; in the gallery: choose a picture")
        rows.append((self.tr("Arrows"), arrows))
        rows.append((self.tr("Tab"), self.tr("Next control")))
        KeysDialog(rows, self._window).open()

    def _entries(self) -> list[Entry]:
        file, run, networks = self.tr("&File"), self.tr("&Run"), self.tr("&Networks")
        view, help_ = self.tr("&View"), self.tr("&Help")
        tools = self.tr("&Instruments")
        window, network = self._window, self._window.network
        return [
            Entry(file, self.tr("&Open…"), "Ctrl+O", window.opening.ask_file),
            Entry(file, self.tr("Open folder as &data set…"), "", window.opening.ask_folder),
            Entry(file, self.tr("&Save weights…"), "Ctrl+S", window.opening.ask_save),
            Entry(file, "-"),
            Entry(file, self.tr("Export run as &CSV…"), "", window.exporting.csv),
            Entry(file, self.tr("Export run for &TensorBoard…"), "", window.exporting.tensorboard),
            Entry(file, self.tr("Export set-&up…"), "", window.exporting.setup),
            Entry(file, self.tr("Export as &PyTorch script…"), "", window.exporting.script),
            Entry(file, "-"),
            Entry(file, self.tr("&Quit"), "Ctrl+Q", window.close),
            Entry(run, self.tr("&Play or pause"), "Space", window.play_or_pause),
            Entry(run, self.tr("&Single step"), ".", lambda: window.submit(StepOnce())),
            Entry(run, self.tr("&Reset: same seed, same weights"), "R", window.reset),
            Entry(run, self.tr("&Cut or restore the selected shortcut"), "S", network.toggle_selected),
            Entry(run, self.tr("Cut or restore &all shortcuts of the lane"), "Shift+S", network.toggle_all),
            Entry(run, self.tr("Delete or restore the selected &branch"), "B", network.toggle_branch),
            Entry(run, "-"),
            Entry(run, self.tr("&Next lesson"), "N", window.lessons.open_next),
            Entry(run, self.tr("&Library of runs"), "Ctrl+L", lambda: window.show_panel("runs")),
            Entry(run, self.tr("&What was done"), "Ctrl+H", lambda: window.show_panel("deeds")),
            Entry(tools, self.tr("&Shock card"), "Ctrl+1", lambda: window.show_panel("shock")),
            Entry(tools, self.tr("&Health of the blocks"), "Ctrl+2", lambda: window.show_panel("health")),
            Entry(tools, self.tr("&Lesion bench"), "Ctrl+3", lambda: window.show_panel("lesions")),
            Entry(tools, self.tr("&Path microscope"), "Ctrl+4", lambda: window.show_panel("paths")),
            Entry(tools, self.tr("&One step, slowly"), "Ctrl+5", lambda: window.show_panel("slow")),
            Entry(tools, self.tr("&Degradation chart"), "Ctrl+6", lambda: window.show_panel("degradation")),
            Entry(
                tools, self.tr("Con&fusion of the classes"), "Ctrl+7", lambda: window.show_panel("confusion")
            ),
            Entry(tools, self.tr("&Trust in the maps"), "Ctrl+8", lambda: window.show_panel("trust")),
            Entry(tools, "-"),
            Entry(tools, self.tr("Show the two ways of the &gradient"), "G", self._toggle_split),
            Entry(networks, self.tr("Use the &pretrained twins"), "", window.opening.use_pretrained),
            Entry(
                networks, self.tr("&ImageNet ResNet-18…"), "", lambda: window.opening.use_imagenet("imagenet")
            ),
            Entry(
                networks,
                self.tr("I&mageNet ResNet-34…"),
                "",
                lambda: window.opening.use_imagenet("imagenet-resnet34"),
            ),
            Entry(view, self.tr("&Follow the system"), "", lambda: window.set_appearance("system")),
            Entry(view, self.tr("&Light"), "", lambda: window.set_appearance("light")),
            Entry(view, self.tr("&Dark"), "", lambda: window.set_appearance("dark")),
            Entry(view, "-"),
            Entry(view, self.tr("&Reset layout"), "", window.reset_layout),
            Entry(help_, self.tr("&Keyboard"), "F1", self.show_keys),
            Entry(help_, self.tr("&About Skipscope"), "", window.show_about),
        ]
