"""Guard rails taken out one at a time in a copy of the program: a named test must fail each time."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.gate, pytest.mark.timeout(500)]


@dataclass(frozen=True)
class Mutant:
    """One line of one file changed, and the test that must see it."""

    file: str
    line: str
    instead: str
    test: str


MUTANTS = {
    "os.replace": Mutant(
        "core/files.py", "        os.replace(draft, path)", "        path.write_bytes(data)",
        "tests/core/test_checkpoint.py::test_the_data_is_on_the_disk_before_the_name_changes"),
    "fsync": Mutant(
        "core/files.py", "            os.fsync(file.fileno())", "            pass",
        "tests/core/test_checkpoint.py::test_the_data_is_on_the_disk_before_the_name_changes"),
    "eval() of an opened network": Mutant(
        "core/checkpoint.py", "        return network.eval()", "        return network",
        "tests/core/test_checkpoint.py::test_an_opened_network_is_ready_and_shares_nothing_with_the_checkpoint"),
    "eval() of a snapshot": Mutant(
        "core/snapshot.py", "        self.eval().requires_grad_(False)", "        self.requires_grad_(False)",
        "tests/core/test_attribution.py::test_snapshot_is_quiet_and_apart"),
    "size limit": Mutant(
        "core/weights_file.py", "    if status.st_size > MAX_BYTES:", "    if False:",
        "tests/core/test_checkpoint.py::test_a_file_beyond_the_limit_is_refused_unread"),
    "weights_only": Mutant(
        "core/weights_file.py", 'mmap=True, weights_only=True)', 'mmap=True, weights_only=False)',
        "tests/gate/test_attack_files.py::test_torchs_own_net_holds_without_ours"),
    "walk through the pickle": Mutant(
        "core/weights_file.py", '        check_pickle(archive.read(f"{root}/data.pkl"), storages)', "        pass",
        "tests/gate/test_attack_files.py::test_our_own_net_holds_without_torchs"),
    "sum of a checkpoint": Mutant(
        "core/stored_run.py", "    if hashlib.sha256(data).hexdigest() != checkpoint.sha256:", "    if False:",
        "tests/core/test_records.py::test_a_damaged_missing_or_outside_checkpoint_is_refused"),
    "file inside the run": Mutant(
        "core/stored_run.py", "    if checkpoint.file != os.path.basename(checkpoint.file):", "    if False:",
        "tests/core/test_records.py::test_a_damaged_missing_or_outside_checkpoint_is_refused"),
    "sum before unpickling": Mutant(
        "core/cifar.py", "    if not _is_intact(kind, root):", "    if False:",
        "tests/gate/test_data_archives.py::test_our_sums_hold_without_torchvisions"),
    "sum of a download": Mutant(
        "core/imagenet.py", "        if digest != published.sha256:", "        if False:",
        "tests/core/test_imagenet.py::test_a_download_that_arrives_damaged_is_thrown_away"),
    "tar filter": Mutant(
        "core/cifar.py", 'draft, filter="data")', 'draft, filter="fully_trusted")',
        "tests/core/test_datasets.py::test_an_archive_that_reaches_outside_is_refused"),
    "MAX_PIXELS": Mutant(
        "core/pictures.py", "    if width * height > MAX_PIXELS:", "    if False:",
        "tests/gate/test_odd_pictures.py::test_more_pixels_than_ours_are_refused_though_pillow_would_take_them"),
    "Pillow's formats": Mutant(
        "core/pictures.py", "Image.open(file, formats=FORMATS)", "Image.open(file)",
        "tests/core/test_pictures.py::test_what_is_no_picture_is_refused_with_the_reason"),
    "regular files only": Mutant(
        "core/pictures.py", "    if not stat.S_ISREG(status.st_mode):", "    if False:",
        "tests/core/test_pictures.py::test_only_regular_files_are_opened_and_nothing_blocks"),
    "allow_pickle": Mutant(
        "core/pictures.py", "    _check_array(shape, dtype, name)", "    pass",
        "tests/core/test_pictures.py::test_an_array_that_cannot_be_a_picture_is_refused"),
    "no Qt in core": Mutant(
        "core/overlay.py", "import numpy as np", "import numpy as np\nimport PySide6.QtCore",
        "tests/test_boundaries.py::test_core_knows_no_qt"),
    "no torch in the window": Mutant(
        "gui/subject.py", "from dataclasses import dataclass", "import torch\nfrom dataclasses import dataclass",
        "tests/test_boundaries.py::test_the_window_imports_no_torch"),
    "one opener": Mutant(
        "core/export_weights.py", "import torch", "import torch\nload_any = lambda path: torch.load(path)",
        "tests/test_boundaries.py::test_foreign_bytes_are_opened_in_one_place"),
    "finite check": Mutant(
        "core/training.py", 'if self.device.type == "cpu" and not math.isfinite(row[0].item()):', "if False:",
        "tests/gate/test_non_finite.py::test_a_number_that_is_none_stops_its_lane_at_its_step_and_harms_nothing_else"
        "[picture-nan-all]"),
    "all or nothing": Mutant(
        "core/journal.py", '        connection.execute("BEGIN IMMEDIATE")', "        pass",
        "tests/core/test_reopening.py::test_an_error_at_any_statement_leaves_the_run_as_it_was_or_reopened"),
}  # fmt: skip


class Copy:
    """The program in a folder of its own, to be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("core", "gui", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("main.py", "pyproject.toml"):
            shutil.copy(ROOT / name, folder / name)
        (folder / "assets").symlink_to(ROOT / "assets")

    def run(self, *tests: str) -> subprocess.CompletedProcess[str]:
        words = ["-m", "not soak", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-header"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
        return subprocess.run(
            [sys.executable, "-B", "-m", "pytest", *words, *tests], cwd=self.folder, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip


class Results:
    """What the named tests say of the program as it is and of each mutant, two programs at a time."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(2)
        tests = sorted({mutant.test for mutant in MUTANTS.values()})
        self.unchanged = self._pool.submit(lambda: Copy(folder / "unchanged").run(*tests))
        self.changed = {name: self._pool.submit(self._run, name) for name in names}

    def _run(self, name: str) -> subprocess.CompletedProcess[str]:
        mutant = MUTANTS[name]
        copy = Copy(self._folder / re.sub(r"\W+", "-", name))
        path = copy.folder / mutant.file
        source = path.read_text("utf-8")
        assert mutant.line in source, f"{mutant.file} no longer says {mutant.line!r}"
        path.write_text(source.replace(mutant.line, mutant.instead, 1), "utf-8")
        done = copy.run(mutant.test)
        shutil.rmtree(copy.folder)
        return done

    def close(self) -> None:
        """Start nothing more."""
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Results]:
    wanted = {item.callspec.params["mutant"] for item in request.session.items if _is_mutant(item)}
    made = Results(tmp_path_factory.mktemp("program"), sorted(wanted))
    yield made
    made.close()


def _is_mutant(item: pytest.Item) -> TypeGuard[pytest.Function]:
    return isinstance(item, pytest.Function) and "mutant" in getattr(item, "fixturenames", ())


def test_the_named_tests_pass_while_nothing_is_taken_out(results: Results) -> None:
    done = results.unchanged.result()
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutant", MUTANTS)
def test_without_a_guard_rail_a_named_test_fails(mutant: str, results: Results) -> None:
    done = results.changed[mutant].result()
    assert done.returncode == 1, (
        f"without this guard rail every test passes:\n{done.stdout[-2000:]}{done.stderr[-500:]}"
    )
    assert "failed" in done.stdout
