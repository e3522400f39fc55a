"""Who may import and open what: the rules hold even where import-linter is not installed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TORCH_FREE = (
    "settings", "messages", "notices", "methods", "lessons", "transform", "pictures", "overlay", "history",
    "records", "journal", "files", "paths", "verdict", "versions", "headless.arguments", "headless.output",
    "headless.lessons", "headless.export", "acts", "findings", "measures", "stored_run", "stored_history", "library",
    "journal_thread", "retention", "pyramid",
    "report", "map_picture", "export_attribution", "headless.map_question", "headless.interrupt", "checks", "stopwatch",
    "album", "album_search", "folder_walk", "judgement", "predictions", "thumbnails", "opened_album", "picture_loader",
    "dataset", "datasets", "fashion_mnist", "cifar", "picture_folders", "comparison",
    "exports", "export_csv", "export_tensorboard", "export_script", "setup_text", "degradation",
)  # fmt: skip
# what opens foreign bytes -> where alone it may stand
OPENERS = {
    ("torch", "load"): {"core/weights_file.py"},
    ("Image", "open"): {"core/pictures.py"},
    ("pickle", "load"): set(),
    ("pickle", "loads"): set(),
    ("jit", "load"): set(),
    ("hub", "load"): set(),
    ("yaml", "load"): set(),
}


def modules(package: str) -> list[str]:
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    ]


def imported_after(names: list[str], watched: tuple[str, ...]) -> list[str]:
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"print([name for name in {watched!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found: list[str] = ast.literal_eval(done.stdout.strip().splitlines()[-1])
    return found


def test_core_knows_no_qt() -> None:
    assert imported_after(modules("core"), ("PySide6", "pyqtgraph", "shiboken6")) == []


def test_the_torch_free_part_of_core_imports_no_torch() -> None:
    names = [f"core.{name}" for name in TORCH_FREE]
    assert imported_after(names, ("torch", "torchvision", "captum")) == []


def test_the_window_imports_no_torch() -> None:
    names = [name for name in modules("gui") if name != "gui.bench"]
    assert imported_after(names, ("torch", "torchvision", "captum")) == []


def test_foreign_bytes_are_opened_in_one_place() -> None:
    for path in [*(ROOT / "core").rglob("*.py"), *(ROOT / "gui").rglob("*.py"), ROOT / "main.py"]:
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            if isinstance(function, ast.Name):
                assert function.id not in ("eval", "exec", "compile", "__import__"), name
            if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name | ast.Attribute):
                owner = function.value.id if isinstance(function.value, ast.Name) else function.value.attr
                allowed = OPENERS.get((owner, function.attr))
                assert allowed is None or name in allowed, f"{name}: {owner}.{function.attr}"


def test_texts_are_not_f_strings_before_they_are_translated() -> None:
    for path in (ROOT / "gui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("tr", "translate"):
                bad = [each for each in node.args if isinstance(each, ast.JoinedStr)]
                assert not bad, f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"]])
def test_help_answers_without_torch(words: list[str]) -> None:
    code = (
        "import sys, main\n"
        f"try: main.main({words!r})\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'PySide6' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
