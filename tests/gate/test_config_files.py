"""Damaged lessons, set-ups, run settings and window files: one line or the defaults, and the app starts."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.lessons import LessonError, lesson_names, load_lesson
from core.notices import SkipscopeError
from core.paths import asset
from core.records import RecordError, RunRecord, read_run
from core.settings import LaneSettings, NetworkSettings, RunSettings, run_from_json, to_json
from core.setup_text import read_setup, setup_from_text, setup_text
from tests.core.test_records import SETTINGS, lane_slice

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(120)
TOKENS = (b"true", b"-1", b"1e999", b"nan", b'""', b"[]", b"{}", b"null", b"[[lanes]]", b"\xff", b"\0", b"9" * 40, b"=",
          b"\n", b'"', b"'''", b"1979-05-27", b"lanes", b"depth", b"[[[[")  # fmt: skip


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change single bytes, cut, drop or double a line, or put another word in the place of one."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        lines = data.split(b"\n")
        line = chance.randrange(len(lines))
        match chance.randrange(6):
            case 0:
                changed = bytearray(data or b"x")
                changed[chance.randrange(len(changed))] = chance.randrange(256)
                data = bytes(changed)
            case 1:
                data = data[: chance.randrange(len(data) + 1)]
            case 2:
                del lines[line]
                data = b"\n".join(lines)
            case 3:
                lines.insert(line, lines[line])
                data = b"\n".join(lines)
            case _:
                words = lines[line].split(b" ")
                words[chance.randrange(len(words))] = chance.choice(TOKENS)
                lines[line] = b" ".join(words)
                data = b"\n".join(lines)
    return data


def count_of(kind: str, scale: Callable[[int, int], int]) -> range:
    return range(scale(15, {"lesson": 90, "setup": 70, "settings": 70, "window": 70}[kind]))


def test_a_damaged_lesson_is_one_line(scale: Callable[[int, int], int], tmp_path: Path) -> None:
    chance = random.Random(1)
    refused = 0
    for number in count_of("lesson", scale):
        path = tmp_path / f"{number}.toml"
        path.write_bytes(
            mutated(asset("lessons", f"{chance.choice(lesson_names())}.toml").read_bytes(), chance)
        )
        try:
            load_lesson(str(path))
        except LessonError as error:
            said = str(error)
        except SkipscopeError as error:  # of a setting in it
            said = str(error)
        else:
            continue
        refused += 1
        assert said
        assert len(said) < 1000
    assert refused > 0


def test_a_damaged_set_up_is_one_line(scale: Callable[[int, int], int], tmp_path: Path) -> None:
    chance = random.Random(2)
    refused = 0
    for number in count_of("setup", scale):
        path = tmp_path / f"{number}.toml"
        path.write_bytes(mutated(setup_text(random_run(chance)).encode(), chance))
        said = ""
        try:
            made = read_setup(path)
        except SkipscopeError as error:
            said = str(error)
            refused += 1
        else:
            assert made is None or isinstance(made, RunSettings)
        assert "\n" not in said
    assert refused > 0


def test_damaged_settings_of_a_run_are_one_line(scale: Callable[[int, int], int], tmp_path: Path) -> None:
    chance = random.Random(3)
    record = RunRecord.create(tmp_path / "run", SETTINGS, extra={"class_names": ["靴子"]})
    record.append_steps(1, (lane_slice([1.0]),))
    assert record.close()
    path = tmp_path / "run" / "settings.json"
    whole = path.read_bytes()
    refused = 0
    for _ in count_of("settings", scale):
        path.write_bytes(mutated(whole, chance))
        said = ""
        try:
            read_run(tmp_path / "run")
        except RecordError as error:
            said = str(error)
            refused += 1
        assert "\n" not in said
    assert refused > 0
    path.write_bytes(whole)
    assert len(read_run(tmp_path / "run").lanes[0].steps) == 1


WINDOWS = """
import os, random, sys
from pathlib import Path
from PySide6.QtWidgets import QApplication
from gui.app import make_application
from gui.main_window import MainWindow
from gui.window_state import WindowState
from tests.gate.test_config_files import mutated
from tests.gui.fake_window import FakeBridge, running

application = make_application()
folder, count, full = Path(os.environ["SKIPSCOPE_DATA_DIR"]), int(sys.argv[1]), int(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
path = folder / "window.ini"

def opened(drawn):
    window = MainWindow(FakeBridge())
    if drawn:
        window.resize(1280, 800)
        window.show()
        running(window)
        window.paint_everything()
    return window

opened(True).close()
WindowState().add_recent("some file.pt")
WindowState().appearance = "dark"
application.sendPostedEvents()
whole = path.read_bytes()
assert b"geometry" in whole
chance = random.Random(4)
for number in range(count):
    path.write_bytes(mutated(whole, chance))
    remembered = WindowState()
    assert all(type(each) is str for each in remembered.recent)
    assert remembered.appearance in ("system", "light", "dark")
    window = opened(number < full)
    screen = application.primaryScreen().availableGeometry()
    if number < full:
        assert window.frameGeometry().intersects(screen), window.geometry()
    window.close()
    window.deleteLater()
    application.processEvents()
print("opened", count)
"""


def test_a_damaged_window_file_never_keeps_the_window_from_opening(
    scale: Callable[[int, int], int], tmp_path: Path
) -> None:
    """In a process of its own: Qt decodes its layout in native code."""
    count = len(count_of("window", scale))
    done = subprocess.run(
        [sys.executable, "-c", WINDOWS, str(count), "10"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "SKIPSCOPE_DATA_DIR": str(tmp_path / "data")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["opened", str(count)]
    assert "Traceback" not in done.stderr, done.stderr[-2000:]


# ---- the worst there is -------------------------------------------------------------------

WORST: dict[str, bytes] = {
    "nested": b"a = " + b"[" * 50_000,
    "digits": b"seed = " + b"9" * 10_000,
    "nested tables": b"a = " + b"{b=" * 3000,
    "not UTF-8": b"\xff\xfe\x00",
    "zeros": bytes(10_000),
}


@pytest.mark.parametrize("name", WORST)
def test_a_hostile_lesson_is_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "worst.toml"
    path.write_bytes(WORST[name])
    assert read_setup(path) is None
    with pytest.raises(LessonError):
        load_lesson(str(path))


OPEN_PIPE = """
import sys
from pathlib import Path
from core.lessons import LessonError, load_lesson
from core.notices import SkipscopeError
from core.setup_text import read_setup
try:
    if read_setup(Path(sys.argv[1])) is None:
        load_lesson(sys.argv[1])
except SkipscopeError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    done = subprocess.run(
        [sys.executable, "-c", OPEN_PIPE, str(tmp_path / "pipe.toml")],
        cwd=ROOT, capture_output=True, text=True, timeout=10, check=True,
    )  # fmt: skip
    assert done.stdout


# ---- round trips --------------------------------------------------------------------------


def random_run(chance: random.Random) -> RunSettings:
    """Settings of every kind, each within its bounds."""
    lanes = []
    for number in range(chance.randint(1, 4)):
        network = NetworkSettings(
            depth=chance.choice((18, 20, 32, 34, 110)), width=chance.randint(1, 256),
            stem=chance.choice(("3x3", "7x7")), block=chance.choice(("post", "pre")),
            norm=chance.choice(("batch", "none")), activation=chance.choice(("relu", "tanh", "sigmoid")),
            projection=chance.choice(("conv", "pad")), init=chance.choice(("he", "torch")),
            branch_init=chance.choice(("normal", "small", "zero")), classes=chance.randint(2, 1000),
        )  # fmt: skip
        strengths = [
            tuple(chance.choice((0.0, 1.0, chance.random())) for _ in range(network.block_count))
            for _ in range(2)
        ]
        name = chance.choice(
            ("A", "with", "ohne ü", '"quoted"', "back\\slash", "靴子 " * 9, "tab\tnew")
        ) + str(number)
        lanes.append(LaneSettings(
            name, network, strengths[0], strengths[1], chance.choice((0.0, 1e6, 0.05, chance.random())),
            chance.choice((None, None, "/a/b c/weights.pt", 'C:\\x\\"y".pt')),
        ))  # fmt: skip
    return RunSettings(
        tuple(lanes), dataset=chance.choice(("fashion-mnist", "cifar10", "/some/folder ü")),
        image_size=chance.randint(8, 512), batch_size=chance.randint(2, 4096), seed=chance.randrange(2**31),
        steps=chance.choice((None, 1, 10**9)), epochs=chance.randint(1, 10**5), momentum=chance.random() * 0.9999,
        weight_decay=chance.random(), schedule=chance.choice(("constant", "cosine")),
        augment=chance.random() < 0.5, precision=chance.choice(("float32", "bfloat16")),
        device=chance.choice(("auto", "cpu", "cuda")), threads=chance.randrange(8),
    )  # fmt: skip


def test_any_settings_come_back_from_text_and_json(scale: Callable[[int, int], int]) -> None:
    chance = random.Random(5)
    for _ in range(scale(30, 500)):
        settings = random_run(chance)
        assert setup_from_text(setup_text(settings)) == settings
        assert run_from_json(json.loads(json.dumps(to_json(settings)))) == settings
